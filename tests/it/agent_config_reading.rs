//! Values are read as what their keys are, or are an error that names their path.

use alumet_injector::{agent_config::values::AgentValues, names::Component};
use serde_json::json;

use crate::{
    agent_config::{codes, configured, release, release_text},
    on_objects,
};

#[test]
fn what_cannot_be_read_is_an_error_at_its_path() {
    let table = [
        (
            json!({"rapll": {}}),
            "unknown-plugin",
            "plugins.rapll",
            "did you mean `rapl`?",
        ),
        (
            json!({"rapl": {"pollinterval": "1s"}}),
            "unknown-key",
            "plugins.rapl.pollinterval",
            "did you mean `poll_interval`?",
        ),
        (
            json!({"rapl": true}),
            "wrong-type",
            "plugins.rapl",
            "write `rapl: {enable: true}`",
        ),
        (
            json!({"rapl": {"enable": "yes"}}),
            "wrong-type",
            "plugins.rapl.enable",
            "",
        ),
        (
            json!({"rapl": {"poll_interval": 1}}),
            "wrong-type",
            "plugins.rapl.poll_interval",
            "",
        ),
        (
            json!({"rapl": {"pollInterval": "0s"}}),
            "wrong-type",
            "plugins.rapl.pollInterval",
            "",
        ),
        (
            json!({"energyEstimationTdp": {"poll_interval": "500ms"}}),
            "wrong-type",
            "plugins.energyEstimationTdp.poll_interval",
            "",
        ),
        (
            json!({"prometheusExporter": {"port": "70000"}}),
            "wrong-type",
            "plugins.prometheusExporter.port",
            "",
        ),
        (
            json!({"prometheusExporter": {"host": "localhost"}}),
            "wrong-type",
            "plugins.prometheusExporter.host",
            "",
        ),
        (
            json!({"csv": {"csv_delimiter": ""}}),
            "wrong-type",
            "plugins.csv.csv_delimiter",
            "",
        ),
        (
            json!({"influxdb": {"host": "influx:8086"}}),
            "wrong-type",
            "plugins.influxdb.host",
            "",
        ),
        (
            json!({"influxdb": {"attribute_as": "tags"}}),
            "wrong-type",
            "plugins.influxdb.attribute_as",
            "",
        ),
        (
            json!({"influxdb": {"org": "a", "organization": "b"}}),
            "alias-conflict",
            "plugins.influxdb.organization",
            "keep one of the two",
        ),
        (
            json!({"relay_client": {"port": 1}, "relay-client": {"port": 2}}),
            "alias-conflict",
            "plugins.relay-client.port",
            "keep one of the two",
        ),
        (
            json!({"rapl": {"no_perf_events": {"fromEnv": "X"}}}),
            "reference",
            "plugins.rapl.no_perf_events",
            "write the value itself",
        ),
        (
            json!({"csv": {"output_path": {"fromSecret": {"name": "x"}}}}),
            "reference",
            "plugins.csv.output_path",
            "write {fromSecret: {name: <Secret>, key: <key>}} or {fromEnv: <NAME>}",
        ),
        (
            json!({"energy-attribution": {"formulas": {"a${B}": {}}}}),
            "reference",
            "plugins.energy-attribution.formulas.a${B}",
            "choose a plain name",
        ),
    ];
    for (plugins, code, path, mend) in table {
        let values = release(Component::RelayServer, &json!({"plugins": plugins}));
        let configuration = configured(Component::RelayServer, &values);
        assert_eq!(configuration.toml, None, "{plugins}");
        let found: Vec<_> = configuration
            .findings
            .iter()
            .map(|finding| (finding.code, finding.path.as_str(), finding.mend.as_str()))
            .collect();
        assert_eq!(found, [(code, path, mend)], "{plugins}");
    }
}

/// What the API server says of the same rows: `tests/cluster/values_on_objects.rs`.
#[test]
fn a_value_that_would_make_an_object_invalid_is_an_error() {
    for row in on_objects::rows() {
        let (values, mut findings) = AgentValues::parse(&release_text(Component::RelayServer, &row.values));
        if findings.is_empty() {
            findings = configured(Component::RelayServer, &values).findings;
        }
        let found: Vec<_> = findings
            .into_iter()
            .map(|finding| (finding.code, finding.path))
            .collect();
        assert_eq!(found, row.findings, "{}", row.values);
        let tolerations = row.values.get("tolerations").filter(|_| found.is_empty());
        if let Some(tolerations) = tolerations {
            assert_eq!(json!(values.tolerations), *tolerations);
        }
    }
}

