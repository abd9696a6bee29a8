//! What policies give stands between the catalogue's defaults and the user's values, and the report names the policy.

use alumet_injector::{
    engine::{
        self, Plan,
        facts::Facts,
        object::ObjectView,
        setup::{Fresh, Snapshot},
    },
    source::Source,
};
use serde_json::{Value, json};

use crate::policies;

fn config_map(plugins: &Value) -> Value {
    let values = json!({
        "agentVersion": "0.9.5", "server": {"service": "s", "port": 50051}, "plugins": plugins,
    });
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": "c",
            "labels": {"injector.alumet.dev/component": "relay-client"},
            "annotations": {"injector.alumet.dev/values": values.to_string()},
        },
    })
}

fn snapshot(plugins: &Value) -> Snapshot {
    let spec = json!({"defaults": {"plugins": plugins}});
    policies::snapshot(&policies::of_cluster("sampling", &spec.to_string()))
}

fn planned(object: &Value, snapshot: &Snapshot) -> (Plan, Value) {
    let plan = engine::plan(
        &ObjectView::read(object).unwrap(),
        &Facts::RENDER,
        snapshot,
        &Fresh,
    );
    let mut result = object.clone();
    json_patch::patch(&mut result, &plan.patch).unwrap();
    (plan, result)
}

fn config(object: &Value) -> toml::Table {
    object["data"]["config"].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_policy_wins_over_a_default_and_is_named() {
    let snapshot = snapshot(&json!({"rapl": {"enable": true, "poll_interval": "250ms"}}));
    let (plan, result) = planned(&config_map(&json!({})), &snapshot);
    assert_eq!(
        config(&result)["plugins"]["rapl"]["poll_interval"].as_str(),
        Some("250ms")
    );
    let row = plan
        .report
        .rows
        .iter()
        .find(|row| row.what == "data.config plugins.rapl.poll_interval")
        .unwrap();
    assert_eq!(row.source, Source::Policy("sampling".to_owned()));
    let record = result["metadata"]["annotations"]["injector.alumet.dev/status"]
        .as_str()
        .unwrap();
    assert!(record.contains(r#""from":["sampling"]"#), "{record}");
}

#[test]
fn a_value_wins_over_a_policy() {
    let snapshot = snapshot(&json!({"rapl": {"enable": true, "poll_interval": "250ms"}}));
    let (_, result) = planned(&config_map(&json!({"rapl": {"poll_interval": "2s"}})), &snapshot);
    assert_eq!(
        config(&result)["plugins"]["rapl"]["poll_interval"].as_str(),
        Some("2s")
    );
    let (_, result) = planned(&config_map(&json!({"rapl": {"enable": false}})), &snapshot);
    assert!(config(&result)["plugins"].get("rapl").is_none());
}

#[test]
fn a_policy_that_changes_leaves_an_object_that_is_up_to_date_and_tells_that_it_is_stale() {
    let (_, injected) = planned(&config_map(&json!({})), &Snapshot::default());
    let later = snapshot(&json!({"rapl": {"enable": true}}));
    let (plan, _) = planned(&injected, &later);
    assert_eq!(plan.report.outcome.code(), "up-to-date");
    assert!(plan.patch.0.is_empty());
    let view = ObjectView::read(&injected).unwrap();
    assert!(
        !engine::explain(&view, &Facts::RENDER, &later, &Fresh)
            .patch
            .0
            .is_empty()
    );

    let mut asked = injected.clone();
    asked["metadata"]["annotations"]["injector.alumet.dev/refresh"] = json!("now");
    let (_, refreshed) = planned(&asked, &later);
    assert!(config(&refreshed)["plugins"].get("rapl").is_some());
    assert!(
        refreshed["metadata"]["annotations"]
            .get("injector.alumet.dev/refresh")
            .is_none()
    );
}
