//! `check` warns where a plugin that needs a GPU is on for every node, and only there.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    files::root,
    policies::of_cluster,
    typed::{program, ran},
};

const CODE: &str = "gpu-on-every-node";

/// Values with this plugin on.
fn values(plugin: &str) -> String {
    let values = json!({
        "agentVersion": "0.9.5",
        "server": {"service": "server", "port": 50051},
        "plugins": {plugin: {"enable": true}},
    });
    values.to_string()
}

/// A DaemonSet of relay clients with this plugin on, changed by a JSON merge patch.
fn clients(plugin: &str, change: &Value) -> Value {
    let values = values(plugin);
    let mut object = json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {
            "name": "clients",
            "namespace": "alumet-gpu",
            "labels": {"injector.alumet.dev/component": "relay-client"},
            "annotations": {"injector.alumet.dev/values": values},
        },
        "spec": {"template": {"spec": {"containers": [{"name": "agent", "image": "agent"}]}}},
    });
    json_patch::merge(&mut object, change);
    object
}

/// What is put into the spec of the pods.
fn of_pods(spec: &Value) -> Value {
    json!({"spec": {"template": {"spec": spec}}})
}

/// The findings that `check` has of one object, and its exit code.
fn check(object: &Value, policies: &[&Path]) -> (Vec<Value>, i32) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("object.json");
    fs::write(&file, object.to_string()).unwrap();
    let mut command = program(folder.path());
    command.arg("check").arg(&file).args(["--output", "json"]);
    for policy in policies {
        command.arg("--policy").arg(policy);
    }
    let (code, stdout, stderr) = ran(&mut command);
    assert_eq!(stderr, "");
    (serde_json::from_str(&stdout).unwrap(), code)
}

#[track_caller]
fn assert_warned(plugin: Option<&str>, object: &Value, policies: &[&Path]) {
    let (findings, code) = check(object, policies);
    assert_eq!(code, 0, "{findings:#?}");
    let warned: Vec<&str> = findings
        .iter()
        .filter(|finding| finding["code"] == CODE)
        .map(|finding| {
            assert_eq!(finding["severity"], "warning");
            finding["path"].as_str().unwrap()
        })
        .collect();
    let expected: Vec<String> = plugin.iter().map(|plugin| format!("plugins.{plugin}")).collect();
    assert_eq!(warned, expected, "{object:#}\n{findings:#?}");
}

#[test]
fn a_gpu_that_every_node_would_need_is_warned_of() {
    let (here, nowhere) = (json!({"gpu": "yes"}), json!({}));
    let terms = json!([{"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}]);
    let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
    let preferred =
        json!({"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": terms[0]}]});
    let pods = json!({"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname"}]});
    for (plugin, change, expected) in [
        ("nvml", json!({}), Some("nvml")),
        ("amd-gpu", json!({}), Some("amd-gpu")),
        ("rapl", json!({}), None),
        // What keeps the pods to some nodes.
        ("nvml", of_pods(&json!({"nodeSelector": here})), None),
        (
            "nvml",
            of_pods(&json!({"affinity": {"nodeAffinity": required}})),
            None,
        ),
        // What does not.
        ("nvml", of_pods(&json!({"nodeSelector": nowhere})), Some("nvml")),
        (
            "nvml",
            of_pods(&json!({"affinity": {"nodeAffinity": preferred}})),
            Some("nvml"),
        ),
        (
            "nvml",
            of_pods(&json!({"affinity": {"podAntiAffinity": pods}})),
            Some("nvml"),
        ),
        (
            "nvml",
            of_pods(&json!({"runtimeClassName": "nvidia"})),
            Some("nvml"),
        ),
        // The scheduler finds a place for one pod; nobody said that it is on every node.
        ("nvml", json!({"kind": "Deployment"}), None),
        // Not ours to complete, and so not ours to judge.
        (
            "nvml",
            json!({"metadata": {"labels": {"injector.alumet.dev/inject": "false"}}}),
            None,
        ),
    ] {
        assert_warned(expected, &clients(plugin, &change), &[]);
    }
}

#[test]
fn what_stands_on_the_template_counts_as_what_stands_on_the_object() {
    let values = values("nvml");
    let change = json!({
        "metadata": {"annotations": {"injector.alumet.dev/values": null}},
        "spec": {"template": {"metadata": {"annotations": {"injector.alumet.dev/values": values}}}},
    });
    assert_warned(Some("nvml"), &clients("rapl", &change), &[]);
}

#[test]
fn policies_can_switch_the_plugin_on_and_choose_the_nodes() {
    let folder = tempfile::tempdir().unwrap();
    let policy = |name: &str, spec: &str| {
        let file = folder.path().join(format!("{name}.yaml"));
        fs::write(&file, of_cluster(name, spec)).unwrap();
        file
    };
    let on = policy(
        "gpus",
        "{match: {namespaces: [alumet-gpu]}, defaults: {plugins: {nvml: {enable: true}}}}",
    );
    // It looks at the pods, and gives to them alone.
    let nodes = policy(
        "nodes",
        "{match: {objectSelector: {matchLabels: {gpu: here}}}, defaults: {nodeSelector: {gpu: here}}}",
    );
    let example = root("deploy/policies/gpu-nodes.yaml");
    let plain = clients("rapl", &json!({}));
    let labelled = clients(
        "rapl",
        &json!({"spec": {"template": {"metadata": {"labels": {"gpu": "here"}}}}}),
    );
    for (object, policies, expected) in [
        (&plain, &[on.as_path()][..], Some("nvml")),
        (&plain, &[&on, &nodes], Some("nvml")),
        (&labelled, &[&on, &nodes], None),
        (&plain, &[&example], None),
    ] {
        assert_warned(expected, object, policies);
    }
}

/// A record says that the selector was injected; the policy that gave it is gone.
#[test]
fn a_selector_that_is_taken_out_chooses_no_nodes() {
    let plain = clients("nvml", &json!({}));
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("nodes.yaml");
    fs::write(
        &policy,
        of_cluster("nodes", "{defaults: {nodeSelector: {gpu: here}}}"),
    )
    .unwrap();
    let object = folder.path().join("object.json");
    fs::write(&object, plain.to_string()).unwrap();
    let mut command = program(folder.path());
    command.args(["post-render", "--policy"]).arg(&policy);
    let (_, stdout, _) = ran(command.stdin(fs::File::open(&object).unwrap()));
    let completed = load(stdout.as_bytes());
    assert_eq!(
        completed["spec"]["template"]["spec"]["nodeSelector"]["gpu"],
        "here"
    );
    assert_warned(None, &completed, &[&policy]);
    assert_warned(Some("nvml"), &completed, &[]);
}

fn load(stream: &[u8]) -> Value {
    use alumet_injector::manifest::{load, stream};
    load::read(&stream::documents(stream).next().unwrap())
        .unwrap()
        .value
}
