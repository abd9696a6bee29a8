//! What an upgrade of a Helm release would make of its objects. The API server is asked by dry runs, so admission takes
//! part as in the upgrade itself, and nothing changes.
//!
//! Where a release is upgraded by server-side apply (Helm 4), the dry run of Helm's own request is the answer, conflicts
//! included. Where it is not (Helm 3), an apply leaves what the chart no longer has, so that is taken away and the object
//! put once more.

mod owned;

use std::collections::BTreeMap;

use kube::{
    Client,
    api::{ApiResource, GroupVersionKind},
    discovery::{Scope, pinned_kind},
};
use serde_json::{Value, json};

use self::owned::{Fields, take_away, union};
use super::{Error, answer, objects::Objects};
use crate::names::RELEASE_ANNOTATION;

/// Who writes where nobody has written yet.
const HELM: &str = "helm";

/// What Helm 4 says of fields that somebody else wrote, too.
const FORCE: &str = "; helm upgrade takes the fields over with --force-conflicts";

/// How often an object is looked at anew that is written meanwhile.
const ATTEMPTS: usize = 5;

/// The label and the annotations that Helm itself puts on each object of a release. `helm template` does not show them.
const MANAGED_BY_LABEL: (&str, &str) = ("app.kubernetes.io/managed-by", "Helm");
const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";

/// A release, and its cluster.
pub struct Upgrade {
    client: Client,
    release: String,
    namespace: String,
    /// What the API server says of each kind, by `apiVersion` and `kind`.
    resources: BTreeMap<(String, String), (ApiResource, Scope)>,
}

/// What would become of an object.
#[derive(Debug)]
pub struct Upgraded {
    /// The object as Helm would send it.
    pub sent: Value,
    /// The object as it is, where it is there.
    pub before: Option<Value>,
    /// The object as it would be; or why the upgrade would fail at it.
    pub after: Result<Value, String>,
}

impl Upgrade {
    /// Of this release of a namespace.
    pub fn of(client: Client, release: &str, namespace: &str) -> Self {
        Self {
            client,
            release: release.to_owned(),
            namespace: namespace.to_owned(),
            resources: BTreeMap::new(),
        }
    }

    /// What would become of the object that the chart renders. `without_ours` takes what was injected out of an object.
    ///
    /// # Errors
    /// When the API server does not answer, or an answer is no object.
    pub async fn object(
        &mut self,
        rendered: &Value,
        without_ours: &(dyn Fn(&Value) -> Value + Sync),
    ) -> Result<Upgraded, Error> {
        let refused = |sentence: String| Upgraded {
            sent: rendered.clone(),
            before: None,
            after: Err(sentence),
        };
        let text = |pointer: &str| rendered.pointer(pointer).and_then(Value::as_str);
        let (Some(version), Some(kind), Some(name)) =
            (text("/apiVersion"), text("/kind"), text("/metadata/name"))
        else {
            return Ok(refused(
                "it lacks `apiVersion`, `kind` or `metadata.name`, so the API server does not take it"
                    .to_owned(),
            ));
        };
        let Some(objects) = self.objects(version, kind, text("/metadata/namespace")).await? else {
            return Ok(refused(format!(
                "the cluster knows no kind {kind} in {version}; install its CustomResourceDefinition first"
            )));
        };
        let sent = self.sent(rendered, objects.namespace());
        for _ in 1..ATTEMPTS {
            match self.attempt(&objects, name, &sent, without_ours).await {
                Err(error) if is_race(&error) => {}
                attempted => return attempted.map(|(before, after)| Upgraded { sent, before, after }),
            }
        }
        let (before, after) = self.attempt(&objects, name, &sent, without_ours).await?;
        Ok(Upgraded { sent, before, after })
    }

    /// The object as it is and as it would be.
    async fn attempt(
        &self,
        objects: &Objects,
        name: &str,
        sent: &Value,
        without_ours: &(dyn Fn(&Value) -> Value + Sync),
    ) -> Result<(Option<Value>, Result<Value, String>), Error> {
        let before = objects.find(name).await?;
        let (managers, is_applied) = before.as_ref().map(managers).unwrap_or_default();
        let manager = managers.first().map_or(HELM, String::as_str);
        let after = match &before {
            Some(live) if !self.owns(live) => Err(format!(
                "the cluster has it, and it is not of release {} in namespace {}, so Helm refuses to take it over",
                self.release, self.namespace
            )),
            Some(live) if !is_applied => {
                let merged = merged(objects, name, sent, live, &managers, &without_ours(live)).await;
                refusal(merged, "")?
            }
            _ => refusal(objects.try_apply(name, manager, sent, false).await, FORCE)?,
        };
        Ok((before, after))
    }

