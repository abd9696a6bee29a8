//! Reports as people read them, and as programs do.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{
    engine::report::{Report, Row},
    finding::{Finding, Severity},
    names::Component,
    post_render::{Planned, Refused, sentences},
    source::Lost,
};

/// One line for each warning.
pub(super) fn warnings(planned: &[Planned]) -> String {
    sentences(planned, &[Severity::Warning])
        .into_iter()
        .map(|line| line + "\n")
        .collect()
}

/// The reports for programs: an array with one object for each Kubernetes object.
pub(super) fn json(planned: &[Planned]) -> String {
    let objects: Vec<Value> = planned
        .iter()
        .map(|planned| {
            let mut entry = which(planned);
            put_in(&mut entry, report(&planned.report));
            entry
        })
        .collect();
    pretty(&Value::Array(objects))
}

/// The report on one object, wherever it stands.
pub(super) fn report(report: &Report) -> Value {
    let value = |row: &Row| {
        json!({
            "what": row.what,
            "value": row.value,
            "source": row.source.to_string(),
            "fate": row.fate.as_str(),
            "lost": lost(&row.lost),
        })
    };
    let mut entry = object(report);
    entry["outcome"] = report.outcome.code().into();
    entry["values"] = report.rows.iter().map(value).collect();
    entry["findings"] = report.findings.iter().map(finding).collect();
    entry
}

/// Which object a report is on.
pub(super) fn object(report: &Report) -> Value {
    json!({
        "kind": report.kind,
        "namespace": report.namespace,
        "name": report.name,
        "component": report.component.map(Component::as_str),
    })
}

fn put_in(entry: &mut Value, further: Value) {
    if let (Value::Object(entry), Value::Object(further)) = (entry, further) {
        entry.extend(further);
    }
}

/// What a value won over, for programs.
fn lost(lost: &[Lost]) -> Value {
    let entry = |one: &Lost| json!({"source": one.source.to_string(), "value": one.value});
    lost.iter().map(entry).collect()
}

/// Which object it is, and where it stands, for programs.
pub(super) fn which(Planned { origin, report }: &Planned) -> Value {
    let mut entry = json!({"document": origin.number, "source": origin.source});
    put_in(&mut entry, object(report));
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
