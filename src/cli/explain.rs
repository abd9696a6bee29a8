//! `explain`.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;

#[cfg(feature = "server")]
use super::ClusterArgs;
use super::{FactsArgs, Output};

/// `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// Manifest files, `-` is stdin; or objects of a cluster, by a kind as kubectl takes it. Without any, stdin.
    #[arg(value_name = "FILE|KIND/NAME")]
    pub what: Vec<OsString>,
    /// A manifest file; `-` is stdin. May be repeated.
    #[arg(long = "filename", short = 'f', value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What the objects may not say. For objects of a cluster, whose policies count, those of --policy come besides, each
    /// in place of the cluster's one of its name.
    #[command(flatten)]
    pub facts: FactsArgs,
    /// Whose objects.
    #[cfg(feature = "server")]
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// For people or for programs.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,
}
