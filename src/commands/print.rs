//! Reports as people read them, and as programs do.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{
    finding::{Finding, Severity},
    names::Component,
    post_render::{Planned, Refused, sentences},
};

/// One line for each warning.
pub(super) fn warnings(planned: &[Planned]) -> String {
    sentences(planned, &[Severity::Warning])
        .into_iter()
        .map(|line| line + "\n")
        .collect()
}

/// The reports for people.
pub(super) fn text(planned: &[Planned]) -> String {
    let mut text = String::new();
    for Planned { origin, report } in planned {
        if !text.is_empty() {
            text.push('\n');
        }
        let component = report
            .component
            .map(|component| format!(" ({component})"))
            .unwrap_or_default();
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{}{component}: {}", report.object(), report.outcome.code());
        let _ = writeln!(text, "  from {origin}");
        let width = report
            .rows
            .iter()
            .map(|row| row.what.chars().count())
            .max()
            .unwrap_or_default();
        for row in &report.rows {
            let _ = writeln!(
                text,
                "  {:9} {:width$}  {}",
                row.fate.as_str(),
                row.what,
                row.value
            );
            let _ = writeln!(text, "  {:9} {:width$}  <- {}", "", "", row.source);
        }
        for finding in &report.findings {
            let _ = writeln!(text, "  {finding}");
        }
    }
    text
}

/// The reports for programs: an array with one object for each Kubernetes object.
pub(super) fn json(planned: &[Planned]) -> String {
    let objects: Vec<Value> = planned
        .iter()
        .map(|planned| {
            let report = &planned.report;
            let mut entry = which(planned);
            entry["outcome"] = report.outcome.code().into();
            entry["values"] = report
                .rows
                .iter()
                .map(|row| {
                    json!({
                        "what": row.what,
                        "value": row.value,
                        "source": row.source.to_string(),
                        "fate": row.fate.as_str(),
                    })
                })
                .collect();
            entry["findings"] = report.findings.iter().map(finding).collect();
            entry
        })
        .collect();
    pretty(&Value::Array(objects))
}

/// Which object it is, for programs.
pub(super) fn which(Planned { origin, report }: &Planned) -> Value {
    let mut entry = json!({
        "document": origin.number,
        "source": origin.source,
        "kind": report.kind,
        "namespace": report.namespace,
        "name": report.name,
        "component": report.component.map(Component::as_str),
    });
    if let Some(file) = &origin.file {
        entry["file"] = file.as_str().into();
    }
    entry
}

/// A refusal for programs, in the form of the reports.
pub(super) fn refused(refused: &Refused) -> String {
    let (origin, problem) = match refused {
        Refused::Errors(planned) => return json(planned),
        Refused::Unreadable { origin, problem } => (origin, problem.to_string()),
        Refused::NotAnObject { origin, .. } | Refused::Patch { origin, .. } => (origin, refused.to_string()),
    };
    let finding = finding(&Finding {
        code: "unreadable",
        severity: Severity::Error,
        path: String::new(),
        message: problem,
        mend: String::new(),
    });
    pretty(&json!([{
        "document": origin.number, "source": origin.source, "outcome": "refused", "values": [], "findings": [finding],
    }]))
}

/// A finding for programs.
pub(super) fn finding(finding: &Finding) -> Value {
    json!({
        "code": finding.code,
        "severity": finding.severity.as_str(),
        "path": finding.path,
        "message": finding.message,
        "mend": finding.mend,
    })
}

/// JSON as a text that ends its last line. `serde_json` writes DEL and the control characters above it as they are, which
/// a terminal may take for commands.
pub(super) fn pretty(value: &Value) -> String {
    let text = format!("{value:#}\n");
    let is_control = |letter: char| letter != '\n' && letter.is_control();
    if !text.contains(is_control) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_control(letter) {
            // Writing to a `String` cannot fail.
            let _ = write!(escaped, "\\u{:04x}", u32::from(letter));
        } else {
            escaped.push(letter);
        }
    }
    escaped
}
