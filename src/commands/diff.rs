//! `diff`: what completing a manifest stream would change.

use std::fmt::{Display, Write as _};

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use super::{
    exit::{Exit, Failure},
    io, policies,
    post_render::known,
    print,
};
use crate::{
    cli::{Diff, FactsArgs, Output},
    engine::{
        self,
        setup::{Fresh, Snapshot},
    },
    finding::Severity,
    post_render::{Change, Planned, changes, sentences},
};

pub(super) fn run(args: Diff) -> Result<Exit, Failure> {
    let Diff { files, facts, output } = args;
    let snapshot = policies::snapshot(&facts)?;
    let (mut changes, mut planned) = (Vec::new(), Vec::new());
    for file in files {
        let (of_file, all) = changed(&file.display(), &io::read(&file)?, &facts, &snapshot)?;
        changes.extend(of_file);
        planned.extend(all);
    }
    match output {
        Output::Text => io::print_styled(&changes.iter().map(unified).collect::<String>())?,
        Output::Json => io::print_text(&print::pretty(&changes.iter().map(patch).collect()))?,
    }
    for line in sentences(&planned, &[Severity::Error, Severity::Warning]) {
        io::complain(&format!("{line}\n"));
    }
    let has_errors = planned.iter().any(|one| one.report.has_errors());
    Ok(if has_errors { Exit::Refused } else { Exit::Done })
}

fn changed(
    place: &dyn Display,
    stream: &[u8],
    facts: &FactsArgs,
    snapshot: &Snapshot,
) -> Result<(Vec<Change>, Vec<Planned>), Failure> {
    let facts = known(facts);
    changes(stream, &|object| engine::plan(object, &facts, snapshot, &Fresh))
        .map_err(|refused| Failure::Refused(format!("{place}: {refused}")))
}

/// A unified diff with three lines around each change, as `diff -u` writes it.
fn unified(change: &Change) -> String {
    let Change {
        planned: Planned { origin, report },
        before,
        after,
        ..
    } = change;
    let (bold, object) = (Style::new().bold(), report.object());
    let mut text =
        format!("{bold}--- {object}, {origin}{bold:#}\n{bold}+++ {object}, {origin}, completed{bold:#}\n");
    let lines = TextDiff::from_lines(before, after);
    for hunk in lines.unified_diff().context_radius(3).iter_hunks() {
        // Writing to a `String` cannot fail.
        let cyan = AnsiColor::Cyan.on_default();
        let _ = writeln!(text, "{cyan}{}{cyan:#}", hunk.header());
        for line in hunk.iter_changes() {
            let (sign, style) = match line.tag() {
                ChangeTag::Delete => ('-', AnsiColor::Red.on_default()),
                ChangeTag::Insert => ('+', AnsiColor::Green.on_default()),
                ChangeTag::Equal => (' ', Style::new()),
            };
            let _ = writeln!(
                text,
                "{style}{sign}{}{style:#}",
                line.value().trim_end_matches('\n')
            );
        }
    }
    text
}

fn patch(change: &Change) -> Value {
    let mut entry = print::which(&change.planned);
    entry["patch"] = json!(change.patch);
    entry
}
