//! From agent values to the agent's TOML, by the public functions alone.

use alumet_injector::{
    agent_config::{
        Configuration, Layer, Request, configure, equal_to_default, minimal, values::AgentValues,
    },
    finding::Finding,
    names::Component,
};
use serde_json::{Value, json};

/// Values as a chart writes them when nothing is set.
pub(crate) fn release(component: Component, more: &Value) -> AgentValues {
    let (values, findings) = AgentValues::parse(&release_text(component, more));
    assert_eq!(findings, [], "{more}");
    values
}

/// Their text.
pub(crate) fn release_text(component: Component, more: &Value) -> String {
    let mut values = json!({
        "agentVersion": "0.9.5",
        "release": "test-alumet",
        "namespace": "test",
        "config": format!("test-alumet-alumet-{component}-config"),
        "server": {"service": "test-alumet-alumet-relay-server", "port": 50051},
    });
    if component == Component::RelayServer {
        values["influxdb"] = json!({
            "deployed": true, "service": "test-alumet-influxdb2", "port": 80,
            "secretName": "test-alumet-influxdb2-auth", "organization": "influxdata", "bucket": "default",
        });
    }
    for (key, value) in more.as_object().unwrap() {
        values[key] = value.clone();
    }
    values.to_string()
}

/// The configuration of a component without policies.
pub(crate) fn configured(component: Component, values: &AgentValues) -> Configuration {
    with_layers(component, values, &[])
}

pub(crate) fn with_layers(component: Component, values: &AgentValues, layers: &[Layer<'_>]) -> Configuration {
    configure(&Request {
        component,
        values,
        layers,
        release: None,
        namespace: None,
    })
}

pub(crate) fn codes(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn configurations_are_what_a_person_wrote_by_hand() {
    let attribution = json!({"plugins": {
        "rapl": {"enable": true},
        "energyAttribution": {"enable": "true"},
        "prometheusExporter": {"enable": true},
    }});
    let table = [
        ("defaults-relay-client", Component::RelayClient, json!({})),
        ("defaults-relay-server", Component::RelayServer, json!({})),
        (
            "client-rapl-attribution-prometheus",
            Component::RelayClient,
            attribution,
        ),
    ];
    for (name, component, more) in table {
        let path = format!(
            "{}/tests/fixtures/handwritten/{name}.toml",
            env!("CARGO_MANIFEST_DIR")
        );
        let expected: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
        let configuration = configured(component, &release(component, &more));
        assert_eq!(configuration.findings, [], "{name}");
        let text = configuration.toml.unwrap();
        assert_eq!(text.parse::<toml::Table>().unwrap(), expected, "{name}:\n{text}");
    }
}

pub(crate) fn layer<'a>(name: &'a str, plugins: &'a Value) -> Layer<'a> {
    Layer {
        name,
        plugins: plugins.as_object().unwrap(),
    }
}

#[test]
fn each_version_gets_the_keys_that_it_knows() {
    let plugins = json!({
        "csv": {"enable": true}, "opentelemetry": {"enable": true, "collector_host": "http://otel:4317"},
        "prometheusExporter": {"enable": true}, "procfs": {"enable": true},
    });
    let present = |version: &str, path: &str| {
        let more = json!({"agentVersion": version, "plugins": plugins});
        let configuration = configured(Component::RelayClient, &release(Component::RelayClient, &more));
        let toml: toml::Table = configuration.toml.unwrap().parse().unwrap();
        path.split('.')
            .try_fold(&toml["plugins"], |value, key| value.get(key))
            .is_some()
    };
    let versions = ["0.9.0", "0.9.3", "0.9.4-1_debian_12", "0.9.5", "0.10.0", "latest"];
    let table = [
        ("csv.csv_escaped_quote", [true, false, false, false, false, false]),
        ("csv.csv_late_delimiter", [false, true, true, true, true, true]),
        (
            "prometheus-exporter.use_unit_display_name",
            [true, false, false, false, false, false],
        ),
        (
            "opentelemetry.push_interval_seconds",
            [true, true, true, false, false, false],
        ),
        ("procfs.network", [false, true, true, true, true, true]),
        (
            "procfs.processes.events.memory_mode",
            [false, true, true, true, true, true],
        ),
        ("k8s.annotate_containers", [false, false, false, true, true, true]),
        ("k8s.disable_sources", [false, false, false, false, true, true]),
    ];
    for (path, expected) in table {
        assert_eq!(versions.map(|version| present(version, path)), expected, "{path}");
    }
}

#[test]
fn a_version_that_is_not_known_is_said() {
    for (version, code) in [
        ("latest", "version-unknown"),
        ("sha-1234", "version-unknown"),
        ("0.8.2", "version-old"),
    ] {
        let values = release(Component::RelayServer, &json!({"agentVersion": version}));
        let configuration = configured(Component::RelayServer, &values);
        assert_eq!(codes(&configuration.findings), [code], "{version}");
        assert!(configuration.toml.is_some());
    }
}

#[test]
fn policies_stand_below_values_and_above_defaults_in_their_order() {
    let (strong, weak) = (
        json!({"rapl": {"enable": true, "poll_interval": "2s"}}),
        json!({"rapl": {"enable": false, "poll_interval": "3s", "flush_interval": "30s"}, "csv": {"bogus": 1}}),
    );
    let values = release(
        Component::RelayClient,
        &json!({"plugins": {"rapl": {"no_perf_events": true}}}),
    );
    let layers = [layer("strong", &strong), layer("weak", &weak)];
    let configuration = with_layers(Component::RelayClient, &values, &layers);
    let sources: Vec<(&str, String)> = configuration
        .settings
        .iter()
        .filter(|setting| setting.path.starts_with("plugins.rapl."))
        .map(|setting| (setting.value.as_str(), setting.source.to_string()))
        .collect();
    let expected = [
        ("\"2s\"", "policy: strong".to_owned()),
        ("\"30s\"", "policy: weak".to_owned()),
        ("true", "values: plugins.rapl.no_perf_events".to_owned()),
        // Who switched it on: the TOML has no word of that.
        ("true", "policy: strong".to_owned()),
    ];
    assert_eq!(sources, expected);
    let told: Vec<_> = configuration.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "warning[policy-setting]: plugins.csv: policy `weak`: what it sets here does not go with the rest, and is left out: `csv` has no key `bogus`; complete it in the policy, or take it out"
        ]
    );
}

