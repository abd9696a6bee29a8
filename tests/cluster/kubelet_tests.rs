//! The kubelet of the tests: what it holds a pod for, in which words, and when it lets go.

mod judging;
mod lost_answer;

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use crate::support::{Case, Cluster, cases, poll::wait_for};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = cases![
        a_missing_config_map_holds_the_pod,
        a_missing_key_holds_the_pod,
        a_missing_secret_holds_the_pod,
        a_missing_secret_key_holds_the_pod,
        a_missing_variable_stops_the_agent,
        a_config_map_by_sub_path_is_refused,
        a_restart_reads_the_text_of_then,
        each_container_waits_for_itself,
        an_agent_that_is_not_restarted_has_failed,
        what_has_all_it_needs_runs,
    ];
    cases.extend(judging::cases());
    cases.extend(lost_answer::cases());
    cases
}

/// Nothing but a broken kubelet takes longer.
const SOON: Duration = Duration::from_secs(30);

/// An agent that reads the key `config` of this `ConfigMap`.
fn agent(config_map: &str, container: &Value) -> Value {
    let mut main = json!({
        "name": "main",
        "image": "x",
        "args": ["--config", "/etc/alumet/agent.toml"],
        "volumeMounts": [{"name": "config", "mountPath": "/etc/alumet"}],
    });
    main.as_object_mut()
        .unwrap()
        .extend(container.as_object().unwrap().clone());
    json!({
        "containers": [main],
        "volumes": [{
            "name": "config",
            "configMap": {"name": config_map, "items": [{"key": "config", "path": "agent.toml"}]},
        }],
    })
}

/// The pod of an agent, as `agent` makes its spec.
fn agent_pod(name: &str, marked: bool, spec: &Value) -> Value {
    let labels = if marked {
        json!({"injector.alumet.dev/component": "agent"})
    } else {
        json!({})
    };
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
    })
}

fn config_map(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

fn secret(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
}

/// A namespace, and what the tests do in it.
struct Place<'c> {
    cluster: &'c Cluster,
    namespace: String,
}

impl<'c> Place<'c> {
    fn new(cluster: &'c Cluster) -> Self {
        Self {
            cluster,
            namespace: cluster.namespace("kubelet"),
        }
    }

    #[track_caller]
    fn kubectl(&self, arguments: &[&str]) -> String {
        self.cluster
            .kubectl(&[&["--namespace", &self.namespace], arguments].concat())
            .ok()
    }

    #[track_caller]
    fn apply(&self, object: &Value) {
        let apply = ["--namespace", &self.namespace, "apply", "-f", "-"];
        self.cluster.kubectl_with(&apply, &object.to_string()).ok();
    }

    #[track_caller]
    fn pod(&self, name: &str) -> Pod {
        serde_json::from_str(&self.kubectl(&["get", "pod", name, "-o", "json"])).unwrap()
    }

    /// READY, STATUS and RESTARTS of `kubectl get pod`.
    #[track_caller]
    fn columns(&self, name: &str) -> Vec<String> {
        let line = self.kubectl(&["get", "pod", name, "--no-headers"]);
        line.split_whitespace()
            .skip(1)
            .take(3)
            .map(str::to_owned)
            .collect()
    }

    #[track_caller]
    fn wait_until(&self, name: &str, columns: [&str; 3]) {
        let mut last = Vec::new();
        wait_for(&format!("pod {name} to show {columns:?}"), SOON, || {
            last = self.columns(name);
            (last == columns).then_some(())
        });
    }

    /// Waits until the pod is held for these reasons: its columns, and words of `kubectl describe pod`.
    #[track_caller]
    fn held(&self, name: &str, status: &str, restarts: &str, words: &[&str]) {
        let told = |description: &str| words.iter().all(|words| description.contains(words));
        wait_for(
            &format!("pod {name} to be described with {words:?}"),
            SOON,
            || {
                let description = self.kubectl(&["describe", "pod", name]);
                told(&description).then_some(())
            },
        );
        self.wait_until(name, ["0/1", status, restarts]);
        let why = self.cluster.kubelet().why_held(&self.namespace, name);
        assert!(why.as_ref().is_some_and(|why| why.starts_with(status)), "{why:?}");
    }

