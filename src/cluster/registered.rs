//! Which entries of the webhook configurations of a cluster call an injector.
//!
//! An entry is one of ours when it has the name that the chart gives it, wherever it leads: that is what is looked at
//! then. A server that knows where it stands itself goes by that instead (`webhook_config`).

use kube::{Api, Client, Resource as _, api::ListParams};

use super::{
    Error, listed,
    webhook_config::{Configuration, Entry, Kind},
};

/// An entry that calls an injector.
#[derive(Debug, Clone)]
pub struct Registered {
    /// Kind of the configuration.
    pub kind: Kind,
    /// Its name.
    pub configuration: String,
    /// The entry.
    pub entry: Entry,
}

/// The entries of all configurations of this kind, or of the one of this name, in the order in which the API server calls
/// them.
///
/// # Errors
/// When the account may not list the configurations, or the API server does not answer.
pub async fn registered(client: Client, kind: Kind, named: Option<&str>) -> Result<Vec<Registered>, Error> {
    let api: Api<Configuration> = Api::all_with(client, &kind);
    let mut params = ListParams::default();
    if let Some(name) = named {
        // A person may have the right for this one alone.
        params = params.fields(&format!("metadata.name={name}"));
    }
    let resource = format!("{}.{}", Configuration::plural(&kind), Configuration::group(&kind));
    let list = listed(&resource, api.list(&params)).await?;
    let mut configurations = list.map(|list| list.items).unwrap_or_default();
    configurations.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
    let of_configuration = |configuration: Configuration| {
        let name = configuration.metadata.name.unwrap_or_default();
        let entries = configuration.webhooks.unwrap_or_default().into_iter();
        entries
            .filter(move |entry| entry.name == kind.entry())
            .map(move |entry| Registered {
                kind,
                configuration: name.clone(),
                entry,
            })
    };
    Ok(configurations.into_iter().flat_map(of_configuration).collect())
}
