//! Pods roll when they have to and not else: the same values give the same bytes, and other values give another pod
//! template to the component that they belong to.

use std::{collections::BTreeMap, fs, path::Path};

use alumet_injector::names::{self, Component};
use serde_json::Value;

use crate::{
    charts::{case_of, values_files},
    files::root,
    notes::copy,
    release::{Release, ci_streams, handed_over, injector},
    support::{Helm, Major, Renderer, Template},
};

/// The stream without the credentials that Helm makes anew each time.
fn without_credentials(stream: &str) -> String {
    let is_credential = |line: &&str| {
        let line = line.trim_start();
        ["admin-token: ", "admin-password: "]
            .iter()
            .any(|key| line.starts_with(key))
    };
    stream
        .lines()
        .filter(|line| !is_credential(line))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn the_same_values_give_the_same_bytes() {
    for helm in Helm::both() {
        for file in values_files() {
            let case = case_of(&file);
            let first = ci_streams()
                .iter()
                .find(|one| one.major == helm.major && one.case == case)
                .unwrap();
            let [first, second] = [&first.stream, &handed_over(&helm, &[&file], &[])]
                .map(|stream| without_credentials(&injector(&["post-render"], stream).stdout));
            assert!(first == second, "{:?} {case}", helm.major);
        }
    }
}

/// The pod templates by the names of their workloads.
fn templates(release: &Release) -> BTreeMap<String, Value> {
    release
        .objects()
        .filter_map(|one| {
            let name = one["metadata"]["name"].as_str()?;
            Some((
                name.trim_start_matches("test-alumet-").to_owned(),
                one["spec"].get("template")?.clone(),
            ))
        })
        .collect()
}

const CLIENT: &str = "alumet-relay-client";
const SERVER: &str = "alumet-relay-server";

/// A change of the values, and the workloads whose pods it rolls.
const CHANGES: [(&str, &[&str]); 16] = [
    ("alumet-relay-client.plugins.rapl.enable=true", &[CLIENT]),
    ("alumet-relay-client.plugins.k8s.poll_interval=7s", &[CLIENT]),
    ("alumet-relay-client.maxUpdateInterval=1s", &[CLIENT]),
    ("alumet-relay-client.tolerations[0].operator=Exists", &[CLIENT]),
    ("alumet-relay-client.env.RUST_LOG=debug", &[CLIENT]),
    ("alumet-relay-server.plugins.csv.enable=true", &[SERVER]),
    (
        "alumet-relay-server.plugins.influxdb.attribute_as=field",
        &[SERVER],
    ),
    ("alumet-relay-server.extraConfig.plugins.x.y=1", &[SERVER]),
    ("alumet-relay-server.image.revision=2", &[SERVER]),
    ("global.secret=mine", &[CLIENT, SERVER, "influxdb2"]),
    ("global.image.registry=registry.example.org", &[CLIENT, SERVER]),
    ("global.alumet.server.port=6000", &[CLIENT, SERVER]),
    ("influxdb2.podLabels.a=b", &["influxdb2"]),
    ("influxdb2.service.type=LoadBalancer", &[]),
    ("alumet-relay-server.service.type=NodePort", &[]),
    ("alumet-relay-client.serviceAccount.annotations.a=b", &[]),
];

#[test]
fn a_change_of_values_rolls_the_pods_that_it_belongs_to() {
    for helm in Helm::both() {
        let before = templates(&Release::of(&helm, &[], &[]).unwrap());
        assert_eq!(before.keys().collect::<Vec<_>>(), [CLIENT, SERVER, "influxdb2"]);
        for (flag, rolled) in CHANGES {
            let after = templates(&Release::of(&helm, &[], &[flag]).unwrap());
            let changed: Vec<&String> = before
                .keys()
                .filter(|name| before[*name] != after[*name])
                .collect();
            assert_eq!(changed, rolled, "{:?} {flag}", helm.major);
        }
    }
}

/// The record of a pod template.
fn record(release: &Release, component: Component) -> Value {
    let template = release.template(component).unwrap();
    let text = &template["metadata"]["annotations"][names::STATUS_ANNOTATION];
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

/// What rolls the pods is the hash of the configuration that they read, and no word about who wrote it or when.
#[test]
fn the_record_follows_the_configuration_and_not_the_injector() {
    let helm = Helm::new(Major::Four);
    let [before, after] = [&[][..], &["alumet-relay-client.plugins.rapl.enable=true"]]
        .map(|set| Release::of(&helm, &[], set).unwrap());
    for (component, same) in [(Component::RelayClient, false), (Component::RelayServer, true)] {
        let [before, after] = [&before, &after].map(|release| record(release, component));
        assert_eq!(before["config"] == after["config"], same, "{component}");
        assert_eq!(before["values"] == after["values"], same, "{component}");
        let known = [
            "v", "values", "config", "env", "pull", "tol", "image", "ann", "from",
        ];
        for key in after.as_object().unwrap().keys() {
            assert!(known.contains(&key.as_str()), "{key} in the record");
        }
    }
}

/// `helm.sh/chart` would be in the templates, or the version of the chart in the values, if this failed.
#[test]
fn a_later_chart_that_renders_the_same_pods_does_not_roll_them() {
    let folder = tempfile::tempdir().unwrap();
    copy(&root("chart"), folder.path());
    later(&folder.path().join("Chart.yaml"));
    for chart in fs::read_dir(folder.path().join("charts")).unwrap() {
        later(&chart.unwrap().path().join("Chart.yaml"));
    }
    for helm in Helm::both() {
        let [now, then] = [&root("chart"), folder.path()].map(|chart| {
            let template = Template {
                renderer: Renderer::Injector(&[]),
                ..Template::of(chart)
            };
            Release::read(&helm.template(&template).stdout)
        });
        assert_eq!(templates(&now), templates(&then), "{:?}", helm.major);
        let chart = |release: &Release| {
            release.workload(Component::RelayClient).unwrap()["metadata"]["labels"]["helm.sh/chart"].clone()
        };
        assert_ne!(chart(&now), chart(&then), "it is a later chart");
    }
}

fn later(chart: &Path) {
    let text = fs::read_to_string(chart).unwrap();
    fs::write(chart, text.replace("version: 1.0.0", "version: 1.0.1")).unwrap();
}
