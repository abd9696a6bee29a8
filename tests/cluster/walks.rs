//! Walks over time: policies, rollbacks, nodes and hands change one thing after the other, and after each step every
//! agent starts again on what its objects say by then. What is not in step is told, and the next roll mends it.

use std::collections::BTreeMap;

use alumet_injector::names::{
    COMPONENT_LABEL, Component, REFRESH_ANNOTATION, STATUS_ANNOTATION, VALUES_ANNOTATION,
};
use serde_json::{Value, json};

use crate::{
    helm::Major,
    support::{
        Case, Cluster, cases,
        injector::{Injector, Installation},
        joined::{Joined, POOL},
        poll::wait_for,
        release::{CLIENT, MARKED, Release, SERVER, SOON, is_ready, tolerated, values},
        samples,
    },
};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_policy_moves_the_output_to_otlp_and_is_removed_again,
        a_rollback_after_a_change_of_policy_gives_what_the_policy_of_now_gives,
        a_node_that_joins_between_two_halves_of_a_refresh_is_mended_by_the_other_half,
        an_injector_that_renders_another_configuration_makes_stale_and_a_refresh_brings_it_in,
        a_key_deleted_by_hand_while_nobody_looks_is_told_and_comes_back,
    ]
}

/// Name of the one policy of each walk.
const POLICY: &str = "of-the-platform";

/// The agent's words, as the tests' kubelet has them.
const NO_TOKEN: &str = "the environment variable INFLUX_TOKEN does not exist";

/// In the kubelet's words.
const NO_CONFIG: &str = "references non-existent config key: config";

const UP_TO_DATE: &str = "up-to-date";
const STALE: &str = "stale";
const OUT_OF_STEP: &str = "out-of-step";

/// A release whose pods start again after each step.
struct Walk<'c> {
    release: Release<'c>,
}

impl<'c> Walk<'c> {
    /// A release that runs, in a namespace that the cluster's injector serves.
    #[track_caller]
    fn begin(cluster: &'c Cluster, base: &str, change: &Value) -> Self {
        cluster.policy_resources();
        let namespace = cluster.served_namespace(base);
        let release = Release::running(cluster, Major::Four, &namespace, &values(change));
        let walk = Self { release };
        walk.assert_restarts();
        walk.assert_told(&[]);
        walk
    }

    /// Writes the policy of the namespace, and waits until it is in force.
    #[track_caller]
    fn policy(&self, component: Component, defaults: &Value) {
        let spec = json!({"match": {"components": [component.as_str()]}, "defaults": defaults});
        let policy = samples::policy(POLICY, Some(&self.release.namespace), &spec);
        self.release
            .kubectl_with(&["apply", "-f", "-"], &policy.to_string())
            .ok();
        self.wait_until_in_force(component, true);
    }

    /// Deletes it, and waits until it is out of force.
    #[track_caller]
    fn without_policy(&self, component: Component) {
        self.release.kubectl(&["delete", "injectionpolicy", POLICY]).ok();
        self.wait_until_in_force(component, false);
    }

