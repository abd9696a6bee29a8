//! The marked objects: whether the webhook is asked about them, and whether they are complete.

use std::{collections::BTreeMap, time::SystemTime};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::Client;
use serde_json::Value;

use super::{Installation, Said, Scope, Seen, Unseen, Webhook, read::seen};
use crate::{
    cluster::{
        inventory::{self, Inventory, Unread},
        kinds::without,
    },
    names::{
        COMPONENT_LABEL, CONFIG_KEY, HOOK_ANNOTATION, INJECT_LABEL, NAME_LABEL, OWN_NAME, STATUS_ANNOTATION,
    },
    policy::selector::{Operator, Requirement, Selector},
};

/// Objects of a release that are named in a sentence.
const MOST_NAMED: usize = 3;

/// The kinds that are looked at, and where their record stands. Without a place the key `config` counts.
const KINDS: [(&str, Option<&str>); 5] = [
    ("ConfigMap", None),
    ("DaemonSet", Some("/spec/template/metadata/annotations")),
    ("Deployment", Some("/spec/template/metadata/annotations")),
    ("StatefulSet", Some("/spec/template/metadata/annotations")),
    (
        "CronJob",
        Some("/spec/jobTemplate/spec/template/metadata/annotations"),
    ),
];

/// A marked object that is ours to complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marked {
    pub(super) kind: &'static str,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) release: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) is_complete: bool,
}

/// All marked objects of the scope.
pub(super) async fn marked(client: &Client, scope: &Scope) -> Seen<Vec<Marked>> {
    let kinds = without(&["Pod", "Job"]);
    let Inventory { objects, unread, .. } = inventory::take(client, scope.namespace.as_deref(), &kinds).await;
    match unread.into_iter().next() {
        None => Ok(objects.iter().filter_map(of_object).collect()),
        Some(Unread::Refused(error)) => seen(Err(error)),
        Some(many) => Err(Unseen::Failed(many.to_string())),
    }
}

/// What there is to know of an object; nothing where it is not ours to complete.
fn of_object(object: &Value) -> Option<Marked> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let kind = text("/kind")?;
    let (kind, record) = KINDS.into_iter().find(|(known, _)| *known == kind)?;
    let metadata = object.get("metadata")?;
    let entry = |part: &str, key: &str| metadata.get(part)?.get(key)?.as_str();
    if entry("labels", INJECT_LABEL) == Some("false")
        || entry("labels", NAME_LABEL) == Some(OWN_NAME)
        || entry("annotations", HOOK_ANNOTATION).is_some()
        || metadata.get("deletionTimestamp").is_some_and(Value::is_string)
    {
        return None;
    }
    let (place, key) = match record {
        None => ("/data", CONFIG_KEY),
        Some(place) => (place, STATUS_ANNOTATION),
    };
    let labels = metadata.get("labels").and_then(Value::as_object);
    let labels = labels.into_iter().flatten();
    Some(Marked {
        kind,
        namespace: text("/metadata/namespace")?.to_owned(),
        name: text("/metadata/name")?.to_owned(),
        release: inventory::release(object).map(str::to_owned),
        labels: labels
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
        is_complete: object.pointer(place).and_then(|all| all.get(key)).is_some(),
    })
}

/// What a selector of Kubernetes' own selects. One that cannot be read selects nothing: the API server takes none.
fn selector(selector: Option<&LabelSelector>) -> Option<Selector> {
    let Some(selector) = selector else {
        return Some(Selector::default());
    };
    let labels = selector.match_labels.iter().flatten();
    let labels = labels.map(|(key, value)| Requirement::new(key.clone(), Operator::In, vec![value.clone()]));
    let expressions = selector.match_expressions.iter().flatten().map(|it| {
        let operator = Operator::parse(&it.operator).unwrap_or(Operator::In);
        Requirement::new(it.key.clone(), operator, it.values.clone().unwrap_or_default())
    });
    labels
        .chain(expressions)
        .collect::<Result<_, _>>()
        .ok()
        .map(Selector::new)
}

