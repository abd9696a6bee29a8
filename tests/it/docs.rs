//! The documents say what the program does: examples are run, links lead somewhere, lists are whole.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use alumet_injector::{
    admission::Skip,
    agent_config::codes::CODES,
    cli::Cli,
    engine::{
        report::{Note, Reason},
        survey::Standing,
    },
    export_map::Loss,
    policy_document::Code,
};
use clap::CommandFactory as _;

use crate::{
    examples::{OFFLINE, ON_A_CLUSTER, SERVING, Shell, commands, documents},
    files::{golden, root},
    markdown::{anchors, fences, links},
};

/// Two tests rewrite documents when they are blessed, and read what the other one wrote.
static WRITING: Mutex<()> = Mutex::new(());

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn commands_document() -> String {
    read(&root("docs/commands.md"))
}

/// What stands between two texts, each of which must be there.
#[track_caller]
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text
        .split_once(begin)
        .unwrap_or_else(|| panic!("there is no {begin:?}"));
    let (inner, _) = rest
        .split_once(end)
        .unwrap_or_else(|| panic!("there is no {end:?}"));
    inner
}

/// What needs no cluster.
fn shell() -> Shell {
    let program = Path::new(env!("CARGO_BIN_EXE_alumet-injector"));
    Shell {
        runs: &[OFFLINE, SERVING],
        programs: &["alumet-injector", "cat"],
        folders: vec![program.parent().unwrap().to_owned()],
        variables: Vec::new(),
    }
}

#[test]
fn every_example_prints_what_the_document_shows() {
    let _alone = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut total = 0;
    for document in documents() {
        let (now, count) = shell().with_examples_run(&read(&document));
        if count > 0 {
            golden(&document, &now);
        }
        total += count;
    }
    println!("{total} examples were run");
    assert!(total >= 12, "only {total} examples were found");
}

