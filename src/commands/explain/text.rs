//! Reports as people read them: the outcome and why, each value with what it won over, and what is wrong and the mend.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::{
    engine::report::{Fate, Report, Row},
    finding::{Finding, Severity},
    names::Component,
};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// What is said of an object before its values.
pub(super) struct Head<'a> {
    /// Code of what became of it.
    pub(super) code: &'a str,
    /// What that means.
    pub(super) sentence: &'a str,
    /// Where it stands.
    pub(super) place: &'a str,
    /// What to do about it, if anything.
    pub(super) mend: Option<&'a str>,
}

/// The report on one object, with ANSI styles.
pub(super) fn text(report: &Report, head: &Head<'_>) -> String {
    let mut text = String::new();
    let component = report
        .component
        .map(|component: Component| format!(" ({component})"))
        .unwrap_or_default();
    let Head {
        code,
        sentence,
        place,
        mend,
    } = head;
    // Writing to a `String` cannot fail.
    let _ = writeln!(text, "{BOLD}{}{component}: {code}{BOLD:#}", report.object());
    let _ = writeln!(text, "  {sentence}");
    let _ = writeln!(text, "  {DIM}from {place}{DIM:#}");
    if let Some(mend) = mend {
        let _ = writeln!(text, "  {mend}");
    }
    let width = report
        .rows
        .iter()
        .map(|row| row.what.chars().count())
        .max()
        .unwrap_or_default();
    for row in &report.rows {
        value(&mut text, row, width);
    }
    for finding in &report.findings {
        told(&mut text, finding);
    }
    text
}

/// What it is, where it came from, and who else had something to say.
fn value(text: &mut String, row: &Row, width: usize) {
    let style = match row.fate {
        Fate::Set => AnsiColor::Green.on_default(),
        Fate::Removed => AnsiColor::Red.on_default(),
        Fate::UserWins => AnsiColor::Yellow.on_default(),
        Fate::Kept => Style::new(),
    };
    let fate = row.fate.as_str();
    let _ = writeln!(
        text,
        "  {style}{fate:9}{style:#} {:width$}  {}",
        row.what, row.value
    );
    let _ = writeln!(text, "  {:9} {:width$}  {DIM}<- {}{DIM:#}", "", "", row.source);
    for lost in row.lost.iter() {
        let _ = writeln!(
            text,
            "  {:9} {:width$}  {DIM}over {}: {}{DIM:#}",
            "", "", lost.source, lost.value
        );
    }
}

/// What is wrong, then the place and the mend below it.
fn told(text: &mut String, finding: &Finding) {
    let style = match finding.severity {
        Severity::Error => AnsiColor::Red.on_default().bold(),
        Severity::Warning => AnsiColor::Yellow.on_default().bold(),
    };
    let Finding {
        code,
        severity,
        path,
        message,
        mend,
    } = finding;
    let severity = severity.as_str();
    let _ = writeln!(text, "  {style}{severity}[{code}]{style:#}: {message}");
    if !path.is_empty() {
        let _ = writeln!(text, "    --> {path}");
    }
    if !mend.is_empty() {
        let _ = writeln!(text, "    = {mend}");
    }
}
