//! The model: what a policy selects, and what it gives to what it selects.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::selector::Selector;
use crate::names::Component;

/// How far a policy reaches. The narrower scope is the stronger one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// `InjectionPolicy`: the namespace that it stands in, and no other.
    Namespace(String),
    /// `ClusterInjectionPolicy`: every namespace that it selects.
    Cluster,
}

/// One policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// How far it reaches.
    pub scope: Scope,
    /// Its name, which no other policy of its scope has.
    pub name: String,
    /// Of two policies of one kind the one with the higher priority wins.
    pub priority: i32,
    /// What it selects.
    pub selects: Match,
    /// What it gives.
    pub defaults: Defaults,
    /// What becomes of an object whose plan has errors, where the policy says it.
    pub on_error: Option<OnError>,
}

impl Policy {
    /// The name by which reports and records speak of it: its own, after that of its namespace where it has one.
    pub fn title(&self) -> String {
        match &self.scope {
            Scope::Namespace(namespace) => format!("{namespace}/{}", self.name),
            Scope::Cluster => self.name.clone(),
        }
    }

    /// The namespaces that it is limited to by name; empty for any.
    pub fn namespaces(&self) -> &[String] {
        match &self.scope {
            Scope::Namespace(namespace) => std::slice::from_ref(namespace),
            Scope::Cluster => &self.selects.namespaces,
        }
    }
}

/// What a policy selects. What it does not mention it does not limit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Match {
    /// Components; empty for all.
    pub components: Vec<Component>,
    /// Names of namespaces; empty for all.
    pub namespaces: Vec<String>,
    /// By the labels of the namespace.
    pub namespace_selector: Selector,
    /// By the labels of the pods, which a workload has in its pod template. A `ConfigMap` holds what all pods of a
    /// component read, so a policy that looks at pods gives nothing to it.
    pub object_selector: Selector,
}

impl Match {
    /// Whether the component is one of those.
    pub fn has(&self, component: Component) -> bool {
        self.components.is_empty() || self.components.contains(&component)
    }
}

/// What an object gets when its plan has errors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnError {
    /// It goes through as it is, and the user is warned.
    #[default]
    Allow,
    /// It is refused.
    Deny,
}

/// What a policy gives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Defaults {
    /// Registry of the agent's image.
    pub image_registry: Option<String>,
    /// Names of image pull secrets.
    pub image_pull_secrets: Vec<String>,
    /// Tolerations.
    pub tolerations: Vec<Value>,
    /// Where the measurements go.
    pub influxdb: Option<InfluxDb>,
    /// Plugin settings, in the shape of `plugins` of the agent values.
    pub plugins: Map<String, Value>,
    /// Environment variables of the agent's container.
    pub env: BTreeMap<String, EnvValue>,
    /// `nodeSelector` of the pods.
    pub node_selector: BTreeMap<String, String>,
    /// `resources` of the agent's container.
    pub resources: Map<String, Value>,
    /// `runtimeClassName` of the pods.
    pub runtime_class_name: Option<String>,
}

/// An `InfluxDB` outside of the release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InfluxDb {
    /// Its address.
    pub host: Option<String>,
    /// Organization.
    pub organization: Option<String>,
    /// Bucket.
    pub bucket: Option<String>,
    /// Name of the Secret with the token.
    pub secret_name: Option<String>,
    /// Key of the token in that Secret.
    pub secret_key: Option<String>,
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvValue {
    /// A plain text.
    Text(String),
    /// A key of a Secret in the pod's namespace.
    Secret {
        /// Name of the Secret.
        name: String,
        /// Key in it.
        key: String,
    },
}
