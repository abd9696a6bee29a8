//! The binary: parse the arguments, run the command, end with its exit code.

use std::{env, process::ExitCode};

use alumet_injector::{cli::Cli, commands};
use clap::FromArgMatches as _;
use mimalloc::MiMalloc;

/// The image is linked with musl, whose own allocator is made to be small rather than fast.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let mut words = env::args_os();
    let program = words.next();
    let mut parser = Cli::called(program.as_deref());
    if Cli::completes(program.as_deref()) {
        return commands::complete(&mut parser, &words.collect::<Vec<_>>());
    }
    match Cli::from_arg_matches(&parser.get_matches_mut()) {
        Ok(cli) => commands::run(cli, &mut parser),
        Err(error) => error.exit(),
    }
}
