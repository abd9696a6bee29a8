//! The caBundle of our entries in our `MutatingWebhookConfiguration`: watched, and written by JSON Patch.
//!
//! It needs the verbs `list`, `watch` and `patch` on this one object; with a field selector on its name the first two
//! can be granted by resourceNames.
//!
//! An entry is ours when it leads to this server: by its Service, or by a URL whose host is a name of our certificate.
//! Names of entries are no help: a new version of the chart may rename one. What else stands in the object is left
//! alone.
//!
//! Server-side apply would make us an owner of the entry, which the chart could then neither rename nor remove. A JSON
//! Patch (RFC 6902) does not, and its `test` on the entry's name makes sure that entries which moved meanwhile are not
//! mistaken for one another.

use std::{collections::BTreeSet, fmt};

use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use json_patch::{AddOperation, Patch as JsonPatch, PatchOperation, TestOperation, jsonptr::PointerBuf};
use k8s_openapi::{
    ByteString,
    api::admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration, WebhookClientConfig},
};
use kube::{
    Api, Client,
    api::Patch,
    runtime::{WatchStreamExt as _, watcher},
};
use serde_json::{Value, json};
use url::Url;

use super::{Error, answer, patch_params, refused};
use crate::certs::{Bundle, ServerNames};

/// What to do when it is not there.
const MISSING: &str = "the chart makes it; install the chart again, or start with the name that it has";

/// Where the entries lead that are ours.
#[derive(Debug, Clone)]
pub struct Target {
    /// Namespace of the Service.
    pub namespace: String,
    /// Name of the Service.
    pub service: String,
    /// Names of the certificate; a URL with such a host leads here, too.
    pub names: ServerNames,
}

/// What came of writing the caBundle.
#[derive(Debug)]
pub enum Written {
    /// Each of our entries has it already.
    Unchanged,
    /// It was written; the object as it is now.
    Changed(Box<MutatingWebhookConfiguration>),
    /// The entries are no longer those that were seen, and nothing was written: the watch shows how they are now.
    Outdated,
}

/// One `MutatingWebhookConfiguration`, by name.
pub struct WebhookConfig {
    api: Api<MutatingWebhookConfiguration>,
    name: String,
    target: Target,
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Service {}/{} or a URL with one of the hosts {}",
            self.namespace,
            self.service,
            self.names.as_slice().join(", ")
        )
    }
}

impl Target {
    fn is_ours(&self, config: &WebhookClientConfig) -> bool {
        let by_service = config
            .service
            .as_ref()
            .is_some_and(|it| (&it.namespace, &it.name) == (&self.namespace, &self.service));
        by_service || config.url.as_deref().is_some_and(|url| self.is_host_of(url))
    }

    fn is_host_of(&self, url: &str) -> bool {
        let Some(host) = Url::parse(url)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned))
        else {
            return false;
        };
        // An IPv6 address stands in brackets in a URL, and without them in a certificate.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        self.names.as_slice().iter().any(|name| name == host)
    }

    /// Our entries, with their places.
    fn entries<'a>(
        &'a self,
        config: &'a MutatingWebhookConfiguration,
    ) -> impl Iterator<Item = (usize, &'a MutatingWebhook)> {
        let all = config.webhooks.iter().flatten().enumerate();
        all.filter(|(_, entry)| self.is_ours(&entry.client_config))
    }

    /// The CAs that every one of our entries trusts. None where there is no entry.
    pub fn everywhere(&self, config: &MutatingWebhookConfiguration) -> Bundle {
        let bundles = self
            .entries(config)
            .map(|(_, entry)| bundle(&entry.client_config));
        bundles
            .reduce(|all, one| all.filtered(|trusted| one.contains(trusted.certificate())))
            .unwrap_or_default()
    }

    /// What has to be written so that each of our entries has this caBundle: no operation where they have it.
    /// Nothing where no entry is ours.
    pub fn patch(&self, config: &MutatingWebhookConfiguration, bundle: &Bundle) -> Option<JsonPatch> {
        let pem = ByteString(bundle.pem().into_bytes());
        let mut entries = self.entries(config).peekable();
        entries.peek()?;
        let operations = entries
            .filter(|(_, entry)| entry.client_config.ca_bundle.as_ref() != Some(&pem))
            .flat_map(|(at, entry)| {
                let at = at.to_string();
                [
                    PatchOperation::Test(TestOperation {
                        path: PointerBuf::from_tokens(["webhooks", &at, "name"]),
                        value: Value::from(entry.name.as_str()),
                    }),
                    // On a member that exists, `add` replaces it (RFC 6902 section 4.1).
                    PatchOperation::Add(AddOperation {
                        path: PointerBuf::from_tokens(["webhooks", &at, "clientConfig", "caBundle"]),
                        value: json!(pem),
                    }),
                ]
            });
        Some(JsonPatch(operations.collect()))
    }
}

