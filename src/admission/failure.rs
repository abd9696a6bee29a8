//! The one place that decides whether a request goes through in spite of an error.

use super::outcome::{Judged, Outcome};
use crate::{
    engine::report::{self, Report},
    finding::{Finding, Severity, any_error},
    text::one_line,
};

/// How many characters of the errors a user is told at most of a request that is refused.
const MAX_REASON: usize = 1024;

/// What the API server is told to do with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Why the request does not go through; `None` where it does.
    pub(super) refused: Option<String>,
    /// What the user is told before the findings.
    pub(super) lead: Option<&'static str>,
}

/// The verdict on a request.
///
/// | what happened | the request |
/// |---|---|
/// | the object was injected into, or left alone for a reason | goes through |
/// | errors in the values or on the object | goes through without a patch, and the user is warned |
/// | the same, and of the cluster's or the namespace's policies the strongest that says `onError` says `Deny` | is refused, and the user is told the errors |
/// | a policy has errors ([`verdict_on_policy`]) | is refused, and the user is told the errors |
/// | the body is no review that is understood | no answer ([`BadReview`](super::BadReview)): HTTP 400 |
///
/// In the last case, and where no answer arrives in time, the webhook's `failurePolicy` decides. To let an object
/// through that has errors is safe: its `ConfigMap` has no key `config`, so that its pods wait instead of measuring
/// with a configuration that nobody asked for.
pub(super) fn verdict(outcome: Outcome, report: Option<&Report>) -> Verdict {
    let lead = match outcome {
        Outcome::Planned(report::Outcome::Failed) => {
            Some("nothing was injected into the object, because of the errors that follow")
        }
        Outcome::Planned(
            report::Outcome::Injected | report::Outcome::LeftAlone(_) | report::Outcome::Unchanged,
        )
        | Outcome::Skipped(_)
        | Outcome::Judged(_) => None,
    };
    let refused = report
        .filter(|_| lead.is_some())
        .and_then(|report| Some(refusal(report.denied_by.as_ref()?, &report.findings)));
    Verdict { refused, lead }
}

/// The verdict on a policy that somebody writes: one with errors would not be in force.
pub(super) fn verdict_on_policy(findings: &[Finding]) -> Judged {
    if any_error(findings) {
        Judged::Refused
    } else {
        Judged::Accepted
    }
}

/// What the user is told of an object that a policy has refused.
fn refusal(policy: &str, findings: &[Finding]) -> String {
    let errors: Vec<String> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    let text = format!(
        "policy `{policy}` has objects with errors refused: {}",
        errors.join("; ")
    );
    one_line(&text, MAX_REASON)
}
