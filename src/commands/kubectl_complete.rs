//! What kubectl may put behind `kubectl alumet-injector`: it runs `kubectl_complete-alumet_injector` with the words that
//! were typed, and reads one candidate a line, and at the end what the shell is to do besides.

use std::ffi::OsString;

use clap::{Arg, Command};

use super::io;

/// Names of files are candidates, too (cobra, `ShellCompDirectiveDefault`).
const OR_FILES: &str = ":0\n";
/// Nothing else is (`ShellCompDirectiveNoFileComp`).
const NOTHING_ELSE: &str = ":4\n";

/// Prints the candidates for the last word.
pub(super) fn run(parser: &mut Command, words: &[OsString]) -> Result<super::Exit, super::Failure> {
    parser.build();
    let words: Vec<&str> = words
        .iter()
        .map(|word| word.to_str().unwrap_or_default())
        .collect();
    io::print_text(&candidates(parser, &words))?;
    Ok(super::Exit::Done)
}

fn candidates(parser: &Command, words: &[&str]) -> String {
    let Some((last, before)) = words.split_last() else {
        return OR_FILES.to_owned();
    };
    let (mut command, mut valued) = (parser, None);
    for word in before {
        if valued.take().is_some() {
            continue;
        }
        if word.starts_with('-') {
            valued = option(command, word).filter(|option| option.get_action().takes_values());
        } else if let Some(below) = command.find_subcommand(word) {
            command = below;
        }
    }
    let offered: Vec<(String, String)> = match valued {
        Some(option) => values(option),
        None if last.starts_with('-') => options(command),
        None if command.has_subcommands() => commands(command),
        None => command.get_positionals().next().map(values).unwrap_or_default(),
    };
    let lines: Vec<String> = offered
        .into_iter()
        .filter(|(candidate, _)| candidate.starts_with(last))
        .map(|(candidate, about)| format!("{candidate}\t{about}\n"))
        .collect();
    let end = if lines.is_empty() { OR_FILES } else { NOTHING_ELSE };
    lines.concat() + end
}

fn option<'c>(command: &'c Command, word: &str) -> Option<&'c Arg> {
    command.get_opts().find(|option| {
        let long = option.get_long().map(|long| format!("--{long}"));
        let short = option.get_short().map(|short| format!("-{short}"));
        [long, short].iter().flatten().any(|spelling| spelling == word)
    })
}

fn options(command: &Command) -> Vec<(String, String)> {
    let about = |option: &Arg| option.get_help().map(ToString::to_string).unwrap_or_default();
    let options = command.get_arguments().filter(|option| !option.is_hide_set());
    options
        .filter_map(|option| Some((format!("--{}", option.get_long()?), about(option))))
        .collect()
}

fn commands(command: &Command) -> Vec<(String, String)> {
    let about = |command: &Command| command.get_about().map(ToString::to_string).unwrap_or_default();
    command
        .get_subcommands()
        .map(|command| (command.get_name().to_owned(), about(command)))
        .collect()
}

fn values(argument: &Arg) -> Vec<(String, String)> {
    let about = |help: Option<&clap::builder::StyledStr>| help.map(ToString::to_string).unwrap_or_default();
    let possible = argument.get_possible_values().into_iter();
    possible
        .map(|value| (value.get_name().to_owned(), about(value.get_help())))
        .collect()
}
