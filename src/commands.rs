//! The commands: each reads what it needs, calls the layers below, prints, and says how the process ends.

mod catalog;
mod certs;
mod check;
#[cfg(feature = "server")]
mod cluster;
mod completions;
mod config;
mod crds;
mod diff;
mod exit;
mod explain;
#[cfg(feature = "server")]
mod export;
mod helm_values;
mod io;
mod kubectl_complete;
#[cfg(feature = "server")]
mod mend;
mod policies;
mod post_render;
mod print;
#[cfg(feature = "server")]
mod serve;
#[cfg(feature = "server")]
mod status;
mod uninject;

use std::{ffi::OsString, process::ExitCode, time::SystemTime};

use exit::{Exit, Failure};

use crate::cli::{Cli, Command};

/// Runs the command and returns the code to end with. What went wrong is on stderr by then.
///
/// `parser` is what read the arguments, for a help that says what the user typed.
pub fn run(cli: Cli, parser: &mut clap::Command) -> ExitCode {
    let done = match cli.command {
        Some(Command::PostRender(args)) => post_render::run(args),
        Some(Command::Uninject) => uninject::run(),
        Some(Command::Explain(args)) => explain::run(args),
        Some(Command::Diff(args)) => diff::run(args),
        Some(Command::Config(args)) => config::run(args),
        Some(Command::Check(args)) => check::run(*args),
        Some(Command::Catalog(args)) => catalog::run(args),
        #[cfg(feature = "server")]
        Some(Command::Serve(args)) => serve::run(*args),
        #[cfg(feature = "server")]
        Some(Command::Status(args)) => status::run(&args),
        Some(Command::Certs(args)) => certs::run(args),
        #[cfg(feature = "server")]
        Some(Command::Export(args)) => export::run(args),
        Some(Command::Crds) => crds::run(),
        Some(Command::Completions(args)) => completions::run(&args),
        None => without_command(parser),
    };
    ended(done)
}

/// Prints what may follow the words that somebody typed after `kubectl alumet-injector`.
pub fn complete(parser: &mut clap::Command, words: &[OsString]) -> ExitCode {
    ended(kubectl_complete::run(parser, words))
}

fn ended(done: Result<Exit, Failure>) -> ExitCode {
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => {
            io::complain(&failure.message());
            failure.exit().into()
        }
    }
}

/// No command at all: the help for a person, and a hint for a pipe, which has forgotten the command.
fn without_command(parser: &mut clap::Command) -> Result<Exit, Failure> {
    if io::stdin_is_terminal() || io::read_stdin()?.trim_ascii().is_empty() {
        let help = parser.render_help().to_string();
        io::complain(&help);
        return Ok(Exit::Usage);
    }
    Err(Failure::Usage(
        "a stream came in, but no command; call `alumet-injector post-render`, with Helm 3: \
         --post-renderer alumet-injector --post-renderer-args post-render"
            .to_owned(),
    ))
}

/// The wall clock.
#[expect(
    clippy::disallowed_methods,
    reason = "a command is where the clock is read; below it is passed on"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
