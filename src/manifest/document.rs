//! One document of a stream: where it stands, where it came from, and its text where it can be read.

use memchr::{memchr_iter, memmem};

use super::{
    error::{LoadError, Place},
    stream::{self, BOM, boundary_before, is_boundary},
};

/// The largest marked document that is read. An object of a cluster is at most 1.5 MiB, so this is no limit for one;
/// it bounds what a mistaken input may cost.
pub const MAX_DOCUMENT: usize = 8 << 20;

/// The annotation in which Helm 4 says which template a document came from.
const FILENAME_ANNOTATION: &str = "postrenderer.helm.sh/postrender-filename";

/// The comment in which Helm 3 says the same.
const SOURCE_COMMENT: &str = "# Source: ";

/// A document: its separator line and all that follows, up to the next separator line.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    stream: &'a [u8],
    start: usize,
    body: usize,
    end: usize,
}

impl<'a> Document<'a> {
    pub(super) fn new(stream: &'a [u8], start: usize, end: usize) -> Self {
        let body = start + opening(&stream[start..end], start);
        Self {
            stream,
            start,
            body,
            end,
        }
    }

    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// The whole document with its separator line: the slices of all documents in a row are the stream.
    pub fn bytes(&self) -> &'a [u8] {
        &self.stream[self.start..self.end]
    }

    /// What stands before the body: byte order mark and separator line, each where there is one.
    pub fn separator(&self) -> &'a [u8] {
        &self.stream[self.start..self.body]
    }

    /// What follows the separator line.
    pub fn body(&self) -> &'a [u8] {
        &self.stream[self.body..self.end]
    }

    /// Whether the mark occurs in the document.
    pub fn is_marked(&self) -> bool {
        stream::is_marked(self.bytes())
    }

    /// Whether its lines end in CR LF, judged by the first one.
    pub fn has_crlf(&self) -> bool {
        memchr::memchr(b'\n', self.bytes()).is_some_and(|at| at > 0 && self.bytes()[at - 1] == b'\r')
    }

    /// Which document of the stream it is, from 1, not counting empty ones. Looks at all that stands before it, so it
    /// is for messages.
    pub fn number(&self) -> usize {
        stream::count(&self.stream[..self.end]).max(1)
    }

    /// The line of the stream, from 1, at which the body begins. For messages, as [`Document::number`].
    pub fn first_line(&self) -> usize {
        memchr_iter(b'\n', &self.stream[..self.body]).count() + 1
    }

    /// The template that the document came from, where Helm says so.
    pub fn source(&self) -> Option<&'a str> {
        self.source_comment().or_else(|| self.filename_annotation())
    }

    /// The blank lines and comment lines before the first line with content.
    pub fn head(&self) -> &'a [u8] {
        let body = self.body();
        let length: usize = body
            .split_inclusive(|&byte| byte == b'\n')
            .take_while(|line| is_blank_or_comment(line))
            .map(<[u8]>::len)
            .sum();
        &body[..length]
    }

    /// The body as text, unless something stands in the way of reading and rewriting it alone.
    pub fn text(&self) -> Result<&'a str, LoadError> {
        if self.end - self.start > MAX_DOCUMENT {
            return Err(LoadError::TooLarge {
                size: self.end - self.start,
                limit: MAX_DOCUMENT,
            });
        }
        if let Some(line) = self.directive() {
            return Err(LoadError::Directive {
                at: Place { line, column: 1 },
            });
        }
        if !self.separator().is_empty() && !self.separator().ends_with(b"\n") && !self.separator_is_bom() {
            return Err(LoadError::SeparatorContent {
                at: Place {
                    line: self.first_line(),
                    column: 4,
                },
            });
        }
        let text = std::str::from_utf8(self.body()).map_err(|error| {
            let valid = &self.body()[..error.valid_up_to()];
            LoadError::NotUtf8 {
                at: Place::of_end(valid).below(self.first_line()),
            }
        })?;
        match glued_separator(text) {
            Some(line) => Err(LoadError::GluedSeparator {
                at: Place { line, column: 1 }.below(self.first_line()),
            }),
            None => Ok(text),
        }
    }

    fn separator_is_bom(&self) -> bool {
        self.separator() == BOM
    }

    fn source_comment(&self) -> Option<&'a str> {
        let head = std::str::from_utf8(self.head()).ok()?;
        head.lines()
            .find_map(|line| line.strip_prefix(SOURCE_COMMENT))
            .map(str::trim)
    }

    fn filename_annotation(&self) -> Option<&'a str> {
        let body = self.body();
        let after = memmem::find(body, FILENAME_ANNOTATION.as_bytes())? + FILENAME_ANNOTATION.len();
        let line = body[after..].split(|&byte| byte == b'\n').next()?;
        let value = std::str::from_utf8(line)
            .ok()?
            .trim_start_matches(['"', '\''])
            .trim_start();
        let value = value.strip_prefix(':')?.trim();
        let value = match value.chars().next()? {
            quote @ ('"' | '\'') => value[1..].split(quote).next()?,
            _ => value.split([',', '}']).next()?.trim_end(),
        };
        Some(value).filter(|value| !value.is_empty())
    }

    /// The line of a directive (`%YAML`, `%TAG`) that governs this document. It stands before the separator line, so
    /// by our cut in the document before, or in this one where the mark is in the directive itself.
    fn directive(&self) -> Option<usize> {
        let before = self
            .start
            .checked_sub(1)
            .map(|at| boundary_before(self.stream, at));
        let before = before.map(|start| Self::new(self.stream, start, self.start));
        before.iter().chain([self]).find_map(|document| {
            let after = document.head().len();
            let is_directive = document.body()[after..].starts_with(b"%");
            is_directive.then(|| document.first_line() + memchr_iter(b'\n', document.head()).count())
        })
    }
}

/// How many bytes of a document stand before its body.
fn opening(bytes: &[u8], start: usize) -> usize {
    let bom = if start == 0 && bytes.starts_with(BOM) {
        BOM.len()
    } else {
        0
    };
    if !is_boundary(bytes, bom) {
        return bom;
    }
    let line = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |newline| newline + 1);
    if is_blank_or_comment(&bytes[bom + 3..line]) {
        line
    } else {
        bom + 3
    }
}

/// Whether a line, which ends in a line feed, holds nothing but blanks and a comment. To a YAML reader other characters
/// end a line too, and with it a comment.
fn is_blank_or_comment(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let breaks: [&[u8]; 4] = [
        b"\r",
        "\u{85}".as_bytes(),
        "\u{2028}".as_bytes(),
        "\u{2029}".as_bytes(),
    ];
    matches!(line.trim_ascii_start().first(), None | Some(b'#'))
        && !breaks
            .iter()
            .any(|line_break| memmem::find(line, line_break).is_some())
}

/// The first line that looks as if it was meant to separate documents, and does not.
fn glued_separator(text: &str) -> Option<usize> {
    let mut lines = text.split('\n').zip(1..);
    let glued = lines.find(|(line, _)| {
        line.strip_prefix("---")
            .is_some_and(|rest| !rest.starts_with('-'))
    });
    glued.map(|(_, number)| number)
}
