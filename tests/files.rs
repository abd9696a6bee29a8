//! Files that tests read, compare and rewrite; part of both test programs.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// A path below the project's root.
pub(crate) fn root(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

/// Compares a text with a golden file, or rewrites the file where `BLESS` is set.
#[track_caller]
pub(crate) fn golden(file: &Path, actual: &str) {
    if env::var_os("BLESS").is_some() {
        fs::write(file, actual).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        return;
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    assert!(
        expected == actual,
        "{} differs (BLESS=1 rewrites it)\n--- expected\n{expected}\n--- actual\n{actual}",
        file.display()
    );
}
