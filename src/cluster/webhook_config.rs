//! The caBundle of our entries in a webhook configuration of ours, mutating or validating: watched, and written by JSON
//! Patch.
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

mod model;

use std::{collections::BTreeSet, fmt};

use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use json_patch::{AddOperation, Patch as JsonPatch, PatchOperation, TestOperation, jsonptr::PointerBuf};
use k8s_openapi::{ByteString, api::admissionregistration::v1::WebhookClientConfig};
use kube::{
    Api, Client,
    api::Patch,
    runtime::{WatchStreamExt as _, watcher},
};
use serde_json::{Value, json};
use url::Url;

pub use self::model::{Configuration, Entry, Kind};
use super::{Error, FIELD_MANAGER, answer, patch_params, refused};
use crate::certs::{Bundle, ServerNames};

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
    Changed(Box<Configuration>),
    /// The entries seem to be no longer those that were seen, and nothing was written: the watch shows how they are now.
    /// With the API server's answer, for when it does not.
    Outdated(Error),
}

/// The object after each change, or that there is none.
pub type Changes = BoxStream<'static, Result<Option<Configuration>, Error>>;

/// One webhook configuration, by kind and name.
pub struct WebhookConfig {
    api: Api<Configuration>,
    kind: Kind,
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
    fn entries<'a>(&'a self, config: &'a Configuration) -> impl Iterator<Item = (usize, &'a Entry)> {
        let all = config.webhooks.iter().flatten().enumerate();
        all.filter(|(_, entry)| self.is_ours(&entry.client_config))
    }

    /// The CAs that every one of our entries trusts. None where there is no entry.
    pub fn everywhere(&self, config: &Configuration) -> Bundle {
        let bundles = self
            .entries(config)
            .map(|(_, entry)| bundle(&entry.client_config));
        bundles
            .reduce(|all, one| all.filtered(|trusted| one.contains(trusted.certificate())))
            .unwrap_or_default()
    }

    /// Our entries that have another caBundle, or none.
    fn differing<'a>(
        &'a self,
        config: &'a Configuration,
        pem: &'a ByteString,
    ) -> impl Iterator<Item = (usize, &'a Entry)> {
        self.entries(config)
            .filter(move |(_, entry)| entry.client_config.ca_bundle.as_ref() != Some(pem))
    }

    /// What has to be written so that each of our entries has this caBundle: no operation where they have it.
    /// Nothing where no entry is ours.
    pub fn patch(&self, config: &Configuration, bundle: &Bundle) -> Option<JsonPatch> {
        let pem = text_of(bundle);
        self.entries(config).next()?;
        let operations = self.differing(config, &pem).flat_map(|(at, entry)| {
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

    /// Who wrote the caBundle of those of our entries that do not have this one, as `managedFields` name them. They name
    /// nobody for what was removed.
    pub fn rivals(&self, config: &Configuration, bundle: &Bundle) -> String {
        let pem = text_of(bundle);
        let differing: Vec<&Entry> = self.differing(config, &pem).map(|(_, entry)| entry).collect();
        let owners = config.metadata.managed_fields.iter().flatten();
        let names: BTreeSet<&str> = owners
            .filter(|owner| {
                let fields = owner.fields_v1.as_ref();
                fields.is_some_and(|fields| {
                    differing
                        .iter()
                        .any(|entry| has_ca_bundle(&fields.0, &entry.name))
                })
            })
            .filter_map(|owner| owner.manager.as_deref())
            .map(|name| {
                if name == FIELD_MANAGER {
                    ANOTHER_OF_US
                } else {
                    name
                }
            })
            .collect();
        let was_removed = || differing.iter().all(|it| it.client_config.ca_bundle.is_none());
        match names.into_iter().collect::<Vec<_>>().join(", ") {
            names if !names.is_empty() => names,
            _ if was_removed() => "unknown, for it was removed".to_owned(),
            _ => "unknown".to_owned(),
        }
    }
}

/// Who wrote under our own name what is not ours: a second injector.
const ANOTHER_OF_US: &str = "another alumet-injector";

/// Whether these fields have the caBundle of an entry: `{"f:webhooks": {"k:{\"name\":...}": {"f:clientConfig": ...}}}`.
fn has_ca_bundle(fields: &Value, entry: &str) -> bool {
    let key = format!("k:{}", json!({"name": entry}));
    !fields["f:webhooks"][key]["f:clientConfig"]["f:caBundle"].is_null()
}

fn text_of(bundle: &Bundle) -> ByteString {
    ByteString(bundle.pem().into_bytes())
}

/// A caBundle; one that cannot be read trusts nobody.
fn bundle(config: &WebhookClientConfig) -> Bundle {
    let pem = config.ca_bundle.as_ref().map(|pem| pem.0.as_slice());
    Bundle::read(pem.unwrap_or_default()).unwrap_or_default()
}

/// The sentence for what the watcher says.
fn watch_refused(what: &str, missing: &'static str, error: watcher::Error) -> Error {
    match error {
        watcher::Error::InitialListFailed(error) => refused("list", what, missing, error),
        watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
            refused("watch", what, missing, error)
        }
        watcher::Error::WatchError(status) => refused("watch", what, missing, kube::Error::Api(status)),
        watcher::Error::NoResourceVersion => Error::Answer {
            verb: "list",
            what: what.to_owned(),
        },
    }
}

impl WebhookConfig {
    /// The object of this kind and name.
    pub fn new(client: Client, kind: Kind, name: &str, target: Target) -> Self {
        Self {
            api: Api::all_with(client, &kind),
            kind,
            name: name.to_owned(),
            target,
        }
    }

    /// Kind and name.
    pub fn what(&self) -> String {
        format!("{} {}", self.kind.as_str(), self.name)
    }

    /// Where its entries are to lead.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// That it is not there.
    pub fn missing(&self) -> Error {
        Error::Missing {
            what: self.what(),
            mend: self.kind.missing(),
            source: None,
        }
    }

    /// The object now and after each change, nothing while there is none. It does not end; after an error it begins
    /// anew, later each time.
    pub fn watch(&self) -> Changes {
        let (what, missing) = (self.what(), self.kind.missing());
        watcher::watch_object(self.api.clone(), &self.name)
            .default_backoff()
            .map_err(move |error| watch_refused(&what, missing, error))
            .boxed()
    }

    /// Writes the caBundle of our entries where it differs.
    pub async fn write(&self, config: &Configuration, bundle: &Bundle) -> Result<Written, Error> {
        let patch = self.target.patch(config, bundle).ok_or_else(|| Error::NoEntry {
            what: self.what(),
            target: self.target.to_string(),
        })?;
        if patch.is_empty() {
            return Ok(Written::Unchanged);
        }
        let what = self.what();
        let answered = answer("patch", &what, self.kind.missing(), async {
            // The client library has a version of its own of the type; both are the same JSON.
            let patch = serde_json::from_value(json!(patch)).map_err(kube::Error::SerdeError)?;
            let patch = Patch::<()>::Json(patch);
            self.api.patch(&self.name, &patch_params(), &patch).await
        });
        match answered.await {
            Ok(now) => Ok(Written::Changed(Box::new(now))),
            Err(error) if does_not_apply(&error) => Ok(Written::Outdated(error)),
            Err(error) => Err(error),
        }
    }
}

/// Whether the object may have changed since the patch was made. The API server answers 422 to a patch whose `test`
/// fails or whose path is not there, and names no cause; where the patched object would be invalid it names the field.
/// It answers 409 when others write faster than it can repeat the patch.
fn does_not_apply(error: &Error) -> bool {
    let Error::Request { source, .. } = error else {
        return false;
    };
    let kube::Error::Api(status) = &**source else {
        return false;
    };
    let has_cause = || status.details.iter().any(|details| !details.causes.is_empty());
    status.code == 409 || (status.code == 422 && !has_cause())
}
