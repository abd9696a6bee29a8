//! The layers of `ARCHITECTURE.md`, read off the sources: no import points up, no file lies unused or unexplained.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::files::root;

/// Each room of `src/`, from the bottom up, with the rooms that it may import besides itself.
const ROOMS: [(&str, &[&str]); 19] = [
    ("names", &[]),
    ("source", &[]),
    ("finding", &[]),
    ("text", &[]),
    ("kubernetes", &[]),
    ("agent_config", &["names", "source", "finding", "kubernetes"]),
    ("policy", &["names", "kubernetes"]),
    (
        "engine",
        &["names", "source", "finding", "text", "agent_config", "policy"],
    ),
    ("manifest", &["names", "finding"]),
    (
        "policy_document",
        &[
            "names",
            "finding",
            "kubernetes",
            "text",
            "agent_config",
            "policy",
            "engine",
            "manifest",
        ],
    ),
    (
        "post_render",
        &["names", "source", "finding", "agent_config", "engine", "manifest"],
    ),
    (
        "admission",
        &[
            "names",
            "source",
            "finding",
            "text",
            "agent_config",
            "engine",
            "policy_document",
        ],
    ),
    ("certs", &[]),
    ("export_map", &["names", "finding", "policy", "engine"]),
    ("telemetry", &[]),
    (
        "server",
        &[
            "names",
            "source",
            "finding",
            "policy",
            "policy_document",
            "engine",
            "admission",
            "certs",
            "telemetry",
        ],
    ),
    (
        "cluster",
        &[
            "names",
            "finding",
            "text",
            "certs",
            "telemetry",
            "policy",
            "policy_document",
            "engine",
        ],
    ),
    ("cli", &["names", "kubernetes"]),
    (
        "commands",
        &[
            "admission",
            "certs",
            "telemetry",
            "server",
            "cluster",
            "names",
            "source",
            "finding",
            "text",
            "agent_config",
            "policy",
            "engine",
            "manifest",
            "policy_document",
            "post_render",
            "export_map",
            "cli",
        ],
    ),
];

/// Rooms that know nothing of the world.
const PURE: [&str; 13] = [
    "admission",
    "certs",
    "names",
    "source",
    "finding",
    "text",
    "kubernetes",
    "agent_config",
    "policy",
    "engine",
    "manifest",
    "policy_document",
    "post_render",
];

/// What a pure room may not name.
const WORLD: [&str; 18] = [
    "anyhow::",
    "async fn",
    "axum::",
    "clap::",
    "hyper::",
    "Instant::now",
    "k8s_openapi::",
    "kube::",
    "println!",
    "rand::",
    "std::env",
    "std::fs",
    "std::process",
    "SystemTime::now",
    "TcpListener",
    "TcpStream",
    "tokio::",
    "tracing::",
];

/// No file is longer.
const MAX_LINES: usize = 400;

#[test]
fn no_import_points_up() {
    for file in sources() {
        let room = room_of(&file);
        let Some((_, below)) = ROOMS.into_iter().find(|(known, _)| *known == room) else {
            assert!(
                ["lib", "main"].contains(&room.as_str()),
                "src/{room} is not in the table of rooms"
            );
            continue;
        };
        for imported in imports(&read(&file)) {
            assert!(
                imported == room || below.contains(&imported.as_str()),
                "{}: {room} may not import {imported}",
                file.display()
            );
        }
    }
}

#[test]
fn the_core_knows_nothing_of_the_world() {
    for file in sources()
        .into_iter()
        .filter(|file| PURE.contains(&room_of(file).as_str()))
    {
        let text = read(&file);
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        let groups: String = names_in_groups(&code, "std::")
            .map(|name| format!("std::{name}\n"))
            .collect();
        let code = code + "\n" + &groups;
        for name in WORLD {
            assert!(
                !code.contains(name),
                "{}: {name} has no place in a pure room",
                file.display()
            );
        }
    }
}

#[test]
fn every_file_is_declared_explained_and_short() {
    let mut declared: BTreeSet<PathBuf> = ["src/lib.rs", "src/main.rs"].map(root).into();
    for file in sources() {
        let text = read(&file);
        assert!(
            text.starts_with("//! "),
            "{}: does not begin with what it is for",
            file.display()
        );
        let lines = text.lines().count();
        assert!(
            lines <= MAX_LINES,
            "{}: {lines} lines, more than {MAX_LINES}",
            file.display()
        );
        let inside = match file.file_stem().and_then(|stem| stem.to_str()) {
            Some("lib" | "main") => file.with_file_name(""),
            _ => file.with_extension(""),
        };
        declared.extend(
            modules(&text)
                .into_iter()
                .map(|module| inside.join(format!("{module}.rs"))),
        );
    }
    let found: BTreeSet<PathBuf> = sources().into_iter().collect();
    assert_eq!(
        found, declared,
        "each file has a `mod` line, and each `mod` line a file"
    );
}

/// Every Rust file below `src/`.
fn sources() -> Vec<PathBuf> {
    fn walk(directory: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                walk(&entry, files);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                files.push(entry);
            }
        }
    }
    let mut files = Vec::new();
    walk(&root("src"), &mut files);
    files.sort();
    assert!(files.len() > 20, "the sources are found");
    files
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap()
}

/// The first name below `src/`, without ending.
fn room_of(file: &Path) -> String {
    let below = file.strip_prefix(root("src")).unwrap();
    let first = below.components().next().unwrap();
    Path::new(first.as_os_str())
        .file_stem()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

/// The rooms that a text imports: by `crate::room`, and by `use crate::{room::..., room}`. Tests are left out.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let after = &code[at + "crate::".len()..];
        if !after.starts_with('{') {
            found.extend(first_name(after));
        }
    }
    found.extend(names_in_groups(code, "crate::"));
    found
}

/// The first names within `root{...}`, whatever is nested in them.
fn names_in_groups<'t>(code: &'t str, root: &'t str) -> impl Iterator<Item = String> + 't {
    code.match_indices(root).flat_map(move |(at, _)| {
        let Some(group) = code[at + root.len()..].strip_prefix('{') else {
            return Vec::new();
        };
        let mut names = Vec::new();
        let mut depth = 0_usize;
        let mut item = String::new();
        for character in group.chars() {
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => names.extend(first_name(&std::mem::take(&mut item))),
                _ => {}
            }
            if depth == 0 && character != ',' {
                item.push(character);
            }
        }
        names.extend(first_name(&item));
        names
    })
}

fn first_name(text: &str) -> Option<String> {
    let name: String = text
        .trim_start()
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    (!name.is_empty()).then_some(name)
}

/// The modules that a text declares in files of their own.
fn modules(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| {
            let line = line
                .strip_prefix("pub ")
                .or_else(|| line.strip_prefix("pub(super) "))
                .or_else(|| line.strip_prefix("pub(crate) "))
                .unwrap_or(line);
            Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
        })
        .collect()
}

#[test]
fn the_reader_of_imports_reads_them() {
    let text = "use crate::{a::{b, c}, d,\n  e::f};\nfn x() { crate::g::h() }\n#[cfg(test)]\nmod tests { use crate::i; }";
    let names: Vec<String> = imports(text).into_iter().collect();
    assert_eq!(names, ["a", "d", "e", "g"]);
    let std: Vec<String> = names_in_groups("use std::{env, fs::{self, File}, fmt};", "std::").collect();
    assert_eq!(std, ["env", "fs", "fmt"]);
    assert_eq!(
        modules("pub mod a;\nmod b;\npub(super) mod c;\nmod d {\n"),
        ["a", "b", "c"]
    );
}
