//! The object of a case as somebody could create it, and what two answers of the API server are compared by.

use alumet_injector::names::STATUS_ANNOTATION;
use serde_json::{Value, json};

use super::Door;

/// The annotation by which an object is changed.
pub(super) const TOUCHED: &str = "test.alumet.dev/touched";

/// The object as somebody could create it: what only the API server writes is gone, and what it demands and the engine
/// does not look at is there.
pub(super) fn creatable(object: &Value, name: &str) -> Value {
    let mut object = object.clone();
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let metadata = object["metadata"].as_object_mut().unwrap();
    for member in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "managedFields",
        "ownerReferences",
    ] {
        metadata.remove(member);
    }
    if !metadata.contains_key("generateName") {
        metadata.insert("name".to_owned(), json!(name));
    }
    match kind.as_str() {
        "DaemonSet" | "Deployment" | "StatefulSet" => {
            let labels = &mut object["spec"]["template"]["metadata"]["labels"];
            if labels.is_null() {
                *labels = json!({"app": "case"});
            }
            let selector = json!({"matchLabels": labels});
            object["spec"]["selector"] = selector;
        }
        "Job" => object["spec"]["template"]["spec"]["restartPolicy"] = json!("Never"),
        "CronJob" => {
            object["spec"]["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
        }
        _ => {}
    }
    object
}

pub(super) fn in_namespace(object: &Value, namespace: &str) -> Value {
    let mut object = object.clone();
    object["metadata"]["namespace"] = json!(namespace);
    object
}

/// What two objects are compared by: what a user can write, and the record as data.
pub(super) fn comparable(object: &Value, door: Door) -> Value {
    let mut metadata = object["metadata"].clone();
    without_what_the_cluster_writes(&mut metadata);
    let mut spec = object["spec"].clone();
    if object["kind"] == "Job" {
        // It selects the pods of its own uid.
        spec["selector"] = Value::Null;
    }
    let template = match object["kind"].as_str().unwrap() {
        "Pod" => None,
        "CronJob" => spec.pointer_mut("/jobTemplate/spec/template"),
        _ => spec.pointer_mut("/template"),
    };
    if let Some(template) = template {
        without_what_the_cluster_writes(&mut template["metadata"]);
        if door == Door::PostRender {
            without_images(template);
        }
    } else {
        pod_of_any_time(&mut spec);
    }
    json!({"kind": object["kind"], "metadata": metadata, "spec": spec,
           "data": object["data"], "immutable": object["immutable"]})
}

/// Labels and annotations alone, and not those of the controllers.
fn without_what_the_cluster_writes(metadata: &mut Value) {
    let labels = strip(&metadata["labels"], |key| {
        !key.starts_with("batch.kubernetes.io/") && !["controller-uid", "job-name"].contains(&key)
    });
    let mut annotations = strip(&metadata["annotations"], |key| {
        key != TOUCHED
            && !key.starts_with("deployment.kubernetes.io/")
            && !key.starts_with("deprecated.daemonset.")
    });
    if let Some(status) = annotations.get_mut(STATUS_ANNOTATION)
        && let Ok(record) = serde_json::from_str(status.as_str().unwrap())
    {
        *status = record;
    }
    *metadata = json!({"labels": labels, "annotations": annotations});
}

fn strip(map: &Value, keep: impl Fn(&str) -> bool) -> Value {
    let all = map.as_object().cloned().unwrap_or_default();
    Value::Object(all.into_iter().filter(|(key, _)| keep(key)).collect())
}

fn without_images(template: &mut Value) {
    if let Some(record) = template["metadata"]["annotations"]
        .get_mut(STATUS_ANNOTATION)
        .and_then(Value::as_object_mut)
    {
        record.remove("image");
    }
    for container in template["spec"]["containers"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        container["image"] = Value::Null;
    }
}

/// A bare pod: the API server's own plugins come before the webhook, and here after the patch. And the token is mounted
/// under a new name each time.
fn pod_of_any_time(spec: &mut Value) {
    let of_the_token = |value: &Value| {
        value["name"]
            .as_str()
            .is_some_and(|name| name.starts_with("kube-api-access-"))
    };
    let keep = |list: &mut Value| {
        if let Some(list) = list.as_array_mut() {
            list.retain(|one| !of_the_token(one));
        }
    };
    keep(&mut spec["volumes"]);
    for containers in ["containers", "initContainers"] {
        for container in spec[containers].as_array_mut().into_iter().flatten() {
            keep(&mut container["volumeMounts"]);
        }
    }
    if let Some(tolerations) = spec["tolerations"].as_array_mut() {
        tolerations.sort_by_key(|toleration| toleration["key"].to_string());
    }
}
