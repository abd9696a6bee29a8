//! `diff`.

use std::path::PathBuf;

use clap::Args;

use super::{FactsArgs, Output};

/// `diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// Manifest files; `-` is stdin. Without any, stdin.
    #[arg(value_name = "FILE")]
    pub what: Vec<PathBuf>,
    /// A manifest file; `-` is stdin. May be repeated.
    #[arg(long = "filename", short = 'f', value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What the objects may not say.
    #[command(flatten)]
    pub facts: FactsArgs,
    /// A unified diff for people, or the JSON Patch of each object for programs.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,
}
