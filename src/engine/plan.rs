//! From an object to its plan: whether it is ours to complete, what is there already, and what it needs.

use super::{
    conclusion::{Plan, failed, finish, left_alone},
    facts::{Facts, Operation},
    kind::{Layout, PodPart, pod_part},
    mutate::{
        Draft,
        annotations::{self, Change},
        config::{self, Holder},
        container::{agent_of, container_asked_for},
        env, fields, image, pull_secrets, tolerations,
    },
    object::{ObjectView, meta_or_empty},
    patch::Place,
    record::{Record, Recorded, hex16},
    report::{Fate, Note, Reason},
    selection::{Given, given},
    setup::{PodField, Setup, Setups, Snapshot},
    target::{Refusal, Target, malformed, newer, target},
};
use crate::{
    agent_config::values::AgentValues,
    finding::{Finding, Severity},
    names::{self, Component},
    source::Source,
};

/// What the object needs.
///
/// Empty when the object has a record that belongs to its values, everything recorded is still there, and nobody asks
/// for a refresh; else the difference between the object and what injecting into it without anything of ours gives.
pub fn plan(object: &ObjectView<'_>, facts: &Facts<'_>, snapshot: &Snapshot, setups: &dyn Setups) -> Plan {
    decide(object, facts, snapshot, setups, Trust::Record)
}

/// Like [`plan`], but an object whose record is right is planned too, so that the report tells of every value. Its
/// patch tells what is stale: right for the object's values, but not what the snapshot gives now.
pub fn explain(object: &ObjectView<'_>, facts: &Facts<'_>, snapshot: &Snapshot, setups: &dyn Setups) -> Plan {
    decide(object, facts, snapshot, setups, Trust::Nothing)
}

/// How far the record on an object is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// An object whose record is right needs nothing.
    Record,
    /// Every object is planned.
    Nothing,
}

/// Whether the images of a pod or template are ours to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Images {
    /// Decide them.
    Ours,
    /// Leave them: in a template that the cluster holds, another image would be drift to whoever applied it.
    Theirs,
}

fn decide(
    object: &ObjectView<'_>,
    facts: &Facts<'_>,
    snapshot: &Snapshot,
    setups: &dyn Setups,
    trust: Trust,
) -> Plan {
    let mut plan = conclude(object, facts, snapshot, setups, trust);
    // A pod that a controller makes says no namespace; the request for it does.
    if plan.report.namespace.is_none() {
        plan.report.namespace = facts.namespace.known().map(str::to_owned);
    }
    plan
}

fn conclude(
    object: &ObjectView<'_>,
    facts: &Facts<'_>,
    snapshot: &Snapshot,
    setups: &dyn Setups,
    trust: Trust,
) -> Plan {
    let target = match target(object, facts.operation) {
        Ok(target) => target,
        Err(Refusal::LeftAlone(component, reason, findings)) => {
            return left_alone(object, component, reason, findings);
        }
        Err(Refusal::Failed(finding)) => return failed(object, None, vec![finding]),
    };
    let Target {
        layout,
        component,
        values,
        ref recorded,
        refresh,
    } = target;
    if let Recorded::Newer(version) = recorded {
        return left_alone(
            object,
            Some(component),
            Reason::RecordNewer,
            vec![newer(*version)],
        );
    }
    if layout == Layout::Pod
        && facts.operation == Operation::Create
        && let Some(old) = recorded.known()
    {
        let Given { setup, .. } = given(object, &target, facts, snapshot, setups);
        return plan_inherited(object, component, old, &setup);
    }
    if layout == Layout::ConfigMap && config::holder(object, recorded.known()) == Holder::User {
        return users_config_map(object, &target, facts);
    }
    let values_hash = target.values_hash();
    if trust == Trust::Record
        && !refresh
        && let Some(old) = recorded.known()
        && !old.incomplete
        && old.values == hex16(values_hash)
        && is_all_there(object, layout, old)
    {
        return left_alone(object, Some(component), Reason::UpToDate, Vec::new()).with(old);
    }

    let Given {
        setup,
        denied_by,
        undecided,
    } = given(object, &target, facts, snapshot, setups);
    if setup.has_errors() {
        let findings = setup.findings.iter().cloned().chain(undecided).collect();
        return failed(object, Some(component), findings).denied_by(denied_by);
    }
    let mut draft = Draft::new(Record::new(values_hash, setup.policies.clone()));
    // What applied here may be known another time.
    draft.record.incomplete |= undecided.is_some();
    draft.findings.extend(undecided);
    if *recorded == Recorded::Malformed {
        draft.findings.push(malformed());
    }
    let old = recorded.known();
    match layout {
        Layout::ConfigMap => plan_config_map(object, old, &setup, refresh, &mut draft),
        Layout::Pod | Layout::Template | Layout::CronJob => {
            if setup.own_config_map {
                draft.findings.extend(setup.findings.iter().cloned());
            }
            draft.findings.extend(setup.of_pods.iter().cloned());
            if let Err(path) = plan_pod(object, layout, old, &setup, facts.operation, refresh, &mut draft) {
                draft.wrong_type(path, "an object");
            }
            if values.is_none() && draft.rows.is_empty() && draft.findings.is_empty() {
                draft.warn(
                    Note::NoValues,
                    "metadata.annotations".to_owned(),
                    "the object is marked, and nothing says what it is to be given".to_owned(),
                    "put the annotation injector.alumet.dev/values on it, or take the label injector.alumet.dev/component off",
                );
            }
        }
    }
    finish(object, Some(component), draft)
}

