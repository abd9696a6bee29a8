//! Whether an object is ours to complete: its kind, its marks, and the reasons to leave it alone.

use super::{
    content::hash_of_texts,
    facts::Operation,
    field::Field,
    kind::{Layout, layout_of, pod_part},
    object::{ObjectView, meta_or_empty},
    record::Recorded,
    report::{Note, Reason},
};
use crate::{
    finding::{Finding, Severity},
    names::{self, Component},
};

/// An object that is ours to complete.
pub(super) struct Target<'v> {
    pub(super) layout: Layout,
    pub(super) component: Component,
    /// The values annotation.
    pub(super) values: Option<&'v str>,
    pub(super) recorded: Recorded,
    /// Whether a refresh is asked for.
    pub(super) refresh: bool,
}

impl Target<'_> {
    /// Hash of what the values say, and of whose they are, as the record has it.
    pub(super) fn values_hash(&self) -> u64 {
        hash_of_texts(&[self.component.as_str(), "\n", self.values.unwrap_or_default()])
    }
}

/// Why an object is not planned.
pub(super) enum Refusal {
    /// It is left as it is.
    LeftAlone(Option<Component>, Reason, Vec<Finding>),
    /// It cannot be planned.
    Failed(Finding),
}

/// Whether the object is ours to complete, and what its marks say.
pub(super) fn target<'v>(object: &'v ObjectView<'_>, operation: Operation) -> Result<Target<'v>, Refusal> {
    let leave = |component, reason| Err(Refusal::LeftAlone(component, reason, Vec::new()));
    let meta = object.meta();
    let Some((layout, is_planned_now)) = layout_of(object, operation) else {
        return leave(None, Reason::NotOurs);
    };
    let pod = (layout != Layout::ConfigMap)
        .then(|| pod_part(object, layout).ok())
        .flatten();
    // The object's own metadata speak first, then those of its pod template.
    let template = pod.as_ref().map_or(meta, |pod| meta_or_empty(pod.metadata));
    let label = |name| meta.label(name).or_else(|| template.label(name));
    let Some(component) = label(names::COMPONENT_LABEL) else {
        return leave(None, Reason::NotOurs);
    };
    let Some(component) = Component::parse(component) else {
        return Err(Refusal::Failed(unknown(component)));
    };
    let marks = [meta, template].into_iter().flat_map(|metadata| {
        let (label, annotation) = (names::INJECT_LABEL, names::VALUES_ANNOTATION);
        [
            (
                "labels",
                label,
                metadata.labels.get().and_then(|labels| labels.entry(label)),
            ),
            (
                "annotations",
                annotation,
                metadata
                    .annotations
                    .get()
                    .and_then(|annotations| annotations.entry(annotation)),
            ),
        ]
    });
    for (place, name, entry) in marks {
        if entry.is_some_and(Field::is_wrong) {
            return Err(Refusal::Failed(not_a_text(place, name)));
        }
    }
    let recorded = Recorded::parse(template.annotation(names::STATUS_ANNOTATION));
    let component_of = Some(component);
    if label(names::INJECT_LABEL) == Some("false") {
        let findings = if recorded == Recorded::None {
            Vec::new()
        } else {
            vec![opted_out_left()]
        };
        return Err(Refusal::LeftAlone(component_of, Reason::OptedOut, findings));
    }
    let reasons = [
        (meta.annotation(names::HOOK_ANNOTATION).is_some(), Reason::Hook),
        (
            meta.label(names::NAME_LABEL) == Some(names::OWN_NAME),
            Reason::OwnObject,
        ),
        (meta.deletion_timestamp.text().is_some(), Reason::BeingDeleted),
        (
            meta.annotation(names::MIRROR_ANNOTATION).is_some(),
            Reason::MirrorPod,
        ),
        (
            object.immutable.get() == Some(&true) && operation == Operation::Update,
            Reason::Immutable,
        ),
        (!is_planned_now, Reason::NotAtUpdate),
    ];
    if let Some((_, reason)) = reasons.into_iter().find(|(applies, _)| *applies) {
        return leave(component_of, reason);
    }
    let values = meta
        .annotation(names::VALUES_ANNOTATION)
        .or_else(|| template.annotation(names::VALUES_ANNOTATION));
    let refresh = meta.annotation(names::REFRESH_ANNOTATION).is_some();
    Ok(Target {
        layout,
        component,
        values,
        recorded,
        refresh,
    })
}

fn not_a_text(place: &str, name: &str) -> Finding {
    Note::WrongType.finding(
        Severity::Error,
        format!("metadata.{place}[{name}]"),
        "it is not a text".to_owned(),
        "put quotes around it".to_owned(),
    )
}

fn unknown(label: &str) -> Finding {
    let known = Component::ALL.map(Component::as_str).join(", ");
    Note::UnknownComponent.finding(
        Severity::Error,
        format!("metadata.labels[{}]", names::COMPONENT_LABEL),
        format!("`{label}` is no component"),
        format!("use one of: {known}"),
    )
}

fn opted_out_left() -> Finding {
    Note::OptedOutLeft.finding(
        Severity::Warning,
        format!("metadata.labels[{}]", names::INJECT_LABEL),
        "the object opted out after something was injected, which stays".to_owned(),
        "take it out with `alumet-injector uninject`".to_owned(),
    )
}

pub(super) fn newer(version: u64) -> Finding {
    Note::RecordNewer.finding(
        Severity::Warning,
        format!("annotations[{}]", names::STATUS_ANNOTATION),
        format!(
            "the record has version {version}, which a later injector wrote, so the object is left as it is"
        ),
        "use that version".to_owned(),
    )
}

pub(super) fn malformed() -> Finding {
    Note::RecordMalformed.finding(
        Severity::Warning,
        format!("annotations[{}]", names::STATUS_ANNOTATION),
        "the record cannot be read and counts as none, so what it recorded counts as the user's".to_owned(),
        "delete the annotation and what was injected".to_owned(),
    )
}
