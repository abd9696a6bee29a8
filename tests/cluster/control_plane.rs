//! The control plane itself: its nodes, what reaches them, and what it tells the tests.

use std::{env, time::Duration};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    helm::Major,
    nothing_is_left::runs,
    support::{
        Case, Cluster, cases,
        control_plane::NODES,
        poll::wait_for,
        processes::{Process, Spec},
    },
};

/// Long enough for a controller, the scheduler and kwok on a busy machine.
const SOON: Duration = Duration::from_mins(1);

const GO_MOD: &str = include_str!("../tools/kubernetes/go.mod");

pub(crate) fn cases() -> Vec<Case> {
    cases![
        the_programs_are_the_pinned_ones,
        nodes_are_ready,
        a_daemon_set_reaches_the_nodes_without_a_taint,
        a_test_pod_of_helm_completes,
        a_service_has_the_address_that_it_names,
        a_change_stands_in_the_audit_log,
        a_service_account_has_its_own_rights_alone,
        a_program_is_started_and_stopped,
        a_program_that_cannot_be_started_is_named,
    ]
}

/// Which they need not be when somebody asks for others.
fn the_programs_are_the_pinned_ones(cluster: &Cluster) {
    if env::var_os("KUBEBUILDER_ASSETS").is_some() {
        return;
    }
    let versions = json(&cluster.kubectl(&["version", "-o", "json"]).ok());
    for side in ["clientVersion", "serverVersion"] {
        let version = versions[side]["gitVersion"].as_str().unwrap();
        let line = format!("\tk8s.io/kubernetes {version} ");
        assert!(GO_MOD.contains(&line), "{side}: {version}");
    }
}

fn nodes_are_ready(cluster: &Cluster) {
    // By name: a test may have added one.
    let named: Vec<&str> = ["nodes"]
        .into_iter()
        .chain(NODES.iter().map(|node| node.name))
        .collect();
    let nodes = cluster.get(&named);
    let found: Vec<Value> = array(&nodes["items"])
        .map(|node| {
            let ready = array(&node["status"]["conditions"]).find(|condition| condition["type"] == "Ready");
            json!({
                "name": node["metadata"]["name"],
                "gpu": node["metadata"]["labels"]["nvidia.com/gpu.present"],
                "taints": node["spec"]["taints"],
                "ready": ready.map(|condition| &condition["status"]),
            })
        })
        .collect();
    let plain = |name| json!({"name": name, "gpu": null, "taints": null, "ready": "True"});
    let mut wanted = ["node-1", "node-2", "node-3", "node-4", "node-5"].map(plain);
    wanted[3]["taints"] = json!([{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]);
    wanted[4]["gpu"] = json!("true");
    assert_eq!(found, wanted);
}

/// The controller, the scheduler and kwok all do their part.
fn a_daemon_set_reaches_the_nodes_without_a_taint(cluster: &Cluster) {
    let namespace = cluster.namespace("daemon-set");
    let object = json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "agent", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "template": {
                "metadata": {"labels": {"app": "agent"}},
                "spec": {"containers": [{"name": "agent", "image": "agent:1"}]},
            },
        },
    });
    cluster
        .kubectl_with(&["apply", "-f", "-"], &object.to_string())
        .ok();
    let without_taint: Vec<_> = NODES
        .iter()
        .filter(|node| node.taint.is_none())
        .map(|node| node.name)
        .collect();
    let pods = wait_for("a pod on each node without a taint", SOON, || {
        let pods = pods(cluster, &namespace);
        (pods.len() == without_taint.len() && pods.iter().all(|pod| pod["spec"]["nodeName"].is_string()))
            .then_some(pods)
    });
    let mut on: Vec<_> = pods
        .iter()
        .filter_map(|pod| pod["spec"]["nodeName"].as_str())
        .collect();
    on.sort_unstable();
    assert_eq!(on, without_taint);

    cluster
        .kubectl(&[
            "rollout",
            "status",
            "daemonset/agent",
            "-n",
            &namespace,
            "--timeout=60s",
        ])
        .ok();
}

fn a_test_pod_of_helm_completes(cluster: &Cluster) {
    let namespace = cluster.namespace("helm-test");
    let chart = tempfile::tempdir().unwrap();
    crate::helm::write(
        &chart.path().join("Chart.yaml"),
        "apiVersion: v2\nname: tested\nversion: 0.1.0\n",
    );
    crate::helm::write(
        &chart.path().join("templates/test.yaml"),
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}-test\n  annotations: {helm.sh/hook: test}\n\
         spec:\n  restartPolicy: Never\n  containers: [{name: main, image: 'image:1'}]\n",
    );
    for (major, release) in [(Major::Three, "three"), (Major::Four, "four")] {
        let helm = cluster.helm(major);
        let folder = chart.path().display().to_string();
        let run = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(Into::into).collect();
            helm.run(&arguments).unwrap_or_else(|failure| panic!("{failure}"))
        };
        run(&["install", release, &folder, "--namespace", &namespace]);
        let said = run(&["test", release, "--namespace", &namespace, "--timeout=60s"]);
        assert!(said.contains("Succeeded"), "{said}");
    }
}

