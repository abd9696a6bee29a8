//! `export`.

use clap::{Args, Subcommand};

use super::{ClusterArgs, PolicyArgs};
use crate::kubernetes::is_object_name;

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
    /// Write what policies say of pods as a mutating admission policy, for clusters without the webhook.
    ///
    /// It is for Kubernetes 1.36 and later. What the API server cannot give of a policy is told on stderr.
    Map(ExportMap),
}

/// `export policies`.
#[derive(Debug, Args)]
pub struct ExportPolicies {
    /// Whose policies.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// `export map`.
#[derive(Debug, Args)]
pub struct ExportMap {
    /// Which policies.
    #[command(flatten)]
    pub policies: PolicyArgs,
    /// Name of the mutating admission policy and its binding.
    #[arg(long, value_name = "NAME", default_value = "alumet-injector", value_parser = object_name)]
    pub name: String,
    /// Let warnings fail, too.
    #[arg(long)]
    pub strict: bool,
}

fn object_name(text: &str) -> Result<String, String> {
    if is_object_name(text) {
        return Ok(text.to_owned());
    }
    Err("not a name of an object: lowercase letters, digits, `-` and `.`".to_owned())
}
