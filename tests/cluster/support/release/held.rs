//! What the API server holds of a release.

use std::collections::{BTreeMap, BTreeSet};

use alumet_injector::names::{COMPONENT_LABEL, Component, STATUS_ANNOTATION};
use serde_json::{Value, json};

use super::{CLIENT, MARKED, Release, SERVER};

/// What stands in `managedFields` when somebody owns what the injector wrote.
const INJECTED: [&str; 5] = [
    r#""f:config""#,
    r#""f:injector.alumet.dev/status""#,
    r#""k:{\"name\":\"INFLUX_TOKEN\"}""#,
    r#""f:imagePullSecrets""#,
    r#""f:tolerations""#,
];

impl Release<'_> {
    /// The object of a kind that is marked with this component.
    #[track_caller]
    pub(crate) fn object(&self, kind: &str, component: Component) -> Value {
        let label = format!("{COMPONENT_LABEL}={component}");
        let mut found = self.list(&[kind, "--selector", &label]);
        assert_eq!(found.len(), 1, "{kind} of the {component}: {found:#?}");
        found.remove(0)
    }

    /// The name of an object, as kubectl takes it: `daemonset/NAME`.
    #[track_caller]
    pub(crate) fn name(&self, kind: &str, component: Component) -> String {
        let object = self.object(kind, component);
        format!(
            "{kind}/{}",
            object["metadata"]["name"].as_str().unwrap_or_default()
        )
    }

    /// The agent's configuration, or `None` where the key is missing.
    #[track_caller]
    pub(crate) fn config(&self, component: Component) -> Option<String> {
        self.object("configmap", component)["data"]["config"]
            .as_str()
            .map(str::to_owned)
    }

    /// Which pods of a component there are.
    #[track_caller]
    pub(crate) fn uids(&self, component: Component) -> BTreeSet<String> {
        let uid = |pod: &Value| pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        self.pods_of(component).iter().map(uid).collect()
    }

    /// What a rollout or a new configuration would show in: generation, template and data of each marked object.
    #[track_caller]
    pub(crate) fn state(&self) -> BTreeMap<String, Value> {
        let state = |(kind, component): (&str, Component)| {
            let object = self.object(kind, component);
            let state = json!({
                "generation": object["metadata"]["generation"],
                "record": object["metadata"]["annotations"][STATUS_ANNOTATION],
                "data": object["data"],
                "template": object["spec"]["template"],
            });
            (format!("{kind} {component}"), state)
        };
        MARKED.map(state).into()
    }

    /// The same, and the pods.
    #[track_caller]
    pub(crate) fn state_and_pods(&self) -> (BTreeMap<String, Value>, [BTreeSet<String>; 2]) {
        (
            self.state(),
            [CLIENT, SERVER].map(|component| self.uids(component)),
        )
    }
}

/// Whether the kubelet let it start, and it is in its Services.
pub(crate) fn is_ready(pod: &Value) -> bool {
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// The name of the node that a pod runs on.
pub(crate) fn node_of(pod: &Value) -> &str {
    pod["spec"]["nodeName"].as_str().unwrap_or_default()
}

/// Where the variable of the only container comes from; `None` when there is none.
pub(crate) fn variable<'v>(pod_spec: &'v Value, name: &str) -> Option<&'v Value> {
    let env = pod_spec["containers"][0]["env"].as_array()?;
    env.iter().find(|one| one["name"] == name)
}

/// The keys of a pod's tolerations, without those that the API server and the DaemonSet controller add.
pub(crate) fn tolerated(pod_spec: &Value) -> Vec<&str> {
    let tolerations = pod_spec["tolerations"].as_array().map_or(&[][..], Vec::as_slice);
    tolerations
        .iter()
        .filter_map(|one| one["key"].as_str())
        .filter(|key| !key.starts_with("node.kubernetes.io/"))
        .collect()
}

/// The test fails where an entry of `managedFields` names something injected: an upgrade could then stop at a conflict.
#[track_caller]
pub(crate) fn assert_nobody_owns_what_is_injected(release: &Release<'_>) {
    for (kind, component) in MARKED {
        let name = release.name(kind, component);
        let object: Value = serde_json::from_str(
            &release
                .kubectl(&["get", &name, "--show-managed-fields", "--output", "json"])
                .ok(),
        )
        .expect("kubectl prints JSON");
        let entries = object["metadata"]["managedFields"]
            .as_array()
            .expect("there are owners");
        assert!(!entries.is_empty(), "{name}");
        for entry in entries {
            let fields = entry["fieldsV1"].to_string();
            for injected in INJECTED {
                assert!(
                    !fields.contains(injected),
                    "{name}: {} owns {injected}: {fields}",
                    entry["manager"]
                );
            }
        }
    }
}
