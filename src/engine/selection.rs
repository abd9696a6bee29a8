//! Which policies apply to an object, and the setup that follows from them and its values.

use std::{borrow::Cow, sync::Arc};

use serde::Deserialize;

use super::{
    facts::{Facts, Operation},
    kind::{Layout, pod_part},
    object::{Labels, ObjectView, meta_or_empty},
    report::Note,
    setup::{Fresh, Setup, SetupKey, Setups, Snapshot},
    target::Target,
};
use crate::{
    finding::{Finding, Severity},
    names::{self, Component},
    policy::{
        index::{Asked, MOST_UNDECIDED, PolicyIndex, Rank, Selected},
        model::{OnError, Policy, Scope},
        selector,
    },
};

/// How many policies a message names.
const MOST_NAMED: usize = 5;

/// What an object is given.
pub(super) struct Given {
    /// What it is to have.
    pub(super) setup: Arc<Setup>,
    /// The policy that has it refused, where the setup has errors.
    pub(super) denied_by: Option<String>,
    /// That of some policies it cannot be told whether they apply.
    pub(super) undecided: Option<Finding>,
}

/// What the object is given by its values and the policies that apply to it.
pub(super) fn given(
    object: &ObjectView<'_>,
    target: &Target<'_>,
    facts: &Facts<'_>,
    snapshot: &Snapshot,
    setups: &dyn Setups,
) -> Given {
    let index = &snapshot.policies;
    let Selected { matching, undecided } = if index.is_empty() {
        Selected::default()
    } else {
        select(object, target, facts, index)
    };
    let meta = object.meta();
    let release = facts
        .release
        .known()
        .or_else(|| meta.annotation(names::RELEASE_ANNOTATION))
        .or_else(|| meta.label(names::INSTANCE_LABEL));
    let key = SetupKey {
        component: target.component,
        values: target.values,
        release,
        namespace: facts.namespace.known().or_else(|| meta.namespace.text()),
        agent_version: facts.agent_version.known(),
        policies: &matching,
    };
    let setup = setups.setup(snapshot, key);
    let denied_by = setup.has_errors().then(|| denied_by(index, &matching)).flatten();
    Given {
        setup,
        denied_by,
        undecided: (!undecided.is_empty()).then(|| not_told(index, &undecided, facts.operation)),
    }
}

/// The policy that has an object with errors refused. Of each scope the strongest policy that says `onError` decides; a
/// namespace can deny what the cluster allows, and cannot allow what the cluster denies.
fn denied_by(index: &PolicyIndex, matching: &[Rank]) -> Option<String> {
    let deciding = |is_of_cluster: bool| {
        let mut policies = matching.iter().filter_map(|rank| index.get(*rank));
        policies.find(|policy| policy.on_error.is_some() && (policy.scope == Scope::Cluster) == is_of_cluster)
    };
    let mut deciding = [deciding(false), deciding(true)].into_iter().flatten();
    deciding
        .find(|policy| policy.on_error == Some(OnError::Deny))
        .map(Policy::title)
}

/// What a component is given by these values and the policies that apply to its configuration, whatever object would
/// hold it.
pub fn configure(component: Component, values: &str, facts: &Facts<'_>, snapshot: &Snapshot) -> Setup {
    let index = &snapshot.policies;
    let Selected { matching, undecided } = index.select(Asked {
        component,
        namespace: namespace(None, Some(values), facts).as_deref(),
        pods: None,
    });
    let key = SetupKey {
        component,
        values: Some(values),
        release: facts.release.known(),
        namespace: facts.namespace.known(),
        agent_version: facts.agent_version.known(),
        policies: &matching,
    };
    let mut setup = Arc::unwrap_or_clone(Fresh.setup(snapshot, key));
    if !undecided.is_empty() {
        setup.findings.push(not_told(index, &undecided, facts.operation));
    }
    setup
}

/// Where an object goes.
fn namespace<'a>(
    of_object: Option<&'a str>,
    values: Option<&'a str>,
    facts: &Facts<'a>,
) -> Option<Cow<'a, str>> {
    let written = || serde_json::from_str::<Place<'_>>(values?).ok()?.namespace;
    let of_object = of_object.map(Cow::Borrowed);
    let of_door = facts.namespace.known().map(Cow::Borrowed);
    match facts.operation {
        // Helm knows where the release goes, and the chart wrote it; the door was told for what does not say it.
        Operation::Render => of_object.or_else(written).or(of_door),
        Operation::Create | Operation::Update => of_door.or(of_object),
    }
}

fn select(object: &ObjectView<'_>, target: &Target<'_>, facts: &Facts<'_>, index: &PolicyIndex) -> Selected {
    let namespace = namespace(object.meta().namespace.text(), target.values, facts);
    let none = Labels::default();
    let pods: Option<&dyn selector::Labels> = match target.layout {
        Layout::ConfigMap => None,
        Layout::Pod | Layout::Template | Layout::CronJob => {
            let pod = pod_part(object, target.layout).ok();
            let labels = pod.and_then(|pod| meta_or_empty(pod.metadata).labels.get());
            Some(labels.unwrap_or(&none))
        }
    };
    index.select(Asked {
        component: target.component,
        namespace: namespace.as_deref(),
        pods,
    })
}

/// What the values say of the place that the object goes to.
#[derive(Deserialize)]
struct Place<'a> {
    #[serde(borrow, default)]
    namespace: Option<Cow<'a, str>>,
}

fn not_told(index: &PolicyIndex, undecided: &[Rank], operation: Operation) -> Finding {
    let titles = undecided.iter().filter_map(|rank| index.get(*rank));
    let mut named: Vec<String> = titles
        .take(MOST_NAMED)
        .map(|policy| format!("`{}`", policy.title()))
        .collect();
    match undecided.len().saturating_sub(MOST_NAMED) {
        0 => {}
        _ if undecided.len() == MOST_UNDECIDED => named.push("many more".to_owned()),
        more => named.push(format!("{more} more")),
    }
    Note::PolicyUndecided.finding(
        Severity::Warning,
        "metadata.namespace".to_owned(),
        format!(
            "it cannot be told whether these policies apply, so they do not: {}; the namespace or its labels are not known",
            named.join(", ")
        ),
        match operation {
            Operation::Render => {
                "say them with --namespace and --namespace-labels, or let the webhook complete the object"
            }
            Operation::Create | Operation::Update => {
                "have `serve` watch the namespaces (--watch-policies, and the right to list and watch them), or name them in \
                 the policy; then send the object once more"
            }
        }
        .to_owned(),
    )
}
