//! How a command that a person runs reaches a cluster.

use kube::Client;
use tokio::runtime::Builder;

use super::exit::Failure;
use crate::{cli::ClusterArgs, cluster, server::tls};

/// Does the work with a client of the cluster, on one thread, and waits for its end.
pub(super) fn with_client<T>(
    args: &ClusterArgs,
    work: impl AsyncFnOnce(Client) -> Result<T, Failure>,
) -> Result<T, Failure> {
    // Before anything asks for a default: the client does.
    let _installed_once = tls::provider().as_ref().clone().install_default();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Failure::Io {
            action: "start",
            what: "the runtime".to_owned(),
            source,
        })?;
    runtime.block_on(async {
        let client = cluster::client_of(args.context.as_deref()).await?;
        work(client).await
    })
}
