//! The marked objects: whether the webhook is asked about them.

use std::{collections::BTreeMap, time::SystemTime};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::Client;
use serde_json::Value;

use super::{Installation, Said, Scope, Seen, Unseen, Webhook, seen};
use crate::{
    cluster::{
        inventory::{self, Inventory, Unread},
        kinds::without,
    },
    engine::{
        setup::{Fresh, Snapshot},
        survey::{Standing, Surveyed, survey, views},
    },
    policy::selector::{Operator, Requirement, Selector},
};

/// Objects of a release that are named in a sentence.
const MOST_NAMED: usize = 3;

/// A marked object that is ours to complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marked {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) release: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) standing: Standing,
}

impl Marked {
    /// Whether it has what was injected for its values. What policies would give it now is not asked.
    pub(super) fn is_complete(&self) -> bool {
        matches!(
            self.standing,
            Standing::UpToDate | Standing::Stale | Standing::OutOfStep
        )
    }
}

/// All marked objects of the scope.
pub(super) async fn marked(client: &Client, scope: &Scope) -> Seen<Vec<Marked>> {
    let kinds = without(&["Pod", "Job"]);
    let Inventory { objects, unread, .. } = inventory::take(client, scope.namespace.as_deref(), &kinds).await;
    match unread.into_iter().next() {
        None => Ok(ours(&objects)),
        Some(Unread::Refused(error)) => seen(Err(error)),
        Some(many) => Err(Unseen::Failed(many.to_string())),
    }
}

/// Those of the objects that are ours to complete.
fn ours(objects: &[Value]) -> Vec<Marked> {
    let (objects, views) = views(objects);
    let surveyed = survey(&views, &Snapshot::default(), &Fresh);
    let all = objects.into_iter().zip(surveyed);
    all.filter(|(_, surveyed)| surveyed.standing != Standing::LeftAlone)
        .map(|(object, Surveyed { standing, plan })| {
            let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
            let labels = labels.into_iter().flatten();
            Marked {
                kind: plan.report.kind,
                namespace: plan.report.namespace.unwrap_or_default(),
                name: plan.report.name,
                release: inventory::release(object).map(str::to_owned),
                labels: labels
                    .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                    .collect(),
                standing,
            }
        })
        .collect()
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
    if objects.iter().all(|object| object.is_complete()) {
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
pub(super) fn named(mut all: Vec<String>) -> String {
    let more = all.len().saturating_sub(MOST_NAMED);
    all.truncate(MOST_NAMED);
    let text = all.join(", ");
    if more == 0 {
        text
    } else {
        format!("{text} and {more} more")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Marked, ours};
    use crate::engine::{
        facts::{Facts, Operation},
        object::ObjectView,
        plan,
        setup::{Fresh, Snapshot},
    };

    fn object() -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "namespace": "n", "name": "c", "labels": {"injector.alumet.dev/component": "agent"},
            "annotations": {"injector.alumet.dev/values": r#"{"agentVersion": "0.9.5", "plugins": {"csv": {"enable": true}}}"#},
        }})
    }

    fn is_complete(object: &Value) -> Option<bool> {
        let ours = ours(std::slice::from_ref(object));
        ours.first().map(Marked::is_complete)
    }

    #[test]
    fn what_is_not_ours_to_complete_does_not_count() {
        assert_eq!(is_complete(&object()), Some(false));
        for (pointer, value) in [
            ("/kind", json!("Secret")),
            ("/metadata/labels/injector.alumet.dev~1inject", json!("false")),
            (
                "/metadata/labels/app.kubernetes.io~1name",
                json!("alumet-injector"),
            ),
            ("/metadata/annotations", json!({"helm.sh/hook": "pre-install"})),
            ("/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z")),
        ] {
            let mut other = object();
            let (parent, member) = pointer.rsplit_once('/').unwrap();
            other.pointer_mut(parent).unwrap()[member.replace("~1", "/")] = value;
            assert_eq!(is_complete(&other), None, "{other}");
        }
    }

    #[test]
    fn an_object_is_complete_as_long_as_its_record_is_of_its_values() {
        let facts = Facts {
            operation: Operation::Create,
            ..Facts::RENDER
        };
        let mut completed = object();
        let plan = plan(
            &ObjectView::read(&completed).unwrap(),
            &facts,
            &Snapshot::default(),
            &Fresh,
        );
        json_patch::patch(&mut completed, &plan.patch).unwrap();
        assert_eq!(is_complete(&completed), Some(true));
        let mut emptied = completed.clone();
        emptied.as_object_mut().unwrap().remove("data");
        assert_eq!(is_complete(&emptied), Some(false));
        let values = &mut completed["metadata"]["annotations"]["injector.alumet.dev/values"];
        *values = json!(r#"{"agentVersion": "0.9.5", "plugins": {"rapl": {"enable": true}}}"#);
        assert_eq!(is_complete(&completed), Some(false));
    }
}
