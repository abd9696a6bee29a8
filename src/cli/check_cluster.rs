//! `check --cluster`.

use clap::Args;

use super::ClusterArgs;

/// The installation of the injector in a cluster.
#[derive(Debug, Clone, Default, Args)]
pub struct CheckCluster {
    /// Check the installation of the injector in a cluster instead: the webhook and what it leads to, certificates,
    /// rights, releases, and an injection that stores nothing. With --namespace, the releases of that namespace alone.
    #[arg(
        long,
        conflicts_with_all = ["files", "component", "release", "agent_version", "namespace_labels", "policy"]
    )]
    pub cluster: bool,
    /// The `MutatingWebhookConfiguration` to look at, and the `ValidatingWebhookConfiguration` of that name; else all that
    /// have an entry of the injector.
    #[arg(long, value_name = "NAME")]
    pub webhook: Option<String>,
    /// Which cluster.
    #[command(flatten)]
    pub of: ClusterArgs,
}

impl CheckCluster {
    /// An option that means nothing without `--cluster`. The parser lets it through, for FILE and `--cluster` exclude
    /// each other.
    pub fn without_it(&self) -> Option<&'static str> {
        let options = [("--webhook", &self.webhook), ("--context", &self.of.context)];
        let given = options.into_iter().find(|(_, value)| value.is_some());
        given.filter(|_| !self.cluster).map(|(option, _)| option)
    }
}