impl Webhook {
    /// Whether it is asked about objects of a namespace with these labels, whatever else.
    pub(super) fn serves(&self, namespace: &BTreeMap<String, String>) -> bool {
        selector(self.entry.namespace_selector.as_ref()).is_some_and(|it| it.matches(namespace))
    }

    /// Whether its objectSelector takes objects with these labels.
    fn takes(&self, labels: &BTreeMap<String, String>) -> bool {
        selector(self.entry.object_selector.as_ref()).is_some_and(|it| it.matches(labels))
    }
}

/// What leaves an object out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum LeftOutBy {
    NamespaceSelector,
    ObjectSelector,
}

impl LeftOutBy {
    /// What leaves this object out, if every webhook does.
    fn of(webhooks: &[Webhook], labels: &BTreeMap<String, String>, object: &Marked) -> Option<Self> {
        let serving: Vec<&Webhook> = webhooks.iter().filter(|webhook| webhook.serves(labels)).collect();
        if serving.is_empty() {
            Some(Self::NamespaceSelector)
        } else if serving.iter().any(|webhook| webhook.takes(&object.labels)) {
            None
        } else {
            Some(Self::ObjectSelector)
        }
    }
}

pub(super) fn selectors(installation: &Installation, _: SystemTime) -> Vec<Said> {
    let (webhooks, namespaces, marked) = match known(installation) {
        Ok(known) => known,
        Err(why) => return vec![Said::skipped("", &why)],
    };
    let mut left_out: BTreeMap<(&str, LeftOutBy), Vec<&Marked>> = BTreeMap::new();
    for object in marked {
        let Some(labels) = namespaces.get(&object.namespace) else {
            continue;
        };
        if let Some(by) = LeftOutBy::of(webhooks, labels, object) {
            left_out.entry((&object.namespace, by)).or_default().push(object);
        }
    }
    let mut said: Vec<Said> = left_out
        .iter()
        .map(|((namespace, by), objects)| of_left_out(namespace, *by, objects, webhooks))
        .collect();
    if let Some(namespace) = &installation.scope.namespace
        && let Some(labels) = namespaces.get(namespace)
        && marked.is_empty()
        && !webhooks.iter().any(|webhook| webhook.serves(labels))
    {
        said.push(of_left_out(
            namespace,
            LeftOutBy::NamespaceSelector,
            &[],
            webhooks,
        ));
    }
    if said.is_empty() {
        let message = match marked.len() {
            0 => "there is no marked object".to_owned(),
            1 => "the one marked object is one that the webhook is asked about".to_owned(),
            number => format!("all {number} marked objects are ones that the webhook is asked about"),
        };
        said.push(Said::ok("", message));
    }
    said
}

fn of_left_out(namespace: &str, by: LeftOutBy, objects: &[&Marked], webhooks: &[Webhook]) -> Said {
    let names: Vec<&str> = webhooks
        .iter()
        .map(|webhook| webhook.configuration.as_str())
        .collect();
    let names = names.join(" and ");
    let place = format!("Namespace {namespace}");
    let number = match objects.len() {
        1 => "1 marked object".to_owned(),
        number => format!("{number} marked objects"),
    };
    let (message, mend) = match by {
        LeftOutBy::NamespaceSelector => (
            format!(
                "it has {number}, and the namespaceSelector of MutatingWebhookConfiguration {names} leaves it out"
            ),
            "set webhook.namespaceSelector of the injector's chart, or label the namespace; or use the post-renderer",
        ),
        LeftOutBy::ObjectSelector => (
            format!(
                "the objectSelector of MutatingWebhookConfiguration {names} leaves out {number}: {}",
                named(
                    objects
                        .iter()
                        .map(|object| format!("{} {}", object.kind, object.name))
                        .collect()
                )
            ),
            "set webhook.objectSelector of the injector's chart, or label the objects",
        ),
    };
    if objects.iter().all(|object| object.is_complete) {
        Said::warning(&place, message, mend)
    } else {
        Said::error(&place, message, mend)
    }
}

/// What the selectors are compared with, if all of it is known.
type Known<'a> = (
    &'a [Webhook],
    &'a BTreeMap<String, BTreeMap<String, String>>,
    &'a [Marked],
);

