//! By which name the program was called: its own, or one by which kubectl finds a plugin.

use std::{ffi::OsStr, path::Path};

/// Files that kubectl runs, and what a user types for each. kubectl reads `_` for the `-` of a word.
const PLUGINS: [(&str, &str); 2] = [
    ("kubectl-alumet_injector", "kubectl alumet-injector"),
    ("kubectl-alumet-injector", "kubectl alumet injector"),
];

/// What kubectl runs to complete what is typed after the name of the plugin.
const COMPLETER: &str = "kubectl_complete-alumet_injector";

/// Whether `program` was started to complete what somebody types.
pub(super) fn completes(program: &OsStr) -> bool {
    Path::new(program).file_stem() == Some(OsStr::new(COMPLETER))
}

/// What a user types to call the program that was started as `program`; `None` where that is its own name.
pub(super) fn typed(program: &OsStr) -> Option<&'static str> {
    let name = Path::new(program).file_stem()?;
    PLUGINS
        .iter()
        .find(|(file, _)| name == OsStr::new(file))
        .map(|(_, typed)| *typed)
}
