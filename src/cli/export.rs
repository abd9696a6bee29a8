//! `export`.

use clap::{Args, Subcommand};

use super::ClusterArgs;

/// `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// What to write.
    #[command(subcommand)]
    pub command: ExportCommand,
}

/// The commands of `export`.
#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// Write the policies of a cluster as one YAML stream, for --policy.
    Policies(ExportPolicies),
}

/// `export policies`.
#[derive(Debug, Args)]
pub struct ExportPolicies {
    /// Whose policies.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}
