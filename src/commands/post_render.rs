//! `post-render`: a manifest stream from stdin to stdout.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use super::{
    exit::{Exit, Failure},
    io, policies, print,
};
use crate::{
    cli::{FactsArgs, PostRender},
    engine::{
        self,
        facts::{Facts, Known},
        setup::Fresh,
    },
    post_render::{self, Planned, Refused, Rendered, Strictness},
    text::printable,
};

/// What Helm 4 takes for a result that is not empty, and for no document.
const NOTHING: &str = "# nothing was rendered\n";

pub(super) fn run(args: PostRender) -> Result<Exit, Failure> {
    let PostRender {
        facts,
        report,
        strict,
    } = args;
    let snapshot = policies::snapshot(&facts)?;
    let stream = io::read_stdin()?;
    if io::under_helm_plugin() && stream.trim_ascii().is_empty() {
        io::print_text(NOTHING)?;
        return Ok(Exit::Done);
    }
    let strictness = if strict {
        Strictness::Warnings
    } else {
        Strictness::Errors
    };
    let facts = known(&facts);
    let rendered = post_render::run(&stream, strictness, &|object| {
        engine::plan(object, &facts, &snapshot, &Fresh)
    });
    // Where Helm shows nobody what is said here, the report is what remains, above all of a refusal.
    if let Some(path) = report {
        let text = match &rendered {
            Ok(rendered) => print::json(&rendered.planned),
            Err(refused) => print::refused(refused),
        };
        io::write(&path, text.as_bytes())?;
    }
    hand_out(rendered)
}

/// Writes a stream that went through to stdout, and what there is to say of it to stderr.
pub(super) fn hand_out(rendered: Result<Rendered<'_>, Refused>) -> Result<Exit, Failure> {
    let rendered = rendered.map_err(|refused| Failure::Refused(refused.to_string()))?;
    io::complain(&print::warnings(&rendered.planned));
    io::print(rendered.parts.iter().map(AsRef::as_ref))?;
    Ok(Exit::Done)
}

/// The facts of a manifest, with what the command line says.
pub(super) fn known(args: &FactsArgs) -> Facts<'_> {
    let FactsArgs {
        namespace,
        release,
        agent_version,
        namespace_labels: _,
        policies: _,
    } = args;
    Facts {
        namespace: namespace.as_deref().map_or(Known::Unknown, Known::Known),
        release: release.as_deref().map_or(Known::Unknown, Known::Known),
        agent_version: agent_version.as_deref().map_or(Known::Unknown, Known::Known),
        ..Facts::RENDER
    }
}

/// The refusal of a file's stream.
pub(super) fn in_file(file: &dyn Display, refused: &Refused) -> Failure {
    Failure::Refused(format!("{file}: {refused}"))
}

/// Says of each object in which file it is, where there are several files.
pub(super) fn name_file<'p>(
    files: &[PathBuf],
    file: &Path,
    planned: impl IntoIterator<Item = &'p mut Planned>,
) {
    if files.len() > 1 {
        for one in planned {
            one.origin.file = Some(printable(&file.display().to_string()));
        }
    }
}