    #[track_caller]
    fn runs(&self, name: &str, restarts: &str) {
        self.wait_until(name, ["1/1", "Running", restarts]);
        assert_eq!(self.cluster.kubelet().why_held(&self.namespace, name), None);
        assert_eq!(
            self.pod(name).status.and_then(|status| status.phase).as_deref(),
            Some("Running")
        );
    }

    /// How many events the pod has for this reason.
    #[track_caller]
    fn events(&self, name: &str, reason: &str) -> usize {
        let selector = format!("involvedObject.name={name},reason={reason}");
        self.kubectl(&["get", "events", "--field-selector", &selector, "-o", "name"])
            .lines()
            .count()
    }
}

fn a_missing_config_map_holds_the_pod(cluster: &Cluster) {
    let place = Place::new(cluster);
    place.apply(&agent_pod("agent", true, &agent("settings", &json!({}))));
    let words = r#"MountVolume.SetUp failed for volume "config" : configmap "settings" not found"#;
    place.held(
        "agent",
        "ContainerCreating",
        "0",
        &[words, "FailedMount", "kubelet "],
    );
    place.apply(&config_map("settings", &json!({"config": "a = 1"})));
    place.runs("agent", "0");
    assert_eq!(place.events("agent", "FailedMount"), 1, "one event for one text");
}

fn a_missing_key_holds_the_pod(cluster: &Cluster) {
    let place = Place::new(cluster);
    place.apply(&config_map("settings", &json!({"other": "a = 1"})));
    place.apply(&agent_pod("agent", true, &agent("settings", &json!({}))));
    let words = "configmap references non-existent config key: config";
    place.held("agent", "ContainerCreating", "0", &[words, "FailedMount"]);
    place.apply(&config_map("settings", &json!({"config": "a = 1"})));
    place.runs("agent", "0");
}

/// An unmarked pod with one variable from a Secret.
fn reader(name: &str) -> Value {
    let from = json!({"secretKeyRef": {"name": "token", "key": "value"}});
    let container = json!({"name": "main", "image": "x", "env": [{"name": "TOKEN", "valueFrom": from}]});
    agent_pod(name, false, &json!({"containers": [container]}))
}

fn a_missing_secret_holds_the_pod(cluster: &Cluster) {
    let place = Place::new(cluster);
    place.apply(&reader("reader"));
    let words = r#"Error: secret "token" not found"#;
    place.held("reader", "CreateContainerConfigError", "0", &[words, "Failed "]);
    place.apply(&secret("token", &json!({"value": "x"})));
    place.runs("reader", "0");
}

fn a_missing_secret_key_holds_the_pod(cluster: &Cluster) {
    let place = Place::new(cluster);
    place.apply(&secret("token", &json!({"other": "x"})));
    place.apply(&reader("reader"));
    let words = format!(
        "Error: couldn't find key value in Secret {}/token",
        place.namespace
    );
    place.held("reader", "CreateContainerConfigError", "0", &[&words]);
    place.apply(&secret("token", &json!({"value": "x"})));
    place.runs("reader", "0");
}

const VARIABLE: &str = "the environment variable WANTED does not exist";