    /// Asks the webhook about an object that nobody stores.
    #[track_caller]
    fn wait_until_in_force(&self, component: Component, expected: bool) {
        let of_release = self.release.object("configmap", component);
        let probe = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "probe",
                "labels": {COMPONENT_LABEL: component.as_str()},
                "annotations": {VALUES_ANNOTATION: of_release["metadata"]["annotations"][VALUES_ANNOTATION]},
            },
        });
        let arguments = ["create", "--dry-run=server", "-f", "-", "-o", "json"];
        let title = format!("{}/{POLICY}", self.release.namespace);
        wait_for("the policy to be in force, or no longer", SOON, || {
            let ran = self.release.kubectl_with(&arguments, &probe.to_string());
            let object: Value = serde_json::from_str(&ran.stdout).ok()?;
            let record = object["metadata"]["annotations"][STATUS_ANNOTATION].as_str()?;
            let record: Value = serde_json::from_str(record).ok()?;
            let names_it = record["from"]
                .as_array()
                .is_some_and(|from| from.iter().any(|name| *name == *title));
            (names_it == expected).then_some(())
        });
    }

    /// Asks for one object to be completed anew.
    #[track_caller]
    fn refresh(&self, kind: &str, component: Component) {
        let name = self.release.name(kind, component);
        self.release
            .kubectl(&["annotate", &name, &format!("{REFRESH_ANNOTATION}=now")])
            .ok();
    }

    /// Starts every agent of a component again, and says why those are held that do not run.
    #[track_caller]
    fn restart(&self, component: Component) -> Vec<String> {
        let kubelet = self.release.cluster.kubelet();
        let restart = |pod: &Value| {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            kubelet
                .restart(&self.release.namespace, name)
                .unwrap_or_else(|why| panic!("{name} is not one to start again: {why}"))
        };
        self.release
            .pods_of(component)
            .iter()
            .filter_map(restart)
            .collect()
    }

    /// Every agent starts again, and runs.
    #[track_caller]
    fn assert_restarts(&self) {
        for component in [CLIENT, SERVER] {
            assert!(!self.release.pods_of(component).is_empty(), "{component}");
            assert_eq!(self.restart(component), [""; 0], "{component}");
        }
    }

    /// What `status` says of the marked objects: these, and of all others that they are up to date.
    #[track_caller]
    fn assert_told(&self, expected: &[((&str, Component), &str)]) {
        let all = MARKED.map(|(kind, component)| {
            let named = expected.iter().find(|(of, _)| *of == (kind, component));
            let standing = named.map_or(UP_TO_DATE, |(_, standing)| standing);
            (format!("{kind} {component}"), standing.to_owned())
        });
        assert_eq!(self.told(), BTreeMap::from(all));
    }

    #[track_caller]
    fn told(&self) -> BTreeMap<String, String> {
        let arguments = [
            "status",
            "--namespace",
            &self.release.namespace,
            "--output",
            "json",
        ];
        let status: Value =
            serde_json::from_str(&self.release.cluster.own(&arguments).ok()).expect("it is JSON");
        assert_eq!(status["unread"], json!([]), "{status:#}");
        let objects = status["objects"].as_array().expect("a list");
        let told = |object: &Value| {
            let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
            let kind = text("kind").to_lowercase();
            (format!("{kind} {}", text("component")), text("standing"))
        };
        objects.iter().map(told).collect()
    }

    /// Asks for everything anew, and all of it is right and runs.
    #[track_caller]
    fn assert_mended(&self) {
        for (kind, component) in MARKED {
            self.refresh(kind, component);
        }
        self.release.wait_until_running();
        self.assert_told(&[]);
        self.assert_restarts();
    }

    #[track_caller]
    fn assert_config(&self, component: Component, has: &str, has_not: &str) {
        let config = self.release.config(component).unwrap_or_default();
        assert!(config.contains(has) && !config.contains(has_not), "{config}");
    }
}

/// Sends what the server gathers to a collector instead of a database.
fn to_otlp() -> Value {
    json!({"plugins": {
        "influxdb": {"enable": false},
        "opentelemetry": {"enable": true, "collector_host": "http://collector.example.org:4317"},
    }})
}

fn a_policy_moves_the_output_to_otlp_and_is_removed_again(cluster: &Cluster) {
    let walk = Walk::begin(cluster, "to-otlp", &json!({}));
    let (config_map, deployment) = (("configmap", SERVER), ("deployment", SERVER));
    let before = walk.release.state_and_pods();

    walk.policy(SERVER, &to_otlp());
    walk.assert_told(&[(config_map, STALE), (deployment, STALE)]);
    walk.assert_restarts();
    assert_eq!(
        walk.release.state_and_pods(),
        before,
        "a policy alone changes nothing"
    );

    walk.refresh("configmap", SERVER);
    walk.assert_config(SERVER, "[plugins.opentelemetry]", "influxdb");
    walk.assert_told(&[(deployment, OUT_OF_STEP)]);
    walk.assert_restarts();

    walk.refresh("deployment", SERVER);
    walk.release.wait_until_running();
    walk.assert_told(&[]);
    walk.assert_restarts();

    walk.without_policy(SERVER);
    walk.assert_told(&[(config_map, STALE), (deployment, STALE)]);
    walk.assert_restarts();

    // The old pod has no token any more, and the new text asks for one.
    walk.refresh("configmap", SERVER);
    walk.assert_config(SERVER, "${INFLUX_TOKEN}", "opentelemetry");
    walk.assert_told(&[(deployment, OUT_OF_STEP)]);
    let held = walk.restart(SERVER);
    assert!(held.len() == 1 && held[0].contains(NO_TOKEN), "{held:?}");

    walk.refresh("deployment", SERVER);
    walk.release.wait_until_running();
    walk.assert_told(&[]);
    walk.assert_restarts();
    let (state, [clients, _]) = walk.release.state_and_pods();
    for (name, now) in &state {
        for part in ["data", "template", "record"] {
            assert_eq!(
                now[part], before.0[name][part],
                "{name}: {part} as in the beginning"
            );
        }
    }
    assert_eq!(clients, before.1[0], "the clients had no part in it");
}

