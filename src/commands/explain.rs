//! `explain`: of each injected value, where it came from.

use super::{
    exit::{Exit, Failure},
    io,
    post_render::known,
    print,
};
use crate::{
    cli::{Explain, Output},
    engine::{
        self,
        setup::{Fresh, Snapshot},
    },
    finding::Severity,
    post_render::{self, Planned, Strictness},
};

pub(super) fn run(args: Explain) -> Result<Exit, Failure> {
    let Explain { files, facts, output } = args;
    let facts = known(&facts);
    let snapshot = Snapshot::default();
    let mut planned: Vec<Planned> = Vec::new();
    for file in files {
        let stream = io::read(&file)?;
        // An object with errors is explained too, so that its errors are seen beside the others' values.
        let explained = post_render::run(&stream, Strictness::Nothing, &|object| {
            engine::explain(object, &facts, &snapshot, &Fresh)
        })
        .map_err(|refused| Failure::Refused(format!("{}: {refused}", file.display())))?;
        planned.extend(explained.planned);
    }
    io::print_text(&match output {
        Output::Text => print::text(&planned),
        Output::Json => print::json(&planned),
    })?;
    let has_errors = planned
        .iter()
        .flat_map(|one| &one.report.findings)
        .any(|finding| finding.severity == Severity::Error);
    Ok(if has_errors { Exit::Refused } else { Exit::Done })
}
