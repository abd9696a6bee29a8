//! What the kubelet reads from the API server and writes to it, besides the status of pods.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{ConfigMap, Event, Pod, Secret},
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use serde_json::json;

use super::{
    judge::Warning,
    world::{Contents, Kind, Reference, World, references},
};

/// Namespace and name of a pod.
pub(crate) type Key = (String, String);

pub(super) fn key(pod: &Pod) -> Key {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    (text(&pod.metadata.namespace), text(&pod.metadata.name))
}

/// Objects by namespace; each is read once.
#[derive(Default)]
pub(super) struct Lookup(BTreeMap<(String, Reference), Option<Contents>>);

impl Lookup {
    /// All that the pod refers to, as far as it exists.
    pub(super) async fn world(&mut self, client: &Client, pod: &Pod) -> Result<World, kube::Error> {
        let (namespace, _) = key(pod);
        let mut world = World::default();
        for reference in references(pod) {
            let at = (namespace.clone(), reference);
            if !self.0.contains_key(&at) {
                self.0.insert(at.clone(), read(client, &at).await?);
            }
            if let Some(Some(contents)) = self.0.get(&at) {
                world.put(at.1.0, &at.1.1, contents.clone());
            }
        }
        Ok(world)
    }
}

async fn read(
    client: &Client,
    (namespace, (kind, name)): &(String, Reference),
) -> Result<Option<Contents>, kube::Error> {
    let client = client.clone();
    Ok(match kind {
        Kind::ConfigMap => {
            let found = Api::<ConfigMap>::namespaced(client, namespace)
                .get_opt(name)
                .await?;
            found.map(Contents::from)
        }
        Kind::Secret => {
            let found = Api::<Secret>::namespaced(client, namespace).get_opt(name).await?;
            found.map(Contents::from)
        }
    })
}

/// Writes an event on the pod, in the shape of `makeEvent` of client-go's `tools/record/event.go`.
pub(super) async fn tell(
    client: &Client,
    pod: &Pod,
    warning: &Warning,
    now: &Time,
) -> Result<(), kube::Error> {
    let (namespace, name) = key(pod);
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    let mut involved = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": namespace,
        "name": name,
        "uid": pod.metadata.uid,
        "resourceVersion": pod.metadata.resource_version,
    });
    if let Some(path) = &warning.field_path {
        involved["fieldPath"] = json!(path);
    }
    let nanoseconds = Timestamp::now().as_nanosecond();
    let event: Event = serde_json::from_value(json!({
        "metadata": { "namespace": namespace, "name": format!("{name}.{nanoseconds:x}") },
        "involvedObject": involved,
        "type": "Warning",
        "reason": warning.reason,
        "message": warning.message,
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "source": { "component": "kubelet", "host": node },
        "reportingComponent": "kubelet",
        "reportingInstance": node,
    }))
    .map_err(kube::Error::SerdeError)?;
    let events: Api<Event> = Api::namespaced(client.clone(), &namespace);
    events.create(&PostParams::default(), &event).await.map(drop)
}
