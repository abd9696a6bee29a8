//! The policies of a cluster, and the labels of its namespaces: watched.
//!
//! It needs the verbs `list` and `watch` on `clusterinjectionpolicies`, `injectionpolicies` and `namespaces`.

use futures::{Stream, StreamExt as _, stream::BoxStream};
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client,
    api::DynamicObject,
    core::{PartialObjectMeta, Status},
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};

use super::{Error, document, full_name, other_versions, resource};
use crate::{
    cluster::refused,
    policy_document::{
        KINDS,
        store::{Cause, Change, Key, PolicyObject, Resource},
    },
    telemetry::with_causes,
};

/// What to do where the cluster does not know a kind.
const NOT_INSTALLED: &str = "install the CustomResourceDefinitions, which `alumet-injector crds` prints";

/// All policies and namespaces now, and each change, one stream for each resource. They do not end; what fails is tried again, later each time.
pub fn watch(client: &Client) -> [BoxStream<'static, Change>; 3] {
    let [of_cluster, of_namespaces] = KINDS;
    [
        policies(client, of_cluster, Resource::ClusterPolicies),
        policies(client, of_namespaces, Resource::NamespacedPolicies),
        namespaces(client),
    ]
}

fn policies(client: &Client, kind: &'static str, watched: Resource) -> BoxStream<'static, Change> {
    let resource = resource(kind);
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let name = full_name(&resource);
    let events = watcher(api, watcher::Config::default()).default_backoff();
    changes(events, client.clone(), name, watched, move |object| {
        Change::Policy(Box::new(policy_object(kind, watched, object)))
    })
}

fn namespaces(client: &Client) -> BoxStream<'static, Change> {
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(client.clone());
    let events = watcher(api, watcher::Config::default()).default_backoff();
    let known = |object: PartialObjectMeta<Namespace>| {
        let ObjectMeta { name, labels, .. } = object.metadata;
        Change::Namespace(name.unwrap_or_default(), labels.unwrap_or_default())
    };
    changes(
        events,
        client.clone(),
        "namespaces".to_owned(),
        Resource::Namespaces,
        known,
    )
}

/// What a watcher says, as changes.
fn changes<K: kube::Resource + Send + 'static>(
    events: impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
    client: Client,
    name: String,
    watched: Resource,
    known: impl Fn(K) -> Change + Send + 'static,
) -> BoxStream<'static, Change> {
    let known = move |event| match event {
        Event::Init => Change::Listing(watched),
        Event::InitApply(object) | Event::Apply(object) => known(object),
        Event::Delete(object) => Change::Gone(key(watched, object.meta())),
        Event::InitDone => Change::Listed(watched),
    };
    events
        .map(move |event| event.map(&known))
        .filter_map(move |event| {
            let (client, name) = (client.clone(), name.clone());
            async move {
                match event {
                    Ok(change) => Some(change),
                    Err(error) => failed(error, &client, &name, watched).await,
                }
            }
        })
        .boxed()
}

fn key(watched: Resource, meta: &ObjectMeta) -> Key {
    Key {
        resource: watched,
        namespace: meta.namespace.clone(),
        name: meta.name.clone().unwrap_or_default(),
    }
}

fn policy_object(kind: &str, watched: Resource, object: DynamicObject) -> PolicyObject {
    let meta = &object.metadata;
    PolicyObject {
        key: key(watched, meta),
        uid: meta.uid.clone(),
        resource_version: meta.resource_version.clone(),
        generation: meta.generation,
        document: document(kind, object),
    }
}

/// The sentence for a watch that failed. Nothing for one that has fallen behind, which begins anew: that is how watches
/// are.
async fn failed(error: watcher::Error, client: &Client, name: &str, watched: Resource) -> Option<Change> {
    let (verb, error) = match error {
        watcher::Error::InitialListFailed(error) => ("list", error),
        watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => ("watch", error),
        watcher::Error::WatchError(status) => ("watch", kube::Error::Api(status)),
        watcher::Error::NoResourceVersion => {
            let sentence = format!("the answer to list of {name} has no resourceVersion");
            return Some(Change::Failed(watched, Cause::Unavailable, sentence));
        }
    };
    if matches!(&error, kube::Error::Api(status) if is_expired(status)) {
        return None;
    }
    let (cause, error) = match refused(verb, name, NOT_INSTALLED, error) {
        Error::Forbidden { verb, what, source } => {
            let resource = what;
            (
                Cause::Forbidden,
                Error::ForbiddenResource {
                    verb,
                    resource,
                    source,
                },
            )
        }
        // Where the cluster has other versions, the mend is another one.
        missing @ Error::Missing { .. } => match other_versions(client).await {
            Err(others @ Error::OtherVersions { .. }) => (Cause::NotInstalled, others),
            _ => (Cause::NotInstalled, missing),
        },
        error => (Cause::Unavailable, error),
    };
    Some(Change::Failed(watched, cause, with_causes(&error)))
}

fn is_expired(status: &Status) -> bool {
    status.code == 410
}
