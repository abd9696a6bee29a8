//! `status`.

use clap::Args;

use super::{ClusterArgs, Output, PolicyArgs};

/// `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// One namespace instead of all.
    #[arg(long, short, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Policies that the injector has besides those of the cluster.
    #[command(flatten)]
    pub policies: PolicyArgs,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// For people or for programs.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,
}
