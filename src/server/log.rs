//! The line that is logged for each object: who, what became of it, how long it took. Nothing of its body.

use std::{collections::BTreeSet, time::Duration};

use crate::{admission::Decision, finding::Finding, names::Component};

/// How much of a text from outside a line holds, in bytes. A `uid` has 36, and longer ones are nobody's.
const MAX_TEXT: usize = 253;

/// Logs one decision.
pub(super) fn decision(decision: &Decision, took: Duration) {
    tracing::info!(
        target: "alumet_injector::admission",
        uid = short(&decision.uid),
        operation = decision.operation.as_str(),
        kind = short(&decision.kind),
        namespace = decision.namespace.as_deref().map(short),
        name = short(&decision.name),
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

/// The first bytes of a text, at a boundary of characters.
fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(short("a"), "a");
        assert_eq!(short(&"é".repeat(200)).len(), 252);
    }
}
