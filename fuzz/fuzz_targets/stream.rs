//! Cutting any bytes: every byte comes back, both cuts agree, and no marked document makes the reader panic.

#![no_main]

use alumet_injector::manifest::{
    document::Document,
    emit, load,
    stream::{Piece, documents, pieces},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    let joined: Vec<u8> = pieces(stream).flat_map(|piece| piece.bytes().to_vec()).collect();
    assert_eq!(joined, stream);
    let joined: Vec<u8> = documents(stream).flat_map(|document| document.bytes().to_vec()).collect();
    assert_eq!(joined, stream);

    let slow: Vec<&[u8]> = documents(stream).filter(Document::is_marked).map(|document| document.bytes()).collect();
    let marked: Vec<Document<'_>> = pieces(stream)
        .filter_map(|piece| if let Piece::Marked(document) = piece { Some(document) } else { None })
        .collect();
    let fast: Vec<&[u8]> = marked.iter().map(Document::bytes).collect();
    assert_eq!(fast, slow);

    for document in marked {
        let _ = (document.number(), document.first_line(), document.source());
        if let Ok(loaded) = load::read(&document) {
            let written = emit::rewrite(&document, &loaded.value);
            assert_eq!(documents(&written).count(), 1);
            let again = documents(&written).next().map(|document| load::read(&document).map(|loaded| loaded.value));
            assert_eq!(again, Some(Ok(loaded.value)));
        }
    }
});
