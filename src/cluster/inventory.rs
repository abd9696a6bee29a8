//! The marked objects that a cluster holds.

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, ObjectList},
    core::PartialObjectMeta,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Error, asked, listed};
use crate::names::{COMPONENT_LABEL, INSTANCE_LABEL, RELEASE_ANNOTATION, STATUS_ANNOTATION};

/// Objects of one answer; the next one goes on where it ended.
const PAGE: u32 = 250;

/// Most objects of one kind. A release has a handful, so more are somebody's mistake.
const MOST: usize = 10_000;

/// Most pods that are read whole.
const MOST_PODS: usize = 500;

/// The kinds that are read whole: API group and kind, both of version `v1`.
const KINDS: [(&str, &str); 6] = [
    ("", "ConfigMap"),
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("batch", "Job"),
    ("batch", "CronJob"),
];

/// What there is.
#[derive(Debug, Default)]
pub struct Inventory {
    /// The objects, by kind, namespace and name. Of pods there are those that nothing was injected into: what stands on
    /// the others came from their templates.
    pub objects: Vec<Value>,
    /// Why there may be more.
    pub unread: Vec<Unread>,
}

/// Why some objects are not in the inventory.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// A kind cannot be listed.
    #[error(transparent)]
    Refused(#[from] Error),
    /// There are more than are read.
    #[error("there are more than {most} marked objects of the kind {kind}, and the others are not looked at")]
    TooMany {
        /// The kind.
        kind: &'static str,
        /// How many are read.
        most: usize,
    },
}

/// Lists the marked objects of a namespace, or of all of them. A kind that cannot be listed leaves the others.
pub async fn take(client: &Client, namespace: Option<&str>) -> Inventory {
    let mut inventory = Inventory::default();
    for (group, kind) in KINDS {
        let resource = resource(group, kind);
        let api: Api<DynamicObject> = in_namespace(client, namespace, &resource);
        let list = |params| {
            let api = api.clone();
            async move { api.list(&params).await }
        };
        match pages(&resource, list).await {
            Ok((objects, rest)) => {
                let objects = objects.into_iter().map(|object| whole(&resource, object));
                inventory.objects.extend(objects);
                inventory
                    .unread
                    .extend(rest.then_some(Unread::TooMany { kind, most: MOST }));
            }
            Err(error) => inventory.unread.push(error.into()),
        }
    }
    if let Err(error) = pods(client, namespace, &mut inventory).await {
        inventory.unread.push(error.into());
    }
    inventory
}

/// Reads the pods without a record whole; of the others their metadata have come by, and that is enough.
async fn pods(client: &Client, namespace: Option<&str>, inventory: &mut Inventory) -> Result<(), Error> {
    let resource = resource("", "Pod");
    let api: Api<DynamicObject> = in_namespace(client, namespace, &resource);
    let list = |params| {
        let api = api.clone();
        async move { api.list_metadata(&params).await }
    };
    let (all, mut rest) = pages(&resource, list).await?;
    let has_record = |pod: &PartialObjectMeta<DynamicObject>| {
        let annotations = pod.metadata.annotations.as_ref();
        annotations.is_some_and(|annotations| annotations.contains_key(STATUS_ANNOTATION))
    };
    let without: Vec<_> = all.into_iter().filter(|pod| !has_record(pod)).collect();
    rest |= without.len() > MOST_PODS;
    for pod in without.into_iter().take(MOST_PODS) {
        let (Some(name), Some(of)) = (pod.metadata.name, pod.metadata.namespace) else {
            continue;
        };
        let api: Api<DynamicObject> = in_namespace(client, Some(&of), &resource);
        // One that is gone meanwhile is not missed.
        if let Some(pod) = asked("get", "pods", api.get(&name)).await? {
            inventory.objects.push(whole(&resource, pod));
        }
    }
    let most = MOST_PODS;
    inventory
        .unread
        .extend(rest.then_some(Unread::TooMany { kind: "Pod", most }));
    Ok(())
}

fn resource(group: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind))
}

fn in_namespace(client: &Client, namespace: Option<&str>, resource: &ApiResource) -> Api<DynamicObject> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    }
}

/// Every page of a list, and whether there would be more.
async fn pages<K, F>(resource: &ApiResource, list: impl Fn(ListParams) -> F) -> Result<(Vec<K>, bool), Error>
where
    K: Clone + DeserializeOwned,
    F: Future<Output = kube::Result<ObjectList<K>>>,
{
    let name = if resource.group.is_empty() {
        resource.plural.clone()
    } else {
        format!("{}.{}", resource.plural, resource.group)
    };
    let mut objects = Vec::new();
    let mut params = ListParams::default().labels(COMPONENT_LABEL).limit(PAGE);
    while let Some(page) = listed(&name, list(params.clone())).await? {
        objects.extend(page.items);
        let next = page.metadata.continue_.filter(|token| !token.is_empty());
        if objects.len() >= MOST {
            return Ok((objects, next.is_some()));
        }
        let Some(next) = next else { break };
        params = params.continue_token(&next);
    }
    Ok((objects, false))
}

/// The object as a manifest has it: an element of a list does not say its kind.
fn whole(resource: &ApiResource, object: DynamicObject) -> Value {
    let DynamicObject { metadata, data, .. } = object;
    let mut whole = serde_json::json!({"apiVersion": resource.api_version, "kind": resource.kind});
    whole["metadata"] = serde_json::to_value(metadata).unwrap_or_default();
    if let (Some(whole), Value::Object(data)) = (whole.as_object_mut(), data) {
        whole.extend(data);
    }
    whole
}

/// The Helm release of an object, as Helm or the chart wrote it there.
pub fn release(object: &Value) -> Option<&str> {
    let metadata = object.get("metadata")?;
    let text = |part: &str, key: &str| metadata.get(part)?.get(key)?.as_str();
    text("annotations", RELEASE_ANNOTATION).or_else(|| text("labels", INSTANCE_LABEL))
}
