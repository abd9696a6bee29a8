//! `uninject`: a manifest stream from stdin to stdout, without anything of ours.

use super::{
    exit::{Exit, Failure},
    io, print,
};
use crate::{
    engine,
    post_render::{self, Strictness},
};

pub(super) fn run() -> Result<Exit, Failure> {
    let stream = io::read_stdin()?;
    let rendered = post_render::run(&stream, Strictness::Errors, &engine::unplan)
        .map_err(|refused| Failure::Refused(refused.to_string()))?;
    io::complain(&print::warnings(&rendered.planned));
    io::print(rendered.parts.iter().map(AsRef::as_ref))?;
    Ok(Exit::Done)
}
