//! Policies at admission: what `onError` says decides about objects with errors, and about no others.

use alumet_injector::engine::setup::Snapshot;
use serde_json::{Value, json};

use crate::{
    admission::{asked, review},
    policies::{self, of_cluster, of_namespace},
};

fn config_map(values: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": "c", "labels": {"injector.alumet.dev/component": "relay-client"},
            "annotations": {"injector.alumet.dev/values": values},
        },
    })
}

const GOOD: &str = r#"{"agentVersion": "0.9.5", "server": {"service": "s", "port": 50051}}"#;
const BAD: &str =
    r#"{"agentVersion": "0.9.5", "server": {"service": "s", "port": 50051}, "plugins": {"rapll": {}}}"#;

#[test]
fn of_each_scope_the_strongest_policy_that_says_what_becomes_of_errors_decides() {
    let (allow, deny, silent) = ("{onError: Allow}", "{onError: Deny}", "{defaults: {env: {A: x}}}");
    let elsewhere = "{onError: Deny, match: {components: [agent]}}";
    for (rows, policies, denied_by) in [
        ("none", String::new(), None),
        ("one that says nothing", of_cluster("p", silent), None),
        ("one that allows", of_cluster("p", allow), None),
        ("one that denies", of_cluster("p", deny), Some("p")),
        ("one of another component", of_cluster("p", elsewhere), None),
        (
            "the first by name",
            of_cluster("a", silent) + &of_cluster("b", allow) + &of_cluster("c", deny),
            None,
        ),
        (
            "the one of the namespace",
            of_cluster("a", allow) + &of_namespace("ns", "z", deny),
            Some("ns/z"),
        ),
        (
            "a namespace that allows what the cluster denies",
            of_cluster("a", deny) + &of_namespace("ns", "z", allow),
            Some("a"),
        ),
        (
            "a namespace that says both",
            of_cluster("a", allow) + &of_namespace("ns", "x", allow) + &of_namespace("ns", "z", deny),
            None,
        ),
        (
            "the one of another namespace",
            of_namespace("other", "z", deny),
            None,
        ),
    ] {
        let snapshot = if policies.is_empty() {
            Snapshot::default()
        } else {
            policies::snapshot(&policies)
        };
        let ask = |values| {
            asked(
                &snapshot,
                review("CREATE", Some("ns"), &config_map(values))
                    .to_string()
                    .as_bytes(),
            )
        };
        let (answer, response, patch) = ask(GOOD);
        assert!(
            answer.decision.allowed && response.get("status").is_none() && !patch.0.is_empty(),
            "{rows}"
        );

        let (answer, response, patch) = ask(BAD);
        assert_eq!(answer.decision.outcome.code(), "failed", "{rows}");
        assert!(patch.0.is_empty(), "{rows}");
        assert_eq!(answer.decision.allowed, denied_by.is_none(), "{rows}");
        assert_eq!(response["allowed"], json!(denied_by.is_none()), "{rows}");
        let expected = denied_by.map_or(Value::Null, |policy| {
            let message = format!(
                "policy `{policy}` has objects with errors refused: error[unknown-plugin]: plugins.rapll: unknown plugin `rapll`; did you mean `rapl`?"
            );
            json!({"message": message, "reason": "Forbidden", "code": 403})
        });
        assert_eq!(response["status"], expected, "{rows}");
    }
}

/// A policy of which it cannot be told whether it applies refuses nothing.
#[test]
fn an_undecided_policy_denies_nothing_and_is_told() {
    let snapshot = policies::snapshot(&of_cluster(
        "p",
        "{onError: Deny, match: {namespaceSelector: {matchLabels: {team: hpc}}}}",
    ));
    for (values, warnings) in [(GOOD, 1), (BAD, 3)] {
        let body = review("CREATE", Some("ns"), &config_map(values)).to_string();
        let (answer, response, _) = asked(&snapshot, body.as_bytes());
        assert!(answer.decision.allowed);
        let told = response["warnings"].as_array().unwrap();
        assert_eq!(told.len(), warnings, "{told:?}");
        assert!(
            told.last()
                .unwrap()
                .as_str()
                .unwrap()
                .contains("policy-undecided"),
            "{told:?}"
        );
    }
}

/// What is said of a refused object is as long as its reader can take.
#[test]
fn a_refusal_is_bounded() {
    let snapshot = policies::snapshot(&of_cluster("p", "{onError: Deny}"));
    let keys: Vec<String> = (0..90)
        .map(|number| format!(r#""no\nsuch{number}{}": {{}}"#, "x".repeat(60)))
        .collect();
    let values = format!(
        r#"{{"agentVersion": "0.9.5", "plugins": {{{}}}}}"#,
        keys.join(",")
    );
    let body = review("CREATE", Some("ns"), &config_map(&values)).to_string();
    let (_, response, _) = asked(&snapshot, body.as_bytes());
    let message = response["status"]["message"].as_str().unwrap();
    assert_eq!(message.chars().count(), 1024);
    assert!(!message.contains(char::is_control) && message.ends_with('…'));
}
