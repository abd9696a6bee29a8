//! The standing of objects that a cluster holds: which are right, which are not, and what would make them so.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Plan,
    content::hash_of_toml,
    explain,
    facts::{Facts, Known, Operation},
    kind::{Layout, layout_of, pod_part},
    mutate::{
        config::{Holder, holder},
        container::{agent_of, config_map_of},
    },
    object::ObjectView,
    plan,
    record::{Record, Recorded, hex16},
    report::{Outcome, Reason, codes},
    setup::{Setups, Snapshot},
    target::target,
};
use crate::names;

codes! {
    /// What an object of a cluster is worth, as of today's policies and catalogue.
    Standing {
        UpToDate = "up-to-date": "what was injected is there, and is what would be injected now",
        Stale = "stale": "it belongs to the object's values, but policies and catalogue would give something else now",
        OutOfStep = "out-of-step": "the template was made for another configuration than the `ConfigMap` holds now",
        Lacking = "lacking": "something that was injected is no longer there",
        Missed = "missed": "the object was created or changed while no injector was asked, and nothing was injected since",
        Failed = "failed": "errors in the values or on the object stand in the way",
        LeftAlone = "left-alone": "the object is left as it is, for a reason that its report gives",
    }
}

impl Standing {
    /// Whether somebody should do something about it.
    pub fn is_right(self) -> bool {
        matches!(self, Self::UpToDate | Self::LeftAlone)
    }
}

/// What there is to say about one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Surveyed {
    /// What it is worth.
    pub standing: Standing,
    /// What completing it anew would change, and the report on it.
    pub plan: Plan,
}

/// The objects of a cluster, and a view of each. What the API server gives is an object; anything else is passed over.
pub fn views(objects: &[Value]) -> (Vec<&Value>, Vec<ObjectView<'_>>) {
    let read = |object| Some((object, ObjectView::read(object).ok()?));
    objects.iter().filter_map(read).unzip()
}

/// The standing of each object, in their order. A template is held against the `ConfigMap` that its agent mounts, where
/// that is among the objects, too.
pub fn survey(objects: &[ObjectView<'_>], snapshot: &Snapshot, setups: &dyn Setups) -> Vec<Surveyed> {
    let configurations = configurations(objects);
    let judged = |object| judge(object, &configurations, &Facts::RENDER, snapshot, setups);
    objects.iter().map(judged).collect()
}

/// The standing of one object, by what a door knows besides: `mounted` is the `ConfigMap` that [`made_for`] names.
pub fn survey_one(
    object: &ObjectView<'_>,
    mounted: Option<&ObjectView<'_>>,
    facts: &Facts<'_>,
    snapshot: &Snapshot,
    setups: &dyn Setups,
) -> Surveyed {
    judge(object, &configurations(mounted), facts, snapshot, setups)
}

/// Name of the `ConfigMap` on which the standing of an object depends: the one that its agent mounts, where its record
/// says for which configuration it was made.
pub fn made_for<'v>(object: &'v ObjectView<'_>) -> Option<&'v str> {
    let target = target(object, Operation::Update).ok()?;
    target.recorded.known()?.config.as_ref()?;
    mounted(object, target.layout)
}

/// Namespace and name.
type Id<'v> = (&'v str, &'v str);

/// Hash of what each configuration that is ours says, as the records of templates have it.
fn configurations<'v, 'a: 'v>(
    objects: impl IntoIterator<Item = &'v ObjectView<'a>>,
) -> BTreeMap<Id<'v>, String> {
    let of_ours = |object: &'v ObjectView<'a>| {
        let (Layout::ConfigMap, _) = layout_of(object, Operation::Update)? else {
            return None;
        };
        let recorded = Recorded::parse(object.meta().annotation(names::STATUS_ANNOTATION));
        // What a user wrote there is in step with nothing that was generated.
        if holder(object, recorded.known()) != Holder::Ours {
            return None;
        }
        let text = object.data.get()?.text(names::CONFIG_KEY)?;
        Some((id(object)?, hex16(hash_of_toml(text))))
    };
    objects.into_iter().filter_map(of_ours).collect()
}

