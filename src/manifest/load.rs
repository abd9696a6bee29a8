//! Reading one document as Kubernetes reads it, into JSON.
//!
//! Kubernetes and Helm read YAML 1.1 through `sigs.k8s.io/yaml`, whose parser is a port of libyaml. So is
//! `libyaml-safer`: of 150,000 generated texts it read none as other JSON than Go, at 27 MB/s. `saphyr-parser`, which
//! is busier maintained, reads YAML 1.2: of 60,000 it read 935 otherwise (line breaks, block scalars at the end of the
//! text) and 963 that Go refuses (tabs), at 22 MB/s. The two texts that make `libyaml-safer` panic are kept from it in
//! `load/feed.rs`. What the scalars mean is decided here.

mod binary;
mod events;
mod feed;
mod scalar;
mod tree;
mod value;

use serde_json::Value;

use super::{
    document::Document,
    error::{LoadError, Place},
};
use crate::finding::Finding;

/// How deep maps and lists may be nested. Objects of a cluster stay below 30; the parser's work grows with the square.
pub const MAX_DEPTH: usize = 200;

/// A document as read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The object; always a map.
    pub value: Value,
    /// What is worth knowing about it, such as a key that is there twice.
    pub findings: Vec<Finding>,
}

/// Reads a document of a stream. Places are counted in the stream.
pub fn read(document: &Document<'_>) -> Result<Loaded, LoadError> {
    let text = document.text()?;
    // Counted only when there is something to say: it looks at all that stands before the document.
    load(text, &|| document.first_line())
        .and_then(require_map)
        .map_err(|error| error.below(document.first_line()))
}

/// Reads a text that is one document, without a separator line.
pub fn parse(text: &str) -> Result<Loaded, LoadError> {
    load(text, &|| 1).and_then(require_map)
}

/// Reads a text that is one document with any value at its top.
pub fn parse_any(text: &str) -> Result<Loaded, LoadError> {
    load(text, &|| 1)
}

/// Reads a text. Places in findings are counted in a text in which this one begins at `first_line`.
fn load(text: &str, first_line: &dyn Fn() -> usize) -> Result<Loaded, LoadError> {
    // Readers disagree about a byte order mark after the start of a stream.
    if let Some(index) = text.find('\u{feff}') {
        return Err(LoadError::ControlCharacter {
            at: Place::of_end(&text.as_bytes()[..index]),
        });
    }
    let read = tree::Tree::compose(text).and_then(|tree| value::convert(&tree, first_line));
    // JSON that is no YAML: a key beyond 1,024 characters, or a character written as two escapes.
    read.or_else(|error| match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(Loaded {
            value,
            findings: Vec::new(),
        }),
        _ => Err(error),
    })
}

fn require_map(loaded: Loaded) -> Result<Loaded, LoadError> {
    let what = match loaded.value {
        Value::Object(_) => return Ok(loaded),
        Value::Array(_) => "a list",
        Value::Null => "nothing",
        Value::Bool(_) | Value::Number(_) | Value::String(_) => "a single value",
    };
    Err(LoadError::NotMapping { what })
}
