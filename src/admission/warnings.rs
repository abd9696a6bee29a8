//! What the user is told: each warning is one line of an HTTP header of the API server's answer, which kubectl prints.

use crate::{finding::Finding, text::one_line};

/// How many warnings a response has at most. With [`MAX_CHARS`] that is half of the 4,096 characters above which the API
/// server cuts what all webhooks have to say.
const MAX_WARNINGS: usize = 8;

/// How many characters a warning has at most.
const MAX_CHARS: usize = 256;

/// Who speaks: several webhooks may warn about one request.
const SPEAKER: &str = "alumet-injector";

/// The findings as warnings, errors first. What does not fit is counted in the last one, with the command that shows all.
pub(super) fn warnings(lead: Option<&str>, findings: &[Finding], command: &str) -> Vec<String> {
    let mut findings: Vec<&Finding> = findings.iter().collect();
    findings.sort_by_key(|finding| finding.severity);
    let room = MAX_WARNINGS - usize::from(lead.is_some());
    let shown = if findings.len() > room {
        room - 1
    } else {
        findings.len()
    };
    let (shown, rest) = findings.split_at(shown);
    let rest = (!rest.is_empty()).then(|| {
        format!(
            "{SPEAKER}: {} more; `alumet-injector {command}` on the manifest shows all of them",
            rest.len()
        )
    });
    lead.map(|lead| format!("{SPEAKER}: {lead}"))
        .into_iter()
        .chain(shown.iter().map(|finding| format!("{SPEAKER}: {finding}")))
        .chain(rest)
        .map(|warning| one_line(&warning, MAX_CHARS))
        .collect()
}
