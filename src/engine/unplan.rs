//! The way back: takes everything of ours out of an object again.

use super::{
    conclusion::{Plan, finish, left_alone},
    facts::Operation,
    kind::{Layout, layout_of, pod_part},
    mutate::{
        Draft,
        annotations::{self, Change},
        config,
    },
    object::{ObjectView, meta_or_empty},
    plan::{Images, bring_pod},
    record::{Record, Recorded},
    report::Reason,
    setup::Setup,
    target::{malformed, newer},
};
use crate::names::{self, Component};

/// Takes everything of ours out of the object again, opted out or not.
pub fn unplan(object: &ObjectView<'_>) -> Plan {
    let Some((layout, _)) = layout_of(object, Operation::Render) else {
        return left_alone(object, None, Reason::NotOurs, Vec::new());
    };
    let Ok(pod) = pod_part(object, layout) else {
        return left_alone(object, None, Reason::NoRecord, Vec::new());
    };
    let component = object
        .meta()
        .label(names::COMPONENT_LABEL)
        .and_then(Component::parse);
    match Recorded::parse(meta_or_empty(pod.metadata).annotation(names::STATUS_ANNOTATION)) {
        Recorded::None => left_alone(object, component, Reason::NoRecord, Vec::new()),
        Recorded::Newer(version) => left_alone(object, component, Reason::RecordNewer, vec![newer(version)]),
        Recorded::Malformed => left_alone(object, component, Reason::NoRecord, vec![malformed()]),
        Recorded::Known(old) => {
            let mut draft = Draft::new(Record::new(0, Vec::new()));
            let nothing = Setup::default();
            let mut changes = vec![(names::STATUS_ANNOTATION, Change::Remove)];
            if layout == Layout::ConfigMap {
                config::bring(object, Some(&old), &nothing, &mut draft);
            } else {
                bring_pod(&pod, None, Some(&old), &nothing, Images::Ours, &mut draft);
                let meta = meta_or_empty(pod.metadata);
                changes.extend(annotations::changes(meta, Some(&old), &nothing, &mut draft));
            }
            annotations::bring(&pod.place, pod.metadata, &changes, &mut draft);
            finish(object, component, draft)
        }
    }
}
