//! A release of Alumet in a namespace, with the Helm that manages it, and what the API server holds of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    path::PathBuf,
    time::Duration,
};

use alumet_injector::names::COMPONENT_LABEL;
use serde_json::{Value, json};

use super::{Cluster, cluster::Ran, poll::try_wait_for};
use crate::{
    files::root,
    helm::{Failure, Helm, Major, Renderer, Template},
};

/// Name of each release; its objects that belong to the whole cluster have the namespace in their names.
pub(crate) const NAME: &str = "test-alumet";

pub(crate) const CLIENT: &str = "relay-client";
pub(crate) const SERVER: &str = "relay-server";

/// The container of the relay server.
pub(crate) const SERVER_CONTAINER: &str = "alumet-relay-server";

/// The marked objects of a release: kind and component.
pub(crate) const MARKED: [(&str, &str); 4] = [
    ("configmap", CLIENT),
    ("configmap", SERVER),
    ("daemonset", CLIENT),
    ("deployment", SERVER),
];

/// What stands in `managedFields` when somebody owns what the injector wrote.
const INJECTED: [&str; 5] = [
    r#""f:config""#,
    r#""f:injector.alumet.dev/status""#,
    r#""k:{\"name\":\"INFLUX_TOKEN\"}""#,
    r#""f:imagePullSecrets""#,
    r#""f:tolerations""#,
];

/// Nothing but a fault takes longer.
pub(crate) const SOON: Duration = Duration::from_mins(2);

/// Values with which a release runs on the simulated nodes, its clients on one of them: changed where `change` says so
/// (a JSON merge patch).
pub(crate) fn values(change: &Value) -> Value {
    let mut values = json!({
        "influxdb2": {"persistence": {"enabled": false}},
        "alumet-relay-client": {"nodeSelector": {"kubernetes.io/hostname": "node-1"}},
    });
    json_patch::merge(&mut values, change);
    values
}

/// A release, by name and namespace.
pub(crate) struct Release<'c> {
    pub(crate) cluster: &'c Cluster,
    pub(crate) namespace: String,
    pub(crate) helm: Helm,
}

impl<'c> Release<'c> {
    /// Of this namespace; nothing is installed.
    pub(crate) fn of(cluster: &'c Cluster, helm: Major, namespace: &str) -> Self {
        Self {
            cluster,
            namespace: namespace.to_owned(),
            helm: cluster.helm(helm),
        }
    }

    /// Installs it, through no post-renderer, and waits until its agents run.
    #[track_caller]
    pub(crate) fn running(cluster: &'c Cluster, helm: Major, namespace: &str, values: &Value) -> Self {
        let release = Self::of(cluster, helm, namespace);
        release.install(values);
        release.wait_until_running();
        release
    }

    /// One that is applied as a stream, and the Secret that its stream names.
    #[track_caller]
    pub(crate) fn of_a_stream(cluster: &'c Cluster, namespace: &str) -> Self {
        let release = Self::of(cluster, Major::Four, namespace);
        let secret = ["create", "secret", "generic", "central-influxdb"];
        release
            .kubectl(&[&secret[..], &["--from-literal=admin-token=x"]].concat())
            .ok();
        release
    }

    /// What `helm template` prints: the same at each call, for there is no InfluxDB in it, and so no new credential.
    pub(crate) fn stream(&self, change: &Value) -> String {
        let mut values = values(&json!({
            "influxdb2": {"enabled": false},
            "alumet-relay-server": {"plugins": {"influxdb": {
                "host": "https://influx.example.org", "existingSecret": "central-influxdb",
            }}},
        }));
        json_patch::merge(&mut values, change);
        let file = self.write(&values);
        let chart = root("chart");
        let template = Template {
            release: NAME,
            namespace: &self.namespace,
            values: &[&file],
            ..Template::of(&chart)
        };
        self.helm.template(&template).stdout
    }

    /// Puts the values where Helm reads them.
    fn write(&self, values: &Value) -> PathBuf {
        let file = self
            .cluster
            .folder()
            .join(format!("{}.values.json", self.namespace));
        fs::write(&file, values.to_string()).expect("the file can be written");
        file
    }

    #[track_caller]
    pub(crate) fn install(&self, values: &Value) {
        done(self.chart("install", values, Renderer::None, &[]));
    }

    #[track_caller]
    pub(crate) fn upgrade(&self, values: &Value) {
        done(self.chart("upgrade", values, Renderer::None, &[]));
    }

    /// `helm install` or `helm upgrade` of the chart, with these flags besides.
    pub(crate) fn chart(
        &self,
        verb: &str,
        values: &Value,
        renderer: Renderer<'_>,
        flags: &[&str],
    ) -> Result<String, Failure> {
        let mut arguments: Vec<OsString> = [verb, NAME].map(OsString::from).into();
        arguments.push(root("chart").into());
        arguments.extend(["--namespace", &self.namespace, "--values"].map(OsString::from));
        arguments.push(self.write(values).into());
        arguments.extend(flags.iter().map(OsString::from));
        let report = self
            .cluster
            .folder()
            .join(format!("{}.report.json", self.namespace));
        arguments.extend(self.helm.renderer_arguments(renderer, &report));
        self.helm.run(&arguments)
    }

    /// `helm rollback` to a revision.
    pub(crate) fn rollback(&self, revision: &str, flags: &[&str]) -> Result<String, Failure> {
        let arguments = ["rollback", NAME, revision, "--namespace", &self.namespace];
        let arguments: Vec<OsString> = arguments.iter().chain(flags).map(OsString::from).collect();
        self.helm.run(&arguments)
    }

