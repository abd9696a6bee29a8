//! The Dockerfile, as far as it can be judged without building it: what goes in, what comes out, and as whom it runs.

use std::{collections::BTreeSet, fs};

use crate::files::root;

/// An instruction with its arguments, lines that are continued being one.
fn instructions() -> Vec<(String, String)> {
    let text = fs::read_to_string(root("Dockerfile"))
        .unwrap()
        .replace("\\\n", " ");
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (name, rest) = line.split_once(' ').unwrap();
            (
                name.to_owned(),
                rest.split_whitespace().collect::<Vec<_>>().join(" "),
            )
        })
        .collect()
}

/// The arguments of every instruction of this name.
fn all(name: &str) -> Vec<String> {
    instructions()
        .into_iter()
        .filter(|(known, _)| known == name)
        .map(|(_, rest)| rest)
        .collect()
}

/// The value of a key in a TOML file.
fn toml(file: &str, table: &str, key: &str) -> String {
    let text = fs::read_to_string(root(file)).unwrap();
    let value: toml::Table = text.parse().unwrap();
    value[table][key].as_str().unwrap().to_owned()
}

#[test]
fn the_program_is_built_with_the_rust_of_the_project_by_digest() {
    let stages = all("FROM");
    let channel = toml("rust-toolchain.toml", "toolchain", "channel");
    assert_eq!(stages.len(), 2, "{stages:?}");
    let (tag, rest) = stages[0].split_once('@').expect("the builder is named by digest");
    assert!(
        tag.starts_with(&format!("docker.io/library/rust:{channel}-alpine")),
        "{tag}"
    );
    let digest = rest
        .strip_prefix("sha256:")
        .unwrap()
        .strip_suffix(" AS build")
        .unwrap();
    assert!(
        digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit()),
        "{digest}"
    );
    assert_eq!(stages[1], "scratch");
}

#[test]
fn the_program_is_built_from_the_lock_file_alone() {
    let builds: Vec<String> = all("RUN")
        .into_iter()
        .filter(|one| one.contains("cargo "))
        .collect();
    assert_eq!(builds, ["cargo build --release --locked --bin alumet-injector"]);
    assert!(
        all("ADD").is_empty(),
        "ADD takes addresses and unpacks archives; COPY does not"
    );
}

#[test]
fn the_image_runs_the_program_as_a_user_that_is_not_root() {
    let user = all("USER");
    let [user] = user.as_slice() else {
        panic!("one USER: {user:?}");
    };
    for id in user.split(':') {
        assert!(id.parse::<u32>().is_ok_and(|id| id > 0), "{user}");
    }
    let values = fs::read_to_string(root("deploy/injector/values.yaml")).unwrap();
    let id = user.split(':').next().unwrap();
    assert!(
        values.contains(&format!("runAsUser: {id}, runAsGroup: {id}")),
        "the chart runs it as {user}"
    );
    // A shell would not hand signals on, and there is none.
    assert_eq!(all("ENTRYPOINT"), ["[\"/alumet-injector\"]"]);
    assert!(all("CMD").is_empty());
    let copied = all("COPY");
    assert!(
        copied
            .iter()
            .any(|one| one.ends_with("/build/target/release/alumet-injector /alumet-injector")),
        "{copied:?}"
    );
}

#[test]
fn the_image_says_what_it_is() {
    let [labels] = all("LABEL").try_into().unwrap();
    for key in [
        "title",
        "description",
        "source",
        "licenses",
        "version",
        "revision",
    ] {
        let start = format!("org.opencontainers.image.{key}=");
        assert_eq!(labels.matches(&start).count(), 1, "{key} in {labels}");
    }
    assert!(labels.contains(&format!(
        "licenses=\"{}\"",
        toml("Cargo.toml", "package", "license")
    )));
    let version = format!("VERSION={}", env!("CARGO_PKG_VERSION"));
    assert!(all("ARG").contains(&version), "ARG {version}");
}

/// Cargo reads no manifest whose benches are not there; everything else that is let in is what the build needs.
#[test]
fn nothing_comes_in_that_the_build_does_not_need() {
    let text = fs::read_to_string(root(".dockerignore")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines.first(), Some(&"*"));
    let let_in: BTreeSet<&str> = lines[1..]
        .iter()
        .map(|line| line.strip_prefix('!').unwrap())
        .collect();
    assert_eq!(
        let_in,
        ["Cargo.lock", "Cargo.toml", "LICENSE", "benches", "src"].into()
    );
    for name in let_in {
        assert!(root(name).exists(), "{name}");
    }
}