fn a_rollback_after_a_change_of_policy_gives_what_the_policy_of_now_gives(cluster: &Cluster) {
    let walk = Walk::begin(cluster, "rolled-back", &json!({}));
    walk.policy(SERVER, &to_otlp());

    // Values of the server that changed: it is planned anew, and the policy has its part in it.
    let tolerating = json!({"alumet-relay-server": {
        "tolerations": [{"key": "mine", "operator": "Exists", "effect": "NoSchedule"}],
    }});
    walk.release.upgrade(&values(&tolerating));
    walk.release.wait_until_running();
    walk.assert_config(SERVER, "[plugins.opentelemetry]", "influxdb");
    walk.assert_told(&[]);
    walk.assert_restarts();

    walk.release.helm(&["rollback"], &["1"]);
    walk.release.wait_until_running();
    walk.assert_config(SERVER, "[plugins.opentelemetry]", "influxdb");
    let spec = &walk.release.object("deployment", SERVER)["spec"]["template"]["spec"];
    assert_eq!(tolerated(spec), [""; 0], "of the values of then");
    walk.assert_told(&[]);
    walk.assert_restarts();

    walk.without_policy(SERVER);
    walk.assert_told(&[(("configmap", SERVER), STALE), (("deployment", SERVER), STALE)]);
    walk.assert_restarts();
    walk.release.helm(&["rollback"], &["2"]);
    walk.release.wait_until_running();
    walk.assert_config(SERVER, "${INFLUX_TOKEN}", "opentelemetry");
    walk.assert_told(&[]);
    walk.assert_restarts();
    walk.assert_mended();
}

fn a_node_that_joins_between_two_halves_of_a_refresh_is_mended_by_the_other_half(cluster: &Cluster) {
    cluster.policy_resources();
    let namespace = cluster.served_namespace("joining");
    let _first = Joined::one_of(cluster, &namespace, &format!("{namespace}-1"));
    let release = Release::of(cluster, Major::Four, &namespace);
    release.install(&values(&json!({"alumet-relay-client": {
        "nodeSelector": {"kubernetes.io/hostname": null, POOL: namespace},
        "tolerations": [{"key": POOL, "operator": "Exists", "effect": "NoSchedule"}],
    }})));
    release.wait_until_running();
    let walk = Walk { release };
    let (config_map, clients) = (("configmap", CLIENT), ("daemonset", CLIENT));
    walk.assert_told(&[]);

    // The clients write into the database themselves, and so need its token.
    walk.policy(
        CLIENT,
        &json!({"plugins": {"influxdb": {
            "enable": true,
            "host": "http://test-alumet-influxdb2",
            "existingSecret": "test-alumet-influxdb2-auth",
        }}}),
    );
    walk.assert_told(&[(config_map, STALE), (clients, STALE)]);
    let _second = Joined::one_of(cluster, &namespace, &format!("{namespace}-2"));
    walk.release.ready(CLIENT, 2);
    walk.assert_told(&[(config_map, STALE), (clients, STALE)]);
    walk.assert_restarts();

    walk.refresh("configmap", CLIENT);
    walk.assert_told(&[(clients, OUT_OF_STEP)]);
    let _third = Joined::one_of(cluster, &namespace, &format!("{namespace}-3"));
    let why = wait_for("the pod of the node that joined to be held", SOON, || {
        let pods = walk.release.pods_of(CLIENT);
        let waiting = pods.iter().find(|pod| !is_ready(pod))?;
        (pods.len() == 3).then(|| walk.release.why_held(waiting))?
    });
    assert!(why.contains(NO_TOKEN), "{why}");

    walk.refresh("daemonset", CLIENT);
    walk.release.wait_until_running();
    walk.release.ready(CLIENT, 3);
    walk.assert_told(&[]);
    walk.assert_restarts();
    walk.assert_mended();
}

