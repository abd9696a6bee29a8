//! The tag of the image decides for which version of the agent the configuration is written.

use std::collections::BTreeSet;

use alumet_injector::{agent_config::check_toml, finding::Severity, names::Component};

use crate::{
    files::root,
    release::Release,
    support::{Helm, Major},
};

/// Tags of the image: every version that is known, one that comes, and one that tells nothing.
const TAGS: [&str; 8] = [
    "0.9.0",
    "0.9.3",
    "0.9.4",
    "0.9.5",
    "0.9.6",
    "latest",
    "0.9.4-1_ubuntu_24.04",
    "0.9.3_fc42",
];

#[test]
fn every_version_of_the_agent_gets_a_configuration_that_it_accepts() {
    let everything = root("chart/ci/everything-on-values.yaml");
    for helm in Helm::both() {
        let mut texts: BTreeSet<String> = BTreeSet::new();
        for tag in TAGS {
            let flags = ["client", "server"].map(|agent| format!("alumet-relay-{agent}.image.version={tag}"));
            let release = Release::of(&helm, &[&everything], &[&flags[0], &flags[1]])
                .unwrap_or_else(|failure| panic!("{tag}: {failure}"));
            for component in [Component::RelayClient, Component::RelayServer] {
                let template = release.template(component).unwrap();
                let image = template["spec"]["containers"][0]["image"].as_str().unwrap();
                assert!(image.ends_with(&format!(":{tag}")), "{image}");
                let config = release.config(component).unwrap();
                let errors: Vec<_> = check_toml(config, Some(component), Some(tag))
                    .into_iter()
                    .filter(|finding| finding.severity == Severity::Error)
                    .collect();
                assert!(errors.is_empty(), "{tag}: {component}: {errors:#?}");
                texts.insert(config.to_owned());
            }
        }
        // The versions do differ: one text for all would be wrong for some.
        assert!(texts.len() >= 5, "{} texts", texts.len());
    }
}

/// Keys that not every version has, as the sources of the agent say, and the versions of [`RELEASES`] that have them.
const KEYS: [(Component, &str, [bool; 5]); 12] = {
    const T: bool = true;
    const F: bool = false;
    [
        (Component::RelayClient, "/perf/hardware_events", [T, T, T, T, F]),
        (Component::RelayClient, "/perf/events", [F, F, F, F, T]),
        (Component::RelayClient, "/k8s/disable_sources", [F, F, F, F, T]),
        (
            Component::RelayClient,
            "/k8s/annotate_containers",
            [F, F, F, T, T],
        ),
        (
            Component::RelayClient,
            "/energy-estimation-tdp/cpu_usage_per_pod",
            [T, T, F, F, F],
        ),
        (Component::RelayClient, "/procfs/network", [F, T, T, T, T]),
        (Component::RelayClient, "/nvml/mode", [F, T, T, T, T]),
        (
            Component::RelayClient,
            "/energy-attribution/formulas/attributed_nvml_energy/retention_time",
            [F, T, T, T, T],
        ),
        (
            Component::RelayServer,
            "/opentelemetry/push_interval_seconds",
            [T, T, T, F, F],
        ),
        (Component::RelayServer, "/csv/csv_late_delimiter", [F, T, T, T, T]),
        (Component::RelayServer, "/csv/csv_escaped_quote", [T, F, F, F, F]),
        (
            Component::RelayServer,
            "/prometheus-exporter/use_unit_display_name",
            [T, F, F, F, F],
        ),
    ]
};

/// The releases of the agent that differ, and the next.
const RELEASES: [&str; 5] = ["0.9.0", "0.9.3", "0.9.4", "0.9.5", "0.9.6"];

/// The other test believes the catalogue; this one does not.
#[test]
fn each_version_has_the_keys_that_its_sources_name() {
    let everything = root("chart/ci/everything-on-values.yaml");
    let helm = Helm::new(Major::Four);
    for (index, tag) in RELEASES.into_iter().enumerate() {
        let flags = ["client", "server"].map(|agent| format!("alumet-relay-{agent}.image.version={tag}"));
        let release = Release::of(&helm, &[&everything], &[&flags[0], &flags[1]]).unwrap();
        for (component, key, there) in KEYS {
            let found = release.toml(component).unwrap()["plugins"].pointer(key).is_some();
            assert_eq!(found, there[index], "{tag}: {key} of {component}");
        }
    }
}

#[test]
fn a_configuration_of_one_version_is_refused_by_another() {
    let everything = root("chart/ci/everything-on-values.yaml");
    let [old, new] = ["0.9.0", "0.9.5"];
    let helm = Helm::new(Major::Four);
    let flag = format!("alumet-relay-client.image.version={old}");
    let release = Release::of(&helm, &[&everything], &[&flag]).unwrap();
    let config = release.config(Component::RelayClient).unwrap();
    let errors = |version| {
        check_toml(config, Some(Component::RelayClient), Some(version))
            .into_iter()
            .filter(|finding| finding.severity == Severity::Error)
            .count()
    };
    assert_eq!(errors(old), 0);
    assert!(errors(new) > 0, "{config}");
}
