//! The command line: what a user may type, and nothing more.

mod called;
mod certs;
#[cfg(feature = "server")]
mod check_cluster;
#[cfg(feature = "server")]
mod cluster;
mod diff;
mod explain;
#[cfg(feature = "server")]
mod export;
#[cfg(feature = "server")]
mod serve;
#[cfg(feature = "server")]
mod status;

use std::{ffi::OsStr, path::PathBuf};

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use certs::{Certs, CertsCommand, InspectCerts, IssueCerts};
#[cfg(feature = "server")]
pub use check_cluster::CheckCluster;
#[cfg(feature = "server")]
pub use cluster::ClusterArgs;
pub use diff::Diff;
pub use explain::Explain;
#[cfg(feature = "server")]
pub use export::{Export, ExportCommand, ExportMap, ExportPolicies};
#[cfg(feature = "server")]
pub use serve::{LogFormat, LogLevel, SelfManaged, Serve, TlsVersion};
#[cfg(feature = "server")]
pub use status::Status;

use crate::{
    kubernetes::{is_label_key, is_label_value},
    names::Component,
};

/// Completes Alumet's Kubernetes objects: agent configuration, secrets, pull secrets, tolerations.
///
/// Exit codes: 0 done; 1 the input has errors, and no manifest and no TOML was written; 2 wrong usage; 3 a file,
/// stream or cluster cannot be read or written.
#[derive(Debug, Parser)]
#[command(name = "alumet-injector", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// Whether `program`, the first argument of the process, only completes what somebody types.
    pub fn completes(program: Option<&OsStr>) -> bool {
        program.is_some_and(called::completes)
    }

    /// The parser, whose usage lines say what the user typed for `program`, the first argument of the process.
    pub fn called(program: Option<&OsStr>) -> clap::Command {
        let parser = Self::command();
        match program.and_then(called::typed) {
            Some(typed) => parser.bin_name(typed),
            None => parser,
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Complete a manifest stream: stdin to stdout, as a Helm post-renderer.
    ///
    /// Objects without the label injector.alumet.dev/component pass byte for byte. Nothing is written unless every
    /// object can be.
    PostRender(PostRender),
    /// Take out of a manifest stream everything that was injected: stdin to stdout.
    Uninject,
    /// Tell of each injected value where it came from and what lost against it, or why an object is not injected.
    ///
    /// Of manifests, or of objects of a cluster: `explain ds/NAME -n NAMESPACE`. What names a file is a file, else
    /// KIND/NAME and KIND NAME are objects; -f takes files alone.
    Explain(Explain),
    /// Show what completing a manifest stream would change, object by object.
    Diff(Diff),
    /// Print the agent's configuration (TOML) for the values of one component.
    Config(Config),
    /// Check values, policies, agent configurations (TOML) or manifests as the agent would read them; or a cluster.
    Check(Box<Check>),
    /// Print the catalogue of agent plugins, or all about one.
    Catalog(Catalog),
    /// Serve admission: the API server calls, and each Alumet object is completed as it is created or changed.
    ///
    /// Reviews are taken at POST /mutate, those of policies at POST /validate, by HTTPS; /livez, /readyz and /metrics are on a port of their own, by plain
    /// HTTP. SIGTERM and SIGINT end it after the calls in flight; a second signal ends it at once, with exit code 1.
    #[cfg(feature = "server")]
    Serve(Box<Serve>),
    /// Tell what is injected in a cluster: by namespace and release, and of each object that is not right what to do.
    ///
    /// Exit codes: 0, whatever the objects are worth; 2 wrong usage; 3 the cluster cannot be read.
    #[cfg(feature = "server")]
    Status(Status),
    /// Issue a serving certificate with a CA of its own, or look at certificates.
    Certs(Certs),
    /// Write what a cluster has in another form.
    #[cfg(feature = "server")]
    Export(Export),
    /// Print the definitions of policies as custom resources, for `kubectl apply --server-side -f -`.
    ///
    /// The chart of the injector brings the same two. They can be applied over older ones; policies stay.
    Crds,
    /// Print a script that lets a shell complete what is typed.
    Completions(Completions),
}

/// What a door cannot read from the objects themselves.
#[derive(Debug, Clone, Default, Args)]
pub struct FactsArgs {
    /// Namespace of the release, for values that do not say it.
    #[arg(long, short, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Helm release, for values that do not say it.
    #[arg(long, value_name = "NAME")]
    pub release: Option<String>,
    /// Version of the agent (an image tag), for values that do not say it.
    #[arg(long, value_name = "TAG")]
    pub agent_version: Option<String>,
    /// Labels of that namespace, for policies that select by them.
    #[arg(
        long,
        value_name = "KEY=VALUE,...",
        value_delimiter = ',',
        value_parser = label,
        requires = "namespace"
    )]
    pub namespace_labels: Option<Vec<(String, String)>>,
    /// Policies.
    #[command(flatten)]
    pub policies: PolicyArgs,
}

/// Where policies are.
#[derive(Debug, Clone, Default, Args)]
pub struct PolicyArgs {
    /// A file with policies, or a directory whose .yaml, .yml and .json files have them; may be repeated.
    #[arg(long, value_name = "FILE|DIR")]
    pub policy: Vec<PathBuf>,
}

/// `post-render`.
#[derive(Debug, Args)]
pub struct PostRender {
    /// What the objects may not say.
    #[command(flatten)]
    pub facts: FactsArgs,
    /// Write a report in JSON: each object, each injected value and where it came from.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Let warnings fail, too.
    #[arg(long)]
    pub strict: bool,
}

/// `config`.
#[derive(Debug, Args)]
pub struct Config {
    /// The component.
    #[arg(value_parser = component)]
    pub component: Component,
    /// Values of the umbrella chart, of the component's chart, or a values annotation; YAML or JSON; `-` is stdin.
    #[arg(long, short = 'f', value_name = "FILE")]
    pub values: Option<PathBuf>,
    /// What the values may not say.
    #[command(flatten)]
    pub facts: FactsArgs,
    /// Print the values instead, without those that repeat their defaults.
    #[arg(long)]
    pub minimal_values: bool,
}

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Files: TOML by the ending `.toml`, policies and manifests by `apiVersion`, else values; `-` is stdin.
    #[arg(value_name = "FILE")]
    #[cfg_attr(feature = "server", arg(required_unless_present = "cluster"))]
    #[cfg_attr(not(feature = "server"), arg(required = true))]
    pub files: Vec<PathBuf>,
    /// Instead of files.
    #[cfg(feature = "server")]
    #[command(flatten)]
    pub cluster: CheckCluster,
    /// Whose configuration or values they are, where the file does not say.
    #[arg(long, value_parser = component)]
    pub component: Option<Component>,
    /// What the files may not say.
    #[command(flatten)]
    pub facts: FactsArgs,
    /// Let warnings fail, too.
    #[arg(long)]
    pub strict: bool,
    /// For people or for programs.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,
}

/// `catalog`.
#[derive(Debug, Args)]
pub struct Catalog {
    /// A plugin, by the agent's name or a name that the charts have for it.
    #[arg(value_name = "PLUGIN")]
    pub plugin: Option<String>,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Form of what a command prints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if is_label_key(key) && is_label_value(value) => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err("not a label such as `team=hpc`".to_owned()),
    }
}

fn component(text: &str) -> Result<Component, String> {
    Component::parse(text).ok_or_else(|| {
        format!(
            "not a component; use one of: {}",
            Component::ALL.map(Component::as_str).join(", ")
        )
    })
}