/// A caBundle; one that cannot be read trusts nobody.
fn bundle(config: &WebhookClientConfig) -> Bundle {
    let pem = config.ca_bundle.as_ref().map(|pem| pem.0.as_slice());
    Bundle::read(pem.unwrap_or_default()).unwrap_or_default()
}

/// The sentence for what the watcher says.
fn watch_refused(what: &str, error: watcher::Error) -> Error {
    match error {
        watcher::Error::InitialListFailed(error) => refused("list", what, MISSING, error),
        watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
            refused("watch", what, MISSING, error)
        }
        watcher::Error::WatchError(status) => refused("watch", what, MISSING, kube::Error::Api(status)),
        watcher::Error::NoResourceVersion => Error::Answer {
            verb: "list",
            what: what.to_owned(),
        },
    }
}

impl WebhookConfig {
    /// The object of this name.
    pub fn new(client: Client, name: &str, target: Target) -> Self {
        Self {
            api: Api::all(client),
            name: name.to_owned(),
            target,
        }
    }

    /// Kind and name.
    pub fn what(&self) -> String {
        format!("MutatingWebhookConfiguration {}", self.name)
    }

    /// Where its entries are to lead.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// That it is not there.
    pub fn missing(&self) -> Error {
        Error::Missing {
            what: self.what(),
            mend: MISSING,
            source: None,
        }
    }

    /// The object now and after each change, nothing while there is none. It does not end; after an error it begins
    /// anew, later each time.
    pub fn watch(&self) -> BoxStream<'static, Result<Option<MutatingWebhookConfiguration>, Error>> {
        let what = self.what();
        watcher::watch_object(self.api.clone(), &self.name)
            .default_backoff()
            .map_err(move |error| watch_refused(&what, error))
            .boxed()
    }

    /// Writes the caBundle of our entries where it differs.
    pub async fn write(
        &self,
        config: &MutatingWebhookConfiguration,
        bundle: &Bundle,
    ) -> Result<Written, Error> {
        let patch = self.target.patch(config, bundle).ok_or_else(|| Error::NoEntry {
            what: self.what(),
            target: self.target.to_string(),
        })?;
        if patch.is_empty() {
            return Ok(Written::Unchanged);
        }
        let what = self.what();
        let answered = answer("patch", &what, MISSING, async {
            // The client library has a version of its own of the type; both are the same JSON.
            let patch = serde_json::from_value(json!(patch)).map_err(kube::Error::SerdeError)?;
            let patch = Patch::<()>::Json(patch);
            self.api.patch(&self.name, &patch_params(), &patch).await
        });
        match answered.await {
            Ok(now) => Ok(Written::Changed(Box::new(now))),
            Err(Error::Request { source, .. }) if does_not_apply(&source) => Ok(Written::Outdated),
            Err(error) => Err(error),
        }
    }
}

/// Whether the object has changed since the patch was made. The API server answers 422 to a patch whose `test` fails or
/// whose path is not there, and names no cause; where the patched object would be invalid it names the field. It answers
/// 409 when others write faster than it can repeat the patch.
fn does_not_apply(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    let has_cause = || status.details.iter().any(|details| !details.causes.is_empty());
    status.code == 409 || (status.code == 422 && !has_cause())
}

/// Who wrote the caBundle of an entry last, as `managedFields` names them.
pub fn writers(config: &MutatingWebhookConfiguration) -> String {
    let entries = config.metadata.managed_fields.iter().flatten();
    let names: BTreeSet<&str> = entries
        .filter(|entry| {
            let fields = entry.fields_v1.as_ref();
            fields.is_some_and(|fields| fields.0.to_string().contains("\"f:caBundle\""))
        })
        .filter_map(|entry| entry.manager.as_deref())
        .collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}