#[test]
fn every_link_leads_to_a_file_and_every_anchor_to_a_heading() {
    let (mut count, mut broken) = (0, Vec::new());
    for document in documents() {
        let text = read(&document);
        for link in links(&text) {
            if link.contains("://") {
                continue;
            }
            count += 1;
            let (path, anchor) = link.split_once('#').map_or((link, None), |(p, a)| (p, Some(a)));
            let target = if path.is_empty() {
                document.clone()
            } else {
                document.parent().unwrap().join(path)
            };
            let is_there = target.exists()
                && anchor.is_none_or(|anchor| anchors(&read(&target)).iter().any(|known| known == anchor));
            if !is_there {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    println!("{count} links were followed");
    assert!(count >= 30, "only {count} links were found");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_document_of_docs_is_in_its_index() {
    let index = read(&root("docs/README.md"));
    let listed: BTreeSet<&str> = links(&index).collect();
    for document in documents() {
        let name = document.file_name().unwrap().to_str().unwrap();
        if document.parent().unwrap() == root("docs") && name != "README.md" {
            assert!(listed.contains(name), "docs/README.md does not list {name}");
        }
    }
}

#[test]
fn every_command_and_option_is_shown() {
    let text = commands_document();
    let mut options = 0;
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        let heading = format!("\n## `{name}`\n");
        let (_, section) = text
            .split_once(&heading)
            .unwrap_or_else(|| panic!("docs/commands.md has no heading for {name}"));
        let section = section.split("\n## ").next().unwrap();
        assert!(
            section
                .lines()
                .any(|line| line.starts_with("$ ") && line.contains(&format!("alumet-injector {name}"))),
            "docs/commands.md shows no example of {name}"
        );
        let arguments = command
            .get_arguments()
            .chain(command.get_subcommands().flat_map(clap::Command::get_arguments));
        for long in arguments.filter_map(clap::Arg::get_long) {
            options += 1;
            assert!(
                section.contains(&format!("`--{long}")),
                "docs/commands.md does not say what --{long} of {name} does"
            );
        }
    }
    assert!(options >= 10, "only {options} options were found");
}

/// Commands that do another thing with an option or an argument: the command, the option that it then has, and what stands
/// in the line of an example.
const FORMS: [(&str, &str, &str); 3] = [
    ("check", "cluster", "--cluster"),
    ("diff", "live", "--live"),
    ("explain", "context", "/"),
];

/// Whether it is shown with what it prints: by a block that a test runs.
fn is_shown(command: &str, typed: &[String]) -> bool {
    let words: Vec<&str> = command.split(' ').collect();
    typed.iter().any(|line| {
        let line: Vec<&str> = line.split_whitespace().collect();
        line.windows(words.len()).any(|window| window == words)
    })
}

/// Every command that does something, with the commands above it: `alumet-injector certs issue`.
pub(crate) fn leaves(command: &clap::Command) -> Vec<String> {
    let name = command.get_name();
    if !command.has_subcommands() {
        return vec![name.to_owned()];
    }
    let below = command.get_subcommands().flat_map(leaves);
    below.map(|leaf| format!("{name} {leaf}")).collect()
}

#[test]
fn every_command_is_shown_with_what_it_prints() {
    let mut typed = Vec::new();
    for document in documents() {
        let text = read(&document);
        let shown = fences(&text)
            .into_iter()
            .filter(|fence| [OFFLINE, SERVING, ON_A_CLUSTER].contains(&fence.info));
        typed.extend(shown.flat_map(|fence| commands(fence.body).map(str::to_owned).collect::<Vec<_>>()));
    }
    let commands = leaves(&Cli::command());
    assert!(commands.len() >= 11, "{commands:?}");
    let missing: Vec<&String> = commands
        .iter()
        .filter(|command| !is_shown(command, &typed))
        .collect();
    for (name, option, word) in FORMS {
        let has = |command: &clap::Command| {
            command
                .get_arguments()
                .any(|argument| argument.get_long() == Some(option))
        };
        let is_there = Cli::command()
            .get_subcommands()
            .any(|command| command.get_name() == name && has(command));
        let start = format!("alumet-injector {name} ");
        let shows = |line: &String| {
            let rest = line.split_once(&start).map(|(_, rest)| rest);
            rest.is_some_and(|rest| rest.contains(word))
        };
        assert!(
            !is_there || typed.iter().any(shows),
            "no document shows what {name} with {word} prints"
        );
    }
    assert!(
        missing.is_empty(),
        "no document shows what these print, in a block `console`, `console serve` or `console cluster`: {missing:#?}"
    );
}

/// `--help` says them in one sentence: `Exit codes: 0 done; 1 ...`.
#[test]
fn the_exit_codes_of_the_help_are_documented() {
    let help = Cli::command().get_long_about().unwrap().to_string();
    let (_, codes) = help
        .split_once("Exit codes: ")
        .expect("the help lists the exit codes");
    let text = commands_document();
    let (mut count, table) = (0, between(&text, "## Exit codes\n", "\n## "));
    for code in codes.split("; ") {
        let number = code.split(' ').next().unwrap();
        assert!(
            table.contains(&format!("\n| {number} | ")),
            "docs/commands.md lacks exit code {code}"
        );
        count += 1;
    }
    assert_eq!(count, 4, "{codes}");
}

/// One table for each closed set.
fn code_tables() -> [(&'static str, String); 7] {
    let table = |rows: &mut dyn Iterator<Item = (&str, String)>| {
        let rows: String = rows
            .map(|(code, sentence)| format!("| `{code}` | {sentence} |\n"))
            .collect();
        format!("| code | meaning |\n|---|---|\n{rows}")
    };
    let findings = CODES
        .iter()
        .map(|(code, sentence)| (*code, sentence.trim_end_matches('.').to_owned()));
    let plain = |sentence: &str| {
        let mut letters = sentence.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        first.chain(letters).collect::<String>()
    };
    [
        (
            "reasons",
            table(&mut Reason::ALL.iter().map(|it| (it.code(), plain(it.sentence())))),
        ),
        (
            "skips",
            table(&mut Skip::ALL.iter().map(|it| (it.code(), plain(it.sentence())))),
        ),
        (
            "notes",
            table(&mut Note::ALL.iter().map(|it| (it.code(), plain(it.sentence())))),
        ),
        (
            "standings",
            table(&mut Standing::ALL.iter().map(|it| (it.code(), plain(it.sentence())))),
        ),
        ("findings", table(&mut { findings })),
        (
            "policies",
            table(&mut Code::ALL.iter().map(|it| (it.code(), plain(it.sentence())))),
        ),
        (
            "exported",
            table(&mut Loss::ALL.iter().map(|it| (it.code(), plain(it.sentence())))),
        ),
    ]
}

#[test]
fn the_tables_of_codes_are_generated() {
    let _alone = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let text = commands_document();
    let mut now = text.clone();
    for (name, table) in code_tables() {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->\n"));
        let old = between(&text, &begin, &end);
        now = now.replacen(&format!("{begin}{old}{end}"), &format!("{begin}{table}{end}"), 1);
    }
    golden(&root("docs/commands.md"), &now);
}

/// Some findings are made beside the sets, where one module has one code.
#[test]
fn every_code_in_the_sources_is_documented() {
    let text = commands_document();
    let mut sources = Vec::new();
    rust_files(&root("src"), &mut sources);
    let mut count = 0;
    for source in sources {
        for line in read(&source).lines() {
            let Some(rest) = line.trim().strip_prefix("code: \"") else {
                continue;
            };
            let code = rest.split('"').next().unwrap();
            assert!(
                text.contains(&format!("| `{code}` |")),
                "docs/commands.md lacks {code} of {}",
                source.display()
            );
            count += 1;
        }
    }
    assert!(count > 0, "no code was found in the sources");
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_limits_in_the_documents_are_those_of_the_code() {
    use alumet_injector::{
        agent_config::values::MAX_LENGTH,
        manifest::{document::MAX_DOCUMENT, load::MAX_DEPTH},
    };
    let text = read(&root("SECURITY.md"));
    for limit in [
        format!("{} MiB", MAX_DOCUMENT >> 20),
        format!("{} KiB", MAX_LENGTH >> 10),
        format!("{MAX_DEPTH} deep"),
    ] {
        assert!(text.contains(&limit), "SECURITY.md does not say {limit}");
    }
}

#[test]
fn the_changelog_has_a_place_for_what_is_not_released() {
    assert!(read(&root("CHANGELOG.md")).contains("\n## Unreleased\n"));
}

/// A path of the writer's own machine leads a reader nowhere.
#[test]
fn no_document_names_a_machine() {
    for document in documents() {
        let text = read(&document);
        for word in ["/home/", "/Users/", "/root/"] {
            assert!(!text.contains(word), "{}: {word}", document.display());
        }
    }
}
