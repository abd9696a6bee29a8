//! What a policy's `status.conditions` says: written by a merge patch that the API server refuses where the policy has
//! changed meanwhile.
//!
//! It needs the verb `patch` on `clusterinjectionpolicies/status` and `injectionpolicies/status`.

use std::time::SystemTime;

use kube::{
    Api, Client,
    api::{DynamicObject, Patch},
};
use serde_json::json;

use super::{Error, resource};
use crate::{
    cluster::{answer, patch_params},
    policy_document::{
        KINDS,
        store::{Resource, StatusWrite},
    },
};

/// Writes conditions.
#[derive(Clone)]
pub struct Statuses {
    client: Client,
    clock: fn() -> SystemTime,
}

impl Statuses {
    /// Of this cluster, with the clock on the wall.
    pub fn new(client: Client, clock: fn() -> SystemTime) -> Self {
        Self { client, clock }
    }

    /// Writes a condition. Says whether it was written; it was not where the policy has another form by now, or is gone.
    pub async fn write(&self, write: &StatusWrite) -> Result<bool, Error> {
        let key = &write.key;
        let [of_cluster, of_namespaces] = KINDS;
        let kind = match key.resource {
            Resource::ClusterPolicies => of_cluster,
            Resource::NamespacedPolicies => of_namespaces,
            // A namespace has no condition of ours.
            Resource::Namespaces => return Ok(false),
        };
        let resource = resource(kind);
        let api: Api<DynamicObject> = match &key.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let patch = Patch::Merge(json!({
            "metadata": {"resourceVersion": write.resource_version},
            "status": {"conditions": write.condition.joined(&write.seen, (self.clock)())},
        }));
        let params = patch_params();
        let what = format!("status of the {}", key.title());
        let written = answer("patch", &what, "", api.patch_status(&key.name, &params, &patch)).await;
        match written {
            Ok(_) => Ok(true),
            Err(Error::Missing { .. }) => Ok(false),
            Err(Error::Request { source, .. }) if is_conflict(&source) => Ok(false),
            Err(Error::Forbidden { verb, source, .. }) => Err(Error::ForbiddenResource {
                verb,
                resource: format!("{}/status", resource.plural),
                source,
            }),
            Err(error) => Err(error),
        }
    }
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}
