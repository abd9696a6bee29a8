//! A node that joins the cluster, with a taint and a label of its own, so that nobody else's pods go there.

use serde_json::json;

use super::Cluster;

/// Key of the label and of the taint.
pub(crate) const POOL: &str = "test.alumet.dev/pool";

/// The node; it leaves when the test is over.
pub(crate) struct Joined<'c> {
    cluster: &'c Cluster,
    pub(crate) name: String,
}

impl<'c> Joined<'c> {
    /// The only node of a pool.
    #[track_caller]
    pub(crate) fn new(cluster: &'c Cluster, pool: &str) -> Self {
        Self::one_of(cluster, pool, pool)
    }

    /// One node of a pool that may have several.
    #[track_caller]
    pub(crate) fn one_of(cluster: &'c Cluster, pool: &str, name: &str) -> Self {
        let name = format!("node-of-{name}");
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, POOL: pool}},
            "spec": {"taints": [{"key": POOL, "value": pool, "effect": "NoSchedule"}]},
        });
        cluster
            .kubectl_with(&["create", "-f", "-"], &node.to_string())
            .ok();
        Self { cluster, name }
    }
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        // What comes of it is of no use to a test that has ended.
        let _ = self
            .cluster
            .kubectl(&["delete", "node", &self.name, "--wait=false"]);
    }
}
