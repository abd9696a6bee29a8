//! Marked objects and policies that tests send to the API server.

use alumet_injector::names::{COMPONENT_LABEL, STATUS_ANNOTATION, VALUES_ANNOTATION};
use serde_json::{Value, json};

use super::{Cluster, poll::wait_for};

/// What the sample's values say, besides what a test adds.
pub(crate) fn values() -> Value {
    json!({
        "agentVersion": "0.9.5",
        "config": "agent-config",
        "server": {"service": "relay-server", "port": 50051},
        "influxdb": {"deployed": true, "service": "influxdb2", "port": 80, "secretName": "influxdb2-auth",
                     "organization": "influxdata", "bucket": "default"},
        "imagePullSecrets": ["registry"],
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
    })
}

/// Labels and annotations of a relay server with these values.
pub(crate) fn marks(values: &Value) -> Value {
    json!({
        "labels": {COMPONENT_LABEL: "relay-server"},
        "annotations": {VALUES_ANNOTATION: values.to_string()},
    })
}

/// What such a pod runs.
pub(crate) fn pod_spec() -> Value {
    json!({
        "containers": [{
            "name": "agent", "image": "ghcr.io/alumet-dev/alumet-agent:0.9.5",
            "volumeMounts": [{"name": "config", "mountPath": "/etc/alumet", "readOnly": true}],
        }],
        "volumes": [{"name": "config", "configMap": {"name": "agent-config"}}],
    })
}

/// A bare pod with the sample's values.
pub(crate) fn pod(namespace: &str, name: &str) -> Value {
    let mut metadata = marks(&values());
    metadata["name"] = json!(name);
    metadata["namespace"] = json!(namespace);
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec()})
}

/// A Deployment whose template is that pod's.
pub(crate) fn deployment(namespace: &str, name: &str, values: &Value) -> Value {
    let mut metadata = marks(values);
    metadata["name"] = json!(name);
    metadata["namespace"] = json!(namespace);
    let mut template = json!({"metadata": marks(values), "spec": pod_spec()});
    template["metadata"]["labels"]["app"] = json!(name);
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template},
    })
}

/// A ConfigMap with the sample's values, without a configuration.
pub(crate) fn config_map(namespace: &str, name: &str) -> Value {
    let mut metadata = marks(&values());
    metadata["name"] = json!(name);
    metadata["namespace"] = json!(namespace);
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
}

/// A policy of the cluster, or of a namespace.
pub(crate) fn policy(name: &str, namespace: Option<&str>, spec: &Value) -> Value {
    json!({
        "apiVersion": "injector.alumet.dev/v1alpha1",
        "kind": if namespace.is_some() { "InjectionPolicy" } else { "ClusterInjectionPolicy" },
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    })
}

/// The record on a pod, a template or a ConfigMap; `null` without one.
pub(crate) fn record(metadata: &Value) -> Value {
    metadata["annotations"][STATUS_ANNOTATION]
        .as_str()
        .map_or(Value::Null, |text| {
            serde_json::from_str(text).expect("the record is JSON")
        })
}

/// The members of this name of each entry of a list, sorted.
pub(crate) fn all(list: &Value, member: &str) -> Vec<String> {
    let entries = list.as_array().into_iter().flatten();
    let mut texts: Vec<String> = entries
        .map(|entry| entry[member].as_str().unwrap_or("(none)").to_owned())
        .collect();
    texts.sort();
    texts
}

/// Fails unless each of what the sample's values ask for is there once.
#[track_caller]
pub(crate) fn assert_complete(pod: &Value) {
    let spec = &pod["spec"];
    let count = |list: &Value, member: &str, wanted: &str| {
        all(list, member).iter().filter(|text| *text == wanted).count()
    };
    let agent = spec["containers"].as_array().into_iter().flatten();
    let agent: Vec<&Value> = agent.filter(|container| container["name"] == "agent").collect();
    assert_eq!(agent.len(), 1, "{pod:#}");
    assert_eq!(count(&agent[0]["env"], "name", "INFLUX_TOKEN"), 1, "{pod:#}");
    assert_eq!(count(&spec["imagePullSecrets"], "name", "registry"), 1, "{pod:#}");
    assert_eq!(count(&spec["tolerations"], "key", "gpu"), 1, "{pod:#}");
    assert!(record(&pod["metadata"])["env"].is_object(), "{pod:#}");
}

/// The one pod with this label `app` that is not being deleted.
#[track_caller]
pub(crate) fn pod_of(cluster: &Cluster, namespace: &str, app: &str) -> Value {
    let selector = format!("app={app}");
    wait_for("the controller's pod", std::time::Duration::from_mins(1), || {
        let pods = cluster.get(&["pods", "-n", namespace, "-l", &selector]);
        pods["items"].get(0).cloned()
    })
}