fn a_service_has_the_address_that_it_names(cluster: &Cluster) {
    let namespace = cluster.namespace("service");
    let addresses = [cluster.service_ip(), cluster.service_ip()];
    assert_ne!(addresses[0], addresses[1]);
    // Whoever stands behind the Service can listen there.
    std::net::TcpListener::bind((addresses[0], 8443)).unwrap();
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "hook", "namespace": namespace},
        "spec": {"clusterIP": addresses[0], "ports": [{"name": "https", "port": 8443}]},
    });
    cluster
        .kubectl_with(&["create", "-f", "-"], &service.to_string())
        .ok();
}

/// Tests read the annotations of webhooks there, and the metrics beside them.
fn a_change_stands_in_the_audit_log(cluster: &Cluster) {
    let namespace = cluster.namespace("audit");
    cluster
        .kubectl(&["create", "configmap", "seen", "-n", &namespace])
        .ok();
    cluster
        .kubectl(&["get", "configmap", "seen", "-n", &namespace])
        .ok();
    let of_the_object = |event: &Value| {
        event["objectRef"]["namespace"] == namespace.as_str() && event["objectRef"]["name"] == "seen"
    };
    let events = wait_for("the event", SOON, || {
        let events = cluster.audit_events(of_the_object);
        (!events.is_empty()).then_some(events)
    });
    assert_eq!(events.len(), 1, "{events:#?}");
    assert_eq!(events[0]["verb"], "create");
    assert_eq!(events[0]["annotations"]["authorization.k8s.io/decision"], "allow");

    assert!(cluster.metrics().contains("\napiserver_request_total{"));
}

fn a_service_account_has_its_own_rights_alone(cluster: &Cluster) {
    let namespace = cluster.namespace("rights");
    let kubeconfig = cluster.kubeconfig_of(&namespace, "default");
    let kubeconfig = kubeconfig.to_str().unwrap();
    let me = cluster
        .kubectl(&["--kubeconfig", kubeconfig, "auth", "whoami", "-o", "json"])
        .ok();
    assert_eq!(
        json(&me)["status"]["userInfo"]["username"],
        format!("system:serviceaccount:{namespace}:default")
    );
    let no = cluster
        .kubectl(&["--kubeconfig", kubeconfig, "get", "pods", "-n", &namespace])
        .refused();
    assert!(no.contains("forbidden"), "{no}");
}

fn a_program_is_started_and_stopped(cluster: &Cluster) {
    // It starts another one, in the background, and does not end it.
    let script = "trap 'exit 7' TERM; echo \"$GREETING\"; echo to stderr >&2; sleep 10000 & echo $!; wait";
    let sh = || {
        Spec::new("/bin/sh")
            .args(&["-c", script])
            .env("GREETING", "good day")
    };
    let other = |process: &Process| {
        wait_for("its words", SOON, || {
            let text = process.text();
            let pid = text.strip_prefix("good day\nto stderr\n")?.strip_suffix('\n')?;
            pid.parse::<u32>().ok()
        })
    };

    let first = cluster.spawn("sh", sh());
    let other_of_first = other(&first);
    assert_eq!(first.ended(), None);
    let end = first.stop(Signal::TERM, SOON);
    assert_eq!((end.code, end.signal), (Some(7), None));
    assert_eq!(first.ended(), Some(end));
    wait_for("what it left behind to go", SOON, || {
        (!runs(other_of_first)).then_some(())
    });

    let second = cluster.spawn("sh", sh());
    assert_ne!(second.log, first.log);
    let end = second.stop(Signal::KILL, SOON);
    assert_eq!((end.code, end.signal), (None, Some(9)));

    let dropped = cluster.spawn("sh", sh());
    let pid = dropped.pid;
    drop(dropped);
    assert!(!runs(pid));
}

fn a_program_that_cannot_be_started_is_named(cluster: &Cluster) {
    let why = cluster
        .try_spawn("absent", Spec::new("/no/such/program"))
        .unwrap_err();
    assert!(why.starts_with("/no/such/program cannot be started: "), "{why}");
}

fn pods(cluster: &Cluster, namespace: &str) -> Vec<Value> {
    let pods = json(
        &cluster
            .kubectl(&["get", "pods", "-n", namespace, "-o", "json"])
            .ok(),
    );
    array(&pods["items"]).cloned().collect()
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
