//! Where secrets and addresses come from: `InfluxDB` as one group, references, the extra configuration.

use alumet_injector::{
    agent_config::{Configuration, EnvFrom},
    names::Component,
};
use serde_json::json;

use crate::agent_config::{codes, configured, layer, release, with_layers};

/// What a configuration says of `InfluxDB`: host, organization, bucket, and the Secret with the token.
fn influxdb(configuration: &Configuration) -> (String, String, String, String) {
    let toml: toml::Table = configuration.toml.as_ref().unwrap().parse().unwrap();
    let text = |key: &str| toml["plugins"]["influxdb"][key].as_str().unwrap().to_owned();
    assert_eq!(text("token"), "${INFLUX_TOKEN}");
    let variable = configuration
        .env
        .iter()
        .find(|variable| variable.name == "INFLUX_TOKEN")
        .unwrap();
    let EnvFrom::Secret { name, key } = &variable.from else {
        panic!("{variable:?}")
    };
    (text("host"), text("org"), text("bucket"), format!("{name}/{key}"))
}

#[test]
fn influxdb_is_one_group_of_the_strongest_source_that_names_host_or_secret() {
    let central = json!({"influxdb": {
        "host": "https://influx.example.org", "organization": "hpc", "bucket": "energy", "secretName": "central",
    }});
    let weaker = json!({"influxdb": {"host": "http://weaker", "org": "w", "bucket": "w", "secretName": "w"}});
    let bucket_alone = json!({"influxdb": {"bucket": "team"}});
    let release_db = (
        "http://test-alumet-influxdb2:80",
        "influxdata",
        "default",
        "test-alumet-influxdb2-auth/admin-token",
    );
    let of_central = (
        "https://influx.example.org",
        "hpc",
        "energy",
        "central/admin-token",
    );
    let none = json!({"deployed": false});
    let table = [
        (
            "the release beats policies",
            json!({}),
            vec![&central],
            release_db,
        ),
        (
            "the strongest policy gives all",
            json!({"influxdb": none, "plugins": {}}),
            vec![&central, &weaker],
            of_central,
        ),
        (
            "members of stronger sources still win",
            json!({"influxdb": none, "plugins": {"influxdb": {"bucket": "mine"}}}),
            vec![&bucket_alone, &central, &weaker],
            ("https://influx.example.org", "hpc", "mine", "central/admin-token"),
        ),
        (
            "a bucket of a stronger policy wins over the policy that decides",
            json!({"influxdb": none}),
            vec![&bucket_alone, &central],
            ("https://influx.example.org", "hpc", "team", "central/admin-token"),
        ),
        (
            "values with a Secret keep the database of the release",
            json!({"plugins": {"influxdb": {"existingSecret": "mine", "secretKey": "token"}}}),
            vec![&central],
            (
                "http://test-alumet-influxdb2:80",
                "influxdata",
                "default",
                "mine/token",
            ),
        ),
        (
            "values with a host and a Secret take nothing from elsewhere",
            json!({"plugins": {"influxdb": {"host": "http://other:8086/", "existingSecret": "mine"}}}),
            vec![&central],
            ("http://other:8086", "influxdata", "default", "mine/admin-token"),
        ),
    ];
    for (name, more, policies, expected) in table {
        let layers: Vec<_> = policies.iter().map(|plugins| layer("p", plugins)).collect();
        let configuration = with_layers(
            Component::RelayServer,
            &release(Component::RelayServer, &more),
            &layers,
        );
        assert_eq!(configuration.findings, [], "{name}");
        let (host, org, bucket, secret) = influxdb(&configuration);
        assert_eq!(
            (host.as_str(), org.as_str(), bucket.as_str(), secret.as_str()),
            expected,
            "{name}"
        );
    }
}

#[test]
fn influxdb_without_a_database_names_the_value_to_set() {
    let table = [
        (
            json!({"influxdb": {"deployed": false}}),
            "influxdb-host",
            "plugins.influxdb.host",
        ),
        (
            json!({"plugins": {"influxdb": {"host": "http://other:8086"}}}),
            "influxdb-secret",
            "plugins.influxdb.existingSecret",
        ),
    ];
    for (more, code, path) in table {
        let configuration = configured(Component::RelayServer, &release(Component::RelayServer, &more));
        assert_eq!(configuration.toml, None);
        let found: Vec<_> = configuration
            .findings
            .iter()
            .map(|it| (it.code, it.path.as_str()))
            .collect();
        assert_eq!(found, [(code, path)]);
    }
}

#[test]
fn a_configuration_of_ones_own_is_not_generated_and_keeps_its_token() {
    let own = json!({"configMap": {"name": "mine"}, "plugins": {"influxdb": {"enable": false}}});
    let configuration = configured(Component::RelayServer, &release(Component::RelayServer, &own));
    assert_eq!((configuration.toml, configuration.findings), (None, vec![]));
    let env: Vec<_> = configuration
        .env
        .iter()
        .map(|variable| (variable.name.as_str(), &variable.from))
        .collect();
    assert_eq!(env, [("INFLUX_TOKEN", &EnvFrom::Literal(String::new()))]);

    let on = json!({"configMap": {"name": "mine"}});
    let configuration = configured(Component::RelayServer, &release(Component::RelayServer, &on));
    let secret = EnvFrom::Secret {
        name: "test-alumet-influxdb2-auth".to_owned(),
        key: "admin-token".to_owned(),
    };
    assert_eq!(
        configuration
            .env
            .iter()
            .map(|variable| &variable.from)
            .collect::<Vec<_>>(),
        [&secret]
    );
}

