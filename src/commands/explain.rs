//! `explain`: of each injected value, where it came from and what lost; of an object that is not injected, why.

mod asked;
#[cfg(feature = "server")]
mod live;
mod text;

use std::{fmt::Display, path::PathBuf};

use self::{
    asked::{Asked, asked},
    text::{Head, text},
};
use super::{
    exit::{Exit, Failure},
    io, policies,
    post_render::{in_file, known, name_file},
    print,
};
use crate::{
    cli::{Explain, FactsArgs, Output},
    engine::{
        self,
        setup::{Fresh, Snapshot},
    },
    post_render::{self, Planned, Strictness},
};

pub(super) fn run(mut args: Explain) -> Result<Exit, Failure> {
    let (words, files) = (std::mem::take(&mut args.what), std::mem::take(&mut args.files));
    match asked(words, files, &|path| path.exists())? {
        Asked::Files(files) => of_files(&files, &args),
        #[cfg(feature = "server")]
        Asked::Objects(objects) => live::run(&objects, &args),
        #[cfg(not(feature = "server"))]
        Asked::Objects(_) => Err(Failure::Usage(
            "this program was built without what reads a cluster; name a file".to_owned(),
        )),
    }
}

fn of_files(files: &[PathBuf], args: &Explain) -> Result<Exit, Failure> {
    let snapshot = policies::snapshot(&args.facts)?;
    let mut planned: Vec<Planned> = Vec::new();
    for file in files {
        let mut of_file = explained(&file.display(), &io::read(file)?, &args.facts, &snapshot)?;
        name_file(files, file, &mut of_file);
        planned.append(&mut of_file);
    }
    match args.output {
        Output::Text => {
            let texts: Vec<String> = planned.iter().map(of_manifest).collect();
            io::print_styled(&texts.join("\n"))?;
        }
        Output::Json => io::print_text(&print::json(&planned))?,
    }
    let has_errors = planned.iter().any(|one| one.report.has_errors());
    Ok(if has_errors { Exit::Refused } else { Exit::Done })
}

fn of_manifest(Planned { origin, report }: &Planned) -> String {
    let head = Head {
        code: report.outcome.code(),
        sentence: report.outcome.sentence(),
        place: &origin.to_string(),
        mend: None,
    };
    text(report, &head)
}

/// Every object of a stream, explained. One with errors is too, so that they are seen beside the others' values.
fn explained(
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
