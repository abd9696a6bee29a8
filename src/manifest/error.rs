//! Why a marked document cannot be read.

use std::fmt;

/// A place in a text, as an editor counts: both from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl Place {
    /// The place right after these bytes.
    pub(super) fn of_end(bytes: &[u8]) -> Self {
        let line_start = memchr::memrchr(b'\n', bytes).map_or(0, |newline| newline + 1);
        let column = String::from_utf8_lossy(&bytes[line_start..]).chars().count() + 1;
        Self {
            line: memchr::memchr_iter(b'\n', bytes).count() + 1,
            column,
        }
    }

    /// The same place, counted in a text in which ours begins at `first_line`.
    pub(super) fn below(self, first_line: usize) -> Self {
        Self {
            line: self.line + first_line - 1,
            ..self
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a document cannot be read: what is wrong, and the mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Some byte is not UTF-8.
    #[error("{at}: the text is not UTF-8; save the file as UTF-8")]
    NotUtf8 {
        /// The first such byte.
        at: Place,
    },
    /// A control character that YAML does not allow, or a byte order mark that is not the first character.
    #[error("{at}: a control character stands in the text; write it as an escape in double quotes")]
    ControlCharacter {
        /// The character.
        at: Place,
    },
    /// More bytes than are read.
    #[error("the document has {size} bytes, and at most {limit} are read; split it")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// More nesting than is read.
    #[error("{at}: maps and lists are nested more than {limit} deep; no Kubernetes object is")]
    TooDeep {
        /// The first map or list that is too deep.
        at: Place,
        /// The limit.
        limit: usize,
    },
    /// `%YAML` or `%TAG`.
    #[error("{at}: a directive (%YAML, %TAG) governs the document; remove it, Helm does not read it either")]
    Directive {
        /// The directive.
        at: Place,
    },
    /// `--- {a: b}`.
    #[error("{at}: content stands on the separator line; begin it on the next line")]
    SeparatorContent {
        /// The content.
        at: Place,
    },
    /// `---apiVersion: v1`.
    #[error("{at}: text is glued to `---`, which then separates nothing; put a line break after `---`")]
    GluedSeparator {
        /// The line.
        at: Place,
    },
    /// The text ends where more must come.
    #[error("{at}: the document ends in the middle; it seems to be cut off, render it again")]
    CutOff {
        /// The end.
        at: Place,
    },
    /// A tab where blanks indent.
    #[error("{at}: a tab stands in the indentation; indent with blanks")]
    Tab {
        /// The tab.
        at: Place,
    },
    /// A quote without its partner.
    #[error("{at}: a quote is opened here and never closed; close it")]
    UnclosedQuote {
        /// The opening quote.
        at: Place,
    },
    /// `*name` without `&name` before it.
    #[error(
        "{at}: the anchor `{name}` is not defined above; define it with `&{name}`, or write the value out"
    )]
    UndefinedAnchor {
        /// The alias.
        at: Place,
        /// The name.
        name: String,
    },
    /// An alias inside the value that it stands for.
    #[error("{at}: the anchor `{name}` contains itself; write the value out")]
    AnchorCycle {
        /// The alias.
        at: Place,
        /// The name.
        name: String,
    },
    /// Aliases that multiply.
    #[error("{at}: aliases (`*name`) blow the document up to more than {limit} bytes; write the values out")]
    AliasBomb {
        /// The alias at which the limit is passed.
        at: Place,
        /// The limit.
        limit: usize,
    },
    /// A key that no JSON object can have.
    #[error("{at}: {what} cannot be the key of a map; use a string")]
    Key {
        /// The key.
        at: Place,
        /// What it is.
        what: &'static str,
    },
    /// `<<` with something that is no map.
    #[error("{at}: only a map, or a list of maps, can be merged with `<<`; give it one")]
    Merge {
        /// The value of `<<`.
        at: Place,
    },
    /// `.inf`, `.nan`.
    #[error("{at}: JSON has no number for `{text}`; quote it if a string is meant")]
    NotFinite {
        /// The scalar.
        at: Place,
        /// Its text.
        text: String,
    },
    /// A text that is not what its tag says.
    #[error("{at}: the value cannot be read as `{tag}`; correct it, or remove the tag")]
    Tag {
        /// The scalar.
        at: Place,
        /// The tag in its short form.
        tag: String,
    },
    /// Anything else that is no YAML.
    #[error("{at}: {problem}; correct the YAML there")]
    Syntax {
        /// Where the parser stopped.
        at: Place,
        /// The parser's words.
        problem: &'static str,
    },
    /// A list or a scalar at the top, or nothing.
    #[error("the document holds {what} at its top, and a Kubernetes object is a map; correct it")]
    NotMapping {
        /// What it holds.
        what: &'static str,
    },
    /// A YAML reader sees a document end where no separator line stands.
    #[error(
        "{at}: a second document begins here without a separator line of its own; put `---` on a line of its own"
    )]
    SeveralDocuments {
        /// Where the second one begins.
        at: Place,
    },
}

impl LoadError {
    /// The same error with its place counted in a text in which ours begins at `first_line`.
    pub(super) fn below(mut self, first_line: usize) -> Self {
        if let Some(at) = self.place_mut() {
            *at = at.below(first_line);
        }
        self
    }

    fn place_mut(&mut self) -> Option<&mut Place> {
        match self {
            Self::TooLarge { .. } | Self::NotMapping { .. } => None,
            Self::NotUtf8 { at }
            | Self::ControlCharacter { at }
            | Self::TooDeep { at, .. }
            | Self::Directive { at }
            | Self::SeparatorContent { at }
            | Self::GluedSeparator { at }
            | Self::CutOff { at }
            | Self::Tab { at }
            | Self::UnclosedQuote { at }
            | Self::UndefinedAnchor { at, .. }
            | Self::AnchorCycle { at, .. }
            | Self::AliasBomb { at, .. }
            | Self::Key { at, .. }
            | Self::Merge { at }
            | Self::NotFinite { at, .. }
            | Self::Tag { at, .. }
            | Self::Syntax { at, .. }
            | Self::SeveralDocuments { at } => Some(at),
        }
    }
}
