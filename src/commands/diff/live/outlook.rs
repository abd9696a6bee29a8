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
        matches!(self.fate, Fate::Refused(_)) || self.surveyed.plan.report.has_errors()
    }

    /// All that there is to say; `done` is what makes an object another.
    pub(super) fn text(&self, done: &str) -> String {
        let report = &self.surveyed.plan.report;
        let object = report.object();
        let mut text = match &self.fate {
            Fate::Unchanged => String::new(),
            Fate::Changed(change) => unified(&object, done, change),
            Fate::Created(change) => unified(&object, "created", change),
            Fate::Deleted => format!("{object}: it would be deleted\n"),
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

/// How many of them have such a fate.
pub(super) fn count(outlooks: &[Outlook], is_such: impl Fn(&Fate) -> bool) -> usize {
    outlooks.iter().filter(|outlook| is_such(&outlook.fate)).count()
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

/// How many pods of a workload would be replaced where it becomes another; nothing for what replaces none.
pub(super) fn rolls(before: &Value, after: &Value) -> Option<u64> {
    if before.pointer("/spec/template") == after.pointer("/spec/template") {
        return None;
    }
    match before["kind"].as_str()? {
        "DaemonSet" => before["status"]["desiredNumberScheduled"].as_u64(),
        "Deployment" | "StatefulSet" => before["spec"]["replicas"].as_u64(),
        _ => None,
    }
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
