//! Webhook configurations of either kind, as far as they are read.

use std::borrow::Cow;

use k8s_openapi::{
    ClusterResourceScope,
    api::admissionregistration::v1::WebhookClientConfig,
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use kube::Resource;
use serde::Deserialize;

use crate::names::{POLICY_WEBHOOK, WEBHOOK};

/// Which requests a configuration is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `MutatingWebhookConfiguration`: objects that are completed.
    Mutating,
    /// `ValidatingWebhookConfiguration`: policies that are checked as they are written.
    Validating,
}

impl Kind {
    /// Kubernetes' name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mutating => "MutatingWebhookConfiguration",
            Self::Validating => "ValidatingWebhookConfiguration",
        }
    }

    /// Name that the chart gives to the entry that leads to an injector.
    pub fn entry(self) -> &'static str {
        match self {
            Self::Mutating => WEBHOOK,
            Self::Validating => POLICY_WEBHOOK,
        }
    }

    /// What to do when it is not there.
    pub(super) fn missing(self) -> &'static str {
        match self {
            Self::Mutating => {
                "the chart makes it; install the chart again, or start with the name that it has"
            }
            Self::Validating => {
                "policies are not checked as they are written; the chart makes it with webhook.policies.enabled=true"
            }
        }
    }
}

/// A configuration of either kind, as far as it is read: the rest is left to those who wrote it.
#[derive(Debug, Clone, Deserialize)]
pub struct Configuration {
    /// Name, version, and who wrote which field.
    pub metadata: ObjectMeta,
    /// The entries.
    pub webhooks: Option<Vec<Entry>>,
}

/// An entry of a configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its name, which no other entry of the configuration has.
    pub name: String,
    /// Where it leads, and whom the API server trusts there.
    pub client_config: WebhookClientConfig,
    /// What becomes of a request when nobody answers.
    pub failure_policy: Option<String>,
    /// Of which namespaces' objects it is asked.
    pub namespace_selector: Option<LabelSelector>,
    /// Of which objects it is asked.
    pub object_selector: Option<LabelSelector>,
}

impl Entry {
    /// What becomes of a request when nobody answers: `Ignore` or `Fail`, which is what the API server takes where nothing
    /// is said.
    pub fn failure_policy(&self) -> &str {
        self.failure_policy.as_deref().unwrap_or("Fail")
    }

    /// Whom the API server is told to trust. Without, it trusts the authorities of its own machine alone.
    pub fn ca_bundle(&self) -> Option<&[u8]> {
        let bundle = self.client_config.ca_bundle.as_ref()?;
        Some(bundle.0.as_slice()).filter(|pem| !pem.is_empty())
    }
}

impl Resource for Configuration {
    type DynamicType = Kind;
    type Scope = ClusterResourceScope;

    fn kind(kind: &Kind) -> Cow<'_, str> {
        kind.as_str().into()
    }

    fn group(_: &Kind) -> Cow<'_, str> {
        "admissionregistration.k8s.io".into()
    }

    fn version(_: &Kind) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural(kind: &Kind) -> Cow<'_, str> {
        match kind {
            Kind::Mutating => "mutatingwebhookconfigurations".into(),
            Kind::Validating => "validatingwebhookconfigurations".into(),
        }
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
