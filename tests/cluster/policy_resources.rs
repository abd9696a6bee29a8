//! Policies as custom resources on the real API server: what it takes, what it shows, and what it refuses in which words.

use serde_json::{Value, json};

use crate::support::{
    Case, Cluster, cases,
    cluster::Ran,
    rest::{Stored, create},
    samples::policy,
};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        both_kinds_are_established,
        explain_prints_what_each_field_is,
        the_schema_refuses_in_these_words,
        the_injector_refuses_in_these_words,
        an_unknown_field_is_refused_however_it_is_sent,
        a_policy_lives,
        columns_show_what_matters,
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
    cluster.injector();
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
    cluster.injector();
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

pub(crate) fn apply(cluster: &Cluster, object: &Value) -> Ran {
    cluster.kubectl_with(&["apply", "-f", "-"], &object.to_string())
}

/// What no schema can say is refused at `kubectl apply`, in one line for each fault.
fn the_injector_refuses_in_these_words(cluster: &Cluster) {
    cluster.injector();
    let namespace = cluster.namespace("policies");
    for (namespaced, spec, expected) in [
        (
            false,
            json!({"defaults": {"plugins": {"rapll": {"enable": true}}}}),
            &[
                "spec.defaults.plugins.rapll: error[unknown-plugin]: unknown plugin `rapll`; did you mean `rapl`?",
            ][..],
        ),
        (
            false,
            json!({"match": {"namspaceSelector": {"matchLabels": {"team": "hpc"}}}}),
            &[
                "spec.match.namspaceSelector: error[policy-field]: a policy has no field `namspaceSelector` here; did you mean `namespaceSelector`?",
            ],
        ),
        (
            false,
            json!({"defaults": {"plugins": {"rapl": {"no_perf_events": [1]}}}}),
            &[
                "spec.defaults.plugins.rapl.no_perf_events: error[wrong-type]: expected true or false, found a list",
            ],
        ),
        (
            false,
            json!({"defaults": {"plugins": {"influxdb": {"host": "https://influx.example.org", "token": "hunter2"}}}}),
            &[
                "spec.defaults.plugins.influxdb.token: error[literal-secret]: a secret stands here as plain text (not shown); write {fromSecret: {name: <Secret>, key: <key>}}",
            ],
        ),
        (
            false,
            json!({"defaults": {"env": {"INFLUX_TOKEN": "hunter2"}}}),
            &[
                "spec.defaults.env.INFLUX_TOKEN: error[literal-secret]: a secret stands here as plain text (not shown); write `secretEnv: {INFLUX_TOKEN: {name: <Secret>, key: <key>}}`",
            ],
        ),
        (
            false,
            json!({"match": {"objectSelector": {"matchLabels": {"team": "h p c"}}}}),
            &[
                "spec.match.objectSelector.matchLabels.team: error[policy-value]: no label has such a value; use at most 63 letters, digits, `-`, `_` and `.`, a letter or digit at either end",
            ],
        ),
        (
            true,
            json!({"defaults": {"hostPID": true, "securityContext": {"privileged": true}}}),
            &[
                "spec.defaults.hostPID: error[policy-privilege]: `hostPID` is a privilege, and a policy can give none; take it out: the chart gives the pods what their plugins need",
                "spec.defaults.securityContext: error[policy-privilege]: `securityContext` is a privilege, and a policy can give none; take it out: the chart gives the pods what their plugins need",
            ],
        ),
        (
            true,
            json!({"match": {"namespaces": ["kube-system"]}}),
            &[
                "spec.match.namespaces: error[policy-reach]: an InjectionPolicy reaches the namespace that it stands in, and no other; take it out, or write a ClusterInjectionPolicy",
            ],
        ),
    ] {
        let policy = policy("refused", namespaced.then_some(namespace.as_str()), &spec);
        let kind = policy["kind"].as_str().unwrap();
        let ran = apply(cluster, &policy);
        let head = format!("The {kind} \"refused\" is invalid: ");
        let told = match expected {
            [one] => format!("{head}{one}\n"),
            all => format!(
                "{head}\n{}",
                all.iter().map(|line| format!("* {line}\n")).collect::<String>()
            ),
        };
        assert_eq!(ran.stderr, told, "{spec}");
        assert_eq!(ran.code, Some(1));
        // A client that knows nothing of causes has the same in one line.
        assert_eq!(
            create(cluster, &policy, Stored::No).unwrap_err(),
            format!(
                "422 Invalid: admission webhook \"validate.injector.alumet.dev\" denied the request: {}",
                expected.join("; ")
            )
        );
        assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    }
}

