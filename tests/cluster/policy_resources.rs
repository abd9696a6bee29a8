//! Policies as custom resources on the real API server: what it takes, what it shows, and what it refuses in which words.

use serde_json::json;

use crate::support::{Case, Cluster, cases};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        both_kinds_are_established,
        explain_prints_what_each_field_is,
        the_schema_refuses_in_these_words,
    ]
}

/// The two kinds, as kubectl calls them.
const KINDS: [&str; 2] = ["clusterinjectionpolicies", "injectionpolicies"];

fn both_kinds_are_established(cluster: &Cluster) {
    cluster.policy_resources();
    for kind in KINDS {
        let definition = cluster.get(&["crd", &format!("{kind}.injector.alumet.dev")]);
        let conditions = definition["status"]["conditions"].as_array().unwrap();
        for wanted in ["Established", "NamesAccepted"] {
            let condition = conditions.iter().find(|condition| condition["type"] == wanted);
            assert_eq!(
                condition.map(|it| &it["status"]),
                Some(&json!("True")),
                "{kind}: {conditions:?}"
            );
        }
        // What is not structural, and CEL that is too costly, shows there.
        assert!(
            conditions
                .iter()
                .all(|condition| condition["type"] != "NonStructuralSchema"),
            "{kind}: {conditions:?}"
        );
    }
}

fn explain_prints_what_each_field_is(cluster: &Cluster) {
    cluster.policy_resources();
    let told = cluster.kubectl(&["explain", "cinjpol.spec.match"]).ok();
    for text in [
        "KIND:       ClusterInjectionPolicy",
        "What the policy selects; what it does not mention it does not limit.",
        "components\t<[]string>",
        "`relay-client`, `relay-server`, `agent`; all of them where it is left out.",
        "namespaceSelector\t<Object>",
        "Selects by the labels of the pods, as the pod template has them.",
    ] {
        assert!(told.contains(text), "{text}: {told}");
    }
    let told = cluster.kubectl(&["explain", "injpol.spec.match"]).ok();
    assert!(!told.contains("namespaceSelector"), "{told}");
    let told = cluster.kubectl(&["explain", "injpol.spec.defaults.plugins"]).ok();
    assert!(told.contains("plugins <map[string]Object>"), "{told}");
}

/// What the API server says without asking anybody.
fn the_schema_refuses_in_these_words(cluster: &Cluster) {
    cluster.policy_resources();
    for (spec, expected) in [
        (
            json!({"priority": "high"}),
            "spec.priority: Invalid value: \"string\": spec.priority in body must be of type integer: \"string\"",
        ),
        (
            json!({"defaults": {"plugins": {"rapl": true}}}),
            "spec.defaults.plugins.rapl: Invalid value: \"boolean\": spec.defaults.plugins.rapl in body must be of type object: \"boolean\"",
        ),
        (
            json!({"match": {"components": ["relay-cleint"]}}),
            "spec.match.components[0]: Unsupported value: \"relay-cleint\": supported values: \"relay-client\", \"relay-server\", \"agent\"",
        ),
        (
            json!({"onError": "Ignore"}),
            "spec.onError: Unsupported value: \"Ignore\": supported values: \"Allow\", \"Deny\"",
        ),
        (
            json!({"defaults": {"influxdb": {"host": "https://influx.example.org"}}}),
            "spec.defaults.influxdb.secretName: Required value",
        ),
        (
            json!({"defaults": {"secretEnv": {"PROXY": {"name": "proxy"}}}}),
            "spec.defaults.secretEnv.PROXY.key: Required value",
        ),
        (
            json!({"match": {"objectSelector": {"matchExpressions": [{"key": "a", "operator": "in", "values": ["b"]}]}}}),
            "spec.match.objectSelector.matchExpressions[0].operator: Unsupported value: \"in\": supported values: \"In\", \"NotIn\", \"Exists\", \"DoesNotExist\"",
        ),
        (
            json!({"match": {"objectSelector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}}}),
            "spec.match.objectSelector.matchExpressions[0].values: Invalid value: `Exists` and `DoesNotExist` take no values; take them out, or use `In` or `NotIn`",
        ),
        (
            json!({"match": {"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}}),
            "spec.match.namespaceSelector.matchExpressions[0].values: Invalid value: `In` and `NotIn` need at least one value; add one, or use `Exists` or `DoesNotExist`",
        ),
        (
            json!({"match": {"objectSelector": {"matchLabels": {"a": "b"}}}, "defaults": {"plugins": {"rapl": {"enable": true}}}}),
            "spec.match.objectSelector: Invalid value: plugins and influxdb are for all pods of a component, which share one configuration, and cannot be given to some of them; leave objectSelector out, or give plugins and influxdb by a policy of their own",
        ),
        (
            json!({"defaults": {"env": {"A": "hunter2"}, "secretEnv": {"A": {"name": "s", "key": "k"}}}}),
            "spec.defaults.secretEnv: Invalid value: `env` and `secretEnv` have a variable in common; keep one of the two",
        ),
        (
            json!({"defaults": {"resources": {"limits": {"cpu": 0.5}}}}),
            "spec.defaults.resources.limits.cpu: Invalid value: \"number\": spec.defaults.resources.limits.cpu in body must be of type integer,string: \"number\"",
        ),
    ] {
        let policy = json!({
            "apiVersion": "injector.alumet.dev/v1alpha1",
            "kind": "ClusterInjectionPolicy",
            "metadata": {"name": "refused-by-the-schema"},
            "spec": spec,
        });
        let told = cluster
            .kubectl_with(&["apply", "-f", "-"], &policy.to_string())
            .refused();
        let lines: Vec<&str> = told.lines().map(|line| line.trim_start_matches("* ")).collect();
        let head = "The ClusterInjectionPolicy \"refused-by-the-schema\" is invalid: ";
        assert!(
            lines.contains(&expected) || lines.contains(&format!("{head}{expected}").as_str()),
            "{spec}:\n{told}"
        );
        assert!(!told.contains("hunter2"), "{told}");
    }
}
