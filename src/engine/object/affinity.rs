//! `affinity` of a pod: whether it keeps the pod to some nodes.

use serde::{
    Deserialize,
    de::{MapAccess, value::MapAccessDeserializer},
};

use super::Stored;
use crate::engine::field::{Field, Shape};

/// `affinity` of a pod.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Affinity {
    node_affinity: Field<NodeAffinity>,
}

impl Affinity {
    /// Whether there are nodes that the pod cannot be on. What is only preferred keeps it from none.
    pub fn chooses_nodes(&self) -> bool {
        let nodes = self.node_affinity.get();
        let required =
            nodes.and_then(|nodes| nodes.required_during_scheduling_ignored_during_execution.get());
        required.is_some_and(|Stored(hash)| *hash != 0)
    }
}

/// `nodeAffinity`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NodeAffinity {
    required_during_scheduling_ignored_during_execution: Field<Stored>,
}

impl<'de> Shape<'de> for Affinity {
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }
}

impl<'de> Shape<'de> for NodeAffinity {
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }
}
