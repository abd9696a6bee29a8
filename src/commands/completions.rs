//! `completions`: a script that lets a shell complete what is typed.

use clap::CommandFactory as _;

use super::{
    exit::{Exit, Failure},
    io,
};
use crate::cli::{Cli, Completions};

pub(super) fn run(args: &Completions) -> Result<Exit, Failure> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    io::print([script.as_slice()])?;
    Ok(Exit::Done)
}
