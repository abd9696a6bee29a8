//! `diff --live`: what completing the objects of a release anew would change, and which pods would roll.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::unified;
use crate::{
    cli::{ClusterArgs, FactsArgs, Output},
    cluster::{inventory, policies::fetch},
    commands::{
        cluster::with_client,
        exit::{Exit, Failure},
        io, policies, print,
    },
    engine::{
        object::ObjectView,
        setup::{Fresh, Snapshot},
        survey::{Surveyed, survey},
    },
    manifest::emit,
    names::Component,
    post_render::Change,
    telemetry::with_causes,
};

/// What would become of one object.
struct Outlook {
    surveyed: Surveyed,
    change: Option<Change>,
    /// How many pods would be replaced.
    rolls: Option<u64>,
}

pub(super) fn run(
    release: &str,
    facts: &FactsArgs,
    cluster: &ClusterArgs,
    output: Output,
) -> Result<Exit, Failure> {
    let of_files = policies::of_files(&facts.policies)?;
    let namespace = facts.namespace.as_deref();
    let (policies, inventory) = with_client(cluster, async |client| {
        let policies = fetch(client.clone(), of_files).await?;
        Ok((policies, inventory::take(&client, namespace).await))
    })?;
    for unread in &inventory.unread {
        io::complain(&format!("warning: {}\n", with_causes(unread)));
    }
    let mut objects = inventory.objects;
    objects.retain(|object| inventory::release(object) == Some(release) && object["kind"] != "Pod");
    if objects.is_empty() {
        let namespace = namespace.unwrap_or_default();
        return Err(Failure::Refused(format!(
            "release {release}: no marked object of it is in namespace {namespace}; `alumet-injector status` lists the releases"
        )));
    }
    let snapshot = Snapshot {
        policies: policies.index,
    };
    let outlooks = outlooks(&objects, &snapshot)?;
    match output {
        Output::Text => io::print_styled(&text(release, &outlooks))?,
        Output::Json => {
            let entries = outlooks.iter().map(entry);
            io::print_text(&print::pretty(&entries.collect()))?;
        }
    }
    let has_errors = outlooks.iter().any(|one| one.surveyed.plan.report.has_errors());
    Ok(if has_errors { Exit::Refused } else { Exit::Done })
}

fn outlooks(objects: &[Value], snapshot: &Snapshot) -> Result<Vec<Outlook>, Failure> {
    // What the API server gives is an object.
    let read = |object| Some((object, ObjectView::read(object).ok()?));
    let (objects, views): (Vec<&Value>, Vec<ObjectView<'_>>) = objects.iter().filter_map(read).unzip();
    let surveyed = survey(&views, snapshot, &Fresh);
    objects
        .into_iter()
        .zip(surveyed)
        .map(|(object, surveyed)| outlook(object, surveyed))
        .collect()
}

fn outlook(object: &Value, surveyed: Surveyed) -> Result<Outlook, Failure> {
    let patch = surveyed.plan.patch.clone();
    if patch.0.is_empty() || surveyed.standing.is_right() {
        return Ok(Outlook {
            surveyed,
            change: None,
            rolls: None,
        });
    }
    let mut completed = object.clone();
    json_patch::patch(&mut completed, &patch).map_err(|error| {
        let object = surveyed.plan.report.object();
        Failure::Refused(format!("{object}: the patch for it does not apply: {error}"))
    })?;
    let has_other_pods = completed.pointer("/spec/template") != object.pointer("/spec/template");
    let rolls = has_other_pods.then(|| pods(object)).flatten();
    let [before, after] = [object, &completed].map(|object| emit::to_yaml(&readable(object)));
    Ok(Outlook {
        surveyed,
        change: Some(Change { patch, before, after }),
        rolls,
    })
}

/// How many pods a workload keeps; nothing for what replaces none.
fn pods(workload: &Value) -> Option<u64> {
    match workload["kind"].as_str()? {
        "DaemonSet" => workload["status"]["desiredNumberScheduled"].as_u64(),
        "Deployment" | "StatefulSet" => workload["spec"]["replicas"].as_u64(),
        _ => None,
    }
}

/// The object without what the cluster keeps for itself.
fn readable(object: &Value) -> Value {
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

fn text(release: &str, outlooks: &[Outlook]) -> String {
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    for Outlook { surveyed, change, .. } in outlooks {
        if let Some(change) = change {
            text += &unified(&surveyed.plan.report.object(), change);
        }
        for finding in &surveyed.plan.report.findings {
            let _ = writeln!(text, "{}: {finding}", surveyed.plan.report.object());
        }
    }
    let changing = outlooks.iter().filter(|outlook| outlook.change.is_some()).count();
    let _ = writeln!(
        text,
        "{changing} of {} objects of release {release} would change",
        outlooks.len()
    );
    let mut rolling = outlooks
        .iter()
        .filter_map(|outlook| Some((outlook, outlook.rolls?)))
        .peekable();
    if rolling.peek().is_none() {
        text += "no pod would roll\n";
    }
    for (outlook, pods) in rolling {
        let report = &outlook.surveyed.plan.report;
        let on = match (report.kind.as_str(), pods) {
            ("DaemonSet", 1) => " on 1 node".to_owned(),
            ("DaemonSet", nodes) => format!(" on {nodes} nodes"),
            (_, 1) => ", 1 of them".to_owned(),
            (_, pods) => format!(", {pods} of them"),
        };
        let _ = writeln!(text, "the pods of {} would roll{on}", report.object());
    }
    text
}

fn entry(outlook: &Outlook) -> Value {
    let report = &outlook.surveyed.plan.report;
    json!({
        "kind": report.kind,
        "namespace": report.namespace,
        "name": report.name,
        "component": report.component.map(Component::as_str),
        "standing": outlook.surveyed.standing.code(),
        "patch": outlook.change.as_ref().map(|change| &change.patch),
        "rolls": outlook.rolls,
        "findings": report.findings.iter().map(print::finding).collect::<Vec<_>>(),
    })
}
