//! What the audit log of the API server keeps about a request.

use serde::Serialize;

use super::outcome::Outcome;
use crate::{engine::report::Report, finding::Finding, names::Component, text::one_line};

/// How many characters a value has at most.
const MAX_CHARS: usize = 256;

/// The annotations of a response. The API server puts the webhook's name and a slash before each key.
#[derive(Debug, Serialize)]
pub(super) struct Audit {
    /// Code of the outcome.
    outcome: &'static str,
    /// Component of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<&'static str>,
    /// Hash of the configuration, as the object's record says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<String>,
    /// Names of the policies that took part, with commas between them.
    #[serde(skip_serializing_if = "String::is_empty")]
    policies: String,
    /// Codes of the findings, each once, with commas between them.
    #[serde(skip_serializing_if = "String::is_empty")]
    findings: String,
}

impl Audit {
    /// What there is to keep.
    pub(super) fn new(outcome: Outcome, report: Option<&Report>, findings: &[Finding]) -> Self {
        // A record is an annotation, which anybody may write: neither the hash nor the names are sure to be short.
        let bounded = |text: &str| one_line(text, MAX_CHARS);
        let mut codes: Vec<&str> = findings.iter().map(|finding| finding.code).collect();
        codes.sort_unstable();
        codes.dedup();
        Self {
            outcome: outcome.code(),
            component: report.and_then(|report| report.component).map(Component::as_str),
            config: report.and_then(|report| report.config.as_deref()).map(bounded),
            policies: report.map_or_else(String::new, |report| bounded(&report.policies.join(","))),
            findings: bounded(&codes.join(",")),
        }
    }
}