fn a_missing_variable_stops_the_agent(cluster: &Cluster) {
    let place = Place::new(cluster);
    place.apply(&config_map("settings", &json!({"config": "a = '${WANTED}'"})));
    place.apply(&agent_pod("wrong", true, &agent("settings", &json!({}))));
    let words = [
        VARIABLE,
        "Exit Code:    1",
        "Back-off restarting failed container main in pod wrong_",
    ];
    place.held("wrong", "CrashLoopBackOff", "0", &words);

    place.kubectl(&["delete", "pod", "wrong"]);
    let set = json!({"env": [{"name": "WANTED", "value": "1"}]});
    place.apply(&agent_pod("right", true, &agent("settings", &set)));
    place.runs("right", "0");
    assert_eq!(
        place.cluster.kubelet().why_held(&place.namespace, "wrong"),
        None,
        "a deleted pod is forgotten"
    );

    // An agent that ended is started again, and reads the text of then.
    place.apply(&agent_pod("mended", true, &agent("settings", &json!({}))));
    place.held("mended", "CrashLoopBackOff", "0", &[VARIABLE]);
    place.apply(&config_map("settings", &json!({"config": "a = 1"})));
    place.runs("mended", "0");
}

fn a_config_map_by_sub_path_is_refused(cluster: &Cluster) {
    let place = Place::new(cluster);
    place.apply(&config_map("settings", &json!({"config": "a = 1"})));
    let mount = json!({"name": "config", "mountPath": "/etc/alumet/agent.toml", "subPath": "agent.toml"});
    place.apply(&agent_pod(
        "wrong",
        true,
        &agent("settings", &json!({"volumeMounts": [mount]})),
    ));
    let words = r#"failed to prepare subPath for volumeMount "config" of container "main""#;
    place.held(
        "wrong",
        "CreateContainerConfigError",
        "0",
        &[words, "the kubelet would make an empty directory"],
    );

    place.kubectl(&["delete", "pod", "wrong"]);
    place.apply(&agent_pod("right", true, &agent("settings", &json!({}))));
    place.runs("right", "0");
}

fn a_restart_reads_the_text_of_then(cluster: &Cluster) {
    let place = Place::new(cluster);
    let kubelet = place.cluster.kubelet();
    let restart = |name: &str| kubelet.restart(&place.namespace, name);
    place.apply(&config_map("settings", &json!({"config": "a = 1"})));
    place.apply(&agent_pod("agent", true, &agent("settings", &json!({}))));
    place.runs("agent", "0");
    assert_eq!(restart("agent"), Ok(None));
    place.runs("agent", "1");

    // The new text wants a variable. The running agent has read the old one; a second pod says when the new one counts.
    place.apply(&config_map("settings", &json!({"config": "a = '${WANTED}'"})));
    place.apply(&agent_pod("late", true, &agent("settings", &json!({}))));
    place.held("late", "CrashLoopBackOff", "0", &[VARIABLE]);
    place.runs("agent", "1");
    let why = restart("agent").unwrap().unwrap();
    assert!(
        why.starts_with("CrashLoopBackOff: ") && why.ends_with(VARIABLE),
        "{why}"
    );
    let columns = place.columns("agent");
    assert_eq!(columns[..2], ["0/1", "CrashLoopBackOff"]);
    assert_eq!(columns[2], "2");

    // Mended, it starts once more by itself.
    place.apply(&config_map("settings", &json!({"config": "a = 2"})));
    place.runs("agent", "3");
    place.runs("late", "0");

    // The files of a running pod stay where they are when the ConfigMap goes.
    place.kubectl(&["delete", "configmap", "settings"]);
    assert_eq!(restart("agent"), Ok(None));
    place.runs("agent", "4");
    assert_eq!(place.events("agent", "FailedMount"), 1);

    // A pod that never started has nothing to start again; nor has one that is not there.
    place.apply(&agent_pod("held", true, &agent("settings", &json!({}))));
    place.held("held", "ContainerCreating", "0", &["not found"]);
    let error = restart("held").unwrap_err();
    assert!(error.contains("has never started"), "{error}");
    let error = restart("nobody").unwrap_err();
    assert!(error.contains("there is no pod"), "{error}");
}