/// A pod that a controller makes from a template: the record that it inherits is right, and so is what it records. Its
/// image alone may still stand under the default registry, for a template's is left as whoever applied it has it.
fn plan_inherited(object: &ObjectView<'_>, component: Component, old: &Record, setup: &Setup) -> Plan {
    let mut draft = Draft::new(old.clone());
    if let Ok(pod) = pod_part(object, Layout::Pod) {
        let agent = agent_of(&pod, object.meta(), setup.config_map.as_deref());
        image::bring(&pod, agent, Some(old), setup, &mut draft);
        name_policies(&mut draft);
        let record = (names::STATUS_ANNOTATION, Change::Set(draft.record.to_text()));
        annotations::bring(&pod.place, pod.metadata, &[record], &mut draft);
    }
    let plan = finish(object, Some(component), draft);
    if plan.patch.0.is_empty() {
        return left_alone(object, Some(component), Reason::UpToDate, Vec::new()).with(old);
    }
    plan
}

/// A `ConfigMap` with a configuration of the user's own: checked, and left as it is.
fn users_config_map(object: &ObjectView<'_>, target: &Target<'_>, facts: &Facts<'_>) -> Plan {
    let component = Some(target.component);
    let (values, findings) = target.values.map(AgentValues::parse).unwrap_or_default();
    let version = values
        .agent_version
        .as_deref()
        .or_else(|| facts.agent_version.known());
    let mut draft = Draft::new(Record::new(0, Vec::new()));
    // The values have no effect here, but on the pods they have.
    let as_warning = |finding| Finding {
        severity: Severity::Warning,
        ..finding
    };
    draft.findings.extend(findings.into_iter().map(as_warning));
    if target.recorded == Recorded::Malformed {
        draft.findings.push(malformed());
    }
    config::check_users(
        object,
        target.component,
        target.recorded.known(),
        version,
        &mut draft,
    );
    if target.refresh {
        let change = (names::REFRESH_ANNOTATION, Change::Remove);
        annotations::bring(&Place::root(), &object.metadata, &[change], &mut draft);
        return finish(object, component, draft);
    }
    left_alone(object, component, Reason::UsersConfig, draft.findings)
}

fn plan_config_map(
    object: &ObjectView<'_>,
    old: Option<&Record>,
    setup: &Setup,
    refresh: bool,
    draft: &mut Draft,
) {
    if annotations::cannot_be_written(&object.metadata) {
        return draft.wrong_type("metadata.annotations", "a map of texts");
    }
    draft.findings.extend(setup.findings.iter().cloned());
    config::bring(object, old, setup, draft);
    let mut changes = vec![(names::STATUS_ANNOTATION, Change::Set(draft.record.to_text()))];
    if refresh {
        changes.push((names::REFRESH_ANNOTATION, Change::Remove));
    }
    annotations::bring(&Place::root(), &object.metadata, &changes, draft);
}

