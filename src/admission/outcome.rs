//! What became of a request: what the engine says of its object, or why the engine was not asked.

use crate::engine::report::{self, codes};

codes! {
    /// Why a request was let through without asking the engine.
    Skip {
        OtherOperation = "other-operation": "the request neither creates nor updates an object",
        Subresource = "subresource": "the request is for a part of an object, such as its status or its scale",
        NoObject = "no-object": "the request holds no object",
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The engine looked at the object.
    Planned(report::Outcome),
    /// The engine was not asked.
    Skipped(Skip),
}

impl Outcome {
    /// The stable code, from a closed set: `injected`, `unchanged`, `failed`, or that of a
    /// [`Reason`](report::Reason) or a [`Skip`].
    pub fn code(self) -> &'static str {
        match self {
            Self::Planned(outcome) => outcome.code(),
            Self::Skipped(skip) => skip.code(),
        }
    }
}
