//! Whether the agents of a `DaemonSet` can run on each node that it puts a pod on.

use crate::{
    agent_config::catalog::catalogue,
    engine::{
        self,
        facts::{Facts, Known},
        field::Field,
        object::{Affinity, ObjectView, Spec, Template, Texted},
        report::{Fate, Outcome, Report},
        setup::{PodField, Snapshot},
    },
    finding::{Finding, Severity},
    names::VALUES_ANNOTATION,
};

/// A `DaemonSet` with a pod for every node, and a plugin that needs a GPU. Where there is none, the agent ends as it starts,
/// or its pod waits for the GPU that it reserves.
pub(super) fn without_gpu(
    object: &ObjectView<'_>,
    report: &Report,
    facts: &Facts<'_>,
    snapshot: &Snapshot,
) -> Option<Finding> {
    let is_planned = matches!(report.outcome, Outcome::Injected | Outcome::Unchanged);
    let component = report
        .component
        .filter(|_| report.kind == "DaemonSet" && is_planned)?;
    let template = &**object.spec.get()?.template.get()?;
    if chooses_nodes(template.spec.get()?, report) {
        return None;
    }
    let facts = Facts {
        namespace: report.namespace.as_deref().map_or(facts.namespace, Known::Known),
        ..*facts
    };
    let setup = engine::configure(component, values(object, template), &facts, snapshot);
    let on = |plugin: &str| {
        let section = format!("plugins.{plugin}.");
        let mut settings = setup.settings.iter();
        settings.any(|setting| setting.path.starts_with(&section))
    };
    let mut plugins = catalogue().plugins.iter();
    let plugin = plugins.find(|plugin| plugin.privileges.gpu.is_some() && on(&plugin.name))?;
    Some(Finding {
        code: "gpu-on-every-node",
        severity: Severity::Warning,
        path: format!("plugins.{}", plugin.name),
        message: "this `DaemonSet` has a pod for every node, and on those without a GPU no agent runs".to_owned(),
        mend: "measure GPUs by a second release of relay clients alone, with a nodeSelector for the nodes that have one"
            .to_owned(),
    })
}

/// Whether the pods are kept to some nodes, by what stands on the object or by what policies give.
fn chooses_nodes(spec: &Spec<'_>, report: &Report) -> bool {
    let selector = PodField::NodeSelector.as_str();
    let injected = report.rows.iter().find(|row| row.what == selector);
    let selects = match injected {
        Some(row) => row.fate != Fate::Removed,
        None => matches!(spec.node_selector, Field::Is(Texted(hash)) if hash != 0),
    };
    selects || spec.affinity.get().is_some_and(Affinity::chooses_nodes)
}

/// The values, where the object or its template has them.
fn values<'v>(object: &'v ObjectView<'_>, template: &'v Template<'_>) -> &'v str {
    let of_template = || template.metadata.get()?.annotation(VALUES_ANNOTATION);
    let of_object = object.meta().annotation(VALUES_ANNOTATION);
    of_object.or_else(of_template).unwrap_or("{}")
}
