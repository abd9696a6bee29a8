//! Profile `minimal` gives the agents what the catalogue says that their plugins need, and no more; `compatible` what
//! the charts always gave.

use std::collections::{BTreeMap, BTreeSet};

use alumet_injector::{agent_config::needs, names::Component};
use serde_json::{Value, json};

use crate::{release::Release, support::Helm};

/// The agent, what is switched in its values, and the plugins that are then on, in the agent's names.
type Case = (
    Component,
    &'static [(&'static str, bool)],
    &'static [&'static str],
);

const CASES: [Case; 11] = [
    (Component::RelayClient, &[], &["k8s", "relay-client"]),
    (Component::RelayClient, &[("k8s", false)], &["relay-client"]),
    (
        Component::RelayClient,
        &[("rapl", true)],
        &["k8s", "relay-client", "rapl"],
    ),
    (
        Component::RelayClient,
        &[("k8s", false), ("rapl", true), ("csv", true)],
        &["relay-client", "rapl", "csv"],
    ),
    (
        Component::RelayClient,
        &[("perf", true), ("procfs", true)],
        &["k8s", "relay-client", "perf", "procfs"],
    ),
    (
        Component::RelayClient,
        &[("nvml", true), ("amdGpu", true)],
        &["k8s", "relay-client", "nvml", "amd-gpu"],
    ),
    (
        Component::RelayClient,
        &[("k8s", false), ("jetson", true)],
        &["relay-client", "jetson"],
    ),
    (
        Component::RelayClient,
        &[("oar", true), ("socket_control", true)],
        &["k8s", "relay-client", "oar", "socket-control"],
    ),
    (
        Component::RelayClient,
        &[("k8s", false), ("prometheusExporter", true)],
        &["relay-client", "prometheus-exporter"],
    ),
    (Component::RelayServer, &[], &["relay-server", "influxdb"]),
    (
        Component::RelayServer,
        &[("csv", true), ("prometheusExporter", true)],
        &["relay-server", "influxdb", "csv", "prometheus-exporter"],
    ),
];

/// What the plugins need together.
struct Needed {
    capabilities: BTreeSet<String>,
    /// Those of the plugins alone: the binary cannot be started without the others.
    used: BTreeSet<String>,
    host_pid: bool,
    /// Paths of the host, and whether reading them is enough.
    paths: BTreeMap<String, bool>,
    gpus: BTreeSet<String>,
    api: bool,
}

fn texts(list: &Value) -> impl Iterator<Item = String> {
    list.as_array()
        .into_iter()
        .flatten()
        .map(|text| text.as_str().unwrap().to_owned())
}

fn needed(plugins: &[&str]) -> Needed {
    let needs = needs();
    let mut sum = Needed {
        capabilities: texts(&needs["always"]["capabilities"]).collect(),
        used: BTreeSet::new(),
        host_pid: false,
        paths: BTreeMap::new(),
        gpus: BTreeSet::new(),
        api: false,
    };
    for plugin in plugins {
        let one = needs["plugins"]
            .get(plugin)
            .unwrap_or_else(|| panic!("{plugin} is a plugin"));
        sum.used.extend(texts(&one["capabilities"]));
        sum.capabilities.extend(texts(&one["capabilities"]));
        sum.host_pid |= one["hostPID"] == true;
        sum.api |= one["apiAccess"] == true;
        sum.gpus.extend(one["gpu"].as_str().map(str::to_owned));
        for path in one["hostPaths"].as_array().unwrap() {
            let read_only = sum
                .paths
                .entry(path["path"].as_str().unwrap().to_owned())
                .or_insert(true);
            *read_only &= path["readOnly"] == true;
        }
    }
    sum
}

/// The paths of the host that the first container sees, and whether it may only read them.
fn host_paths(pod: &Value) -> BTreeMap<String, bool> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mounts = list(&pod["containers"][0]["volumeMounts"]);
    list(&pod["volumes"])
        .iter()
        .filter_map(|volume| {
            let path = volume["hostPath"]["path"].as_str()?;
            let mount = mounts.iter().find(|mount| mount["name"] == volume["name"])?;
            assert_eq!(mount["mountPath"], path);
            Some((path.to_owned(), mount["readOnly"] == true))
        })
        .collect()
}