fn plan_pod(
    object: &ObjectView<'_>,
    layout: Layout,
    old: Option<&Record>,
    setup: &Setup,
    operation: Operation,
    refresh: bool,
    draft: &mut Draft,
) -> Result<(), &'static str> {
    let pod = pod_part(object, layout)?;
    if pod.spec.get().is_none() {
        return Err("spec of the pod");
    }
    if annotations::cannot_be_written(pod.metadata) {
        // Without a record nothing could be told from the user's text again.
        return Err("metadata.annotations of the pod");
    }
    let agent = agent_of(&pod, object.meta(), setup.config_map.as_deref());
    let lacking = of_the_container(setup);
    if agent.is_none() && !lacking.is_empty() {
        draft.warn(
            Note::NoAgentContainer,
            "spec.containers".to_owned(),
            match container_asked_for(&pod, object.meta()) {
                Some(name) => {
                    format!("the annotation names container {name}, and the pod has none of this name")
                }
                None => {
                    format!(
                        "it cannot be told which container is the agent's, so none gets {}",
                        lacking.join(" or ")
                    )
                }
            },
            "name one of the pod's containers in the annotation injector.alumet.dev/container",
        );
    }
    let images = match (operation, layout) {
        (Operation::Render, _) | (_, Layout::Pod) => Images::Ours,
        (Operation::Create | Operation::Update, _) => Images::Theirs,
    };
    draft.record.config = setup.config.as_ref().map(|config| config.content.clone());
    bring_pod(&pod, agent, old, setup, images, draft);
    name_policies(draft);

    let refreshed = refresh.then_some((names::REFRESH_ANNOTATION, Change::Remove));
    let mut changes = annotations::changes(meta_or_empty(pod.metadata), old, setup, draft);
    changes.push((names::STATUS_ANNOTATION, Change::Set(draft.record.to_text())));
    if layout == Layout::Pod {
        changes.extend(refreshed);
    } else if let Some(change) = refreshed {
        annotations::bring(&Place::root(), &object.metadata, &[change], draft);
    }
    annotations::bring(&pod.place, pod.metadata, &changes, draft);
    Ok(())
}

/// What the agent's container alone is given.
fn of_the_container(setup: &Setup) -> Vec<&'static str> {
    let resources = setup.fields.iter().any(|field| field.key == PodField::Resources);
    [
        (!setup.env.is_empty()).then_some("environment variables"),
        resources.then_some("resources"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(super) fn bring_pod(
    pod: &PodPart<'_, '_>,
    agent: Option<usize>,
    old: Option<&Record>,
    setup: &Setup,
    images: Images,
    draft: &mut Draft,
) {
    match images {
        Images::Ours => image::bring(pod, agent, old, setup, draft),
        Images::Theirs => draft.record.image = old.map(|old| old.image.clone()).unwrap_or_default(),
    }
    env::bring(pod, agent, old, setup, draft);
    pull_secrets::bring(pod, old, setup, draft);
    tolerations::bring(pod, old, setup, draft);
    fields::bring(pod, agent, old, setup, draft);
}

/// Names in the record the policies that gave something to the pod.
fn name_policies(draft: &mut Draft) {
    let Draft { rows, record, .. } = draft;
    let mut named = Vec::new();
    for row in rows.iter().filter(|row| row.fate != Fate::UserWins) {
        if let Source::Policy(name) = &row.source {
            named.push(name.clone());
        }
    }
    record.name(named);
}

/// Whether everything recorded is still there.
fn is_all_there(object: &ObjectView<'_>, layout: Layout, record: &Record) -> bool {
    match layout {
        Layout::ConfigMap => config::holder(object, Some(record)) == Holder::Ours,
        Layout::Pod | Layout::Template | Layout::CronJob => pod_part(object, layout).is_ok_and(|pod| {
            env::is_there(&pod, record)
                && pull_secrets::is_there(&pod, record)
                && tolerations::is_there(&pod, record)
                && fields::is_there(&pod, record)
                && image::is_there(&pod, record)
                && annotations::is_there(meta_or_empty(pod.metadata), record)
        }),
    }
}
