//! The line that is logged for each object: who, what became of it, how long it took. Nothing of its body.

use std::{collections::BTreeSet, time::Duration};

use crate::{admission::Decision, finding::Finding, names::Component};

/// Logs one decision, whose texts are bounded.
pub(super) fn decision(decision: &Decision, took: Duration) {
    tracing::info!(
        target: "alumet_injector::admission",
        uid = decision.uid,
        operation = decision.operation.as_str(),
        kind = decision.kind,
        namespace = decision.namespace.as_deref(),
        name = decision.name,
        component = decision.component().map(Component::as_str),
        outcome = decision.outcome.code(),
        allowed = decision.allowed,
        findings = findings(decision.findings()),
        operations = decision.operations,
        microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        dry_run = decision.dry_run,
        "reviewed"
    );
}

/// The codes of findings, each once, apart by commas; `None` without any.
fn findings(findings: &[Finding]) -> Option<String> {
    let codes: BTreeSet<&str> = findings.iter().map(|finding| finding.code).collect();
    (!codes.is_empty()).then(|| Vec::from_iter(codes).join(","))
}
