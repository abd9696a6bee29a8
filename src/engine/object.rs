//! Read-only views of a Kubernetes object: one superset for all kinds, read in one pass, borrowing from the input.

mod affinity;
mod owner;

use serde::{
    Deserialize,
    de::{IgnoredAny, MapAccess},
};

pub use self::{affinity::Affinity, owner::Owner};
use super::{
    content::{hash_of_map, hash_of_whole_map},
    field::{Field, Key, List, MAX_ELEMENTS, Shape, Text, shape_of_object},
};
use crate::{names, policy::selector};

/// What the engine reads of an object. A field that it does not know is neither read nor lost.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectView<'a> {
    /// `apiVersion`.
    #[serde(borrow)]
    pub api_version: Field<Text<'a>>,
    /// `kind`.
    #[serde(borrow)]
    pub kind: Field<Text<'a>>,
    /// `metadata`.
    #[serde(borrow)]
    pub metadata: Field<Meta<'a>>,
    /// `data` of a `ConfigMap`.
    #[serde(borrow)]
    pub data: Field<Texts<'a>>,
    /// `binaryData` of a `ConfigMap`.
    #[serde(borrow)]
    pub binary_data: Field<Texts<'a>>,
    /// `immutable` of a `ConfigMap`.
    pub immutable: Field<bool>,
    /// `spec`.
    #[serde(borrow)]
    pub spec: Field<Spec<'a>>,
}

impl<'a> ObjectView<'a> {
    /// The view of a value that was read already.
    ///
    /// # Errors
    /// Only when the value is not a JSON object.
    pub fn read(value: &'a serde_json::Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(value)
    }

    /// `metadata`, empty where there is none.
    pub fn meta(&self) -> &Meta<'a> {
        meta_or_empty(&self.metadata)
    }
}

/// `metadata` of an object or of a pod template.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta<'a> {
    /// `name`.
    #[serde(borrow)]
    pub name: Field<Text<'a>>,
    /// `generateName`.
    #[serde(borrow)]
    pub generate_name: Field<Text<'a>>,
    /// `namespace`.
    #[serde(borrow)]
    pub namespace: Field<Text<'a>>,
    /// `labels`.
    #[serde(borrow)]
    pub labels: Field<Labels<'a>>,
    /// `annotations`.
    #[serde(borrow)]
    pub annotations: Field<Texts<'a>>,
    /// `deletionTimestamp`.
    #[serde(borrow)]
    pub deletion_timestamp: Field<Text<'a>>,
    /// `ownerReferences`.
    #[serde(borrow)]
    pub owner_references: Field<List<Owner<'a>>>,
    /// `uid`; what is being created has none yet.
    #[serde(borrow)]
    pub uid: Field<Text<'a>>,
}

/// `metadata`, empty where there is none.
pub(super) fn meta_or_empty<'v, 'a>(metadata: &'v Field<Meta<'a>>) -> &'v Meta<'a> {
    static EMPTY: Meta<'static> = Meta {
        name: Field::Absent,
        generate_name: Field::Absent,
        namespace: Field::Absent,
        labels: Field::Absent,
        annotations: Field::Absent,
        deletion_timestamp: Field::Absent,
        owner_references: Field::Absent,
        uid: Field::Absent,
    };
    metadata.get().unwrap_or(&EMPTY)
}

impl Meta<'_> {
    /// The label's text.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get().and_then(|labels| labels.text(name))
    }

    /// The annotation's text.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get()?.text(name)
    }
}

/// Labels that the engine looks at by itself.
const LABELS_LOOKED_AT: [&str; 4] = [
    names::COMPONENT_LABEL,
    names::INJECT_LABEL,
    names::NAME_LABEL,
    names::INSTANCE_LABEL,
];

/// Labels: selectors may look at any.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labels<'a>(Vec<(Text<'a>, Field<Text<'a>>)>);

impl<'a> Labels<'a> {
    /// The entry of a label; `None` where there is no such label.
    pub fn entry(&self, key: &str) -> Option<&Field<Text<'a>>> {
        self.0
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, field)| field)
    }

    /// The text of a label.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.entry(key)?.text()
    }
}

impl selector::Labels for Labels<'_> {
    fn value(&self, key: &str) -> Option<&str> {
        self.text(key)
    }

    fn each<'l>(&'l self, visit: &mut dyn FnMut(&'l str, &'l str)) {
        for (key, field) in &self.0 {
            if let Some(value) = field.text() {
                visit(key, value);
            }
        }
    }
}

impl<'de: 'a, 'a> Shape<'de> for Labels<'a> {
    fn from_map<A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        let mut labels = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            // An object with more is made to take up memory.
            if labels.len() < MAX_ELEMENTS || LABELS_LOOKED_AT.contains(&key.as_ref()) {
                labels.push((key, map.next_value()?));
            } else {
                let IgnoredAny = map.next_value()?;
            }
        }
        Ok(Some(Self(labels)))
    }
}

/// Keys of annotations and data that the engine looks at; the others are only counted.
const LOOKED_AT: [&str; 10] = [
    names::VALUES_ANNOTATION,
    names::STATUS_ANNOTATION,
    names::REFRESH_ANNOTATION,
    names::CONTAINER_ANNOTATION,
    names::HOOK_ANNOTATION,
    names::MIRROR_ANNOTATION,
    names::RELEASE_ANNOTATION,
    names::SCRAPE_ANNOTATION,
    names::SCRAPE_PORT_ANNOTATION,
    names::CONFIG_KEY,
];

/// A map of texts of which a few keys are of interest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Texts<'a> {
    /// How many keys the map has in all.
    pub total: usize,
    known: Vec<(&'static str, Field<Text<'a>>)>,
}

