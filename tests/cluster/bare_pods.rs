//! Bare pods: the API server's own plugins are asked before the webhook. What is injected is what a template gets, and
//! nothing is there twice.

use std::time::Duration;

use alumet_injector::names::COMPONENT_LABEL;
use serde_json::{Value, json};

use crate::support::{
    Case, Cluster, cases,
    poll::wait_for,
    rest::{Stored, create},
    samples::{all, assert_complete, deployment, marks, pod, pod_of, record, values},
};

const SOON: Duration = Duration::from_mins(1);

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_bare_pod_gets_the_rows_of_a_template_under_an_account_with_pull_secrets,
        a_bare_pod_gets_the_rows_of_a_template_under_a_limit_range,
        a_bare_pod_gets_the_rows_of_a_template_beside_the_default_tolerations,
    ]
}

/// A bare pod, and the pod of a Deployment, of the same spec and values.
fn both(cluster: &Cluster, namespace: &str, values: &Value) -> [Value; 2] {
    let template = deployment(namespace, "templated", values);
    create(cluster, &template, Stored::Yes).unwrap();
    let mut bare = pod(namespace, "bare");
    for (member, marks) in marks(values).as_object().unwrap() {
        bare["metadata"][member] = marks.clone();
    }
    let bare = create(cluster, &bare, Stored::Yes).unwrap();
    let templated = pod_of(cluster, namespace, "templated");
    let pods = [bare, templated];
    for pod in &pods {
        assert_complete(pod);
        assert_eq!(pod["metadata"]["labels"][COMPONENT_LABEL], "relay-server");
    }
    let [bare, templated] = &pods;
    assert_eq!(
        bare["spec"]["containers"][0]["env"], templated["spec"]["containers"][0]["env"],
        "{bare:#}\n{templated:#}"
    );
    assert_eq!(tolerations(bare), tolerations(templated));
    let [of_bare, of_templated] = pods.each_ref().map(|pod| record(&pod["metadata"]));
    for row in ["values", "config", "env"] {
        assert_eq!(
            of_bare[row], of_templated[row],
            "{row}: {of_bare} and {of_templated}"
        );
    }
    pods
}

/// By key.
fn tolerations(pod: &Value) -> Vec<Value> {
    let mut found = pod["spec"]["tolerations"].as_array().unwrap().clone();
    found.sort_by_key(|toleration| toleration["key"].to_string());
    found
}

fn a_bare_pod_gets_the_rows_of_a_template_under_an_account_with_pull_secrets(cluster: &Cluster) {
    let namespace = cluster.served_namespace("account");
    let secrets = json!({"imagePullSecrets": [{"name": "of-the-account"}, {"name": "registry"}]});
    cluster
        .kubectl(&[
            "patch",
            "serviceaccount",
            "default",
            "-n",
            &namespace,
            "--type=merge",
            "--patch",
            &secrets.to_string(),
        ])
        .ok();
    // The API server reads accounts from a cache of its own.
    wait_for("the account's pull secrets", SOON, || {
        let mut probe = pod(&namespace, "probe");
        probe["metadata"]["labels"] = json!({});
        let made = create(cluster, &probe, Stored::No).unwrap();
        made["spec"]["imagePullSecrets"].is_array().then_some(())
    });
    let [bare, templated] = both(cluster, &namespace, &values());
    let names = |pod: &Value| all(&pod["spec"]["imagePullSecrets"], "name");
    assert_eq!(names(&bare), ["of-the-account", "registry"], "{bare:#}");
    // The account's are added only where a pod names none.
    assert_eq!(names(&templated), ["registry"], "{templated:#}");
    // What was there is not ours, and stays when ours is taken out.
    assert!(record(&bare["metadata"])["pull"].is_null(), "{bare:#}");
    assert_eq!(record(&templated["metadata"])["pull"], json!(["registry"]));
}

fn a_bare_pod_gets_the_rows_of_a_template_under_a_limit_range(cluster: &Cluster) {
    let namespace = cluster.served_namespace("limits");
    let limits = json!({
        "apiVersion": "v1", "kind": "LimitRange",
        "metadata": {"name": "limits", "namespace": namespace},
        "spec": {"limits": [{"type": "Container", "default": {"cpu": "500m", "memory": "128Mi"},
                             "defaultRequest": {"cpu": "10m", "memory": "16Mi"}}]},
    });
    create(cluster, &limits, Stored::Yes).unwrap();
    let resources = |pod: &Value| pod["spec"]["containers"][0]["resources"].clone();
    wait_for("the limits to be in force", SOON, || {
        let made = create(cluster, &pod(&namespace, "probe"), Stored::No).unwrap();
        resources(&made)["limits"].is_object().then_some(())
    });
    let [bare, templated] = both(cluster, &namespace, &values());
    let wanted =
        json!({"limits": {"cpu": "500m", "memory": "128Mi"}, "requests": {"cpu": "10m", "memory": "16Mi"}});
    assert_eq!(resources(&bare), wanted);
    assert_eq!(resources(&templated), wanted);
}

fn a_bare_pod_gets_the_rows_of_a_template_beside_the_default_tolerations(cluster: &Cluster) {
    let namespace = cluster.served_namespace("tolerations");
    let default = |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
    let (not_ready, unreachable) = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable");
    let mut values = values();
    // One of them is what the API server adds, too.
    values["tolerations"] = json!([{"key": "gpu", "operator": "Exists"}, default(not_ready)]);
    let pods = both(cluster, &namespace, &values);
    for pod in &pods {
        let wanted = [
            json!({"key": "gpu", "operator": "Exists"}),
            default(not_ready),
            default(unreachable),
        ];
        assert_eq!(tolerations(pod), wanted);
    }
}
