//! Which kinds are planned, and where each keeps what we read and write.

use super::{
    facts::Operation,
    field::Field,
    object::{Meta, ObjectView, Spec, Template},
    patch::Place,
};

/// Where an object of some kind keeps what we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// In `data`.
    ConfigMap,
    /// In the pod's own metadata and spec.
    Pod,
    /// In the pod template at `spec.template`.
    Template,
    /// In the pod template at `spec.jobTemplate.spec.template`.
    CronJob,
}

/// API group, kind, layout, and whether an update is planned too (a Job's template cannot change).
const KINDS: [(&str, &str, Layout, bool); 7] = [
    ("", "ConfigMap", Layout::ConfigMap, true),
    ("", "Pod", Layout::Pod, false),
    ("apps", "DaemonSet", Layout::Template, true),
    ("apps", "Deployment", Layout::Template, true),
    ("apps", "StatefulSet", Layout::Template, true),
    ("batch", "Job", Layout::Template, false),
    ("batch", "CronJob", Layout::CronJob, false),
];

/// The layout of an object's kind, and whether this operation is one at which it is planned.
pub(super) fn layout_of(object: &ObjectView<'_>, operation: Operation) -> Option<(Layout, bool)> {
    let api_version = object.api_version.text()?;
    let group = api_version.split_once('/').map_or("", |(group, _version)| group);
    let kind = object.kind.text()?;
    KINDS
        .into_iter()
        .find(|(known_group, known_kind, ..)| *known_group == group && *known_kind == kind)
        .map(|(_, _, layout, at_update)| (layout, at_update || operation != Operation::Update))
}

/// A pod or a pod template, and the place at which it stands in its object.
pub(super) struct PodPart<'v, 'a> {
    pub(super) place: Place,
    pub(super) metadata: &'v Field<Meta<'a>>,
    pub(super) spec: &'v Field<Spec<'a>>,
}

/// The pod or pod template of an object; `Err` names the field that is missing or of a wrong type on the way.
pub(super) fn pod_part<'v, 'a>(
    object: &'v ObjectView<'a>,
    layout: Layout,
) -> Result<PodPart<'v, 'a>, &'static str> {
    let whole = |template: &'v Template<'a>, place| PodPart {
        place,
        metadata: &template.metadata,
        spec: &template.spec,
    };
    let template_of = |spec: &'v Spec<'a>| spec.template.get().map(|template| &**template);
    let root = Place::root();
    match layout {
        Layout::ConfigMap | Layout::Pod => Ok(PodPart {
            place: root,
            metadata: &object.metadata,
            spec: &object.spec,
        }),
        Layout::Template => {
            let spec = object.spec.get().ok_or("spec")?;
            let template = template_of(spec).ok_or("spec.template")?;
            Ok(whole(template, root.member("spec").member("template")))
        }
        Layout::CronJob => {
            let spec = object.spec.get().ok_or("spec")?;
            let job = spec.job_template.get().ok_or("spec.jobTemplate")?;
            let job_spec = job.spec.get().ok_or("spec.jobTemplate.spec")?;
            let template = template_of(job_spec).ok_or("spec.jobTemplate.spec.template")?;
            let place = root
                .member("spec")
                .member("jobTemplate")
                .member("spec")
                .member("template");
            Ok(whole(template, place))
        }
    }
}