fn known(installation: &Installation) -> Seen<Known<'_>> {
    let webhooks = installation.webhooks.as_ref().map_err(Clone::clone)?;
    if webhooks.is_empty() {
        return Err(Unseen::Moot("there is no webhook to look at".to_owned()));
    }
    let namespaces = installation.namespaces.as_ref().map_err(Clone::clone)?;
    let marked = installation.marked.as_ref().map_err(Clone::clone)?;
    Ok((webhooks, namespaces, marked))
}

/// Some of these, and how many more there are.
fn named(mut all: Vec<String>) -> String {
    let more = all.len().saturating_sub(MOST_NAMED);
    all.truncate(MOST_NAMED);
    let text = all.join(", ");
    if more == 0 {
        text
    } else {
        format!("{text} and {more} more")
    }
}

pub(super) fn releases(installation: &Installation, _: SystemTime) -> Vec<Said> {
    let marked = match &installation.marked {
        Ok(marked) => marked,
        Err(why) => return vec![Said::skipped("", why)],
    };
    let mut incomplete: BTreeMap<(&str, Option<&str>), Vec<&Marked>> = BTreeMap::new();
    for object in marked.iter().filter(|object| !object.is_complete) {
        let release = (object.namespace.as_str(), object.release.as_deref());
        incomplete.entry(release).or_default().push(object);
    }
    if incomplete.is_empty() {
        let message = match marked.len() {
            0 => "there is no marked object".to_owned(),
            1 => "the one marked object is complete".to_owned(),
            number => format!("all {number} marked objects are complete"),
        };
        return vec![Said::ok("", message)];
    }
    let said = incomplete.into_iter().map(|((namespace, release), objects)| {
        let place = match release {
            Some(release) => format!("release {namespace}/{release}"),
            None => format!("Namespace {namespace}"),
        };
        let lacks = objects.iter().map(|object| {
            let what = if object.kind == "ConfigMap" { "no key `config`" } else { "no record" };
            format!("{} {} has {what}", object.kind, object.name)
        });
        let message = format!("it was installed or changed without the injector: {}", named(lacks.collect()));
        let mend = format!(
            "kubectl -n {namespace} annotate configmap,daemonset,deployment,statefulset --selector {COMPONENT_LABEL} \
             injector.alumet.dev/refresh=now --overwrite"
        );
        Said::error(&place, message, &mend)
    });
    said.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::of_object;

    #[test]
    fn what_is_not_ours_to_complete_does_not_count() {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "namespace": "n", "name": "c", "labels": {"injector.alumet.dev/component": "agent"},
        }});
        assert!(of_object(&object).is_some_and(|marked| !marked.is_complete));
        for (pointer, value) in [
            ("/kind", json!("Secret")),
            ("/metadata/labels", json!({"injector.alumet.dev/inject": "false"})),
            (
                "/metadata/labels",
                json!({"app.kubernetes.io/name": "alumet-injector"}),
            ),
            ("/metadata/annotations", json!({"helm.sh/hook": "pre-install"})),
            ("/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z")),
        ] {
            let mut other = object.clone();
            let (parent, member) = pointer.rsplit_once('/').unwrap();
            other.pointer_mut(parent).unwrap()[member] = value;
            assert_eq!(of_object(&other), None, "{other}");
        }
        // Where the record of each kind stands.
        let with = |kind: &str, rest: Value| {
            let mut other = object.clone();
            other["kind"] = json!(kind);
            let rest = rest.as_object().unwrap().clone();
            other.as_object_mut().unwrap().extend(rest);
            of_object(&other).map(|marked| marked.is_complete)
        };
        let metadata = json!({"metadata": {"annotations": {"injector.alumet.dev/status": "{}"}}});
        assert_eq!(with("ConfigMap", json!({"data": {"config": ""}})), Some(true));
        assert_eq!(
            with("DaemonSet", json!({"spec": {"template": metadata}})),
            Some(true)
        );
        let spec = json!({"spec": {"jobTemplate": {"spec": {"template": metadata}}}});
        assert_eq!(with("CronJob", spec.clone()), Some(true));
        assert_eq!(with("Deployment", spec), Some(false));
    }
}
