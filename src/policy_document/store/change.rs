//! What a store is told: what a watch saw, and what files hold.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::policy::model::Policy;

/// What is watched in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// `ClusterInjectionPolicy`.
    ClusterPolicies,
    /// `InjectionPolicy`.
    NamespacedPolicies,
    /// Namespaces, of which the labels count.
    Namespaces,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ClusterPolicies, Self::NamespacedPolicies, Self::Namespaces];

    /// Its name in a URL of the API server.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterPolicies => "clusterinjectionpolicies",
            Self::NamespacedPolicies => "injectionpolicies",
            Self::Namespaces => "namespaces",
        }
    }
}

/// Which object it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// What it is one of.
    pub resource: Resource,
    /// Its namespace, where it stands in one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Key {
    /// Kind, namespace and name.
    pub fn title(&self) -> String {
        let kind = match self.resource {
            Resource::ClusterPolicies => "ClusterInjectionPolicy",
            Resource::NamespacedPolicies => "InjectionPolicy",
            Resource::Namespaces => "Namespace",
        };
        match &self.namespace {
            Some(namespace) => format!("{kind} {namespace}/{}", self.name),
            None => format!("{kind} {}", self.name),
        }
    }
}

/// A policy as it stands in the cluster.
#[derive(Debug, Clone)]
pub struct PolicyObject {
    /// Which one.
    pub key: Key,
    /// Tells it from one of the same name that was there before.
    pub uid: Option<String>,
    /// Changes with each form of it.
    pub resource_version: Option<String>,
    /// Changes with what people write into it.
    pub generation: Option<i64>,
    /// All of it.
    pub document: Value,
}

/// Why a watch does not get what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A right is missing.
    Forbidden,
    /// The cluster does not have such objects.
    NotInstalled,
    /// Anything else: it is tried again.
    Unavailable,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Forbidden, Self::NotInstalled, Self::Unavailable];

    /// Its label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::NotInstalled => "not-installed",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What a watch saw, or files hold.
#[derive(Debug)]
pub enum Change {
    /// All objects of a resource are about to come.
    Listing(Resource),
    /// A policy is there, in this form.
    Policy(Box<PolicyObject>),
    /// A namespace is there, with these labels.
    Namespace(String, BTreeMap<String, String>),
    /// An object is gone.
    Gone(Key),
    /// All objects of a resource have come; what did not is gone.
    Listed(Resource),
    /// A watch does not get what it asks for.
    Failed(Resource, Cause, String),
    /// The policies of files, of which no two have the same kind, namespace and name.
    Files(Vec<Policy>),
    /// Files that cannot be read; those that were read before stay.
    FilesRefused(String),
}