#[test]
fn profile_minimal_gives_what_the_enabled_plugins_need_and_no_more() {
    for helm in Helm::both() {
        for (component, switched, plugins) in CASES {
            let mut flags = vec!["global.alumet.profile=minimal".to_owned()];
            flags.extend(
                switched
                    .iter()
                    .map(|(plugin, on)| format!("alumet-{component}.plugins.{plugin}.enable={on}")),
            );
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            let release = Release::of(&helm, &[], &flags).unwrap();
            let pod = &release.template(component).unwrap()["spec"];
            let container = &pod["containers"][0];
            let security = &container["securityContext"];
            let needed = needed(plugins);
            let told = format!("{component} with {plugins:?}");

            // The plugins are those that the configuration has, so that none goes without what it needs.
            let toml = release.toml(component).unwrap();
            let on: BTreeSet<&str> = toml["plugins"]
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            assert_eq!(on, plugins.iter().copied().collect(), "{told}");

            assert_eq!(
                texts(&security["capabilities"]["add"]).collect::<BTreeSet<_>>(),
                needed.capabilities,
                "{told}"
            );
            assert_eq!(security["capabilities"]["drop"], json!(["ALL"]), "{told}");
            assert_eq!(security["privileged"], false, "{told}");
            assert_eq!(security["readOnlyRootFilesystem"], true, "{told}");
            // A binary whose capabilities nobody uses need not get them, and the usual filter of system calls lets
            // everything through but `perf_event_open`.
            let may_not_gain = security["allowPrivilegeEscalation"] == false;
            assert_eq!(may_not_gain, needed.used.is_empty(), "{told}");
            let is_filtered = pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault";
            assert_eq!(is_filtered, !needed.used.contains("PERFMON"), "{told}");
            assert_eq!(pod["hostPID"] == true, needed.host_pid, "{told}");
            assert_eq!(host_paths(pod), needed.paths, "{told}");
            assert_eq!(pod["automountServiceAccountToken"], needed.api, "{told}");
            let limits = container["resources"]["limits"]
                .as_object()
                .cloned()
                .unwrap_or_default();
            assert_eq!(
                limits.keys().cloned().collect::<BTreeSet<_>>(),
                needed.gpus,
                "{told}"
            );
        }
    }
}

/// The estimation switches procfs on by itself, for what every process may read; the chart does not know of that.
#[test]
fn what_the_power_estimation_brings_along_needs_no_privilege() {
    let flags = [
        "global.alumet.profile=minimal",
        "alumet-relay-client.plugins.energyEstimationTdp.enable=true",
    ];
    for helm in Helm::both() {
        let release = Release::of(&helm, &[], &flags).unwrap();
        let procfs = release.toml(Component::RelayClient).unwrap()["plugins"]["procfs"].clone();
        let on: Vec<&str> = ["kernel", "memory", "network", "processes"]
            .into_iter()
            .filter(|part| procfs[part]["enabled"] == true)
            .collect();
        assert_eq!(on, ["kernel"]);
        assert_eq!(
            release.template(Component::RelayClient).unwrap()["spec"].get("hostPID"),
            None
        );
    }
}

#[test]
fn profile_compatible_gives_what_the_charts_always_gave() {
    for helm in Helm::both() {
        for flags in [&[][..], &["global.alumet.profile=compatible"]] {
            let release = Release::of(&helm, &[], flags).unwrap();
            let client = &release.template(Component::RelayClient).unwrap()["spec"];
            assert_eq!(client["hostPID"], true);
            assert_eq!(client["securityContext"], json!({"runAsUser": 0}));
            assert_eq!(
                client["containers"][0]["securityContext"],
                json!({"privileged": true})
            );
            assert_eq!(host_paths(client), BTreeMap::from([("/sys".to_owned(), false)]));

            let server = &release.template(Component::RelayServer).unwrap()["spec"];
            assert_eq!(server.get("hostPID"), None);
            assert_eq!(server.get("securityContext"), None);
            assert_eq!(
                server["containers"][0]["securityContext"],
                json!({"capabilities": {"add": ["PERFMON", "SYS_NICE", "SYS_PTRACE"]}})
            );
            assert!(host_paths(server).is_empty());
        }
    }
}
