//! What is seen of an injection: by the user, in the audit log, in the metrics and in the injector's log. And what is not.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Case, Cluster, cases,
    injector::{Injector, Installation},
    poll::wait_for,
    rest::{Stored, create},
    samples::{config_map, marks, pod, record, values},
};

const SOON: Duration = Duration::from_mins(1);

/// Stands where a user may have something to hide.
const CANARY: &str = "canary-5b1f0c";

/// Name of the chart's webhook, and so the beginning of its audit annotations.
const WEBHOOK: &str = "mutate.injector.alumet.dev";

pub(crate) fn cases() -> Vec<Case> {
    cases![
        an_injection_is_in_the_audit_log_the_metrics_and_the_log,
        errors_in_the_values_are_told_to_whoever_applies_them,
        nothing_of_an_objects_body_is_in_the_log_or_the_metrics,
    ]
}

fn installed(cluster: &Cluster, base: &str) -> (String, Injector) {
    let namespace = cluster.namespace(base);
    let injector = Injector::install(cluster, &Installation::serving(&namespace));
    (namespace, injector)
}

/// The audit annotations of our webhook on the one request that created this object, without its name.
fn audited(cluster: &Cluster, namespace: &str, name: &str) -> Value {
    let event = wait_for("the event in the audit log", SOON, || {
        cluster
            .audit_events(|event| {
                event["verb"] == "create"
                    && event["objectRef"]["namespace"] == namespace
                    && event["objectRef"]["name"] == name
                    && event["objectRef"]["subresource"].is_null()
            })
            .pop()
    });
    let annotations = event["annotations"].as_object().unwrap().clone();
    let ours = annotations.into_iter().filter_map(|(key, value)| {
        let key = key.strip_prefix(WEBHOOK)?.strip_prefix('/')?;
        Some((key.to_owned(), value))
    });
    Value::Object(ours.collect())
}

/// The lines of the injector's log about an object; at least one.
fn logged(injector: &Injector, name: &str) -> Vec<Value> {
    wait_for("the line in the log", SOON, || {
        let log = injector.log();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let lines: Vec<Value> = lines.filter(|line| line["name"] == name).collect();
        (!lines.is_empty()).then_some(lines)
    })
}

fn an_injection_is_in_the_audit_log_the_metrics_and_the_log(cluster: &Cluster) {
    let (namespace, injector) = installed(cluster, "seen");
    let made = create(cluster, &config_map(&namespace, "seen"), Stored::Yes).unwrap();
    let config = record(&made["metadata"])["config"].clone();
    assert!(config.is_string(), "{made:#}");
    assert_eq!(
        audited(cluster, &namespace, "seen"),
        json!({"outcome": "injected", "component": "relay-server", "config": config})
    );

    let lines = logged(&injector, "seen");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let line = &lines[0];
    let wanted = [
        ("operation", json!("CREATE")),
        ("kind", json!("ConfigMap")),
        ("namespace", json!(namespace)),
        ("component", json!("relay-server")),
        ("outcome", json!("injected")),
        ("allowed", json!(true)),
        ("dry_run", json!(false)),
        ("level", json!("INFO")),
    ];
    for (member, value) in wanted {
        assert_eq!(line[member], value, "{member}: {line}");
    }

    let counted = injector.metrics(cluster);
    let row =
        r#"alumet_injector_admission_requests_total{operation="CREATE",kind="ConfigMap",outcome="injected"}"#;
    assert!(counted.contains(row), "{counted}");
    // The API server counts its side.
    let of_the_api_server = cluster.metrics();
    let row = format!(r#"apiserver_admission_webhook_request_total{{code="200",name="{WEBHOOK}""#);
    assert!(of_the_api_server.contains(&row), "no {row}");
}

fn errors_in_the_values_are_told_to_whoever_applies_them(cluster: &Cluster) {
    let (namespace, injector) = installed(cluster, "warned");
    let mut wrong = values();
    wrong["plugins"] = json!({"k8s": {"enable": true, "poll_intervall": "5s"}});
    let mut object = config_map(&namespace, "wrong");
    object["metadata"]["annotations"] = marks(&wrong)["annotations"].clone();
    let ran = cluster.kubectl_with(&["create", "-f", "-"], &object.to_string());
    let said = ran.stderr.clone();
    ran.ok();
    let lead =
        "Warning: alumet-injector: nothing was injected into the object, because of the errors that follow";
    let warnings: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("Warning: "))
        .collect();
    assert_eq!(warnings.first(), Some(&lead), "{said}");
    assert!(
        warnings.len() == 2 && warnings[1].contains("poll_intervall"),
        "the key that is wrong is named: {said}"
    );

    let audited = audited(cluster, &namespace, "wrong");
    assert_eq!(audited["outcome"], "failed", "{audited}");
    assert!(
        audited["findings"].is_string() && audited["config"].is_null(),
        "{audited}"
    );
    let lines = logged(&injector, "wrong");
    assert_eq!(lines[0]["outcome"], "failed");
    assert_eq!(lines[0]["findings"], audited["findings"]);
    let counted = injector.metrics(cluster);
    assert!(
        counted.contains(r#"kind="ConfigMap",outcome="failed"}"#),
        "{counted}"
    );
    let after = cluster.get(&["configmap", "wrong", "-n", &namespace]);
    assert!(after["data"].is_null(), "its pods wait: {after:#}");
}

fn nothing_of_an_objects_body_is_in_the_log_or_the_metrics(cluster: &Cluster) {
    let namespace = cluster.namespace("canary");
    let installation = Installation {
        set: &["server.logLevel=debug"],
        ..Installation::serving(&namespace)
    };
    let injector = Injector::install(cluster, &installation);
    let mut with_env = pod(&namespace, "with-env");
    with_env["metadata"]["annotations"]["example.org/note"] = json!(CANARY);
    with_env["spec"]["containers"][0]["env"] = json!([{"name": "INFLUX_TOKEN", "value": CANARY}]);
    create(cluster, &with_env, Stored::Yes).unwrap();

    // Where the catalogue knows a secret it is refused, and not shown.
    let mut literal = values();
    literal["plugins"] = json!({"influxdb": {"token": CANARY}});
    let mut object = config_map(&namespace, "literal");
    object["metadata"]["annotations"] = marks(&literal)["annotations"].clone();
    let ran = cluster.kubectl_with(&["create", "-f", "-"], &object.to_string());
    assert!(ran.stderr.contains("Warning: alumet-injector: "), "{ran}");
    assert!(!ran.stderr.contains(CANARY), "{ran}");
    // A text that cannot be read.
    let mut object = config_map(&namespace, "unreadable");
    object["metadata"]["annotations"] = json!({"injector.alumet.dev/values": format!("{{{CANARY}")});
    let ran = cluster.kubectl_with(&["create", "-f", "-"], &object.to_string());
    assert!(!ran.stderr.contains(CANARY), "{ran}");
    // A configuration of the user's own.
    let mut object = config_map(&namespace, "own");
    object["data"] = json!({"config": format!("[plugins.{CANARY}]\nkey = \"{CANARY}\"\n")});
    create(cluster, &object, Stored::Yes).unwrap();

    for name in ["with-env", "literal", "unreadable", "own"] {
        assert_eq!(logged(&injector, name).len(), 1, "{name}");
        let audited = audited(cluster, &namespace, name).to_string();
        assert!(!audited.contains(CANARY), "{audited}");
    }
    let log = injector.log();
    assert!(!log.contains(CANARY), "{log}");
    let metrics = injector.metrics(cluster);
    assert!(!metrics.contains(CANARY), "{metrics}");
}