    /// The objects of a kind; `None` where the cluster does not know it.
    async fn objects(
        &mut self,
        version: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> Result<Option<Objects>, Error> {
        let id = (version.to_owned(), kind.to_owned());
        if !self.resources.contains_key(&id) {
            let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
            let gvk = GroupVersionKind::gvk(group, version, kind);
            let what = format!("kind {kind} of {}", gvk.api_version());
            match answer("get", &what, "", pinned_kind(&self.client, &gvk)).await {
                Ok((resource, capabilities)) => {
                    self.resources.insert(id.clone(), (resource, capabilities.scope));
                }
                Err(Error::Missing { .. }) => return Ok(None),
                Err(Error::Request { source, .. }) if matches!(*source, kube::Error::Discovery(_)) => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        let found = self.resources.get(&id).map(|(resource, scope)| {
            let namespace = match scope {
                Scope::Namespaced => Some(namespace.unwrap_or(&self.namespace).to_owned()),
                Scope::Cluster => None,
            };
            Objects::of(self.client.clone(), resource.clone(), namespace)
        });
        Ok(found)
    }

    /// Whether Helm takes the object for one of this release.
    fn owns(&self, live: &Value) -> bool {
        let annotation = |key| live["metadata"]["annotations"][key].as_str();
        annotation(RELEASE_ANNOTATION) == Some(&self.release)
            && annotation(RELEASE_NAMESPACE) == Some(&self.namespace)
    }

    /// The object with what Helm puts on it.
    fn sent(&self, rendered: &Value, namespace: Option<&str>) -> Value {
        let mut sent = rendered.clone();
        let (label, helm) = MANAGED_BY_LABEL;
        let marks = json!({"metadata": {
            "labels": {label: helm},
            "annotations": {RELEASE_ANNOTATION: self.release, RELEASE_NAMESPACE: self.namespace},
        }});
        json_patch::merge(&mut sent, &marks);
        if let Some(namespace) = namespace {
            sent["metadata"]["namespace"] = namespace.into();
        }
        sent
    }
}

/// The object as Helm 3 would have it stored: what was rendered, over all others, and without what these managers alone
/// owned and no longer write.
async fn merged(
    objects: &Objects,
    name: &str,
    sent: &Value,
    live: &Value,
    managers: &[String],
    base: &Value,
) -> Result<Value, Error> {
    let manager = managers.first().map_or(HELM, String::as_str);
    let mut merged = objects.try_apply(name, manager, sent, true).await?;
    let is_written = |entry: &Value| is_by(entry, managers) && entry["operation"] == "Apply";
    let is_owned = |entry: &Value| is_by(entry, managers);
    let owned = fields_of(live, &is_owned);
    let kept = union(
        fields_of(&merged, &is_written),
        &fields_of(live, &|entry| !is_owned(entry)),
    );
    take_away(&mut merged, base, &owned, &kept);
    if let Some(metadata) = merged.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
    objects.try_replace(name, manager, &merged).await
}

/// What the API server would store, or why it would not, with the mend of a conflict.
fn refusal(answered: Result<Value, Error>, of_conflict: &str) -> Result<Result<Value, String>, Error> {
    match answered {
        Ok(after) => Ok(Ok(after)),
        Err(error) if is_race(&error) => Err(error),
        Err(error) => {
            let is_conflict = error.status().is_some_and(|status| status.code == 409);
            let mend = if is_conflict { of_conflict } else { "" };
            Ok(Err(error.into_refusal()? + mend))
        }
    }
}

/// Whether somebody wrote the object between two requests.
fn is_race(error: &Error) -> bool {
    let is_put = matches!(error, Error::Request { verb: "update", .. });
    is_put && error.status().is_some_and(|status| status.code == 409)
}

/// Who of `managedFields` wrote what Helm writes itself, and whether by server-side apply.
fn managers(live: &Value) -> (Vec<String>, bool) {
    let mut names = Vec::new();
    let mut is_applied = false;
    for entry in entries(live) {
        let is_helm =
            !entry["fieldsV1"]["f:metadata"]["f:annotations"][format!("f:{RELEASE_ANNOTATION}")].is_null();
        if let Some(name) = entry["manager"].as_str().filter(|_| is_helm) {
            names.push(name.to_owned());
            is_applied |= entry["operation"] == "Apply";
        }
    }
    (names, is_applied)
}

fn entries(object: &Value) -> impl Iterator<Item = &Value> {
    let entries = object["metadata"]["managedFields"].as_array();
    entries.into_iter().flatten()
}

fn is_by(entry: &Value, managers: &[String]) -> bool {
    managers.iter().any(|manager| entry["manager"] == **manager)
}

/// All fields of the entries that are asked for.
fn fields_of(object: &Value, is_asked: &dyn Fn(&Value) -> bool) -> Fields {
    entries(object)
        .filter(|entry| is_asked(entry))
        .filter_map(|entry| entry["fieldsV1"].as_object())
        .fold(Fields::new(), union)
}
