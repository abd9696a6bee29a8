//! A release of the project's own chart in the cluster: how it is installed, and what the API server has of it.

use std::{collections::BTreeMap, ffi::OsString, time::Duration};

use alumet_injector::names::Component;
use serde_json::{Value, json};

use crate::{
    charts::{Objects, key},
    files::root,
    helm::{Failure, Helm, Major, Renderer},
    support::{
        Cluster,
        poll::{try_wait_for, wait_for},
    },
};

/// The name of every release here: each stands in a namespace of its own.
pub(crate) const RELEASE: &str = "test-alumet";

/// Long enough for the controllers, the scheduler, kwok and the kubelet on a busy machine.
pub(crate) const SOON: Duration = Duration::from_mins(2);

/// The DaemonSet of the relay clients.
pub(crate) const CLIENT: &str = "test-alumet-alumet-relay-client";

/// The Deployment of the relay server, and its Service.
pub(crate) const SERVER: &str = "test-alumet-alumet-relay-server";

/// The StatefulSet of InfluxDB, its Service and its claim.
pub(crate) const INFLUXDB: &str = "test-alumet-influxdb2";

/// Who completes the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// The API server asks an injector, if there is one; Helm knows of nothing.
    Webhook,
    /// Helm's post-renderer.
    PostRender,
}

/// One release, installed or to be installed.
pub(crate) struct Release<'c> {
    pub(crate) cluster: &'c Cluster,
    pub(crate) namespace: String,
    helm: Helm,
    door: Door,
}

impl<'c> Release<'c> {
    pub(crate) fn new(cluster: &'c Cluster, namespace: &str, major: Major, door: Door) -> Self {
        Self {
            cluster,
            namespace: namespace.to_owned(),
            helm: cluster.helm(major),
            door,
        }
    }

    /// One that an injector completes, in a namespace of its own.
    #[track_caller]
    pub(crate) fn served(cluster: &'c Cluster, base: &str) -> Self {
        Self::new(
            cluster,
            &cluster.served_namespace(base),
            Major::Four,
            Door::Webhook,
        )
    }

    /// `helm install` with a file of `chart/ci` and further values; what it prints.
    #[track_caller]
    pub(crate) fn install(&self, case: &str, set: &[&str]) -> String {
        self.put("install", case, set)
            .unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// `helm upgrade`, the same way.
    #[track_caller]
    pub(crate) fn upgrade(&self, case: &str, set: &[&str]) -> String {
        self.put("upgrade", case, set)
            .unwrap_or_else(|failure| panic!("{failure}"))
    }

    pub(crate) fn put(&self, verb: &str, case: &str, set: &[&str]) -> Result<String, Failure> {
        let mut arguments: Vec<OsString> = [verb, RELEASE].map(OsString::from).into();
        arguments.push(root("chart").into());
        arguments.push("--values".into());
        arguments.push(root("chart/ci").join(format!("{case}-values.yaml")).into());
        for set in set {
            arguments.extend(["--set", set].map(OsString::from));
        }
        if self.door == Door::PostRender {
            let report = self.cluster.folder().join(format!("{}.report", self.namespace));
            arguments.extend(self.helm.renderer_arguments(Renderer::Injector(&[]), &report));
        }
        self.run(arguments)
    }

    /// Another command of Helm on this release.
    #[track_caller]
    pub(crate) fn helm(&self, verb: &[&str], more: &[&str]) -> String {
        let arguments = verb.iter().chain(&[RELEASE]).chain(more).map(OsString::from);
        self.run(arguments.collect())
            .unwrap_or_else(|failure| panic!("{failure}"))
    }

    fn run(&self, mut arguments: Vec<OsString>) -> Result<String, Failure> {
        arguments.extend(["--namespace".into(), OsString::from(&self.namespace)]);
        self.helm.run(&arguments)
    }

    /// What kubectl prints in the namespace.
    #[track_caller]
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        self.cluster
            .kubectl(&[&["--namespace", &self.namespace], arguments].concat())
            .ok()
    }

    /// The items of `kubectl get ... -o json`.
    #[track_caller]
    pub(crate) fn list(&self, arguments: &[&str]) -> Vec<Value> {
        items(
            &self
                .cluster
                .get(&[&["--namespace", &self.namespace], arguments].concat()),
        )
    }

    /// One object of the namespace.
    #[track_caller]
    pub(crate) fn get(&self, kind: &str, name: &str) -> Value {
        self.cluster.get(&["--namespace", &self.namespace, kind, name])
    }

    /// What the API server has of every object in the manifest of the release.
    #[track_caller]
    pub(crate) fn objects(&self) -> Objects {
        let manifest = self.helm(&["get", "manifest"], &[]);
        let get = ["--namespace", &self.namespace, "get", "-f", "-", "-o", "json"];
        let list = self.cluster.kubectl_with(&get, &manifest).ok();
        by_key(items(&serde_json::from_str(&list).expect("kubectl prints JSON")))
    }

    /// The pods of a component.
    #[track_caller]
    pub(crate) fn pods_of(&self, component: Component) -> Vec<Value> {
        self.list(&[
            "pods",
            "-l",
            &format!("injector.alumet.dev/component={component}"),
        ])
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
            let set = self.get("daemonset", CLIENT);
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
}

/// The items of a list.
fn items(list: &Value) -> Vec<Value> {
    list["items"].as_array().expect("a list has items").clone()
}

/// By kind and name.
pub(crate) fn by_key(objects: impl IntoIterator<Item = Value>) -> Objects {
    objects.into_iter().map(|one| (key(&one), one)).collect()
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

/// The environment of the only container, by name.
pub(crate) fn env_of(pod: &Value) -> BTreeMap<&str, &Value> {
    let env = pod["spec"]["containers"][0]["env"].as_array().unwrap();
    env.iter()
        .map(|one| (one["name"].as_str().unwrap(), one))
        .collect()
}