#[test]
fn extra_configuration_is_merged_last_and_its_variables_have_to_be_known() {
    let table = [
        (
            json!({"plugins": {"csv": {"output_path": "${HOSTNAME_DIR}/x"}}}),
            vec!["unknown-env"],
        ),
        (
            json!({"plugins": {"csv": {"output_path": "/data/${NODE_NAME}.csv"}}}),
            vec![],
        ),
        (
            json!("[plugins.csv]\noutput_path = '/data/${NODE_NAME}.csv'\n"),
            vec![],
        ),
        (
            json!({"plugins": {"of-our-own": {"a": [1, {"b": null}]}}}),
            vec!["unknown-plugin"],
        ),
        (
            json!({"plugins": {"csv": {"force_flush": "no"}}}),
            vec!["wrong-type"],
        ),
        (json!("not toml"), vec!["extra-config"]),
        (json!(["a"]), vec!["extra-config"]),
    ];
    for (extra, expected) in table {
        let more = json!({"extraConfig": extra, "plugins": {"csv": {"enable": true}}});
        let configuration = configured(Component::RelayServer, &release(Component::RelayServer, &more));
        assert_eq!(codes(&configuration.findings), expected, "{extra}");
        if expected.is_empty() {
            assert!(
                configuration
                    .toml
                    .unwrap()
                    .contains("output_path = '/data/${NODE_NAME}.csv'"),
                "{extra}"
            );
            let field = configuration
                .env
                .iter()
                .find(|variable| variable.name == "NODE_NAME")
                .unwrap();
            assert_eq!(field.from, EnvFrom::Field("spec.nodeName"));
        }
    }
}

#[test]
fn any_text_may_come_from_a_secret_or_a_variable() {
    let plugins = json!({
        "csv": {"enable": true, "outputPath": {"fromSecret": {"name": "paths", "key": "csv"}}},
        "influxdb": {"bucket": {"fromEnv": "BUCKET"}},
    });
    let values = release(Component::RelayServer, &json!({"plugins": plugins}));
    let configuration = configured(Component::RelayServer, &values);
    assert_eq!(configuration.findings, []);
    let toml = configuration.toml.unwrap();
    assert!(
        toml.contains("output_path = '${ALUMET_CSV_OUTPUTPATH}'"),
        "{toml}"
    );
    assert!(toml.contains("bucket = '${BUCKET}'"), "{toml}");
    let names: Vec<_> = configuration
        .env
        .iter()
        .map(|variable| variable.name.as_str())
        .collect();
    assert_eq!(names, ["ALUMET_CSV_OUTPUTPATH", "INFLUX_TOKEN"]);
}

#[test]
fn a_literal_secret_is_refused_by_whatever_way_it_comes_and_never_shown() {
    let ways = [
        json!({"plugins": {"influxdb": {"token": "canary"}}}),
        json!({"extraConfig": {"plugins": {"influxdb": {"token": "canary"}}}}),
        json!({"extraConfig": "[plugins.influxdb]\ntoken = 'canary'"}),
        json!({"plugins": {"influxdb": {"host": "http://user:canary@db:8086", "existingSecret": "s"}}}),
        json!({"extraConfig": {"plugins": {"elasticsearch": {"enable": false, "auth": {"bearer": {"token": "canary"}}}}}}),
        json!({"extraConfig": {"plugins": {"influxdb": {"token": "${NODE_NAME}canary"}}}}),
        json!({"extraConfig": {"plugins": {"opentelemetry": {"collector_host": "http://u:canary@otel:4317"}}}}),
    ];
    for values in ways {
        let configuration = configured(Component::RelayServer, &release(Component::RelayServer, &values));
        assert!(
            codes(&configuration.findings).contains(&"literal-secret"),
            "{values}: {:?}",
            configuration.findings
        );
        assert_eq!(configuration.toml, None, "{values}");
        let shown: String = configuration.findings.iter().map(ToString::to_string).collect();
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn a_value_of_a_wrong_type_near_a_secret_is_not_shown() {
    let near = [
        json!({"elasticsearch": {"enable": true, "auth": {"basic": "elastic:canary"}}}),
        json!({"influxdb": {"host": "ftp://user:canary@host"}}),
    ];
    for plugins in near {
        let configuration = configured(
            Component::RelayServer,
            &release(Component::RelayServer, &json!({"plugins": plugins})),
        );
        let shown: String = configuration.findings.iter().map(ToString::to_string).collect();
        assert!(
            shown.contains("wrong-type") && !shown.contains("canary"),
            "{shown}"
        );
    }
}
