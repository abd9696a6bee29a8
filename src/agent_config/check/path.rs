//! Where something stands in a document.

use std::fmt;

/// A path of keys, written out only where something is wrong.
pub(super) struct Path<'a> {
    parent: Option<&'a Self>,
    name: &'a str,
    element: Option<usize>,
}

impl<'a> Path<'a> {
    /// A key of the document.
    pub(super) fn root(name: &'a str) -> Self {
        Self {
            parent: None,
            name,
            element: None,
        }
    }

    /// A key of the table at this path.
    pub(super) fn below<'b>(&'b self, name: &'b str) -> Path<'b> {
        Path {
            parent: Some(self),
            name,
            element: None,
        }
    }

    /// An element of the list at this path.
    pub(super) fn element(&self, index: usize) -> Path<'_> {
        Path {
            parent: Some(self),
            name: "",
            element: Some(index),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match (self.element, self.parent) {
            (Some(index), _) => write!(f, "[{index}]"),
            (None, Some(_)) => write!(f, ".{}", self.name),
            (None, None) => f.write_str(self.name),
        }
    }
}
