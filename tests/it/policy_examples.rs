//! The policies of `deploy/policies`: each gives what its first line says, and only to what it selects.

use serde_json::{Value, json};

use crate::{
    files::root,
    typed::{Ran, program, ran},
};

/// Runs the program on an input file with all the examples.
fn run(command: &[&str], input: &str, namespace: &str, labels: &str) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("input"), input).unwrap();
    ran(program(folder.path())
        .args(command)
        .args(["--policy", root("deploy/policies").to_str().unwrap()])
        .args(["--namespace", namespace, "--namespace-labels", labels]))
}

/// Policy, component, namespace, its labels, and what the configuration then says.
const OF_THE_CONFIGURATION: [(&str, &str, &str, &str, &[&str]); 6] = [
    (
        "central-influxdb",
        "relay-server",
        "any",
        "a=b",
        &["host = \"https://influx.example.org\""],
    ),
    (
        "team",
        "relay-client",
        "monitoring",
        "a=b",
        &["[plugins.rapl]\npoll_interval = \"1s\""],
    ),
    (
        "gpu-nodes",
        "relay-client",
        "alumet-gpu",
        "a=b",
        &["[plugins.nvml]\npoll_interval = \"1s\""],
    ),
    (
        "clients-prometheus",
        "relay-client",
        "any",
        "energy=prometheus",
        &["[plugins.prometheus-exporter]", "port = 9091"],
    ),
    (
        "low-overhead",
        "relay-client",
        "any",
        "energy=low-overhead",
        &[
            "[plugins.rapl]\npoll_interval = \"10s\"\nflush_interval = \"60s\"",
            "buffer_timeout = \"120s\"",
        ],
    ),
    (
        "hpc-partition",
        "relay-client",
        "any",
        "partition=slurm",
        &["[plugins.slurm]\npoll_interval = \"5s\""],
    ),
];

#[test]
fn each_example_moves_the_configuration_that_it_selects() {
    let values = "influxdb2: {enabled: false}";
    for (policy, component, namespace, labels, expected) in OF_THE_CONFIGURATION {
        let command = ["config", component, "--values", "input"];
        let (code, with, stderr) = run(&command, values, namespace, labels);
        assert_eq!((code, stderr.as_str()), (0, ""), "{policy}");
        for text in expected {
            assert!(with.contains(text), "{policy}: {text}\n{with}");
        }
        if component == "relay-client" {
            let (_, without, _) = run(&command, values, "another", "a=b");
            assert!(!without.contains(expected[0]), "{policy}: {without}");
        }
    }
}

/// Policy, namespace, its labels, and what of a client's pod comes from it.
const OF_THE_PODS: [(&str, &str, &str, &[&str]); 6] = [
    (
        "mirror",
        "any",
        "a=b",
        &["image of container agent", "imagePullSecret registry-secret"],
    ),
    (
        "control-plane",
        "any",
        "a=b",
        &["toleration node-role.kubernetes.io/control-plane:NoSchedule op=Exists"],
    ),
    (
        "monitoring/team",
        "monitoring",
        "a=b",
        &["env RUST_LOG of container agent"],
    ),
    (
        "gpu-nodes",
        "alumet-gpu",
        "a=b",
        &[
            "nodeSelector",
            "runtimeClassName",
            "toleration nvidia.com/gpu:NoSchedule op=Exists",
        ],
    ),
    (
        "low-overhead",
        "any",
        "energy=low-overhead",
        &["resources of container agent"],
    ),
    (
        "hpc-partition",
        "any",
        "partition=slurm",
        &["toleration partition=slurm:NoSchedule"],
    ),
];

#[test]
fn each_example_gives_to_the_pods_what_explain_names_it_for() {
    let values = json!({"agentVersion": "0.9.5", "server": {"service": "s", "port": 50051}});
    for (policy, namespace, labels, expected) in OF_THE_PODS {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "p", "namespace": namespace, "labels": {"injector.alumet.dev/component": "relay-client"},
                "annotations": {"injector.alumet.dev/values": values.to_string()},
            },
            "spec": {"containers": [{"name": "agent", "image": "ghcr.io/alumet-dev/alumet-agent:0.9.5"}]},
        });
        let command = ["explain", "input", "--output", "json"];
        let (code, stdout, stderr) = run(&command, &pod.to_string(), namespace, labels);
        assert_eq!(code, 0, "{policy}: {stderr}");
        let explained: Value = serde_json::from_str(&stdout).unwrap();
        let source = format!("policy: {policy}");
        let given: Vec<&str> = explained[0]["values"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row["source"] == source.as_str() && row["fate"] == "set")
            .filter_map(|row| row["what"].as_str())
            .collect();
        for what in expected {
            assert!(given.contains(what), "{policy}: {what}: {given:?}");
        }
    }
}

#[test]
fn each_example_is_listed_and_tested() {
    let listed = std::fs::read_to_string(root("deploy/policies/README.md")).unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(root("deploy/policies")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = file.strip_suffix(".yaml") else {
            continue;
        };
        count += 1;
        assert!(
            listed.contains(&format!("[{file}]({file})")),
            "the README lacks {file}"
        );
        let of_pods = OF_THE_PODS.iter().map(|row| row.0);
        let tested = OF_THE_CONFIGURATION.iter().map(|row| row.0).chain(of_pods);
        assert!(
            tested.into_iter().any(|policy| policy.ends_with(name)),
            "no test has {file}"
        );
    }
    assert!(count >= 8, "{count}");
}