/// What an injector with another catalogue would have written stands on the objects, under a record of it that belongs
/// to their values.
fn an_injector_that_renders_another_configuration_makes_stale_and_a_refresh_brings_it_in(cluster: &Cluster) {
    let other = json!({"alumet-relay-server": {"plugins": {"influxdb": {"bucket": "of-another-catalogue"}}}});
    let walk = Walk::begin(cluster, "other-catalogue", &other);
    let release = &walk.release;
    let old: Vec<Value> = [("configmap", SERVER), ("deployment", SERVER)]
        .map(|(kind, component)| release.object(kind, component))
        .into();
    release.upgrade(&values(&json!({})));
    release.wait_until_running();
    let now = release.state();

    let record = |annotations: &Value| -> Value {
        serde_json::from_str(annotations[STATUS_ANNOTATION].as_str().unwrap_or_default())
            .expect("a record is JSON")
    };
    // The old text, and a record that says it is of the values of now.
    let of_now = |old: &Value, new: &Value| {
        let mut record_of_old = record(old);
        record_of_old["values"] = record(new)["values"].clone();
        record_of_old.to_string()
    };
    for (kind, old) in ["configmap", "deployment"].into_iter().zip(&old) {
        let new = release.object(kind, SERVER);
        let change = if kind == "configmap" {
            let text = of_now(&old["metadata"]["annotations"], &new["metadata"]["annotations"]);
            json!({"metadata": {"annotations": {STATUS_ANNOTATION: text}}, "data": old["data"]})
        } else {
            let of = |object: &Value| object["spec"]["template"]["metadata"]["annotations"].clone();
            let text = of_now(&of(old), &of(&new));
            json!({"spec": {"template": {"metadata": {"annotations": {STATUS_ANNOTATION: text}}}}})
        };
        let (name, change) = (release.name(kind, SERVER), change.to_string());
        release
            .kubectl(&["patch", &name, "--type", "merge", "--patch", &change])
            .ok();
    }
    release.wait_until_running();
    walk.assert_config(SERVER, "of-another-catalogue", "bucket = \"default\"");
    walk.assert_told(&[(("configmap", SERVER), STALE), (("deployment", SERVER), STALE)]);
    walk.assert_restarts();

    // A pod in place of another, a roll, a rollback, a scale: nothing that leaves the values alone brings it in.
    let server = release.name("deployment", SERVER);
    let label = format!("{COMPONENT_LABEL}={SERVER}");
    let kubectl = |arguments: &[&str]| _ = release.kubectl(arguments).ok();
    let steps: [&dyn Fn(); 4] = [
        &|| kubectl(&["delete", "pods", "--selector", &label]),
        &|| kubectl(&["rollout", "restart", &server]),
        &|| _ = release.helm(&["rollback"], &["2"]),
        &|| {
            kubectl(&["scale", &server, "--replicas=0"]);
            wait_for("no pod to be there", SOON, || {
                release.pods_of(SERVER).is_empty().then_some(())
            });
            kubectl(&["scale", &server, "--replicas=1"]);
        },
    ];
    for step in steps {
        step();
        release.wait_until_running();
        walk.assert_config(SERVER, "of-another-catalogue", "bucket = \"default\"");
        walk.assert_told(&[(("configmap", SERVER), STALE), (("deployment", SERVER), STALE)]);
    }

    walk.refresh("deployment", SERVER);
    release.wait_until_running();
    walk.assert_told(&[
        (("configmap", SERVER), STALE),
        (("deployment", SERVER), OUT_OF_STEP),
    ]);
    walk.assert_restarts();
    walk.refresh("configmap", SERVER);
    walk.assert_config(SERVER, "bucket = \"default\"", "of-another-catalogue");
    walk.assert_mended();
    let after = release.state();
    for name in ["configmap relay-server", "configmap relay-client"] {
        assert_eq!(after[name]["data"], now[name]["data"], "{name}");
    }
}

fn a_key_deleted_by_hand_while_nobody_looks_is_told_and_comes_back(cluster: &Cluster) {
    let namespace = cluster.namespace("deleted-key");
    let injector = Injector::install(cluster, &Installation::serving(&namespace));
    let release = Release::running(cluster, Major::Four, &namespace, &values(&json!({})));
    let walk = Walk { release };
    walk.assert_told(&[]);
    let before = walk.release.state();

    injector.stop();
    let config_map = walk.release.name("configmap", CLIENT);
    let removal = json!([{"op": "remove", "path": "/data/config"}]).to_string();
    walk.release
        .kubectl(&["patch", &config_map, "--type", "json", "--patch", &removal])
        .ok();
    walk.assert_told(&[(("configmap", CLIENT), "lacking")]);
    // A pod that runs has its files; one that takes its place has not.
    let old = walk.release.uids(CLIENT);
    let label = format!("{COMPONENT_LABEL}={CLIENT}");
    walk.release
        .kubectl(&["delete", "pods", "--selector", &label])
        .ok();
    let why = wait_for("the new pod to be held", SOON, || {
        let pods = walk.release.pods_of(CLIENT);
        let pod = pods.iter().find(|pod| {
            pod["metadata"]["uid"]
                .as_str()
                .is_some_and(|uid| !old.contains(uid))
        })?;
        walk.release.why_held(pod)
    });
    assert!(why.contains(NO_CONFIG), "{why}");

    injector.start(cluster);
    walk.assert_told(&[(("configmap", CLIENT), "lacking")]);
    walk.refresh("configmap", CLIENT);
    walk.release.wait_until_running();
    assert_eq!(walk.release.state(), before);
    walk.assert_told(&[]);
    walk.assert_restarts();
    // With the injector there, it comes back in that very request.
    walk.release
        .kubectl(&["patch", &config_map, "--type", "json", "--patch", &removal])
        .ok();
    walk.assert_told(&[]);
    assert_eq!(walk.release.state(), before);
}
