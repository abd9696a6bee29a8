//! What the charts take from the catalogue.

use std::collections::BTreeSet;

use alumet_injector::{
    agent_config::{catalog::catalogue, codes::CODES, needs, plugin_reference, plugins_schema, reference},
    names::Component,
};
use serde_json::{Value, json};

#[test]
fn needs_have_the_shape_that_the_charts_read() {
    let needs = needs();
    assert_eq!(needs["plugins"].as_object().unwrap().len(), 29);
    assert_eq!(
        needs["always"],
        json!({"capabilities": ["SYS_NICE", "PERFMON", "SYS_PTRACE"]})
    );
    assert_eq!(
        needs["plugins"]["rapl"],
        json!({
            "aliases": ["rapl"], "capabilities": ["PERFMON"], "hostPID": false,
            "hostPaths": [{"path": "/sys", "readOnly": true}], "gpu": null, "apiAccess": false, "secrets": [],
        })
    );
    assert_eq!(
        needs["plugins"]["mongodb"]["secrets"],
        json!([
            {"path": ["username"], "key": "mongodb-username", "encoding": "percent"},
            {"path": ["password"], "key": "mongodb-password", "encoding": "percent"},
        ])
    );
    assert_eq!(needs["plugins"]["k8s"]["apiAccess"], true);
    assert_eq!(needs["plugins"]["nvml"]["gpu"], "nvidia.com/gpu");
    assert_eq!(
        needs["plugins"]["energy-estimation-tdp"]["aliases"],
        json!([
            "energy-estimation-tdp",
            "energy_estimation_tdp",
            "energyEstimationTdp",
            "EnergyEstimationTdp",
            "EnergyEstimationTdpPlugin",
        ])
    );
    // Two ways to spell `api_key`, each a row.
    let paths: Vec<&Value> = needs["plugins"]["elasticsearch"]["secrets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["path"])
        .collect();
    assert_eq!(
        paths[..2],
        [
            &json!(["auth", "api_key", "key"]),
            &json!(["auth", "apiKey", "key"])
        ]
    );
}

#[test]
fn each_secret_has_a_variable_and_a_key_of_its_own() {
    let needs = needs();
    let mut keys = BTreeSet::new();
    for (name, plugin) in needs["plugins"].as_object().unwrap() {
        let own: BTreeSet<&str> = plugin["secrets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["key"].as_str().unwrap())
            .collect();
        for key in own {
            assert!(keys.insert(key.to_owned()), "{name}: {key}");
        }
    }
    assert_eq!(keys.len(), 8);
}

#[test]
fn the_schema_is_closed_and_has_every_documented_name() {
    let schema = plugins_schema(Component::RelayClient);
    assert_eq!(schema.plugins["additionalProperties"], false);
    for name in [
        "csv",
        "aggregation",
        "energyAttribution",
        "EnergyEstimationTdpPlugin",
        "energyEstimationTdp",
        "jetson",
        "k8s",
        "nvml",
        "oar",
        "perf",
        "procfs",
        "rapl",
        "relay_client",
        "socket_control",
        "opentelemetry",
        "prometheusExporter",
        "influxdb",
        "mongodb",
    ] {
        let reference = schema.plugins["properties"][name]["$ref"].as_str().unwrap();
        let plugin = &schema.definitions[reference.strip_prefix("#/definitions/").unwrap()];
        assert_eq!(plugin["additionalProperties"], false, "{name}");
        let switch = json!([true, false, "true", "false", null]);
        assert_eq!(plugin["properties"]["enable"]["enum"], switch, "{name}");
    }
    let influxdb = &schema.definitions["influxdb"]["properties"];
    for key in [
        "attribute_as",
        "attributes_as",
        "organization",
        "org",
        "existingSecret",
        "secretName",
        "secretKey",
    ] {
        assert!(influxdb.get(key).is_some(), "{key}");
    }
}

#[test]
fn the_reference_has_every_plugin_every_key_and_every_code() {
    let page = reference();
    for plugin in &catalogue().plugins {
        assert!(
            page.contains(&format!("\n## {}\n", plugin.name)),
            "{}",
            plugin.name
        );
    }
    for (code, _) in CODES {
        assert!(page.contains(&format!("| `{code}` |")), "{code}");
    }
    let rapl = plugin_reference("rapl").unwrap();
    assert!(
        rapl.starts_with("## rapl\n") && rapl.contains("`flush_interval`"),
        "{rapl}"
    );
    assert_eq!(plugin_reference("rapll"), None);
}

#[test]
fn defaults_of_the_catalogue_are_of_their_keys_types() {
    use alumet_injector::agent_config::{Request, configure, values::AgentValues};
    // Every plugin alone: what it still needs is missing, but nothing that the catalogue gives is wrong.
    for plugin in &catalogue().plugins {
        let text = json!({
            "agentVersion": "0.9.5",
            "server": {"service": "relay", "port": 50051},
            "plugins": {&plugin.name: {"enable": true}},
        });
        let (values, findings) = AgentValues::parse(&text.to_string());
        assert_eq!(findings, []);
        for component in Component::ALL {
            let request = Request {
                component,
                values: &values,
                layers: &[],
                release: None,
                namespace: None,
            };
            for finding in configure(&request).findings {
                assert_ne!(finding.code, "wrong-type", "{}: {finding}", plugin.name);
                assert_ne!(finding.code, "unknown-key", "{}: {finding}", plugin.name);
            }
        }
    }
}
