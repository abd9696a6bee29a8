//! `uninject`: a manifest stream from stdin to stdout, without anything of ours.

use super::{
    exit::{Exit, Failure},
    io,
    post_render::hand_out,
};
use crate::{
    engine,
    post_render::{self, Strictness},
};

pub(super) fn run() -> Result<Exit, Failure> {
    let stream = io::read_stdin()?;
    hand_out(post_render::run(&stream, Strictness::Errors, &engine::unplan))
}
