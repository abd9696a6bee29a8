//! The binary: parse the arguments, run the command, end with its exit code.

use std::process::ExitCode;

use alumet_injector::{cli::Cli, commands};
use clap::Parser as _;
use mimalloc::MiMalloc;

/// The image is linked with musl, whose own allocator is made to be small rather than fast.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    commands::run(Cli::parse())
}