fn each_container_waits_for_itself(cluster: &Cluster) {
    let place = Place::new(cluster);
    let reads = |name: &str, secret: &str| json!({"name": name, "image": "x", "envFrom": [{"secretRef": {"name": secret}}]});
    let sidecar = json!({"name": "sidecar", "image": "x", "restartPolicy": "Always"});
    place.apply(&agent_pod(
        "pod",
        false,
        &json!({
            "initContainers": [sidecar, reads("init", "first")],
            "containers": [reads("main", "second"), {"name": "other", "image": "x"}],
        }),
    ));
    place.wait_until("pod", ["1/3", "Init:CreateContainerConfigError", "0"]);
    place.apply(&secret("first", &json!({})));
    place.wait_until("pod", ["2/3", "CreateContainerConfigError", "0"]);
    place.apply(&secret("second", &json!({})));
    place.wait_until("pod", ["3/3", "Running", "0"]);

    // Kept in order by the API server: all containers but the plain init container start again.
    assert_eq!(place.cluster.kubelet().restart(&place.namespace, "pod"), Ok(None));
    let status = place.pod("pod").status.unwrap();
    let counts = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .flatten();
    let counts: Vec<_> = counts
        .map(|status| (status.name.as_str(), status.restart_count))
        .collect();
    assert_eq!(counts, [("sidecar", 1), ("init", 0), ("main", 1), ("other", 1)]);
    place.kubectl(&["delete", "secret", "second"]);
    let why = place.cluster.kubelet().restart(&place.namespace, "pod");
    assert_eq!(
        why,
        Ok(Some(
            "CreateContainerConfigError: secret \"second\" not found".to_owned()
        ))
    );
    place.apply(&secret("second", &json!({})));
    place.wait_until("pod", ["3/3", "Running", "6"]);
}

fn an_agent_that_is_not_restarted_has_failed(cluster: &Cluster) {
    let place = Place::new(cluster);
    place.apply(&config_map("settings", &json!({"config": "a = '${WANTED}'"})));
    let mut spec = agent("settings", &json!({}));
    spec["restartPolicy"] = json!("Never");
    place.apply(&agent_pod("once", true, &spec));
    place.wait_until("once", ["0/1", "Error", "0"]);
    assert_eq!(
        place
            .pod("once")
            .status
            .and_then(|status| status.phase)
            .as_deref(),
        Some("Failed")
    );
    assert!(place.kubectl(&["describe", "pod", "once"]).contains(VARIABLE));
    assert_eq!(
        place.cluster.kubelet().why_held(&place.namespace, "once"),
        None,
        "it has ended"
    );
}

fn what_has_all_it_needs_runs(cluster: &Cluster) {
    let place = Place::new(cluster);
    let containers = json!([{"name": "main", "image": "x"}]);
    place.apply(&agent_pod(
        "plain",
        false,
        &json!({"containers": containers, "imagePullSecrets": [{"name": "none"}]}),
    ));
    place.runs("plain", "0");
    assert_eq!(place.events("plain", "FailedToRetrieveImagePullSecret"), 1);

    place.apply(&json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "job"},
        "spec": {"template": {"spec": {"containers": containers, "restartPolicy": "Never"}}},
    }));
    place.kubectl(&["wait", "--for=condition=Complete", "--timeout=30s", "job/job"]);

    let mut hook = agent_pod(
        "hook",
        false,
        &json!({"containers": containers, "restartPolicy": "Never"}),
    );
    hook["metadata"]["annotations"] = json!({"helm.sh/hook": "test"});
    place.apply(&hook);
    place.wait_until("hook", ["0/1", "Completed", "0"]);
    assert_eq!(
        place
            .pod("hook")
            .status
            .and_then(|status| status.phase)
            .as_deref(),
        Some("Succeeded")
    );
    let error = place
        .cluster
        .kubelet()
        .restart(&place.namespace, "hook")
        .unwrap_err();
    assert!(error.contains("has ended"), "{error}");
}
