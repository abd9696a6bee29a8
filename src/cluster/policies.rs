//! The policies of a cluster, and the labels of its namespaces: read once.

mod status;
mod watch;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use serde_json::{Value, json};

pub use self::{status::Statuses, watch::watch};
use super::{Error, listed};
use crate::{
    policy::{index::PolicyIndex, model::Policy},
    policy_document::{GROUP, KINDS, Problem, VERSION, policy},
};

/// The policies that a cluster has at one moment.
#[derive(Debug, Default)]
pub struct Policies {
    /// Those that can be read, and the labels of every namespace.
    pub index: PolicyIndex,
    /// What is wrong with the others, or worth a warning.
    pub problems: Vec<Problem>,
}

/// Reads them once. A cluster that does not know the kinds has no policies.
///
/// Those of files are in force, too; one of the cluster that has the kind, namespace and name of one of them is not.
///
/// # Errors
/// When the API server cannot be reached, or the account may not list policies or namespaces.
pub async fn fetch(client: Client, of_files: Vec<Policy>) -> Result<Policies, Error> {
    let (mut policies, mut problems) = (of_files, Vec::new());
    let of_files = policies.len();
    let is_same = |one: &Policy, other: &Policy| (&one.scope, &one.name) == (&other.scope, &other.name);
    for document in documents(client.clone()).await? {
        let (read, findings) = policy(&document);
        if let Some(read) = read
            && !policies[..of_files].iter().any(|other| is_same(other, &read))
        {
            policies.push(read);
        }
        let place = place(&document);
        problems.extend(findings.into_iter().map(|finding| Problem {
            place: place.clone(),
            finding,
        }));
    }
    let mut index = PolicyIndex::new(policies);
    let namespaces: Api<Namespace> = Api::all(client);
    let everything = ListParams::default();
    let namespaces = listed("namespaces", namespaces.list_metadata(&everything)).await?;
    for namespace in namespaces.into_iter().flatten() {
        let labels: BTreeMap<String, String> = namespace.metadata.labels.unwrap_or_default();
        index.know_namespace(&namespace.metadata.name.unwrap_or_default(), &labels);
    }
    Ok(Policies { index, problems })
}

/// The policies as they stand in the cluster, whether they can be read as such or not, by kind, namespace and name.
pub async fn documents(client: Client) -> Result<Vec<Value>, Error> {
    let mut documents = Vec::new();
    for kind in KINDS {
        let resource = resource(kind);
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let Some(list) = listed(&full_name(&resource), api.list(&ListParams::default())).await? else {
            other_versions(&client).await?;
            continue;
        };
        let mut objects = list.items;
        objects.sort_by(|a, b| order(a).cmp(&order(b)));
        documents.extend(objects.into_iter().map(|object| document(kind, object)));
    }
    Ok(documents)
}

/// A kind that the cluster does not know: an error where it knows the group, in other versions alone.
async fn other_versions(client: &Client) -> Result<(), Error> {
    let groups = listed("API groups", client.list_api_groups()).await?;
    let groups = groups.map(|list| list.groups).unwrap_or_default();
    let Some(group) = groups.into_iter().find(|group| group.name == GROUP) else {
        return Ok(());
    };
    let versions: Vec<String> = group.versions.into_iter().map(|known| known.version).collect();
    if versions.iter().any(|version| version == VERSION) {
        return Ok(());
    }
    Err(Error::OtherVersions {
        group: GROUP,
        versions: versions.join(", "),
        read: VERSION,
    })
}

fn order(object: &DynamicObject) -> (Option<&str>, Option<&str>) {
    (
        object.metadata.namespace.as_deref(),
        object.metadata.name.as_deref(),
    )
}

/// A kind of policy as the API server knows it.
fn resource(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, VERSION, kind))
}

/// Its name as RBAC and `kubectl` have it.
fn full_name(resource: &ApiResource) -> String {
    format!("{}.{}", resource.plural, resource.group)
}

/// The object as a document. Of its metadata there is what a policy is read by, and what people write.
fn document(kind: &str, object: DynamicObject) -> Value {
    let DynamicObject { metadata, data, .. } = object;
    let mut document = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": kind,
        "metadata": {"name": metadata.name},
    });
    let known = &mut document["metadata"];
    if let Some(namespace) = metadata.namespace {
        known["namespace"] = json!(namespace);
    }
    for (key, texts) in [("labels", metadata.labels), ("annotations", metadata.annotations)] {
        if let Some(texts) = texts.filter(|texts| !texts.is_empty()) {
            known[key] = json!(texts);
        }
    }
    if let (Some(document), Value::Object(data)) = (document.as_object_mut(), data) {
        document.extend(data);
    }
    document
}

/// Kind, namespace and name of a document, for messages.
pub fn place(document: &Value) -> String {
    let text = |pointer| document.pointer(pointer).and_then(Value::as_str);
    let kind = text("/kind").unwrap_or_default();
    let name = text("/metadata/name").unwrap_or_default();
    match text("/metadata/namespace") {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}