fn id<'v>(object: &'v ObjectView<'_>) -> Option<Id<'v>> {
    let meta = object.meta();
    Some((meta.namespace.text().unwrap_or_default(), meta.name.text()?))
}

fn judge(
    object: &ObjectView<'_>,
    configurations: &BTreeMap<Id<'_>, String>,
    facts: &Facts<'_>,
    snapshot: &Snapshot,
    setups: &dyn Setups,
) -> Surveyed {
    // What is completed at its creation alone is judged as if it were created now.
    let operation = match layout_of(object, Operation::Update) {
        Some((_, true)) => Operation::Update,
        Some((_, false)) | None => Operation::Create,
    };
    let facts = Facts {
        operation,
        namespace: object
            .meta()
            .namespace
            .text()
            .map_or(facts.namespace, Known::Known),
        ..*facts
    };
    let planned = plan(object, &facts, snapshot, setups);
    let target = target(object, operation).ok();
    let record = target.as_ref().and_then(|target| target.recorded.known());
    let (standing, plan) = match planned.report.outcome {
        Outcome::Failed => (Standing::Failed, planned),
        Outcome::LeftAlone(Reason::UpToDate) if operation == Operation::Update => {
            let anew = explain(object, &facts, snapshot, setups);
            match anew.report.outcome {
                Outcome::Failed => (Standing::Failed, anew),
                Outcome::Injected => (Standing::Stale, anew),
                Outcome::Unchanged | Outcome::LeftAlone(_) => (Standing::UpToDate, anew),
            }
        }
        Outcome::Unchanged | Outcome::LeftAlone(Reason::UpToDate) => (Standing::UpToDate, planned),
        Outcome::LeftAlone(_) => (Standing::LeftAlone, planned),
        Outcome::Injected => match (&target, record) {
            // A pod lives with what it was made with, and so does a Job.
            (_, Some(_)) if operation == Operation::Create => (Standing::UpToDate, planned),
            // A refresh that nobody has answered is a change that nobody saw.
            (Some(target), Some(record))
                if record.values == hex16(target.values_hash()) && !target.refresh =>
            {
                (Standing::Lacking, planned)
            }
            _ => (Standing::Missed, planned),
        },
    };
    let may_be_out_of_step = operation == Operation::Update
        && matches!(standing, Standing::UpToDate | Standing::Stale | Standing::Lacking);
    let is_out_of_step = may_be_out_of_step
        && target
            .as_ref()
            .zip(record)
            .is_some_and(|(target, record)| is_out_of_step(object, target.layout, record, configurations));
    Surveyed {
        standing: if is_out_of_step {
            Standing::OutOfStep
        } else {
            standing
        },
        plan,
    }
}

/// Whether a template was made for another configuration than the `ConfigMap` that its agent mounts has.
fn is_out_of_step(
    object: &ObjectView<'_>,
    layout: Layout,
    record: &Record,
    configurations: &BTreeMap<Id<'_>, String>,
) -> bool {
    let holds = || {
        let namespace = object.meta().namespace.text().unwrap_or_default();
        configurations.get(&(namespace, mounted(object, layout)?))
    };
    let made_for = record.config.as_ref();
    made_for.is_some_and(|made_for| holds().is_some_and(|holds| holds != made_for))
}

/// Name of the `ConfigMap` that the agent of a workload mounts.
fn mounted<'v>(object: &'v ObjectView<'_>, layout: Layout) -> Option<&'v str> {
    let pod = (layout != Layout::ConfigMap)
        .then(|| pod_part(object, layout).ok())
        .flatten()?;
    config_map_of(&pod, agent_of(&pod, object.meta(), None)?)
}
