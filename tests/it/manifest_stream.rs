//! Cutting a stream: every byte comes back, boundaries are where Kubernetes sees them, the mark is found.

use alumet_injector::manifest::{
    document::Document,
    emit, load,
    stream::{Piece, documents, is_marked, pieces},
};
use proptest::prelude::*;

const MARK: &str = "injector.alumet.dev/component";

fn bodies(stream: &str) -> Vec<String> {
    documents(stream.as_bytes())
        .map(|document| String::from_utf8_lossy(document.body()).into_owned())
        .collect()
}

fn joined<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    parts.flatten().copied().collect()
}

/// Streams and the bodies of their documents.
const BOUNDARIES: [(&str, &[&str]); 24] = [
    ("", &[]),
    ("a: 1\n", &["a: 1\n"]),
    ("a: 1\n---\nb: 2\n", &["a: 1\n", "b: 2\n"]),
    ("---\na: 1\n---\nb: 2\n", &["a: 1\n", "b: 2\n"]),
    ("a: 1\r\n---\r\nb: 2\r\n", &["a: 1\r\n", "b: 2\r\n"]),
    ("a: 1\n--- \nb: 2", &["a: 1\n", "b: 2"]),
    ("a: 1\n---\t\nb: 2", &["a: 1\n", "b: 2"]),
    ("a: 1\n--- # comment\nb: 2", &["a: 1\n", "b: 2"]),
    ("a: 1\n---\t# comment\nb: 2", &["a: 1\n", "b: 2"]),
    ("a: 1\n---", &["a: 1\n", ""]),
    ("a: 1\n...\nb: 2\n", &["a: 1\n", "b: 2\n"]),
    ("a: 1\n...\n---\nb: 2\n", &["a: 1\n", "", "b: 2\n"]),
    ("a: |\n  x\n---\n  y\n", &["a: |\n  x\n", "  y\n"]),
    ("a: 'x\n---\ny'\n", &["a: 'x\n", "y'\n"]),
    ("a: \"x\n... \ny\"\n", &["a: \"x\n", "y\"\n"]),
    ("a: |\n  ---\n  x\n", &["a: |\n  ---\n  x\n"]),
    ("a: 1\n ---\n", &["a: 1\n ---\n"]),
    ("a: 1\n---foo\nb: 2\n", &["a: 1\n---foo\nb: 2\n"]),
    ("a: 1\n----\nb: 2\n", &["a: 1\n----\nb: 2\n"]),
    ("a: 1\n....\nb: 2\n", &["a: 1\n....\nb: 2\n"]),
    ("a: 1\n---\rb: 2\n", &["a: 1\n---\rb: 2\n"]),
    ("a: 1\n--- {b: 2}\nc: 3\n", &["a: 1\n", " {b: 2}\nc: 3\n"]),
    ("\u{feff}---\na: 1\n", &["a: 1\n"]),
    ("\u{feff}a: 1\n---\nb: 2\n", &["a: 1\n", "b: 2\n"]),
];

#[test]
fn a_separator_line_is_a_boundary_wherever_it_stands_and_nothing_else_is() {
    for (stream, expected) in BOUNDARIES {
        assert_eq!(bodies(stream), expected, "{stream:?}");
        assert_eq!(
            joined(documents(stream.as_bytes()).map(|document| document.bytes())),
            stream.as_bytes()
        );
    }
}

