//! `explain`: of each injected value, where it came from.

use std::fmt::Display;

use super::{
    exit::{Exit, Failure},
    io, policies,
    post_render::{in_file, known, name_file},
    print,
};
use crate::{
    cli::{Explain, FactsArgs, Manifests, Output},
    engine::{
        self,
        setup::{Fresh, Snapshot},
    },
    post_render::{self, Planned, Strictness},
};

pub(super) fn run(args: Explain) -> Result<Exit, Failure> {
    let Explain {
        manifests: Manifests { files, facts },
        output,
    } = args;
    let snapshot = policies::snapshot(&facts)?;
    let mut planned: Vec<Planned> = Vec::new();
    for file in &files {
        let mut of_file = explained(&file.display(), &io::read(file)?, &facts, &snapshot)?;
        name_file(&files, file, &mut of_file);
        planned.append(&mut of_file);
    }
    io::print_text(&match output {
        Output::Text => print::text(&planned),
        Output::Json => print::json(&planned),
    })?;
    let has_errors = planned.iter().any(|one| one.report.has_errors());
    Ok(if has_errors { Exit::Refused } else { Exit::Done })
}

/// Every object of a stream, explained. One with errors is too, so that they are seen beside the others' values.
pub(super) fn explained(
    file: &dyn Display,
    stream: &[u8],
    facts: &FactsArgs,
    snapshot: &Snapshot,
) -> Result<Vec<Planned>, Failure> {
    let facts = known(facts);
    post_render::run(stream, Strictness::Nothing, &|object| {
        engine::explain(object, &facts, snapshot, &Fresh)
    })
    .map(|rendered| rendered.planned)
    .map_err(|refused| in_file(file, &refused))
}
