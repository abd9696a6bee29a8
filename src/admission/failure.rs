//! The one place that decides whether a request goes through in spite of an error.

use super::outcome::Outcome;
use crate::engine::report;

/// What the API server is told to do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Whether the request goes through.
    pub(super) allowed: bool,
    /// What the user is told before the findings.
    pub(super) lead: Option<&'static str>,
}

/// The verdict on a request.
///
/// | what happened | the request |
/// |---|---|
/// | the object was injected into, or left alone for a reason | goes through |
/// | errors in the values or on the object | goes through without a patch, and the user is warned |
/// | the body is no review that is understood | no answer ([`BadReview`](super::BadReview)): HTTP 400 |
///
/// In the last case, and where no answer arrives in time, the webhook's `failurePolicy` decides. To let an object
/// through that has errors is safe: its `ConfigMap` has no key `config`, so that its pods wait instead of measuring
/// with a configuration that nobody asked for.
pub(super) fn verdict(outcome: Outcome) -> Verdict {
    let lead = match outcome {
        Outcome::Planned(report::Outcome::Failed) => {
            Some("nothing was injected into the object, because of the errors that follow")
        }
        Outcome::Planned(
            report::Outcome::Injected | report::Outcome::LeftAlone(_) | report::Outcome::Unchanged,
        )
        | Outcome::Skipped(_) => None,
    };
    Verdict { allowed: true, lead }
}
