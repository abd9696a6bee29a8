//! Values that come to stand on an object as they are, what the injector finds in each, and what the API server says of
//! it; part of two test programs.

use serde_json::{Value, json};

/// What the API server says of an object on which the value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// It takes the object.
    Takes,
    /// It refuses the whole object.
    Refuses,
}
use Server::{Refuses, Takes};

/// One value.
#[derive(Debug)]
pub(crate) struct Row {
    /// What stands in the agent values.
    pub(crate) values: Value,
    /// What it would come to in the pod's spec.
    pub(crate) spec: Value,
    /// The findings, each with its path.
    pub(crate) findings: Vec<(&'static str, String)>,
    pub(crate) server: Server,
}

/// Every row.
pub(crate) fn rows() -> Vec<Row> {
    let tolerations = tolerations()
        .into_iter()
        .map(|(toleration, findings, server)| Row {
            values: json!({"tolerations": [toleration]}),
            spec: json!({"tolerations": [toleration]}),
            findings: placed(findings, "tolerations[0]"),
            server,
        });
    tolerations.chain(secrets()).collect()
}

/// Findings, each with what follows the place of the value.
type Findings = &'static [(&'static str, &'static str)];

fn placed(findings: Findings, place: &str) -> Vec<(&'static str, String)> {
    let placed = findings
        .iter()
        .map(|(code, below)| (*code, format!("{place}{below}")));
    placed.collect()
}

const TYPE: &str = "wrong-type";
const TOGETHER: &str = "constraint";

#[allow(clippy::too_many_lines, reason = "a table")]
fn tolerations() -> Vec<(Value, Findings, Server)> {
    let key = |key: &str| json!({"key": key, "operator": "Exists"});
    let value = |value: &str| json!({"key": "a", "value": value});
    let long = "a".repeat(64);
    vec![
        (json!({"operator": "Exists"}), &[], Takes),
        (
            json!({"key": "", "operator": "Exists", "value": "", "effect": ""}),
            &[],
            Takes,
        ),
        (json!({"key": "a"}), &[], Takes),
        (
            json!({"key": "a", "operator": null, "value": null, "effect": null}),
            &[],
            Takes,
        ),
        (
            json!({"key": "a", "operator": "", "value": "b", "effect": "NoSchedule"}),
            &[],
            Takes,
        ),
        (
            json!({"key": "a", "operator": "Equal", "effect": "PreferNoSchedule"}),
            &[],
            Takes,
        ),
        (
            json!({"key": "a", "operator": "equal"}),
            &[(TYPE, ".operator")],
            Refuses,
        ),
        (
            json!({"key": "a", "operator": "Foo"}),
            &[(TYPE, ".operator")],
            Refuses,
        ),
        (
            json!({"key": "a", "operator": "Gt", "value": "5"}),
            &[(TYPE, ".operator")],
            Refuses,
        ),
        (
            json!({"key": "a", "operator": "Lt", "value": "5"}),
            &[(TYPE, ".operator")],
            Refuses,
        ),
        (
            json!({"key": "a", "operator": true}),
            &[(TYPE, ".operator")],
            Refuses,
        ),
        (
            json!({"key": "a", "effect": "noschedule"}),
            &[(TYPE, ".effect")],
            Refuses,
        ),
        (
            json!({"key": "a", "effect": "NoScheduleNoAdmit"}),
            &[(TYPE, ".effect")],
            Refuses,
        ),
        (
            json!({"key": "a", "effect": ["NoSchedule"]}),
            &[(TYPE, ".effect")],
            Refuses,
        ),
        (
            json!({"key": "a", "effect": "NoExecute", "tolerationSeconds": 300}),
            &[],
            Takes,
        ),
        (
            json!({"key": "a", "effect": "NoExecute", "tolerationSeconds": -1}),
            &[],
            Takes,
        ),
        (
            json!({"key": "a", "effect": "NoExecute", "tolerationSeconds": i64::MAX}),
            &[],
            Takes,
        ),
        (
            json!({"key": "a", "effect": "NoSchedule", "tolerationSeconds": null}),
            &[],
            Takes,
        ),
        (
            json!({"key": "a", "effect": "NoExecute", "tolerationSeconds": i64::MAX.unsigned_abs() + 1}),
            &[(TYPE, ".tolerationSeconds")],
            Refuses,
        ),
        (
            json!({"key": "a", "effect": "NoExecute", "tolerationSeconds": 1.5}),
            &[(TYPE, ".tolerationSeconds")],
            Refuses,
        ),
        (
            json!({"key": "a", "effect": "NoExecute", "tolerationSeconds": "300"}),
            &[(TYPE, ".tolerationSeconds")],
            Refuses,
        ),
        (
            json!({"key": "a", "effect": "NoSchedule", "tolerationSeconds": 300}),
            &[(TOGETHER, ".tolerationSeconds")],
            Refuses,
        ),
        (
            json!({"key": "a", "tolerationSeconds": 300}),
            &[(TOGETHER, ".tolerationSeconds")],
            Refuses,
        ),
        (json!({}), &[(TOGETHER, ".operator")], Refuses),
        (json!({"value": "b"}), &[(TOGETHER, ".operator")], Refuses),
        (
            json!({"operator": "Equal", "effect": "NoSchedule"}),
            &[(TOGETHER, ".operator")],
            Refuses,
        ),
        (
            json!({"key": "a", "operator": "Exists", "value": "b"}),
            &[(TOGETHER, ".value")],
            Refuses,
        ),
        (json!({"key": "a", "value": true}), &[(TYPE, ".value")], Refuses),
        (json!({"key": "a", "value": 1}), &[(TYPE, ".value")], Refuses),
        (value("A_b-c.9"), &[], Takes),
        (value(&long[1..]), &[], Takes),
        (value(&long), &[(TYPE, ".value")], Refuses),
        (value("-b"), &[(TYPE, ".value")], Refuses),
        (value("b-"), &[(TYPE, ".value")], Refuses),
        (value("b c"), &[(TYPE, ".value")], Refuses),
        (value("b\n"), &[(TYPE, ".value")], Refuses),
        (value("b/c"), &[(TYPE, ".value")], Refuses),
        (value("é"), &[(TYPE, ".value")], Refuses),
        (key("node-role.kubernetes.io/control-plane"), &[], Takes),
        (key("A_b-c.9"), &[], Takes),
        (key(&long[1..]), &[], Takes),
        (key(&format!("{}/a", ["a"; 127].join("."))), &[], Takes),
        (key(&format!("{long}/a")), &[], Takes),
        (key(&long), &[(TYPE, ".key")], Refuses),
        (key(&format!("{}/a", "a".repeat(254))), &[(TYPE, ".key")], Refuses),
        (key("a b"), &[(TYPE, ".key")], Refuses),
        (key("a/"), &[(TYPE, ".key")], Refuses),
        (key("/a"), &[(TYPE, ".key")], Refuses),
        (key("a/b/c"), &[(TYPE, ".key")], Refuses),
        (key("A/b"), &[(TYPE, ".key")], Refuses),
        (key("a..b/c"), &[(TYPE, ".key")], Refuses),
        (key("a_b/c"), &[(TYPE, ".key")], Refuses),
        (key("_a"), &[(TYPE, ".key")], Refuses),
        (
            json!({"key": 5, "operator": "Exists"}),
            &[(TYPE, ".key")],
            Refuses,
        ),
        (json!("Exists"), &[(TYPE, "")], Refuses),
        // The API server would drop what it does not know, and with it what the user wanted.
        (
            json!({"key": "a", "effect": "NoExecute", "tolerationsSeconds": 300}),
            &[("unknown-key", ".tolerationsSeconds")],
            Takes,
        ),
    ]
}

fn secrets() -> Vec<Row> {
    let row = |values: Value, name: &str, key: &str, findings: Findings, server: Server| Row {
        values,
        spec: json!({"containers": [{
            "name": "agent", "image": "agent:1",
            "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}],
        }]}),
        findings: placed(findings, ""),
        server,
    };
    let reference = |name: &str, key: &str, server: Server| {
        let found: Findings = match server {
            Takes => &[],
            Refuses => &[("reference", "plugins.influxdb.token")],
        };
        let token = json!({"fromSecret": {"name": name, "key": key}});
        row(
            json!({"plugins": {"influxdb": {"token": token}}}),
            name,
            key,
            found,
            server,
        )
    };
    let named = |name: &str, key: &str, found: Findings, server: Server| {
        let values = json!({"plugins": {"influxdb": {"existingSecret": name, "secretKey": key}}});
        row(values, name, key, found, server)
    };
    let of_release = |name: &str, found: Findings, server: Server| {
        let database = json!({"deployed": true, "service": "db", "port": 80, "secretName": name});
        row(json!({"influxdb": database}), name, "admin-token", found, server)
    };
    let pull = |name: &str, findings: Findings| Row {
        values: json!({"imagePullSecrets": [name]}),
        spec: json!({"imagePullSecrets": [{"name": name}]}),
        findings: placed(findings, ""),
        // It takes any name. We find fault with one that no Secret can have: it would be looked for in vain.
        server: Takes,
    };
    let long = "a".repeat(254);
    let bad_name: Findings = &[(TYPE, "plugins.influxdb.existingSecret")];
    let bad_key: Findings = &[(TYPE, "plugins.influxdb.secretKey")];
    let bad_of_release: Findings = &[(TYPE, "influxdb.secretName")];
    let bad_pull: Findings = &[(TYPE, "imagePullSecrets[0]")];
    vec![
        reference("a-b.c-9", "A_b-c.9", Takes),
        reference(&long[1..], &long[1..], Takes),
        reference("a", ".a", Takes),
        reference("a", "a..", Takes),
        reference(&long, "a", Refuses),
        reference("a", &long, Refuses),
        reference("A", "a", Refuses),
        reference("a_b", "a", Refuses),
        reference("-a", "a", Refuses),
        reference("a-", "a", Refuses),
        reference("a..b", "a", Refuses),
        reference("a.-b", "a", Refuses),
        reference("a/b", "a", Refuses),
        reference("a\n", "a", Refuses),
        reference("a", ".", Refuses),
        reference("a", "..", Refuses),
        reference("a", "..a", Refuses),
        reference("a", "a b", Refuses),
        reference("a", "a/b", Refuses),
        reference("a", "é", Refuses),
        named("mine", "token", &[], Takes),
        named("My_Secret", "token", bad_name, Refuses),
        named("mine", "the token", bad_key, Refuses),
        of_release("db-auth", &[], Takes),
        of_release("db_auth", bad_of_release, Refuses),
        pull("registry.example.org", &[]),
        pull("Registry", bad_pull),
        Row {
            values: json!({"imagePullSecrets": ["", {"name": ""}]}),
            spec: json!({}),
            findings: Vec::new(),
            server: Takes,
        },
    ]
}
