//! `diff`: what completing a manifest stream would change; and with `--live`, what would become of a release.

#[cfg(feature = "server")]
mod live;

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::json;
use similar::{ChangeTag, TextDiff};

use super::{
    exit::{Exit, Failure},
    io, policies,
    post_render::{in_file, known, name_file},
    print,
};
use crate::{
    cli::{Diff, Output},
    engine::{self, object::ObjectView, setup::Fresh},
    finding::Severity,
    post_render::{Change, Planned, Preview, preview, sentences},
};

pub(super) fn run(args: Diff) -> Result<Exit, Failure> {
    let Diff {
        what: mut files,
        files: further,
        facts,
        output,
        #[cfg(feature = "server")]
        live,
        #[cfg(feature = "server")]
        cluster,
    } = args;
    files.extend(further);
    #[cfg(feature = "server")]
    if let Some(release) = live {
        return live::run(&release, &files, &facts, &cluster, output);
    }
    if files.is_empty() {
        files.push("-".into());
    }
    let snapshot = policies::snapshot(&facts)?;
    let facts = known(&facts);
    let mut previews: Vec<Preview> = Vec::new();
    for file in &files {
        let plan = |object: &ObjectView<'_>| engine::plan(object, &facts, &snapshot, &Fresh);
        let mut of_file =
            preview(&io::read(file)?, &plan).map_err(|refused| in_file(&file.display(), &refused))?;
        name_file(
            &files,
            file,
            of_file.iter_mut().map(|preview| &mut preview.planned),
        );
        previews.append(&mut of_file);
    }
    let changes = previews
        .iter()
        .filter_map(|preview| Some((&preview.planned, preview.change.as_ref()?)));
    match output {
        Output::Text => {
            let text: String = changes
                .map(|(Planned { origin, report }, change)| {
                    unified(&format!("{}, {origin}", report.object()), "completed", change)
                })
                .collect();
            io::print_styled(&text)?;
        }
        Output::Json => {
            let entries = changes.map(|(planned, change)| {
                let mut entry = print::which(planned);
                entry["patch"] = json!(change.patch);
                entry
            });
            io::print_text(&print::pretty(&entries.collect()))?;
        }
    }
    let planned = || previews.iter().map(|preview| &preview.planned);
    for line in sentences(planned(), &[Severity::Error, Severity::Warning]) {
        io::complain(&format!("{line}\n"));
    }
    let has_errors = planned().any(|one| one.report.has_errors());
    Ok(if has_errors { Exit::Refused } else { Exit::Done })
}

/// A unified diff with three lines around each change, as `diff -u` writes it, of an object of this title and what is
/// done to it.
fn unified(title: &str, done: &str, Change { before, after, .. }: &Change) -> String {
    let bold = Style::new().bold();
    let mut text = format!("{bold}--- {title}{bold:#}\n{bold}+++ {title}, {done}{bold:#}\n");
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
