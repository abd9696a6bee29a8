//! What `status` prints.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::{Object, Told};
use crate::{
    commands::{mend::mend, print},
    engine::{report::Outcome, survey::Standing},
    names::Component,
    telemetry::with_causes,
    text::printable,
};

/// What a cell says where there is nothing to say.
const NOTHING: &str = "-";

/// For people.
pub(super) fn text(told: &Told) -> String {
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    for line in webhooks(told) {
        let _ = writeln!(text, "webhook   {line}");
    }
    let rejected = match told.problems.len() {
        0 => String::new(),
        number => format!(", {number} with something wrong"),
    };
    let _ = writeln!(text, "policies  {} in force{rejected}", told.in_force);
    for problem in &told.problems {
        let _ = writeln!(text, "          {problem}");
    }
    text += "\n";
    text += &table(told);
    for object in told.wrong() {
        text += "\n";
        text += &one(object);
    }
    for unread in &told.unread {
        let warning = AnsiColor::Yellow.on_default();
        let _ = writeln!(text, "\n{warning}warning{warning:#}: {}", with_causes(unread));
    }
    text
}

fn webhooks(told: &Told) -> Vec<String> {
    let registered = told.webhooks.iter().map(|webhook| {
        let trusts = match webhook.entry.ca_bundle() {
            Some(_) => "with a caBundle",
            None => "without a caBundle",
        };
        printable(&format!(
            "{} of {} {}: registered, {trusts}, failurePolicy {}",
            webhook.entry.name,
            webhook.kind.as_str(),
            webhook.configuration,
            webhook.entry.failure_policy(),
        ))
    });
    let registered: Vec<String> = registered.collect();
    if registered.is_empty() {
        return vec![
            "not registered: objects come in as they are, unless a post-renderer completed them".to_owned(),
        ];
    }
    registered
}

/// A line for each component of each release, and a column for each standing that there is.
fn table(told: &Told) -> String {
    let counts = told.counts();
    if counts.is_empty() {
        return "no marked objects\n".to_owned();
    }
    let standings: Vec<Standing> = Standing::ALL
        .iter()
        .copied()
        .filter(|standing| counts.values().any(|counts| counts.contains_key(standing)))
        .collect();
    let mut rows = vec![head(&standings)];
    rows.extend(counts.iter().map(|((namespace, release, component), counts)| {
        let component = component.map_or(NOTHING, Component::as_str);
        let mut row: Vec<String> = [*namespace, release.unwrap_or(NOTHING), component]
            .map(printable)
            .into();
        let count = |standing: &Standing| counts.get(standing).copied().unwrap_or_default();
        row.extend(standings.iter().map(|standing| match count(standing) {
            0 => NOTHING.to_owned(),
            number => number.to_string(),
        }));
        row
    }));
    aligned(&rows)
}

fn head(standings: &[Standing]) -> Vec<String> {
    let of_standings = standings.iter().map(|standing| standing.code());
    ["namespace", "release", "component"]
        .into_iter()
        .chain(of_standings)
        .map(str::to_uppercase)
        .collect()
}

/// Columns as wide as their widest cell, the last one as it is.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// An object that is not right: what is wrong, why, and what to type.
fn one(object: &Object) -> String {
    let (report, standing) = (&object.surveyed.plan.report, object.standing());
    let style = match standing {
        Standing::Failed => AnsiColor::Red.on_default(),
        _ => AnsiColor::Yellow.on_default(),
    };
    let bold = Style::new().bold();
    let component = object
        .component()
        .map(|it| format!(" ({it})"))
        .unwrap_or_default();
    let mut text = format!(
        "{bold}{}{bold:#}{component}: {style}{}{style:#}: {}\n",
        report.object(),
        standing.code(),
        standing.sentence()
    );
    // Writing to a `String` cannot fail.
    for finding in &report.findings {
        let _ = writeln!(text, "  {}", printable(&finding.to_string()));
    }
    if let Some(mend) = mend(standing, report) {
        let _ = writeln!(text, "  {mend}");
    }
    text
}

/// For programs.
pub(super) fn json(told: &Told) -> String {
    let webhooks: Vec<Value> = told
        .webhooks
        .iter()
        .map(|webhook| {
            json!({
                "configuration": webhook.configuration,
                "failurePolicy": webhook.entry.failure_policy(),
                "caBundle": webhook.entry.ca_bundle().is_some(),
            })
        })
        .collect();
    let problems: Vec<Value> = told
        .problems
        .iter()
        .map(|problem| {
            let mut entry = print::finding(&problem.finding);
            entry["policy"] = problem.place.as_str().into();
            entry
        })
        .collect();
    let unread: Vec<String> = told.unread.iter().map(|unread| with_causes(unread)).collect();
    print::pretty(&json!({
        "webhooks": webhooks,
        "policies": {"inForce": told.in_force, "problems": problems},
        "objects": told.objects.iter().map(entry).collect::<Vec<_>>(),
        "unread": unread,
    }))
}

fn entry(object: &Object) -> Value {
    let report = &object.surveyed.plan.report;
    let reason = match report.outcome {
        Outcome::LeftAlone(reason) => Some(reason.code()),
        Outcome::Injected | Outcome::Unchanged | Outcome::Failed => None,
    };
    json!({
        "kind": report.kind,
        "namespace": report.namespace,
        "name": report.name,
        "release": object.release,
        "component": report.component.map(Component::as_str),
        "standing": object.standing().code(),
        "reason": reason,
        "policies": report.policies,
        "findings": report.findings.iter().map(print::finding).collect::<Vec<_>>(),
        "mend": mend(object.standing(), report),
    })
}