#[test]
fn values_that_repeat_their_default_can_be_left_out_without_a_change() {
    let more = json!({
        "maxUpdateInterval": "2s",
        "plugins": {
            "k8s": {"enable": true, "poll_interval": "5s", "annotate_containers": false},
            "rapl": {"enable": false, "poll_interval": "1s", "flush_interval": "9s"},
            "csv": {"enable": true, "output_path": "/data/x.csv"},
            "relay_client": {"port": 50051, "buffer_max_length": 200},
        },
    });
    let values = release(Component::RelayClient, &more);
    let mut paths = equal_to_default(&values, Component::RelayClient);
    paths.sort();
    assert_eq!(
        paths,
        [
            "maxUpdateInterval",
            "plugins.k8s.annotate_containers",
            "plugins.k8s.enable",
            "plugins.k8s.poll_interval",
            "plugins.rapl.enable",
            "plugins.rapl.poll_interval",
            "plugins.relay_client.port",
        ]
    );
    let short = minimal(&values, Component::RelayClient);
    assert_eq!(
        Value::Object(short.plugins.clone()),
        json!({
            "rapl": {"flush_interval": "9s"},
            "csv": {"enable": true, "output_path": "/data/x.csv"},
            "relay_client": {"buffer_max_length": 200},
        })
    );
    let mut text = configured(Component::RelayClient, &values).toml.unwrap();
    text = text.replace("max_update_interval = \"2s\"\n\n", "");
    assert_eq!(configured(Component::RelayClient, &short).toml.unwrap(), text);
}
