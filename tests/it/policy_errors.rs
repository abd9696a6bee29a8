//! Valid policies turn no valid values into an error: a setting that would gives way, and is told.

use alumet_injector::{
    engine::{
        self,
        facts::Facts,
        setup::{Setup, Snapshot},
    },
    finding::Severity,
    names::Component,
};
use proptest::{prelude::*, sample::select};
use serde_json::{Map, Value, json};

use crate::policies::{of_cluster, snapshot};

fn setup(component: Component, values: &Value, policies: &[Value]) -> Setup {
    if policies.is_empty() {
        return engine::configure(
            component,
            &values.to_string(),
            &Facts::RENDER,
            &Snapshot::default(),
        );
    }
    let stream: String = policies
        .iter()
        .enumerate()
        .map(|(number, defaults)| {
            of_cluster(&format!("p{number}"), &json!({"defaults": defaults}).to_string())
        })
        .collect();
    engine::configure(component, &values.to_string(), &Facts::RENDER, &snapshot(&stream))
}

fn said(setup: &Setup, severity: Severity) -> Vec<String> {
    let findings = setup.findings.iter();
    findings
        .filter(|finding| finding.severity == severity)
        .map(ToString::to_string)
        .collect()
}

/// Values of a component that is in a release.
fn values(plugins: &Value) -> Value {
    json!({
        "agentVersion": "0.9.5", "release": "r", "namespace": "n", "server": {"service": "r-alumet-relay-server", "port": 50051},
        "plugins": plugins,
    })
}

/// Settings of one plugin, good for values and for policies alike.
fn plugin() -> impl Strategy<Value = (&'static str, Value)> {
    let on = |name: &'static str| (name, json!({"enable": true}));
    let off = |name: &'static str| (name, json!({"enable": false}));
    select(vec![
        on("rapl"),
        off("rapl"),
        on("procfs"),
        off("procfs"),
        ("procfs", json!({"kernel": {"poll_interval": "3s"}})),
        on("energyEstimationTdp"),
        (
            "EnergyEstimationTdpPlugin",
            json!({"enable": true, "poll_interval": "1s"}),
        ),
        on("energyAttribution"),
        off("k8s"),
        on("nvml"),
        on("influxdb"),
        off("influxdb"),
        ("influxdb", json!({"organization": "o"})),
        on("mongodb"),
        on("elasticsearch"),
        on("opentelemetry"),
        on("prometheusExporter"),
        on("relay_client"),
        off("relay_client"),
        on("relay_server"),
        on("quarch"),
        on("perf"),
        on("aggregation"),
        (
            "aggregation",
            json!({"enable": true, "metrics": ["rapl_consumed_energy"]}),
        ),
        on("filter"),
        on("energy-to-carbon"),
        on("kwollect-input"),
        on("kwollect-output"),
        on("socket_control"),
        on("oar"),
        on("slurm"),
        on("grace-hopper"),
        on("process-to-cgroup-bridge"),
        on("csv"),
    ])
}

fn plugins() -> impl Strategy<Value = Value> {
    prop::collection::vec(plugin(), 0..5).prop_map(|plugins| {
        let plugins: Map<String, Value> = plugins
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Value::Object(plugins)
    })
}

