//! Cutting a stream into documents by their separator lines, without parsing and without copying.
//!
//! A line that begins with `---` or `...`, followed by a blank or by its end, is a boundary wherever it stands: a YAML
//! reader sees a document end there even inside a quoted or a block scalar. So a cut needs no state, and the
//! documents around one mark can be found by looking outwards from it.

use memchr::{memchr_iter, memmem, memrchr_iter};

use super::document::Document;
use crate::names::COMPONENT_LABEL;

/// The byte order mark that some editors put before the first line.
pub(super) const BOM: &[u8] = b"\xEF\xBB\xBF";

/// A part of a stream. All parts together are the stream, byte for byte.
#[derive(Debug, Clone, Copy)]
pub enum Piece<'a> {
    /// Documents without the mark: to be copied, whatever they hold.
    Foreign(&'a [u8]),
    /// One document in which the mark occurs.
    Marked(Document<'a>),
}

impl<'a> Piece<'a> {
    /// The bytes of this part as they stand in the stream.
    pub fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Foreign(bytes) => bytes,
            Self::Marked(document) => document.bytes(),
        }
    }
}

/// Whether the mark occurs anywhere in these bytes.
pub fn is_marked(bytes: &[u8]) -> bool {
    memmem::find(bytes, COMPONENT_LABEL.as_bytes()).is_some()
}

/// Cuts the stream into marked documents and what lies between them. Costs one search for the mark.
pub fn pieces(stream: &[u8]) -> Pieces<'_> {
    Pieces {
        stream,
        mark: memmem::Finder::new(COMPONENT_LABEL),
        cursor: 0,
        next: None,
    }
}

/// The iterator that [`pieces`] returns.
#[derive(Debug, Clone)]
pub struct Pieces<'a> {
    stream: &'a [u8],
    mark: memmem::Finder<'static>,
    cursor: usize,
    next: Option<Document<'a>>,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if let Some(document) = self.next.take() {
            return Some(Piece::Marked(document));
        }
        let rest = self.stream.get(self.cursor..).filter(|rest| !rest.is_empty())?;
        let Some(offset) = self.mark.find(rest) else {
            self.cursor = self.stream.len();
            return Some(Piece::Foreign(rest));
        };
        let mark = self.cursor + offset;
        let start = boundary_before(self.stream, mark).max(self.cursor);
        let document = Document::new(self.stream, start, boundary_after(self.stream, mark));
        let foreign = &self.stream[self.cursor..start];
        self.cursor = document.end();
        if foreign.is_empty() {
            return Some(Piece::Marked(document));
        }
        self.next = Some(document);
        Some(Piece::Foreign(foreign))
    }
}

/// Every document of the stream, marked or not. Looks at every line; [`pieces`] is the fast way.
pub fn documents(stream: &[u8]) -> Documents<'_> {
    Documents { stream, cursor: 0 }
}

/// How many documents there are, not counting empty ones.
pub fn count(stream: &[u8]) -> usize {
    documents(stream)
        .filter(|document| !document.body().trim_ascii().is_empty())
        .count()
}

/// The iterator that [`documents`] returns.
#[derive(Debug, Clone)]
pub struct Documents<'a> {
    stream: &'a [u8],
    cursor: usize,
}

impl<'a> Iterator for Documents<'a> {
    type Item = Document<'a>;

    fn next(&mut self) -> Option<Document<'a>> {
        if self.cursor >= self.stream.len() {
            return None;
        }
        let start = self.cursor;
        self.cursor = boundary_after(self.stream, start);
        Some(Document::new(self.stream, start, self.cursor))
    }
}

/// The start of the first boundary line that begins after `at`, or the end of the stream.
fn boundary_after(stream: &[u8], at: usize) -> usize {
    memchr_iter(b'\n', &stream[at..])
        .map(|newline| at + newline + 1)
        .find(|&line| is_boundary(stream, line))
        .unwrap_or(stream.len())
}

/// The start of the last boundary line that begins at or before `at`, or the start of the stream.
pub(super) fn boundary_before(stream: &[u8], at: usize) -> usize {
    memrchr_iter(b'\n', &stream[..at])
        .map(|newline| newline + 1)
        .find(|&line| is_boundary(stream, line))
        .unwrap_or(0)
}

/// Whether the line that begins at `line` separates documents.
pub(super) fn is_boundary(stream: &[u8], line: usize) -> bool {
    let rest = &stream[line..];
    if !rest.starts_with(b"---") && !rest.starts_with(b"...") {
        return false;
    }
    match &rest[3..] {
        [] | [b' ' | b'\t' | b'\n', ..] | [b'\r'] => true,
        [b'\r', next, ..] => *next == b'\n',
        _ => false,
    }
}
