//! The binary: parse the arguments, run the command, end with its exit code.

use std::process::ExitCode;

use alumet_injector::{cli::Cli, commands};
use clap::Parser as _;

fn main() -> ExitCode {
    commands::run(Cli::parse())
}
