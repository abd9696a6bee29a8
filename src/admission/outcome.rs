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

codes! {
    /// What became of a policy that somebody writes.
    Judged {
        Accepted = "policy-accepted": "the policy can be read",
        Refused = "policy-refused": "the policy has errors, and the request is refused",
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The engine looked at the object.
    Planned(report::Outcome),
    /// The engine was not asked.
    Skipped(Skip),
    /// The object is a policy.
    Judged(Judged),
}

impl Outcome {
    /// The stable code, from a closed set: `injected`, `unchanged`, `failed`, or that of a
    /// [`Reason`](report::Reason), a [`Skip`] or a [`Judged`].
    pub fn code(self) -> &'static str {
        match self {
            Self::Planned(outcome) => outcome.code(),
            Self::Skipped(skip) => skip.code(),
            Self::Judged(judged) => judged.code(),
        }
    }
}