    /// kubectl in the namespace of the release.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Ran {
        self.kubectl_with(arguments, "")
    }

    /// The same with a stdin.
    pub(crate) fn kubectl_with(&self, arguments: &[&str], stdin: &str) -> Ran {
        let arguments = [&["--namespace", &self.namespace], arguments].concat();
        self.cluster.kubectl_with(&arguments, stdin)
    }

    /// All marked objects of a kind.
    #[track_caller]
    fn marked(&self, kind: &str) -> Vec<Value> {
        let list = self.cluster.get(&[
            kind,
            "--namespace",
            &self.namespace,
            "--selector",
            COMPONENT_LABEL,
        ]);
        list["items"].as_array().expect("a list has items").clone()
    }

    /// The object of a kind that is marked with this component.
    #[track_caller]
    pub(crate) fn object(&self, kind: &str, component: &str) -> Value {
        let mut found = self.marked(kind);
        found.retain(|one| one["metadata"]["labels"][COMPONENT_LABEL] == component);
        assert_eq!(found.len(), 1, "{kind} of the {component}: {found:#?}");
        found.remove(0)
    }

    /// The name of an object, as kubectl takes it: `daemonset/NAME`.
    #[track_caller]
    pub(crate) fn name(&self, kind: &str, component: &str) -> String {
        let object = self.object(kind, component);
        format!(
            "{kind}/{}",
            object["metadata"]["name"].as_str().unwrap_or_default()
        )
    }

    /// The agent's configuration, or `None` where the key is missing.
    #[track_caller]
    pub(crate) fn config(&self, component: &str) -> Option<String> {
        self.object("configmap", component)["data"]["config"]
            .as_str()
            .map(str::to_owned)
    }

    /// The pods of the agents that are not on their way out.
    #[track_caller]
    pub(crate) fn pods(&self) -> Vec<Value> {
        let mut pods = self.marked("pods");
        pods.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        pods
    }

    /// The pods of one component.
    #[track_caller]
    pub(crate) fn pods_of(&self, component: &str) -> Vec<Value> {
        let mut pods = self.pods();
        pods.retain(|pod| pod["metadata"]["labels"][COMPONENT_LABEL] == component);
        pods
    }

    /// Which pods of a component there are.
    #[track_caller]
    pub(crate) fn uids(&self, component: &str) -> BTreeSet<String> {
        let uid = |pod: &Value| pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        self.pods_of(component).iter().map(uid).collect()
    }

    /// What a rollout or a new configuration would show in: generation, template and data of each marked object.
    #[track_caller]
    pub(crate) fn state(&self) -> BTreeMap<String, Value> {
        let state = |(kind, component): (&str, &str)| {
            let object = self.object(kind, component);
            let state = json!({
                "generation": object["metadata"]["generation"],
                "record": object["metadata"]["annotations"]["injector.alumet.dev/status"],
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

    /// Until both agents are rolled out and nothing is left of what was before.
    #[track_caller]
    pub(crate) fn wait_until_running(&self) {
        let running = try_wait_for(SOON, || self.is_running().then_some(()));
        assert!(running.is_some(), "{}", self.story());
    }

    fn is_running(&self) -> bool {
        let clients = self.object("daemonset", CLIENT);
        let server = self.object("deployment", SERVER);
        let is_seen = |one: &Value| one["status"]["observedGeneration"] == one["metadata"]["generation"];
        let number = |one: &Value, key: &str| one["status"][key].as_i64().unwrap_or_default();
        let wanted = number(&clients, "desiredNumberScheduled");
        let pods = self.marked("pods");
        is_seen(&clients)
            && wanted > 0
            && number(&clients, "updatedNumberScheduled") == wanted
            && number(&clients, "numberReady") == wanted
            && is_seen(&server)
            && number(&server, "updatedReplicas") == 1
            && number(&server, "readyReplicas") == 1
            && i64::try_from(pods.len()) == Ok(wanted + 1)
            && pods.iter().all(|pod| pod["status"]["phase"] == "Running")
    }

    /// What a person would look at when it does not run.
    pub(crate) fn story(&self) -> String {
        let pods = self.kubectl(&["get", "pods", "--output", "wide"]);
        let held: Vec<_> = self
            .pods()
            .iter()
            .filter_map(|pod| {
                let name = pod["metadata"]["name"].as_str()?;
                Some((name.to_owned(), self.why_held(pod)?))
            })
            .collect();
        format!("{pods}\nheld: {held:#?}")
    }

    /// Why the kubelet holds a pod.
    pub(crate) fn why_held(&self, pod: &Value) -> Option<String> {
        let name = pod["metadata"]["name"].as_str()?;
        self.cluster.kubelet().why_held(&self.namespace, name)
    }
}

/// What Helm printed; the test fails, with all that is known, when it failed.
#[track_caller]
pub(crate) fn done(result: Result<String, Failure>) -> String {
    result.unwrap_or_else(|failure| panic!("{failure}"))
}

/// Where the variable of a container comes from; `None` when there is none.
pub(crate) fn variable<'v>(pod_spec: &'v Value, container: &str, name: &str) -> Option<&'v Value> {
    let named = |list: &'v Value, name: &str| list.as_array()?.iter().find(|one| one["name"] == name);
    named(&named(&pod_spec["containers"], container)?["env"], name)
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
