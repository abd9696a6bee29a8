//! A release of the project's own chart in a namespace: the Helm that manages it, its kubectl, and waiting for it.

mod held;

use std::{ffi::OsString, fs, path::PathBuf, time::Duration};

use alumet_injector::names::{COMPONENT_LABEL, Component};
use serde_json::{Value, json};

pub(crate) use self::held::{assert_nobody_owns_what_is_injected, is_ready, node_of, tolerated, variable};
use super::{
    Cluster,
    cluster::Ran,
    poll::{try_wait_for, wait_for},
};
use crate::{
    files::root,
    helm::{Failure, Helm, Major, Renderer, Template},
};

/// Name of each release; its objects that belong to the whole cluster have the namespace in their names.
pub(crate) const NAME: &str = "test-alumet";

pub(crate) const CLIENT: Component = Component::RelayClient;
pub(crate) const SERVER: Component = Component::RelayServer;

/// The DaemonSet of the relay clients, and their Service.
pub(crate) const CLIENT_NAME: &str = "test-alumet-alumet-relay-client";

/// The Deployment of the relay server, and its Service.
pub(crate) const SERVER_NAME: &str = "test-alumet-alumet-relay-server";

/// The StatefulSet of InfluxDB, its Service and its claim.
pub(crate) const INFLUXDB: &str = "test-alumet-influxdb2";

/// The marked objects of a release: kind and component.
pub(crate) const MARKED: [(&str, Component); 4] = [
    ("configmap", CLIENT),
    ("configmap", SERVER),
    ("daemonset", CLIENT),
    ("deployment", SERVER),
];

/// Long enough for the controllers, the scheduler, kwok and the kubelet on a busy machine.
pub(crate) const SOON: Duration = Duration::from_mins(5);

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

/// The values that Helm is given.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Given<'v> {
    /// These.
    Values(&'v Value),
    /// A file of `chart/ci`, and what `--set` sets besides.
    Case(&'v str, &'v [&'v str]),
}

impl<'v> From<&'v Value> for Given<'v> {
    fn from(values: &'v Value) -> Self {
        Self::Values(values)
    }
}

impl<'v> From<&'v str> for Given<'v> {
    fn from(case: &'v str) -> Self {
        Self::Case(case, &[])
    }
}

impl<'v, const N: usize> From<(&'v str, &'v [&'v str; N])> for Given<'v> {
    fn from((case, set): (&'v str, &'v [&'v str; N])) -> Self {
        Self::Case(case, set)
    }
}

/// A release, by name and namespace, installed or to be installed.
pub(crate) struct Release<'c> {
    pub(crate) cluster: &'c Cluster,
    pub(crate) namespace: String,
    helm: Helm,
    renderer: Renderer<'c>,
}

impl<'c> Release<'c> {
    /// Helm knows of no injector: who completes the objects is whoever serves the namespace.
    pub(crate) fn of(cluster: &'c Cluster, helm: Major, namespace: &str) -> Self {
        Self {
            cluster,
            namespace: namespace.to_owned(),
            helm: cluster.helm(helm),
            renderer: Renderer::None,
        }
    }

    /// Helm's post-renderer completes the objects.
    pub(crate) fn post_rendered(cluster: &'c Cluster, helm: Major, namespace: &str) -> Self {
        Self::post_rendered_with(cluster, helm, namespace, &[])
    }

