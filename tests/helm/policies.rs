//! Policies as files through both Helms: one result, the webhook's too, and every door names the policy of each value.

use std::{fs, path::Path};

use alumet_injector::{
    admission::respond,
    engine::setup::{Fresh, Snapshot},
    names::{COMPONENT_LABEL, STATUS_ANNOTATION},
    policy::index::PolicyIndex,
    policy_document::PolicyReader,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use json_patch::Patch;
use serde_json::{Value, json};

use crate::{
    charts::{Objects, key, objects},
    files::root,
    release::injector,
    support::{Helm, Renderer, Template},
};

/// Where the release goes: the namespace of the examples' team.
const NAMESPACE: &str = "monitoring";

/// Its label, by which one of the examples selects.
const LABEL: (&str, &str) = ("energy", "low-overhead");

/// The examples, as the webhook has them.
fn snapshot() -> Snapshot {
    let mut reader = PolicyReader::default();
    for entry in fs::read_dir(root("deploy/policies")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            reader.read(&path.display().to_string(), &fs::read(&path).unwrap());
        }
    }
    let (policies, problems) = reader.finish();
    assert_eq!(problems, []);
    let mut policies = PolicyIndex::new(policies);
    let labels = [LABEL].map(|(key, value)| (key.to_owned(), value.to_owned()));
    policies.know_namespace(NAMESPACE, &std::collections::BTreeMap::from(labels));
    Snapshot { policies }
}

/// The chart without a database of its own.
fn template<'a>(chart: &'a Path, renderer: Renderer<'a>) -> Template<'a> {
    Template {
        namespace: NAMESPACE,
        set: &["influxdb2.enabled=false"],
        renderer,
        ..Template::of(chart)
    }
}

/// The object as the webhook would have it stored, and the policies that its audit annotation names.
fn admitted(object: &Value, snapshot: &Snapshot) -> (Value, Vec<String>) {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {"uid": "u", "operation": "CREATE", "namespace": NAMESPACE, "object": object},
    });
    let answer = respond(snapshot, &Fresh, review.to_string().as_bytes()).unwrap();
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let response = &answer["response"];
    let patch = STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
    let patch: Patch = serde_json::from_slice(&patch).unwrap();
    let mut admitted = object.clone();
    json_patch::patch(&mut admitted, &patch).unwrap();
    let named = response["auditAnnotations"]["policies"]
        .as_str()
        .unwrap_or_default();
    let named = named
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned);
    (admitted, named.collect())
}

/// The object without the image of its template, which admission leaves to the pods, and with its record as data.
fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    for metadata in ["/metadata", "/spec/template/metadata"] {
        let status = format!("{metadata}/annotations/{}", STATUS_ANNOTATION.replace('/', "~1"));
        if let Some(status) = object.pointer_mut(&status) {
            let mut record: Value = serde_json::from_str(status.as_str().unwrap()).unwrap();
            record.as_object_mut().unwrap().remove("image");
            // A policy that gives nothing but the image is named for it alone.
            record.as_object_mut().unwrap().remove("from");
            *status = record;
        }
    }
    let containers = object.pointer_mut("/spec/template/spec/containers");
    for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
        container["image"] = Value::Null;
    }
    object
}

/// What a report says of one object: each value, its source and its fate.
fn values_of(report: &str, object: &Value) -> Vec<Value> {
    let report: Value = serde_json::from_str(report).unwrap();
    let mut entries = report.as_array().unwrap().iter();
    let entry =
        entries.find(|entry| entry["kind"] == object["kind"] && entry["name"] == object["metadata"]["name"]);
    entry.unwrap()["values"].as_array().unwrap().clone()
}

fn policy_of(row: &Value) -> Option<&str> {
    row["source"].as_str()?.strip_prefix("policy: ")
}

#[test]
fn one_set_of_files_gives_one_result_through_both_helms_and_the_webhook() {
    let chart = root("chart");
    let folder = root("deploy/policies");
    let label = format!("{}={}", LABEL.0, LABEL.1);
    let facts = [
        "--policy",
        folder.to_str().unwrap(),
        "--namespace",
        NAMESPACE,
        "--namespace-labels",
        &label,
    ];
    let helms = Helm::both();
    let rendered = helms
        .each_ref()
        .map(|helm| helm.template(&template(&chart, Renderer::Injector(&facts))));
    let [three, four] = rendered.each_ref().map(|rendered| -> Objects {
        let mut objects = objects(&rendered.stdout);
        objects.retain(|_, object| object["metadata"]["labels"][COMPONENT_LABEL].is_string());
        objects
    });
    assert_eq!(three, four);
    assert_eq!(three.len(), 4, "{:?}", three.keys());

    let plain = helms[1].template(&template(&chart, Renderer::None)).stdout;
    let explained = injector(&[&["explain", "--output", "json"][..], &facts].concat(), &plain).stdout;
    let snapshot = snapshot();
    let mut named_in_all = Vec::new();
    for object in objects(&plain).values() {
        let Some(post_rendered) = three.get(&key(object)) else {
            continue;
        };
        let (admitted, audited) = admitted(object, &snapshot);
        assert_eq!(
            comparable(&admitted),
            comparable(post_rendered),
            "{}",
            key(object)
        );

        let [of_three, of_four] = rendered.each_ref().map(|it| values_of(&it.report, object));
        assert_eq!(of_three, of_four, "{}", key(object));
        assert_eq!(of_three, values_of(&explained, object), "{}", key(object));
        let mut named: Vec<&str> = of_three
            .iter()
            .filter(|row| row["fate"] != "user-wins" && !row["what"].as_str().unwrap().starts_with("image "))
            .filter_map(policy_of)
            .collect();
        named.sort_unstable();
        named.dedup();
        for name in &named {
            assert!(
                audited.iter().any(|audited| audited == name),
                "{}: {name}: {audited:?}",
                key(object)
            );
        }
        named_in_all.extend(named.into_iter().map(str::to_owned));
    }
    for policy in [
        "central-influxdb",
        "control-plane",
        "low-overhead",
        "mirror",
        "monitoring/team",
    ] {
        assert!(
            named_in_all.iter().any(|name| name == policy),
            "{policy}: {named_in_all:?}"
        );
    }
}
