//! The documents say what the program does: examples are run, links lead somewhere, lists are whole.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use alumet_injector::{
    admission::Skip,
    agent_config::codes::CODES,
    cli::Cli,
    engine::report::{Note, Reason},
    policy_document::Code,
};
use clap::CommandFactory as _;

use crate::{
    files::{golden, root},
    markdown::{Fence, anchors, fences, links},
};

/// Two tests rewrite documents when they are blessed, and read what the other one wrote.
static WRITING: Mutex<()> = Mutex::new(());

/// Every document that a reader is sent to.
fn documents() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
    ]
    .map(root)
    .into();
    for folder in ["docs", "chart", "deploy", "certs"] {
        collect(&root(folder), &mut found);
    }
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

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

/// What a shell prints for a line of a document, both streams as a terminal mixes them.
fn typed(line: &str, folder: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_alumet-injector"));
    let mut path = vec![program.parent().unwrap().to_owned()];
    path.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    let output = Command::new("sh")
        .args(["-c", &format!("{{ {line}\n}} 2>&1")])
        .current_dir(folder)
        .env("PATH", std::env::join_paths(path).unwrap())
        .env_remove("HELM_PLUGIN_NAME")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The document as it would be if its examples were typed now, and how many there are.
///
/// They run in a folder of their own, which has the files that the document shows (`yaml file=NAME`) and the project's
/// `chart` and `tests`.
fn with_examples_run(text: &str) -> (String, usize) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["chart", "tests"] {
        std::os::unix::fs::symlink(root(name), folder.path().join(name)).unwrap();
    }
    let (mut result, mut count) = (text.to_owned(), 0);
    for Fence { info, body } in fences(text) {
        if let Some((_, name)) = info.split_once(" file=") {
            fs::write(folder.path().join(name), body).unwrap();
        }
        if info != "console" {
            continue;
        }
        let commands: Vec<&str> = body.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
        let rerun: String = commands
            .iter()
            .map(|line| {
                assert!(
                    line.starts_with("alumet-injector") || line.starts_with("cat "),
                    "a console block that cannot be run: {line}"
                );
                format!("$ {line}\n{}", typed(line, folder.path()))
            })
            .collect();
        count += commands.len();
        assert!(!commands.is_empty(), "a console block without a command:\n{body}");
        assert_eq!(result.matches(body).count(), 1, "the same example twice:\n{body}");
        result = result.replacen(body, &rerun, 1);
    }
    (result, count)
}

#[test]
fn every_example_prints_what_the_document_shows() {
    let _alone = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut total = 0;
    for document in documents() {
        let (now, count) = with_examples_run(&read(&document));
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
fn code_tables() -> [(&'static str, String); 5] {
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
        ("findings", table(&mut { findings })),
        (
            "policies",
            table(&mut Code::ALL.iter().map(|it| (it.code(), plain(it.sentence())))),
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
