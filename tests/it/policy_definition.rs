//! The definitions of the custom resources, against what else the sources say of policies.

use alumet_injector::{
    names::Component,
    policy::selector::Operator,
    policy_document::{
        GROUP, KINDS, VERSION,
        definition::definitions,
        fields::{DOCUMENT, Field, Kinds, LONGEST_TEXT, MOST_ENTRIES, Shape},
        policy,
    },
};
use serde_json::{Value, json};

/// The schema of a field of `spec`, by its path.
fn schema(definition: &Value, path: &str) -> Value {
    let mut at = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    for name in path.split('.') {
        at = match name {
            "[]" => at["items"].clone(),
            "*" => at["additionalProperties"].clone(),
            name => at["properties"][name].clone(),
        };
    }
    at
}

#[test]
fn both_kinds_have_a_definition() {
    let [cluster, namespaced] = definitions();
    for (definition, kind, scope) in [
        (&cluster, KINDS[0], "Cluster"),
        (&namespaced, KINDS[1], "Namespaced"),
    ] {
        let spec = &definition["spec"];
        assert_eq!(spec["names"]["kind"], kind);
        assert_eq!(spec["scope"], scope);
        assert_eq!(spec["versions"][0]["name"], VERSION);
        let plural = spec["names"]["plural"].as_str().unwrap();
        assert_eq!(definition["metadata"]["name"], format!("{plural}.{GROUP}"));
    }
}

#[test]
fn what_reaches_beyond_a_namespace_is_of_the_cluster_alone() {
    let [cluster, namespaced] = definitions();
    for field in ["namespaces", "namespaceSelector"] {
        let path = format!("spec.match.{field}");
        assert!(schema(&cluster, &path).is_object(), "{field}");
        assert!(schema(&namespaced, &path).is_null(), "{field}");
    }
    assert!(schema(&namespaced, "spec.match.objectSelector").is_object());
}

#[test]
fn the_words_of_the_schema_are_those_of_the_model() {
    for definition in definitions() {
        let words = |path: &str| schema(&definition, path)["enum"].clone();
        assert_eq!(
            words("spec.match.components.[]"),
            json!(Component::ALL.map(Component::as_str))
        );
        assert_eq!(
            words("spec.match.objectSelector.matchExpressions.[].operator"),
            json!(Operator::ALL.map(Operator::as_str))
        );
        assert_eq!(words("spec.onError"), json!(["Allow", "Deny"]));
    }
}

/// What a person reads in `kubectl explain`.
#[test]
fn each_field_of_the_table_has_its_sentence() {
    fn check(definition: &Value, fields: &[Field], path: &str, has: fn(&Field) -> bool, count: &mut usize) {
        for field in fields.iter().filter(|field| has(field)) {
            let path = format!("{path}{}", field.name);
            let text = schema(definition, &path)["description"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            assert!(
                text.ends_with('.') && !text.starts_with(char::is_lowercase),
                "{path}: {text}"
            );
            *count += 1;
            let (below, joint) = match field.shape {
                Shape::Table(below) => (below, "."),
                Shape::Tables(below) => (below, ".[]."),
                Shape::TableMap(below) => (below, ".*."),
                _ => continue,
            };
            check(definition, below, &format!("{path}{joint}"), has, count);
        }
    }
    let [cluster, namespaced] = definitions();
    let spec: fn(&Field) -> bool = |field| field.name != "metadata";
    let mut count = 0;
    check(&cluster, DOCUMENT, "", spec, &mut count);
    check(
        &namespaced,
        DOCUMENT,
        "",
        |field| field.name != "metadata" && field.kinds == Kinds::Both,
        &mut count,
    );
    assert!(count >= 80, "{count}");
}

/// A bound of the schema is a bound of files, too.
#[test]
fn what_is_too_long_for_the_schema_is_refused_in_a_file() {
    let document = |spec: Value| json!({"apiVersion": format!("{GROUP}/{VERSION}"), "kind": KINDS[0], "metadata": {"name": "p"}, "spec": spec});
    let names = |count: usize| -> Vec<String> { (0..count).map(|number| format!("n{number}")).collect() };
    let labels = |count: usize| -> Value {
        names(count)
            .into_iter()
            .map(|name| (name, json!("x")))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let namespaces = |count| json!({"match": {"namespaces": names(count)}});
    let selector = |count| json!({"match": {"objectSelector": {"matchLabels": labels(count)}}});
    let value = |count| json!({"defaults": {"env": {"A": "x".repeat(count)}}});
    let said = |spec| {
        let (policy, findings) = policy(&document(spec));
        assert_eq!(policy.is_some(), findings.is_empty());
        findings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for (fits, too_long, expected) in [
        (
            namespaces(MOST_ENTRIES),
            namespaces(MOST_ENTRIES + 1),
            "error[policy-value]: spec.match.namespaces: it has 1001 entries, and a policy can have 1000 there; make it shorter, or write several policies",
        ),
        (
            selector(MOST_ENTRIES),
            selector(MOST_ENTRIES + 1),
            "error[policy-value]: spec.match.objectSelector.matchLabels: it has 1001 entries, and a policy can have 1000 there; make it shorter, or write several policies",
        ),
        (
            value(LONGEST_TEXT),
            value(LONGEST_TEXT + 1),
            "error[policy-value]: spec.defaults.env.A: it has 4097 characters, and a policy can have 4096 there; make it shorter, or write several policies",
        ),
    ] {
        assert_eq!(said(fits), Vec::<String>::new());
        assert_eq!(said(too_long), [expected]);
    }
}

/// The API server takes whole numbers and texts for quantities, and so do we.
#[test]
fn a_quantity_is_a_text_or_a_whole_number() {
    let document = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"), "kind": KINDS[0], "metadata": {"name": "p"},
        "spec": {"defaults": {"resources": {"limits": {"cpu": 0.5, "memory": 1024}}}},
    });
    let findings = policy(&document).1;
    assert_eq!(
        findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "error[policy-type]: spec.defaults.resources.limits.cpu: expected a text, found a number; put quotes around it"
        ]
    );
}
