//! A values file that was written for the older charts is taken as it is; what cannot work ends the render; each
//! Service selects what it is for.

use std::collections::BTreeSet;

use alumet_injector::manifest::{load, stream};
use serde_json::Value;

use crate::{
    documented_paths::{Line, rows},
    files::root,
    release::{Release, leaves},
    support::Helm,
};

/// Flags that end the render, and the words that say why.
const REFUSED: [(&str, &[&str], &[&str]); 5] = [
    (
        "S15",
        &["influxdb2.adminUser.existingSecret=mine"],
        &[
            "influxdb2.adminUser.existingSecret=mine",
            "alumet-relay-server.plugins.influxdb.existingSecret=mine",
        ],
    ),
    (
        "S15",
        &["alumet-relay-server.plugins.influxdb.existingSecret=mine"],
        &[
            "influxdb2.adminUser.existingSecret=mine",
            "alumet-relay-server.plugins.influxdb.existingSecret=mine",
        ],
    ),
    (
        "S15",
        &[
            "influxdb2.adminUser.existingSecret=one",
            "alumet-relay-server.plugins.influxdb.existingSecret=two",
        ],
        &[
            "\"one\"",
            "\"two\"",
            "influxdb2.adminUser.existingSecret=",
            "alumet-relay-server.plugins.influxdb.existingSecret=",
        ],
    ),
    // InfluxDB never read this one; the older charts showed it in their notes.
    (
        "S15",
        &["influxdb2.existingSecret=mine"],
        &["set influxdb2.adminUser.existingSecret=mine"],
    ),
    (
        "S17",
        &["alumet-relay-server.nodeSelector.nodeLabelValue=master"],
        &["set alumet-relay-server.nodeSelector.nodeLabelName"],
    ),
];

#[test]
fn what_cannot_work_ends_the_render_with_the_lines_to_set() {
    for helm in Helm::both() {
        for (row, flags, words) in REFUSED {
            let Err(failure) = Release::of(&helm, &[], flags) else {
                panic!("{row} {flags:?} goes through")
            };
            for word in words {
                assert!(
                    failure.stderr.contains(word),
                    "{row} {flags:?}: no {word} in {failure}"
                );
            }
        }
    }
}

/// The values that a Service selects pods by are on the pods that it is for, and on no other.
#[test]
fn each_service_selects_the_pods_that_it_is_for_and_no_other() {
    let exporter = "alumet-relay-client.plugins.prometheusExporter.enable=true";
    for helm in Helm::both() {
        let release = Release::of(&helm, &[], &[exporter]).unwrap();
        let templates: Vec<(&str, &Value)> = release
            .objects()
            .filter_map(|one| match one["kind"].as_str()? {
                "Pod" => Some((one["metadata"]["name"].as_str()?, &one["metadata"]["labels"])),
                _ => Some((
                    one["metadata"]["name"].as_str()?,
                    one.pointer("/spec/template/metadata/labels")?,
                )),
            })
            .collect();
        let services: Vec<&Value> = release.objects().filter(|one| one["kind"] == "Service").collect();
        assert_eq!(
            (services.len(), templates.len()),
            (3, 6),
            "three workloads, three tests"
        );
        for service in services {
            let selector = service["spec"]["selector"].as_object().unwrap();
            let selected: Vec<&str> = templates
                .iter()
                .filter(|(_, labels)| selector.iter().all(|(key, value)| labels.get(key) == Some(value)))
                .map(|(name, _)| *name)
                .collect();
            assert_eq!(selected, [service["metadata"]["name"].as_str().unwrap()]);
        }
    }
}

/// Paths of the old values file that nothing reads, and why that is right.
const READ_BY_NOTHING: [(&str, &str); 7] = [
    (
        "replicaCount|imagePullSecrets|nameOverride|fullnameOverride|serviceAccount|podAnnotations|podLabels|podSecurityContext|securityContext|ingress|resources|autoscaling|volumes|volumeMounts|nodeSelector|tolerations|affinity",
        "the umbrella chart has no pod; `helm create` put them there",
    ),
    (
        "global.image.pullPolicy|global.image.tag",
        "the older charts read the registry alone",
    ),
    (
        "alumet-relay-client.ingress|alumet-relay-server.ingress",
        "an agent speaks no HTTP that an Ingress could route",
    ),
    (
        "alumet-relay-client.autoscaling|alumet-relay-server.autoscaling",
        "neither one pod a node nor one server can scale",
    ),
    (
        "alumet-relay-client.replicaCount",
        "a DaemonSet has one pod on each node",
    ),
    (
        "influxdb2.attributes_as",
        "no value of that chart: alumet-relay-server.plugins.influxdb.attribute_as is meant",
    ),
    (
        "influxdb2.existingSecret",
        "empty; set, it ends the render with the line to set",
    ),
];

#[test]
fn each_path_of_an_old_values_file_has_an_effect_or_a_reason_to_have_none() {
    let text = std::fs::read(root("chart/ci/documented-values.yaml")).unwrap();
    let values = load::read(&stream::documents(&text).next().unwrap())
        .unwrap()
        .value;
    let shown: BTreeSet<String> = rows()
        .iter()
        .flat_map(|row| row.flags.clone())
        .map(|flag| flag.split('=').next().unwrap().replace("\\.", "."))
        .collect();
    let is_below = |path: &str, other: &str| {
        path.strip_prefix(other)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let mut unused: BTreeSet<&str> = READ_BY_NOTHING
        .iter()
        .flat_map(|(paths, _)| paths.split('|'))
        .collect();
    let mut missing = Vec::new();
    let leaves = leaves(&values);
    for path in leaves.keys() {
        let reason = READ_BY_NOTHING
            .iter()
            .flat_map(|(paths, _)| paths.split('|'))
            .find(|one| is_below(path, one));
        if let Some(reason) = reason {
            unused.remove(reason);
        } else if !shown.iter().any(|one| is_below(one, path) || is_below(path, one)) {
            missing.push(path);
        }
    }
    assert!(
        missing.is_empty(),
        "neither in the table nor given a reason: {missing:#?}"
    );
    assert!(unused.is_empty(), "reasons for nothing: {unused:?}");
    assert!(leaves.len() >= 190, "{} leaves", leaves.len());
}

#[test]
fn an_old_values_file_is_taken_as_it_is() {
    for helm in Helm::both() {
        let release = Release::of(&helm, &[&root("chart/ci/documented-values.yaml")], &[]).unwrap();
        for line in [
            r#"every /spec/imagePullSecrets [{"name": "gh-registry-secret"}]"#,
            r#"every /spec/containers/0/image "ghcr.io/alumet-dev/alumet-agent:0.9.5-1_ubuntu_24.04""#,
            r#"relay-client /spec/tolerations [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}]"#,
            r#"relay-server /spec/nodeSelector {"kubernetes.io/role": "master"}"#,
            "relay-client.toml /plugins/relay-client/buffer_max_length 200",
            "relay-client.toml /plugins/csv null",
            r#"relay-server.toml /plugins/influxdb/host "http://test-alumet-influxdb2:80""#,
            r#"Service/test-alumet-influxdb2 /spec/type "LoadBalancer""#,
            "PersistentVolumeClaim/test-alumet-influxdb2 /kind null",
        ] {
            Line::read(line).holds(&release).unwrap();
        }
    }
}
