//! Which webhook configurations of a cluster call an injector.

use k8s_openapi::api::admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration};
use kube::{Api, Client, api::ListParams};

use super::{Error, listed};
use crate::names::WEBHOOK;

/// An entry of a `MutatingWebhookConfiguration` that calls an injector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Name of the configuration.
    pub configuration: String,
    /// What becomes of a request when nobody answers: `Ignore` or `Fail`.
    pub failure_policy: String,
    /// Whether the API server is told whom to trust. Without, it trusts the authorities of its own machine alone.
    pub has_ca_bundle: bool,
}

/// The entries that have the name that ours have, in the order in which the API server calls them.
pub async fn registered(client: Client) -> Result<Vec<Registered>, Error> {
    let api: Api<MutatingWebhookConfiguration> = Api::all(client);
    let everything = ListParams::default();
    let list = api.list(&everything);
    let list = listed("mutatingwebhookconfigurations.admissionregistration.k8s.io", list).await?;
    let mut configurations = list.map(|list| list.items).unwrap_or_default();
    configurations.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
    let of_configuration = |configuration: MutatingWebhookConfiguration| {
        let name = configuration.metadata.name.unwrap_or_default();
        let entries = configuration.webhooks.unwrap_or_default().into_iter();
        entries
            .filter(|entry| entry.name == WEBHOOK)
            .map(move |entry| of_entry(name.clone(), entry))
    };
    Ok(configurations.into_iter().flat_map(of_configuration).collect())
}

fn of_entry(configuration: String, entry: MutatingWebhook) -> Registered {
    Registered {
        configuration,
        // What the API server takes where nothing is said.
        failure_policy: entry.failure_policy.unwrap_or_else(|| "Fail".to_owned()),
        has_ca_bundle: entry
            .client_config
            .ca_bundle
            .is_some_and(|bundle| !bundle.0.is_empty()),
    }
}