impl<'a> Texts<'a> {
    /// The entry of a key that the engine looks at; `None` where the map has no such key.
    pub fn entry(&self, key: &str) -> Option<&Field<Text<'a>>> {
        self.known
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, field)| field)
    }

    /// The text of a key that the engine looks at.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.entry(key)?.text()
    }
}

impl<'de: 'a, 'a> Shape<'de> for Texts<'a> {
    fn from_map<A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        let mut texts = Self::default();
        while let Some(Key(key)) = map.next_key()? {
            texts.total += 1;
            match LOOKED_AT.into_iter().find(|known| *known == key) {
                Some(known) => texts.known.push((known, map.next_value()?)),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Some(texts))
    }
}

/// `spec` of a workload (with a pod template inside) or of a pod (with containers).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec<'a> {
    /// The pod template of a `DaemonSet`, `Deployment`, `StatefulSet` or `Job`.
    #[serde(borrow)]
    pub template: Field<Box<Template<'a>>>,
    /// The Job of a `CronJob`.
    #[serde(borrow)]
    pub job_template: Field<Box<Template<'a>>>,
    /// `containers`.
    #[serde(borrow)]
    pub containers: Field<List<Container<'a>>>,
    /// `volumes`.
    #[serde(borrow)]
    pub volumes: Field<List<Volume<'a>>>,
    /// `imagePullSecrets`.
    #[serde(borrow)]
    pub image_pull_secrets: Field<List<Named<'a>>>,
    /// `tolerations`.
    #[serde(borrow)]
    pub tolerations: Field<List<Toleration<'a>>>,
    /// `nodeName`.
    #[serde(borrow)]
    pub node_name: Field<Text<'a>>,
    /// `nodeSelector`.
    pub node_selector: Field<Texted>,
    /// `affinity`.
    pub affinity: Field<Affinity>,
    /// `runtimeClassName`.
    #[serde(borrow)]
    pub runtime_class_name: Field<Text<'a>>,
    /// `resources` of the pod as a whole, whose containers share them.
    pub resources: Field<Stored>,
}

/// `metadata` and `spec`: a pod template, or the Job inside a `CronJob`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Template<'a> {
    /// `metadata`.
    #[serde(borrow)]
    pub metadata: Field<Meta<'a>>,
    /// `spec`.
    #[serde(borrow)]
    pub spec: Field<Spec<'a>>,
}

/// A container.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container<'a> {
    /// `name`.
    #[serde(borrow)]
    pub name: Field<Text<'a>>,
    /// `image`.
    #[serde(borrow)]
    pub image: Field<Text<'a>>,
    /// `env`.
    #[serde(borrow)]
    pub env: Field<List<Named<'a>>>,
    /// `resources`.
    pub resources: Field<Stored>,
    /// `volumeMounts`.
    #[serde(borrow)]
    pub volume_mounts: Field<List<Mount<'a>>>,
}

/// A mount of a volume in a container.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mount<'a> {
    /// `name`: the volume.
    #[serde(borrow)]
    pub name: Field<Text<'a>>,
    /// `mountPath`.
    #[serde(borrow)]
    pub mount_path: Field<Text<'a>>,
}

/// A volume of a pod.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume<'a> {
    /// `name`.
    #[serde(borrow)]
    pub name: Field<Text<'a>>,
    /// `configMap`.
    #[serde(borrow)]
    pub config_map: Field<ConfigMapRef<'a>>,
}

/// The `ConfigMap` of a volume.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ConfigMapRef<'a> {
    /// `name`.
    #[serde(borrow)]
    pub name: Field<Text<'a>>,
}

shape_of_object!(
    ObjectView,
    Meta,
    Spec,
    Template,
    Container,
    Mount,
    Volume,
    ConfigMapRef
);

/// A map of texts, as a whole: the hash of its content, in which an empty text counts, or 0 for an empty map.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Texted(pub u64);

impl<'de> Shape<'de> for Texted {
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        hash_of_whole_map(map).map(|hash| Some(Self(hash)))
    }
}

/// A map as a whole: the hash of its content, or 0 where nothing of it is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stored(pub u64);

impl<'de> Shape<'de> for Stored {
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        hash_of_map(map, |_, _| ()).map(|hash| Some(Self(hash)))
    }
}

/// An element of a list that Kubernetes merges by `name` (`env`, `imagePullSecrets`), with the hash of all of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Named<'a> {
    /// `name`.
    pub name: Text<'a>,
    /// Hash of the element's content.
    pub hash: u64,
}

impl<'de: 'a, 'a> Shape<'de> for Named<'a> {
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        let mut named = Self::default();
        named.hash = hash_of_map(map, |key, text| {
            if key == "name" {
                named.name = text;
            }
        })?;
        Ok(Some(named))
    }
}

/// A toleration: what makes it the same as another, and the hash of all of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Toleration<'a> {
    /// `key`, `operator`, `value`, `effect`: two tolerations that agree on these tolerate the same taint.
    pub identity: [Text<'a>; 4],
    /// Hash of the toleration's content.
    pub hash: u64,
}

impl<'de: 'a, 'a> Shape<'de> for Toleration<'a> {
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        const MEMBERS: [&str; 4] = ["key", "operator", "value", "effect"];
        let mut toleration = Self::default();
        toleration.identity[1] = Text::Borrowed("Equal");
        toleration.hash = hash_of_map(map, |key, text| {
            if let Some(member) = MEMBERS.into_iter().position(|member| member == key)
                && !text.is_empty()
            {
                toleration.identity[member] = text;
            }
        })?;
        Ok(Some(toleration))
    }
}
