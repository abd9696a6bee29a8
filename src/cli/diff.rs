//! `diff`.

use std::path::PathBuf;

use clap::Args;

#[cfg(feature = "server")]
use super::ClusterArgs;
use super::{FactsArgs, Output};

/// `diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// Manifest files; `-` is stdin. Without any, stdin, but with --live none.
    #[arg(value_name = "FILE")]
    pub what: Vec<PathBuf>,
    /// A manifest file; `-` is stdin. May be repeated.
    #[arg(long = "filename", short = 'f', value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A Helm release as the cluster holds it: what an upgrade to these manifests would change, or without any,
    /// completing its objects anew; and which pods would roll.
    #[cfg(feature = "server")]
    #[arg(long, value_name = "RELEASE", requires = "namespace", conflicts_with_all = ["release", "agent_version", "namespace_labels"])]
    pub live: Option<String>,
    /// The cluster.
    #[cfg(feature = "server")]
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// What the objects may not say.
    #[command(flatten)]
    pub facts: FactsArgs,
    /// A unified diff for people, or the JSON Patch of each object for programs.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,
}
