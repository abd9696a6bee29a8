//! The marked objects that a cluster holds.

use std::io;

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, ObjectList},
    core::PartialObjectMeta,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Error, asked, kinds::Kind, listed};
use crate::names::{COMPONENT_LABEL, INSTANCE_LABEL, RELEASE_ANNOTATION, STATUS_ANNOTATION};

/// Whole objects of one answer; the next one goes on where it ended. An object may have 1.5 MiB, and whoever may create
/// objects may mark them.
const PAGE: u32 = 20;

/// Pods of one answer, by their metadata alone.
const PAGE_OF_PODS: u32 = 100;

/// Most objects of one kind. A release has a handful, so more are somebody's mistake.
const MOST: usize = 10_000;

/// Most pods that are read whole.
const MOST_PODS: usize = 500;

/// Most bytes of JSON in all objects together.
const MOST_BYTES: usize = 32 << 20;

/// What there is.
#[derive(Debug, Default)]
pub struct Inventory {
    /// The objects, by kind, namespace and name. Of pods there are those that nothing was injected into: what stands on
    /// the others came from their templates.
    pub objects: Vec<Value>,
    /// Why there may be more.
    pub unread: Vec<Unread>,
    /// Kinds that could not be listed, or not to their end.
    pub missing: Vec<&'static str>,
    /// Bytes of the objects, as JSON.
    bytes: usize,
}

impl Inventory {
    fn put(&mut self, kind: &Kind, object: Value) -> Result<(), Unread> {
        let bytes = self.bytes + weight(&object);
        if bytes > MOST_BYTES {
            return Err(Unread::TooLarge { kind: kind.name });
        }
        self.bytes = bytes;
        self.objects.push(object);
        Ok(())
    }
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
    /// They are larger than what is read.
    #[error(
        "marked objects hold more than {} MiB in all, and from some {kind} on they are not looked at; take the label \
         {COMPONENT_LABEL} off what is not Alumet's",
        MOST_BYTES >> 20
    )]
    TooLarge {
        /// The kind at which the reading ended.
        kind: &'static str,
    },
}

/// Lists the marked objects of these kinds in a namespace, or in all of them. A kind that cannot be listed leaves the
/// others.
pub async fn take(client: &Client, namespace: Option<&str>, kinds: &[Kind]) -> Inventory {
    let mut taking = Taking {
        client,
        namespace,
        inventory: Inventory::default(),
    };
    for kind in kinds {
        let taken = match kind.name {
            "Pod" => taking.pods(kind).await,
            _ => taking.kind(kind).await,
        };
        if let Err(unread) = taken {
            if matches!(unread, Unread::Refused(_)) {
                taking.inventory.missing.push(kind.name);
            }
            taking.inventory.unread.push(unread);
        }
    }
    taking.inventory
}

/// An inventory in the making.
struct Taking<'a> {
    client: &'a Client,
    namespace: Option<&'a str>,
    inventory: Inventory,
}

impl Taking<'_> {
    async fn kind(&mut self, kind: &Kind) -> Result<(), Unread> {
        let resource = resource(kind);
        let api: Api<DynamicObject> = in_namespace(self.client, self.namespace, &resource);
        let mut pages = Pages::of(&resource, PAGE);
        let mut count = 0;
        while let Some(objects) = pages.next(async |params| api.list(params).await).await? {
            for object in objects {
                if count == MOST {
                    return Err(Unread::TooMany {
                        kind: kind.name,
                        most: MOST,
                    });
                }
                count += 1;
                self.inventory.put(kind, whole(&resource, object))?;
            }
        }
        Ok(())
    }

    /// Reads the pods without a record whole; of the others their metadata have come by, and that is enough.
    async fn pods(&mut self, kind: &Kind) -> Result<(), Unread> {
        let resource = resource(kind);
        let api: Api<DynamicObject> = in_namespace(self.client, self.namespace, &resource);
        let mut pages = Pages::of(&resource, PAGE_OF_PODS);
        let mut count = 0;
        while let Some(pods) = pages.next(async |params| api.list_metadata(params).await).await? {
            for PartialObjectMeta { metadata, .. } in pods {
                let annotations = metadata.annotations.unwrap_or_default();
                let (Some(name), Some(of)) = (metadata.name, metadata.namespace) else {
                    continue;
                };
                if annotations.contains_key(STATUS_ANNOTATION) {
                    continue;
                }
                if count == MOST_PODS {
                    return Err(Unread::TooMany {
                        kind: kind.name,
                        most: MOST_PODS,
                    });
                }
                count += 1;
                let api: Api<DynamicObject> = in_namespace(self.client, Some(&of), &resource);
                // One that is gone meanwhile is not missed.
                if let Some(pod) = asked("get", "pods", api.get(&name)).await? {
                    self.inventory.put(kind, whole(&resource, pod))?;
                }
            }
        }
        Ok(())
    }
}

fn resource(kind: &Kind) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(kind.group, "v1", kind.name), kind.plural)
}

fn in_namespace(client: &Client, namespace: Option<&str>, resource: &ApiResource) -> Api<DynamicObject> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    }
}

/// The pages of a list.
struct Pages {
    resource: String,
    params: ListParams,
    is_last: bool,
}

impl Pages {
    /// Of the marked objects.
    fn of(resource: &ApiResource, size: u32) -> Self {
        Self {
            resource: if resource.group.is_empty() {
                resource.plural.clone()
            } else {
                format!("{}.{}", resource.plural, resource.group)
            },
            params: ListParams::default().labels(COMPONENT_LABEL).limit(size),
            is_last: false,
        }
    }

    /// The next page, while there is one.
    async fn next<K: Clone + DeserializeOwned>(
        &mut self,
        list: impl AsyncFnOnce(&ListParams) -> kube::Result<ObjectList<K>>,
    ) -> Result<Option<Vec<K>>, Error> {
        if self.is_last {
            return Ok(None);
        }
        let Some(page) = listed(&self.resource, list(&self.params)).await? else {
            return Ok(None);
        };
        let next = page.metadata.continue_.filter(|token| !token.is_empty());
        self.is_last = next.is_none();
        self.params.continue_token = next;
        Ok(Some(page.items))
    }
}

/// How many bytes the object has as JSON.
fn weight(object: &Value) -> usize {
    struct Counter(usize);

    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut counter = Counter(0);
    // A value can be written, and a counter takes everything.
    let _counted = serde_json::to_writer(&mut counter, object);
    counter.0
}

/// The object as a manifest has it: an element of a list does not say its kind.
fn whole(resource: &ApiResource, object: DynamicObject) -> Value {
    let DynamicObject {
        mut metadata, data, ..
    } = object;
    // Who wrote which field is half of an object, and nobody asks here.
    metadata.managed_fields = None;
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Inventory, MOST_BYTES, Unread};
    use crate::cluster::kinds::KINDS;

    #[test]
    fn all_objects_together_are_bounded_and_what_does_not_fit_is_told() {
        let mut inventory = Inventory::default();
        let object = json!({"data": {"config": "x".repeat(1 << 20)}});
        let mut put = || inventory.put(&KINDS[0], object.clone());
        for _ in 0..31 {
            put().unwrap();
        }
        let Err(unread @ Unread::TooLarge { .. }) = put() else {
            panic!("it fits");
        };
        assert_eq!(
            unread.to_string(),
            "marked objects hold more than 32 MiB in all, and from some ConfigMap on they are not looked at; take the \
             label injector.alumet.dev/component off what is not Alumet's"
        );
        assert!(inventory.bytes <= MOST_BYTES && inventory.objects.len() == 31);
    }
}