#[test]
fn values_are_read_as_what_their_keys_are() {
    let table = [
        (
            json!({"mongodb": {"enable": "TRUE", "port": 27018.0, "database": 5, "collection": "c"}}),
            "mongodb.port",
            "27018",
        ),
        (
            json!({"mongodb": {"enable": true, "database": 5, "collection": "c"}}),
            "mongodb.database",
            "'5'",
        ),
        (
            json!({"relay-server": {"address": 50052}}),
            "relay-server.address",
            "'[::]:50052'",
        ),
        (
            json!({"relay-server": {"address": "::"}}),
            "relay-server.address",
            "'[::]:50051'",
        ),
        (
            json!({"prometheus-exporter": {"enabled": true, "host": "::"}}),
            "prometheus-exporter.host",
            "'[::]'",
        ),
        (
            json!({"influxdb": {"attribute_as": "Field"}}),
            "influxdb.attributes_as",
            "'field'",
        ),
        (
            json!({"influxdb": {"attributesAsTags": "a, b"}}),
            "influxdb.attributes_as_tags",
            "['a', 'b']",
        ),
        (
            json!({"influxdb": {"bucket": null}}),
            "influxdb.bucket",
            "'default'",
        ),
        (
            json!({"socketControl": {"enable": true}, "rapl": null}),
            "socket-control.socket_path",
            "'/tmp/alumet-control.sock'",
        ),
        (
            json!({"csv": {"enable": true}, "k8s": {"enable": true, "token_retrieval": {"file": "/t"}}}),
            "k8s.token_retrieval.file",
            "'/t'",
        ),
    ];
    for (plugins, path, expected) in table {
        let values = release(Component::RelayServer, &json!({"plugins": plugins}));
        let configuration = configured(Component::RelayServer, &values);
        assert_eq!(configuration.findings, [], "{plugins}");
        let toml: toml::Table = configuration.toml.unwrap().parse().unwrap();
        let found = path.split('.').fold(&toml["plugins"], |value, key| &value[key]);
        let wanted: toml::Table = format!("it = {expected}").parse().unwrap();
        assert_eq!(*found, wanted["it"], "{plugins}");
    }
}

#[test]
fn the_relay_server_is_found_by_name_or_as_the_user_says() {
    let table = [
        (json!({}), "test-alumet-alumet-relay-server:50051"),
        (json!({"relay_server": "other"}), "other:50051"),
        (json!({"relay_server": "other:1234"}), "other:1234"),
        (json!({"relay_server": "other", "port": "1234"}), "other:1234"),
        (json!({"relayServer": "fd00::1", "port": 1234}), "[fd00::1]:1234"),
        (json!({"port": 1234}), "test-alumet-alumet-relay-server:1234"),
        (
            json!({"relay_server": ""}),
            "test-alumet-alumet-relay-server:50051",
        ),
    ];
    for (client, expected) in table {
        let values = release(
            Component::RelayClient,
            &json!({"plugins": {"relay_client": client}}),
        );
        let configuration = configured(Component::RelayClient, &values);
        assert_eq!(configuration.findings, [], "{client}");
        let toml: toml::Table = configuration.toml.unwrap().parse().unwrap();
        assert_eq!(
            toml["plugins"]["relay-client"]["relay_server"].as_str(),
            Some(expected),
            "{client}"
        );
        assert!(toml["plugins"]["relay-client"].get("port").is_none());
    }
}

#[test]
fn broken_values_are_findings_and_never_a_panic() {
    let long = format!("\"{}\"", "x".repeat(65 * 1024));
    let table = [
        ("", vec!["values-syntax"]),
        ("{", vec!["values-syntax"]),
        ("[]", vec!["wrong-type"]),
        ("null", vec![]),
        ("{\"plugns\": {}}", vec!["unknown-key"]),
        ("{\"plugins\": null, \"server\": null}", vec![]),
        (
            "{\"plugins\": [], \"server\": {\"service\": 5, \"port\": 0}}",
            vec!["wrong-type"; 3],
        ),
        (
            "{\"imagePullSecrets\": [1, {\"name\": \"a\"}, \"b\"], \"tolerations\": \"x\"}",
            vec!["wrong-type"; 2],
        ),
        (long.as_str(), vec!["values-size"]),
    ];
    for (text, expected) in table {
        let (_, findings) = AgentValues::parse(text);
        assert_eq!(codes(&findings), expected, "{}", &text[..text.len().min(60)]);
    }
}

#[test]
fn hostile_values_have_a_bounded_number_of_findings() {
    let names = |count: usize| {
        (0..count)
            .map(|it| (format!("{it}x"), json!(1)))
            .collect::<serde_json::Map<_, _>>()
    };
    for plugins in [
        json!(names(6000)),
        json!({"rapl": names(6000)}),
        json!({"x".repeat(60_000): {}}),
    ] {
        let text = json!({"agentVersion": "0.9.5", "plugins": plugins}).to_string();
        let (values, findings) = AgentValues::parse(&text);
        assert_eq!(findings, []);
        let configuration = configured(Component::Agent, &values);
        assert_eq!(configuration.toml, None);
        assert!(
            configuration.findings.len() <= 100,
            "{}",
            configuration.findings.len()
        );
    }
    let (_, findings) = AgentValues::parse(&serde_json::Value::Object(names(6000)).to_string());
    assert_eq!(findings.len(), 100);
}