/// Whatever asks for it: kubectl asks the API server to be strict about fields, and most controllers do not.
fn an_unknown_field_is_refused_however_it_is_sent(cluster: &Cluster) {
    cluster.injector();
    let misspelt = policy("misspelt", None, &json!({"match": {"namspaceSelector": {}}}));
    let beside = {
        let mut policy = policy("misspelt", None, &json!({}));
        policy["priority"] = json!(10);
        policy
    };
    for validate in ["strict", "warn", "ignore"] {
        for (object, expected) in [
            (&misspelt, "spec.match.namspaceSelector: error[policy-field]"),
            (&beside, "priority: error[policy-field]"),
        ] {
            for how in ["apply", "create"] {
                let arguments = [how, &format!("--validate={validate}"), "-f", "-"];
                let told = cluster.kubectl_with(&arguments, &object.to_string()).refused();
                assert!(told.contains(expected), "{how} {validate}: {told}");
            }
            let arguments = [
                "apply",
                "--server-side",
                &format!("--validate={validate}"),
                "-f",
                "-",
            ];
            let told = cluster.kubectl_with(&arguments, &object.to_string()).refused();
            assert!(told.contains(expected), "server-side {validate}: {told}");
        }
    }
}

/// What is right goes in, changes and goes; and a warning is shown.
fn a_policy_lives(cluster: &Cluster) {
    cluster.injector();
    let namespace = cluster.namespace("life");
    let written = |spec: Value| apply(cluster, &policy("life", Some(&namespace), &spec));
    assert_eq!(written(json!({"defaults": {"env": {"A": "x"}}})).stderr, "");
    let warned = written(json!({"defaults": {"plugins": {"csv": {"output_path": "${A}"}}}}));
    assert_eq!(
        warned.stderr,
        "Warning: alumet-injector: warning[text-variable]: spec.defaults.plugins.csv.output_path: `${` is taken as text, not \
         as a variable; write {fromEnv: <NAME>} for a variable\n"
    );
    warned.ok();
    let told = written(json!({"onError": "Deny", "defaults": {"plugins": {"csvv": {}}}})).refused();
    assert!(told.contains("spec.defaults.plugins.csvv"), "{told}");
    let kept = cluster.get(&["injpol", "life", "-n", &namespace]);
    assert_eq!(
        kept["spec"],
        json!({"defaults": {"plugins": {"csv": {"output_path": "${A}"}}}})
    );
    cluster
        .kubectl(&["delete", "injpol", "life", "-n", &namespace])
        .ok();
}

/// As it looks to a person. The condition is the injector's to write.
fn columns_show_what_matters(cluster: &Cluster) {
    cluster.injector();
    let namespace = cluster.namespace("columns");
    let spec = json!({"priority": 7, "defaults": {"env": {"A": "x"}}});
    apply(cluster, &policy("shown", Some(&namespace), &spec)).ok();
    cluster
        .kubectl(&[
            "wait",
            "--for=condition=Accepted",
            "injpol/shown",
            "-n",
            &namespace,
            "--timeout=60s",
        ])
        .ok();
    let words = |arguments: &[&str]| -> Vec<Vec<String>> {
        let told = cluster.kubectl(&[arguments, &["-n", &namespace]].concat()).ok();
        told.lines()
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .collect()
    };
    let lines = words(&["get", "injpol"]);
    assert_eq!(lines[0], ["NAME", "PRIORITY", "ACCEPTED", "REASON", "AGE"]);
    assert_eq!(lines[1][..4], ["shown", "7", "True", "Accepted"]);
    let lines = words(&["get", "injectionpolicies", "-o", "wide"]);
    assert_eq!(
        lines[0],
        ["NAME", "PRIORITY", "ACCEPTED", "REASON", "MESSAGE", "AGE"]
    );
    assert_eq!(lines[1][4..6], ["in", "force"]);
    assert!(
        words(&["get", "alumet", "-o", "name"])
            .concat()
            .contains(&"injectionpolicy.injector.alumet.dev/shown".to_owned())
    );
    // The status is a part of its own: who writes the policy does not write it.
    let kept = cluster.get(&["injpol", "shown", "-n", &namespace]);
    assert_eq!(kept["metadata"]["generation"], 1);
    let mut without = kept.clone();
    without["status"] = json!({});
    cluster
        .kubectl_with(&["replace", "-f", "-"], &without.to_string())
        .ok();
    assert_eq!(
        cluster.get(&["injpol", "shown", "-n", &namespace])["status"],
        kept["status"]
    );
}