#[test]
fn foreign_documents_are_one_slice_and_marked_ones_stand_alone() {
    let stream = format!("a: 1\n---\nb: 2\n---\nx: {MARK}\n---\ny: {MARK}\n---\nc: 3\n---\nd: 4\n");
    let found: Vec<String> = pieces(stream.as_bytes())
        .map(|piece| match piece {
            Piece::Foreign(bytes) => format!("foreign {}", String::from_utf8_lossy(bytes)),
            Piece::Marked(document) => {
                format!(
                    "marked {} {}",
                    document.number(),
                    String::from_utf8_lossy(document.bytes())
                )
            }
        })
        .collect();
    let expected = [
        "foreign a: 1\n---\nb: 2\n".to_owned(),
        format!("marked 3 ---\nx: {MARK}\n"),
        format!("marked 4 ---\ny: {MARK}\n"),
        "foreign ---\nc: 3\n---\nd: 4\n".to_owned(),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_stream_without_the_mark_is_one_foreign_slice_whatever_it_holds() {
    let stream = b"\xff\xfe---\n\x00\n--- {a: b}\n%TAG\n---foo\n... text\n\t{[\"";
    let found: Vec<_> = pieces(stream).collect();
    assert!(matches!(found[..], [Piece::Foreign(bytes)] if bytes == stream));
}

#[test]
fn the_mark_on_the_separator_line_belongs_to_the_document_below() {
    let stream = format!("a: 1\n--- # {MARK}\nb: 2\n");
    let marked = pieces(stream.as_bytes()).last();
    assert!(matches!(marked, Some(Piece::Marked(document)) if document.body() == b"b: 2\n"));
}

#[test]
fn a_document_knows_its_number_its_line_and_where_it_came_from() {
    let stream = format!(
        "---\n# Source: alumet/templates/a.yaml\na: 1\n---\n\n---\n# first\n# Source: alumet/charts/b/c.yaml\r\nx: {MARK}\n\
         ---\nmetadata:\n  annotations:\n    postrenderer.helm.sh/postrender-filename: 'alumet/templates/d.yaml'\n---\n\
         metadata: {{annotations: {{\"postrenderer.helm.sh/postrender-filename\": e.yaml, a: b}}}}\n---\n# Source: \nf: 1\n"
    );
    let found: Vec<_> = documents(stream.as_bytes())
        .map(|document| (document.number(), document.first_line(), document.source()))
        .collect();
    let expected = [
        (1, 2, Some("alumet/templates/a.yaml")),
        (1, 5, None),
        (2, 7, Some("alumet/charts/b/c.yaml")),
        (3, 11, Some("alumet/templates/d.yaml")),
        (4, 15, Some("e.yaml")),
        (5, 17, Some("")),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_text_in_a_block_scalar_is_not_taken_for_the_source() {
    let stream = "data:\n  x: |\n    # Source: no\n";
    assert_eq!(
        documents(stream.as_bytes())
            .next()
            .and_then(|document| document.source()),
        None
    );
}

/// Parts from which interesting streams are put together.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let fixed = [
        "---",
        "...",
        "\n",
        "\r\n",
        "\r",
        " ",
        "\t",
        "# comment",
        "a: 1",
        "\"",
        "'",
        "|\n  ",
        "%YAML 1.1",
        "{",
        MARK,
        "\u{feff}",
        "--- {a: b}",
        "---foo",
        "... text",
    ];
    prop_oneof![
        4 => prop::sample::select(fixed.to_vec()).prop_map(|part| part.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(part(), 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cutting_and_joining_gives_the_same_bytes(stream in stream()) {
        prop_assert_eq!(joined(pieces(&stream).map(|piece| piece.bytes())), stream.clone());
        prop_assert_eq!(joined(documents(&stream).map(|document| document.bytes())), stream);
    }

    #[test]
    fn the_fast_cut_finds_the_marked_documents_of_the_slow_one(stream in stream()) {
        let slow: Vec<_> = documents(&stream).filter(Document::is_marked).map(|document| document.bytes()).collect();
        let fast: Vec<_> = pieces(&stream)
            .filter_map(|piece| if let Piece::Marked(document) = piece { Some(document.bytes()) } else { None })
            .collect();
        prop_assert_eq!(fast, slow);
        let foreign = joined(pieces(&stream).filter(|p| matches!(p, Piece::Foreign(_))).map(|p| p.bytes()));
        prop_assert!(!is_marked(&foreign) || is_marked(&stream));
    }

    #[test]
    fn rewriting_marked_documents_leaves_the_others_byte_for_byte(
        before in "[a-z:\n #'\"|-]{0,60}", after in "[a-z:\r\n #'\"|{.-]{0,60}", crlf: bool,
    ) {
        let line_end = if crlf { "\r\n" } else { "\n" };
        let ours = ["---", "# Source: x", &format!("labels: {{{MARK}: agent}}"), "text: |-", "  a", "  b", ""].join(line_end);
        let stream = format!("{before}\n{ours}---\n{after}");
        let written: Vec<u8> = pieces(stream.as_bytes()).flat_map(|piece| match piece {
            Piece::Foreign(bytes) => bytes.to_vec(),
            Piece::Marked(document) => {
                emit::rewrite(&document, &load::read(&document).map_err(|e| e.to_string()).unwrap().value)
            }
        }).collect();
        let expected = format!(
            "{before}\n{}---\n{after}",
            ["---", "# Source: x", "labels:", &format!("  {MARK}: agent"), "text: |-", "  a", "  b", ""].join(line_end),
        );
        prop_assert_eq!(String::from_utf8(written).unwrap(), expected);
    }
}
