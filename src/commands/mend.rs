//! What makes an object of a cluster right, as `status` and `explain` say it.

use crate::{
    cluster::kinds::refresh,
    engine::{report::Report, survey::Standing},
    text::printable,
};

/// What to do about an object of this standing; nothing where it is right.
pub(super) fn mend(standing: Standing, report: &Report) -> Option<String> {
    let (kind, name) = (report.kind.to_lowercase(), printable(&report.name));
    let namespace = printable(report.namespace.as_deref().unwrap_or_default());
    let annotate = refresh(&namespace, &format!("{kind}/{name}"));
    let mend = match (standing, report.kind.as_str()) {
        (standing, _) if standing.is_right() => return None,
        (Standing::Failed, _) => "mend what is wrong, and send the object again".to_owned(),
        (_, "Pod" | "Job" | "CronJob") => {
            "delete it and have it made again: objects of this kind are completed when they are created"
                .to_owned()
        }
        (Standing::Stale | Standing::OutOfStep, "ConfigMap") => {
            format!("to bring it up to date: {annotate}; then the same for the workloads that mount it")
        }
        (Standing::Stale, _) => {
            format!("to bring it up to date, which rolls its pods: {annotate}; its ConfigMap first")
        }
        _ => format!("to have it completed: {annotate}"),
    };
    Some(mend)
}
