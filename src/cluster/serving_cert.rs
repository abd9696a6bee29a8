//! The Secret of the self-managed mode: read, and written only as it was when it was read.
//!
//! It needs the verbs `get` and `patch` on this one Secret. Its values are never logged: answers are read here, for the
//! client library logs an answer that it cannot read.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Client, Resource as _,
    api::{GetParams, Patch},
    core::Request,
};
use serde_json::{Value, json};

use super::{Error, answer, patch_params};
use crate::certs::held::{Change, Held};

/// What to do when it is not there.
const MISSING: &str = "the chart makes it, empty, and the injector may not; install the chart again, or: \
                       kubectl create secret generic NAME --namespace NAMESPACE";

/// One Secret, by name.
pub struct ServingCert {
    client: Client,
    namespace: String,
    name: String,
}

/// What the Secret held when it was read.
#[derive(Debug)]
pub struct Read {
    /// What can be used of it.
    pub held: Held,
    /// Its resourceVersion then.
    pub version: String,
}

impl ServingCert {
    /// The Secret of a namespace.
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Kind, namespace and name.
    pub fn what(&self) -> String {
        format!("Secret {}/{}", self.namespace, self.name)
    }

    /// Reads it.
    pub async fn read(&self) -> Result<Read, Error> {
        let request = self.path().get(&self.name, &GetParams::default());
        self.send("get", async {
            let request = request.map_err(kube::Error::BuildRequest)?;
            self.client.request_text(request).await
        })
        .await
    }

    /// Writes some of its entries. Nothing where somebody else wrote since it was read: then nothing was changed.
    pub async fn write(&self, version: &str, change: &Change) -> Result<Option<Read>, Error> {
        let patch = Patch::Merge(merge_patch(version, change));
        let request = self.path().patch(&self.name, &patch_params(), &patch);
        let written = self.send("patch", async {
            let request = request.map_err(kube::Error::BuildRequest)?;
            self.client.request_text(request).await
        });
        match written.await {
            Ok(read) => Ok(Some(read)),
            Err(Error::Request { source, .. }) if is_conflict(&source) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn path(&self) -> Request {
        Request::new(Secret::url_path(&(), Some(&self.namespace)))
    }

    async fn send(
        &self,
        verb: &'static str,
        text: impl Future<Output = kube::Result<String>>,
    ) -> Result<Read, Error> {
        let text = answer(verb, &self.what(), MISSING, text).await?;
        let unreadable = || Error::Answer {
            verb,
            what: self.what(),
        };
        let secret: Secret = serde_json::from_str(&text).map_err(|_| unreadable())?;
        let data = secret.data.unwrap_or_default();
        Ok(Read {
            held: Held::read(|key| data.get(key).map(|value| value.0.as_slice())),
            version: secret.metadata.resource_version.ok_or_else(unreadable)?,
        })
    }
}

/// A merge patch (RFC 7386) that the API server refuses with 409 when the object has another resourceVersion.
fn merge_patch(version: &str, change: &Change) -> Value {
    let data: BTreeMap<&str, Option<String>> = change
        .iter()
        .map(|(key, value)| (*key, value.as_ref().map(|value| STANDARD.encode(value))))
        .collect();
    json!({"metadata": {"resourceVersion": version}, "data": data})
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}
