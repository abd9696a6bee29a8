//! The examples of the documents: each is typed as it stands there, and what it prints compared; part of two test programs.

#[path = "examples/unchanging.rs"]
mod unchanging;

use std::{
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

pub(crate) use unchanging::unchanging;

use crate::{
    files::root,
    markdown::{Fence, fences},
};

/// The info of a block that needs nothing but the program.
pub(crate) const OFFLINE: &str = "console";
/// One whose only command runs until Ctrl-C, which comes as soon as it says that it is serving.
pub(crate) const SERVING: &str = "console serve";
/// One that needs a cluster: that of `make cluster`, which each document has to itself.
pub(crate) const ON_A_CLUSTER: &str = "console cluster";

/// Every document that a reader is sent to.
pub(crate) fn documents() -> Vec<PathBuf> {
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

/// The lines of an example that are typed.
pub(crate) fn commands(body: &str) -> impl Iterator<Item = &str> {
    body.lines().filter_map(|line| line.strip_prefix("$ "))
}

/// Where examples are typed.
pub(crate) struct Shell {
    /// Which blocks, by their info.
    pub(crate) runs: &'static [&'static str],
    /// What a line may begin with.
    pub(crate) programs: &'static [&'static str],
    /// Folders with these programs, before those of PATH.
    pub(crate) folders: Vec<PathBuf>,
    /// Variables besides those of this process.
    pub(crate) variables: Vec<(OsString, OsString)>,
}

impl Shell {
    /// The document as it would be if its examples were typed now, and how many lines were.
    ///
    /// They run in a folder of their own, which has the files that the document shows (`yaml file=NAME`) and the
    /// project's `chart`, `deploy` and `tests`. Where only that differs which differs from run to run, what the document
    /// shows stays; an example that needs nothing but the program has nothing of the kind.
    pub(crate) fn with_examples_run(&self, text: &str) -> (String, usize) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["chart", "deploy", "tests"] {
            std::os::unix::fs::symlink(root(name), folder.path().join(name)).unwrap();
        }
        let (mut result, mut count) = (text.to_owned(), 0);
        for Fence { info, body } in fences(text) {
            if let Some((_, name)) = info.split_once(" file=") {
                fs::write(folder.path().join(name), body).unwrap();
            }
            if !self.runs.contains(&info) {
                continue;
            }
            let typed: Vec<&str> = commands(body).collect();
            assert!(!typed.is_empty(), "a console block without a command:\n{body}");
            let now: String = typed
                .iter()
                .map(|line| {
                    let first = line.split(' ').next();
                    assert!(
                        first.is_some_and(|first| self.programs.contains(&first)),
                        "a console block that cannot be run: {line}"
                    );
                    let printed = if info == SERVING {
                        self.until_served(line, folder.path())
                    } else {
                        self.typed(line, folder.path())
                    };
                    format!("$ {line}\n{printed}")
                })
                .collect();
            count += typed.len();
            assert_eq!(result.matches(body).count(), 1, "the same example twice:\n{body}");
            if info == OFFLINE || unchanging(&now) != unchanging(body) {
                result = result.replacen(body, &now, 1);
            }
        }
        (result, count)
    }

    /// What a shell prints for a line, both streams as a terminal mixes them.
    fn typed(&self, line: &str, folder: &Path) -> String {
        let output = self
            .command(&format!("{{ {line}\n}} 2>&1"), folder)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command prints that serves, and is told to end when it says so.
    fn until_served(&self, line: &str, folder: &Path) -> String {
        let mut child = self
            .command(&format!("exec {line} 2>&1"), folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut printed = String::new();
        while !printed.contains(" serving ") && stdout.read_line(&mut printed).unwrap() > 0 {}
        // One that ended by itself said why.
        let _ended_before = kill_process(Pid::from_child(&child), Signal::INT);
        stdout.read_to_string(&mut printed).unwrap();
        child.wait().unwrap();
        printed
    }

    fn command(&self, script: &str, folder: &Path) -> Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = self.folders.iter().cloned().chain(std::env::split_paths(&path));
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .current_dir(folder)
            .env_remove("HELM_PLUGIN_NAME")
            .env_remove("KUBECONFIG")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("PATH", std::env::join_paths(path).unwrap())
            .stdin(Stdio::null());
        command
    }
}