fn component() -> impl Strategy<Value = Component> {
    select(Component::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn what_is_an_error_under_policies_is_one_without_them(
        component in component(),
        of_values in plugins(),
        of_policies in prop::collection::vec(plugins(), 1..5),
    ) {
        let values = values(&of_values);
        let policies: Vec<Value> = of_policies.iter().map(|plugins| json!({"plugins": plugins})).collect();
        let alone = said(&setup(component, &values, &[]), Severity::Error);
        let with = setup(component, &values, &policies);
        // The plugin's place is told as whoever comes first spells it.
        let sentence = |said: &String| said.rsplit(": ").next().unwrap_or_default().to_owned();
        let alone: Vec<String> = alone.iter().map(sentence).collect();
        for error in said(&with, Severity::Error) {
            prop_assert!(alone.contains(&sentence(&error)), "{error}\nalone: {alone:#?}");
        }
        prop_assert_eq!(with.config.is_some(), !with.has_errors());
    }
}

/// What is left out, and what stays of the same policy.
#[test]
fn a_setting_that_does_not_go_with_the_values_gives_way_and_is_told() {
    let tdp = json!({"plugins": {"energyEstimationTdp": {"enable": true}, "rapl": {"enable": true}}});
    let setup = setup(
        Component::RelayClient,
        &values(&json!({"procfs": {"enable": false}})),
        &[tdp],
    );
    assert_eq!(said(&setup, Severity::Error), [""; 0]);
    assert_eq!(
        said(&setup, Severity::Warning),
        [
            "warning[policy-setting]: plugins.energyEstimationTdp: policy `p0`: what it sets here does not go with the rest, and is \
          left out: energy-estimation-tdp needs the metric `kernel_cpu_time` of `procfs`; take it out of the policy, or \
          change plugins.procfs.enable"
        ]
    );
    let text = setup.config.unwrap().text;
    assert!(text.contains("[plugins.rapl]") && !text.contains("tdp"), "{text}");
}

/// Each of them is bad by itself; leaving out one after the other ends, and the good ones above stay.
#[test]
fn many_policies_that_do_not_go_with_the_values_give_way_all() {
    let good = json!({"plugins": {"rapl": {"enable": true}}});
    let bad = json!({"plugins": {"energyEstimationTdp": {"enable": true}, "csv": {"enable": true}}});
    for count in [1, 3, 30, 300] {
        let policies: Vec<Value> = std::iter::once(good.clone())
            .chain(std::iter::repeat_n(bad.clone(), count))
            .collect();
        let setup = setup(
            Component::RelayClient,
            &values(&json!({"procfs": {"enable": false}})),
            &policies,
        );
        assert_eq!(said(&setup, Severity::Error), [""; 0], "{count}");
        assert_eq!(said(&setup, Severity::Warning).len(), count.min(100), "{count}");
        let text = setup.config.unwrap().text;
        assert!(text.contains("[plugins.rapl]") && !text.contains("tdp"), "{text}");
        assert!(text.contains("[plugins.csv]"), "{text}");
    }
}

/// A policy that brings what another one needs is no fault of either, and values that are wrong by themselves stay so.
#[test]
fn policies_that_go_together_are_used_and_what_is_wrong_in_the_values_is_told() {
    let attribution = json!({"plugins": {"energyAttribution": {"enable": true}}});
    let source = json!({"plugins": {"rapl": {"enable": true}}});
    for policies in [[attribution.clone(), source.clone()], [source, attribution]] {
        let setup = setup(Component::RelayClient, &values(&json!({})), &policies);
        assert_eq!(said(&setup, Severity::Error), [""; 0]);
        let text = setup.config.unwrap().text;
        assert!(
            text.contains("[plugins.rapl]") && text.contains("[plugins.energy-attribution"),
            "{text}"
        );
    }
    let tdp = json!({"plugins": {"energyEstimationTdp": {"enable": true}}});
    let wrong = values(&json!({"procfs": {"enable": false}, "rapl": {"enable": "maybe"}}));
    let setup = setup(Component::RelayClient, &wrong, &[tdp]);
    assert_eq!(
        said(&setup, Severity::Error),
        ["error[wrong-type]: plugins.rapl.enable: expected true or false, found \"maybe\""]
    );
}

/// What a policy lacks gives way, too; and a warning that follows from a policy names it.
#[test]
fn findings_that_follow_from_a_policy_name_it() {
    let mongodb = json!({"plugins": {"influxdb": {"enable": true}, "rapl": {"enable": true}}});
    let setup_of = |defaults: &Value| {
        setup(
            Component::Agent,
            &values(&json!({"csv": {"enable": true}})),
            std::slice::from_ref(defaults),
        )
    };
    assert_eq!(
        said(&setup_of(&mongodb), Severity::Warning),
        [
            "warning[policy-setting]: plugins.influxdb: policy `p0`: what it sets here does not go with the rest, and is left out: \
          the release has no InfluxDB and no host is set; complete it in the policy, or take it out"
        ]
    );
    let localhost =
        json!({"plugins": {"opentelemetry": {"enable": true, "collector_host": "http://localhost:4317"}}});
    let warnings = said(&setup_of(&localhost), Severity::Warning);
    assert!(
        warnings
            .iter()
            .any(|it| it
                .starts_with("warning[localhost]: plugins.opentelemetry.collector_host: policy `p0`: ")),
        "{warnings:#?}"
    );
}
