//! Alerts and dashboard ask for metrics that there are, and the alerts are those that the documents explain.

use std::{collections::BTreeSet, fs};

use alumet_injector::{
    manifest::{load, stream},
    server::metrics::METRICS,
};
use serde_json::Value;

use crate::files::root;

fn read(file: &str) -> String {
    fs::read_to_string(root(file)).unwrap()
}

/// The metrics of ours that an expression asks for, each in the name that the table has.
fn metrics_of(expression: &str) -> Vec<&str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("alumet_injector_"))
        .map(|word| word.strip_suffix("_bucket").unwrap_or(word))
        .collect()
}

#[track_caller]
fn assert_known(expression: &str) {
    let known: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    let asked = metrics_of(expression);
    assert!(
        !asked.is_empty() || expression.contains("apiserver_admission_webhook_"),
        "{expression}"
    );
    for name in asked {
        assert!(known.contains(name), "{name} of {expression}");
    }
    let count = |c: char| expression.matches(c).count();
    assert!(
        count('(') == count(')') && count('[') == count(']') && count('{') == count('}'),
        "{expression}"
    );
}

#[test]
fn the_alerts_are_those_of_the_documents_and_each_says_what_to_do() {
    let text = read("deploy/monitoring/alerts.yaml");
    let document = stream::documents(text.as_bytes()).next().unwrap();
    let rule = load::read(&document).unwrap().value;
    assert_eq!(rule["kind"], "PrometheusRule");
    let rules = rule["spec"]["groups"][0]["rules"].as_array().unwrap();
    let mut alerts = BTreeSet::new();
    for rule in rules {
        let expression = rule["expr"].as_str().unwrap();
        assert_known(expression);
        alerts.insert(expression.to_owned());
        for text in [
            "/alert",
            "/labels/severity",
            "/annotations/summary",
            "/annotations/description",
        ] {
            assert!(
                rule.pointer(text).is_some_and(Value::is_string),
                "{text} of {rule:#}"
            );
        }
    }
    let page = read("docs/metrics.md");
    let table = page
        .split("| expression | it means |\n|---|---|\n")
        .nth(1)
        .unwrap();
    let documented: BTreeSet<String> = table
        .lines()
        .map_while(|line| line.strip_prefix("| `")?.split('`').next())
        .map(|expression| expression.replace("\\|", "|"))
        .collect();
    assert_eq!(alerts, documented);
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let dashboard: Value = serde_json::from_str(&read("deploy/monitoring/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 8);
    let mut asked = 0;
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            assert_known(target["expr"].as_str().unwrap());
            asked += 1;
        }
    }
    assert!(asked >= panels.len());
}
