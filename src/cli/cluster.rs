//! Which cluster a command looks at.

use clap::Args;

/// A cluster.
#[derive(Debug, Clone, Default, Args)]
pub struct ClusterArgs {
    /// Context of the kubeconfig; KUBECONFIG says where that is. Else its current one, or the cluster of the pod.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}