    /// The same, and it is given these arguments.
    pub(crate) fn post_rendered_with(
        cluster: &'c Cluster,
        helm: Major,
        namespace: &str,
        arguments: &'c [&'c str],
    ) -> Self {
        Self {
            renderer: Renderer::Injector(arguments),
            ..Self::of(cluster, helm, namespace)
        }
    }

    /// One that an injector completes, in a namespace of its own.
    #[track_caller]
    pub(crate) fn served(cluster: &'c Cluster, base: &str) -> Self {
        Self::of(cluster, Major::Four, &cluster.served_namespace(base))
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

    /// What Helm would apply at an upgrade to these values, as people render it for `diff --live`.
    #[track_caller]
    pub(crate) fn rendered(&self, values: &Value) -> String {
        let mut arguments: Vec<OsString> = vec!["template".into(), NAME.into(), root("chart").into()];
        arguments.extend(["--values".into(), self.write(values).into()]);
        arguments.extend(["--is-upgrade", "--dry-run=server"].map(OsString::from));
        done(self.run(arguments))
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

    /// `helm install`; what it prints.
    #[track_caller]
    pub(crate) fn install<'v>(&self, given: impl Into<Given<'v>>) -> String {
        done(self.put("install", given, &[]))
    }

    /// `helm upgrade`, the same way.
    #[track_caller]
    pub(crate) fn upgrade<'v>(&self, given: impl Into<Given<'v>>) -> String {
        done(self.put("upgrade", given, &[]))
    }

    /// `helm install` or `helm upgrade` of the chart, with these flags besides.
    pub(crate) fn put<'v>(
        &self,
        verb: &str,
        given: impl Into<Given<'v>>,
        flags: &[&str],
    ) -> Result<String, Failure> {
        let (file, set) = match given.into() {
            Given::Values(values) => (self.write(values), &[][..]),
            Given::Case(case, set) => (root("chart/ci").join(format!("{case}-values.yaml")), set),
        };
        let mut arguments: Vec<OsString> = vec![verb.into(), NAME.into(), root("chart").into()];
        arguments.extend(["--values".into(), file.into()]);
        arguments.extend(set.iter().flat_map(|set| ["--set", set]).map(OsString::from));
        arguments.extend(flags.iter().map(OsString::from));
        let report = self.cluster.folder().join(format!("{}.report", self.namespace));
        arguments.extend(self.helm.renderer_arguments(self.renderer, &report));
        self.run(arguments)
    }

    /// Another command of Helm on this release; what it prints.
    #[track_caller]
    pub(crate) fn helm(&self, verb: &[&str], more: &[&str]) -> String {
        let arguments = verb.iter().chain(&[NAME]).chain(more).map(OsString::from);
        done(self.run(arguments.collect()))
    }

    fn run(&self, mut arguments: Vec<OsString>) -> Result<String, Failure> {
        arguments.extend(["--namespace".into(), OsString::from(&self.namespace)]);
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

    /// The items of `kubectl get ... -o json`.
    #[track_caller]
    pub(crate) fn list(&self, arguments: &[&str]) -> Vec<Value> {
        let list = self
            .cluster
            .get(&[&["--namespace", &self.namespace], arguments].concat());
        list["items"].as_array().expect("a list has items").clone()
    }

    /// One object of the namespace.
    #[track_caller]
    pub(crate) fn get(&self, kind: &str, name: &str) -> Value {
        self.cluster.get(&["--namespace", &self.namespace, kind, name])
    }

    /// The pods of the agents that are not on their way out.
    #[track_caller]
    pub(crate) fn pods(&self) -> Vec<Value> {
        let mut pods = self.list(&["pods", "--selector", COMPONENT_LABEL]);
        pods.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        pods
    }

    /// Those of one component.
    #[track_caller]
    pub(crate) fn pods_of(&self, component: Component) -> Vec<Value> {
        let mut pods = self.pods();
        pods.retain(|pod| pod["metadata"]["labels"][COMPONENT_LABEL] == component.as_str());
        pods
    }

    /// The pods of a component, once there are so many and all of them are ready.
    #[track_caller]
    pub(crate) fn ready(&self, component: Component, count: usize) -> Vec<Value> {
        let ready = try_wait_for(SOON, || {
            let pods = self.pods_of(component);
            (pods.len() == count && pods.iter().all(is_ready)).then_some(pods)
        });
        ready.unwrap_or_else(|| {
            let pods = self.kubectl(&["get", "pods", "-o", "wide"]);
            panic!("waited {SOON:?} for {count} ready pods of {component}, in vain:\n{pods}")
        })
    }

    /// How many nodes the DaemonSet's controller counts for the relay clients, now that it knows the template.
    #[track_caller]
    pub(crate) fn wanted_clients(&self) -> u64 {
        wait_for("the DaemonSet to be counted", SOON, || {
            let set = self.get("daemonset", CLIENT_NAME);
            (set["status"]["observedGeneration"] == set["metadata"]["generation"])
                .then(|| set["status"]["desiredNumberScheduled"].as_u64())?
        })
    }

    /// A volume that nothing but this claim of the namespace gets.
    #[track_caller]
    pub(crate) fn volume_for(&self, claim: &str) {
        let volume = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": format!("{}-{claim}", self.namespace)},
            "spec": {
                "capacity": {"storage": "50Gi"},
                "accessModes": ["ReadWriteOnce"],
                "claimRef": {"namespace": self.namespace, "name": claim},
                "hostPath": {"path": "/no-such-folder"},
            },
        });
        self.cluster
            .kubectl_with(&["create", "-f", "-"], &volume.to_string())
            .ok();
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
        let pods = self.list(&["pods", "--selector", COMPONENT_LABEL]);
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
fn done(result: Result<String, Failure>) -> String {
    result.unwrap_or_else(|failure| panic!("{failure}"))
}
