//! What would become of one object, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{
    commands::{diff::unified, print},
    engine::survey::Surveyed,
    manifest::emit,
    post_render::Change,
};

/// What would become of one object.
pub(super) struct Outlook {
    /// Its standing: as it is where it stays or goes, else as it would be.
    pub(super) surveyed: Surveyed,
    /// What would become of it.
    pub(super) fate: Fate,
    /// How many pods would be replaced.
    pub(super) rolls: Option<u64>,
    /// Further sentences for people.
    pub(super) notes: Vec<String>,
}

/// What would become of an object.
pub(super) enum Fate {
    /// It stays as it is.
    Unchanged,
    /// It changes.
    Changed(Change),
    /// It comes into being, with this text.
    Created(Change),
    /// It goes.
    Deleted,
    /// The API server would refuse it, for this reason.
    Refused(String),
}

impl Fate {
    /// A word for programs.
    fn as_str(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Changed(_) => "changed",
            Self::Created(_) => "created",
            Self::Deleted => "deleted",
            Self::Refused(_) => "refused",
        }
    }
}

impl Outlook {
    /// Whether something stands in the way of what was asked for.
    pub(super) fn is_refused(&self) -> bool {
        match self.fate {
            Fate::Refused(_) => true,
            // What is wrong with it goes with it.
            Fate::Deleted => false,
            Fate::Unchanged | Fate::Changed(_) | Fate::Created(_) => self.surveyed.plan.report.has_errors(),
        }
    }

    /// All that there is to say; `done` is what makes an object another.
    pub(super) fn text(&self, done: &str) -> String {
        let report = &self.surveyed.plan.report;
        let object = report.object();
        let mut text = match &self.fate {
            Fate::Unchanged => String::new(),
            Fate::Changed(change) => unified(&object, done, change),
            Fate::Created(change) => unified(&object, "created", change),
            Fate::Deleted => return format!("{object}: it would be deleted\n"),
            Fate::Refused(why) => format!("{object}: the upgrade would fail here: {why}\n"),
        };
        // Writing to a `String` cannot fail.
        for finding in &report.findings {
            let _ = writeln!(text, "{object}: {finding}");
        }
        for note in &self.notes {
            let _ = writeln!(text, "{object}: {note}");
        }
        text
    }
}

/// How many of the objects of a release have which fate.
pub(super) fn summary(release: &str, outlooks: &[Outlook]) -> String {
    let count = |is_such: fn(&Fate) -> bool| outlooks.iter().filter(|one| is_such(&one.fate)).count();
    let changed = count(|fate| matches!(fate, Fate::Changed(_)));
    let mut text = format!(
        "{changed} of {} objects of release {release} would change",
        outlooks.len()
    );
    let others = [
        (count(|fate| matches!(fate, Fate::Created(_))), "would be created"),
        (count(|fate| matches!(fate, Fate::Deleted)), "would be deleted"),
        (count(|fate| matches!(fate, Fate::Refused(_))), "would be refused"),
    ];
    for (count, what) in others.iter().filter(|(count, _)| *count > 0) {
        // Writing to a `String` cannot fail.
        let _ = write!(text, ", {count} {what}");
    }
    text.push('\n');
    text
}

/// A line for each workload whose pods would be replaced.
pub(super) fn rolling(outlooks: &[Outlook]) -> String {
    let mut text = String::new();
    for Outlook { surveyed, rolls, .. } in outlooks {
        let report = &surveyed.plan.report;
        let on = match (report.kind.as_str(), rolls) {
            (_, None) => continue,
            ("DaemonSet", Some(1)) => " on 1 node".to_owned(),
            ("DaemonSet", Some(nodes)) => format!(" on {nodes} nodes"),
            (_, Some(pods)) => format!(", {pods} of them"),
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "the pods of {} would roll{on}", report.object());
    }
    if text.is_empty() {
        text += "no pod would roll\n";
    }
    text
}

/// How many pods of a workload would be replaced where it becomes another; or why none is, though they would be others.
pub(super) fn rolls(before: &Value, after: &Value) -> (Option<u64>, Option<&'static str>) {
    if before.pointer("/spec/template") == after.pointer("/spec/template") {
        return (None, None);
    }
    let spec = &after["spec"];
    if spec["updateStrategy"]["type"] == "OnDelete" {
        return (
            None,
            Some("its pods are replaced when somebody deletes them: updateStrategy OnDelete"),
        );
    }
    if spec["paused"] == true {
        return (
            None,
            Some("its pods are replaced when its rollout is resumed: it is paused"),
        );
    }
    let pods = match before["kind"].as_str() {
        Some("DaemonSet") => before["status"]["desiredNumberScheduled"].as_u64(),
        Some("Deployment") => spec["replicas"].as_u64(),
        Some("StatefulSet") => {
            let kept = spec["updateStrategy"]["rollingUpdate"]["partition"]
                .as_u64()
                .unwrap_or_default();
            spec["replicas"].as_u64().map(|pods| pods.saturating_sub(kept))
        }
        _ => None,
    };
    (pods, None)
}

/// The object as YAML, without what the cluster keeps for itself.
pub(super) fn yaml(object: &Value) -> String {
    emit::to_yaml(&readable(object))
}

/// The object without what the cluster keeps for itself.
pub(super) fn readable(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(object) = object.as_object_mut() {
        object.shift_remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for key in [
            "managedFields",
            "resourceVersion",
            "uid",
            "generation",
            "creationTimestamp",
        ] {
            metadata.shift_remove(key);
        }
    }
    object
}

/// The same for programs.
pub(super) fn entry(outlook: &Outlook) -> Value {
    let Outlook {
        surveyed,
        fate,
        rolls,
        notes: _,
    } = outlook;
    let report = &surveyed.plan.report;
    let mut entry = print::object(report);
    entry["becomes"] = fate.as_str().into();
    entry["standing"] = json!(report.component.map(|_| surveyed.standing.code()));
    entry["patch"] = match fate {
        Fate::Changed(change) => json!(change.patch),
        _ => Value::Null,
    };
    entry["refusal"] = match fate {
        Fate::Refused(why) => why.as_str().into(),
        _ => Value::Null,
    };
    entry["rolls"] = json!(rolls);
    entry["findings"] = report.findings.iter().map(print::finding).collect();
    entry
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::rolls;

    #[test]
    fn which_pods_are_replaced_is_the_strategys_to_say() {
        let workload = |kind: &str, image: &str, further: Value| {
            let mut workload = json!({
                "kind": kind,
                "spec": {"replicas": 3, "template": {"spec": {"containers": [{"image": image}]}}},
                "status": {"desiredNumberScheduled": 5},
            });
            json_patch::merge(&mut workload, &json!({"spec": further}));
            workload
        };
        let on_delete = json!({"updateStrategy": {"type": "OnDelete"}});
        let partition = json!({"updateStrategy": {"rollingUpdate": {"partition": 2}}});
        for (kind, further, expected) in [
            ("DaemonSet", json!({}), Some(5)),
            ("DaemonSet", on_delete.clone(), None),
            ("Deployment", json!({}), Some(3)),
            ("Deployment", json!({"paused": true}), None),
            ("StatefulSet", json!({}), Some(3)),
            ("StatefulSet", partition, Some(1)),
            ("StatefulSet", on_delete, None),
            ("CronJob", json!({}), None),
        ] {
            let [before, after] = ["one", "other"].map(|image| workload(kind, image, further.clone()));
            assert_eq!(rolls(&before, &after).0, expected, "{after}");
            assert_eq!(rolls(&before, &before), (None, None), "{before}");
        }
    }
}
