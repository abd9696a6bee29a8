//! What is no review that can be answered: one sentence for each, which says what came and what is taken.

use alumet_injector::{
    admission::respond,
    engine::setup::{Fresh, Snapshot},
};
use serde_json::{Value, json};

use crate::admission::{answered, review};

/// A review with other members at some places; `null` takes a member away.
fn with(changes: &Value) -> String {
    let mut review = review(
        "CREATE",
        Some("test"),
        &json!({"apiVersion": "v1", "kind": "Secret"}),
    );
    json_patch::merge(&mut review, changes);
    review.to_string()
}

fn deep(levels: usize) -> String {
    "[".repeat(levels) + &"]".repeat(levels)
}

/// A review whose object holds `text` at a place.
fn spliced(changes: &Value, text: &str) -> String {
    with(changes).replace("\"HERE\"", text)
}

fn env(value: &str) -> Value {
    json!({"request": {"object": {
        "kind": "Pod",
        "spec": {"containers": [{"name": "agent", "env": [{"name": "A", "value": value}]}]},
    }}})
}

/// Name, body, and what the sentence says.
fn bodies() -> Vec<(&'static str, String, &'static str)> {
    let request = |changes: Value| with(&json!({"request": changes}));
    let long = "x".repeat(10_000);
    vec![
        ("empty body", String::new(), "cannot be read as JSON: EOF"),
        (
            "no JSON",
            "apiVersion: v1".to_owned(),
            "cannot be read as JSON: expected value",
        ),
        (
            "cut off",
            with(&json!({}))[..100].to_owned(),
            "cannot be read as JSON: EOF",
        ),
        (
            "two reviews",
            with(&json!({})).repeat(2),
            "cannot be read as JSON: trailing characters",
        ),
        (
            "a member twice",
            with(&json!({})).replacen('{', r#"{"kind":"AdmissionReview","#, 1),
            "cannot be read as JSON: duplicate field `kind`",
        ),
        (
            "nested too deep where it is read",
            spliced(&env("HERE"), &deep(200)),
            "cannot be read as JSON: recursion limit exceeded",
        ),
        ("a list", "[]".to_owned(), "the body is no JSON object"),
        (
            "a list of what a review has",
            r#"["admission.k8s.io/v1","AdmissionReview",{}]"#.to_owned(),
            "the body is no JSON object",
        ),
        ("null", "null".to_owned(), "the body is no JSON object"),
        (
            "a text",
            "\"AdmissionReview\"".to_owned(),
            "the body is no JSON object",
        ),
        (
            "an empty object",
            "{}".to_owned(),
            "has apiVersion `` and kind ``; only an AdmissionReview",
        ),
        (
            "an older version",
            with(&json!({"apiVersion": "admission.k8s.io/v1beta1"})),
            "has apiVersion `admission.k8s.io/v1beta1` and kind `AdmissionReview`; only",
        ),
        (
            "a later version",
            with(&json!({"apiVersion": "admission.k8s.io/v2", "request": {"uid": 7}})),
            "has apiVersion `admission.k8s.io/v2` and kind `AdmissionReview`; only",
        ),
        (
            "another kind",
            with(&json!({"apiVersion": "v1", "kind": "Pod"})),
            "has apiVersion `v1` and kind `Pod`; only",
        ),
        (
            "a kind that would fill the log",
            with(&json!({"kind": format!("a\nb{long}")})),
            "kind `a bxxxxxxxx",
        ),
        (
            "a kind that is a number",
            with(&json!({"kind": 5})),
            "and kind ``; only",
        ),
        (
            "no request",
            with(&json!({"request": null})),
            "the review has no request;",
        ),
        (
            "a response",
            with(&json!({"request": null, "response": {"uid": "u"}})),
            "the review has no request;",
        ),
        (
            "a request that is a list",
            with(&json!({"request": []})),
            "request of the review is not an object",
        ),
        (
            "no uid",
            request(json!({"uid": null})),
            "the review has no request.uid",
        ),
        (
            "an empty uid",
            request(json!({"uid": ""})),
            "the review has no request.uid",
        ),
        (
            "a uid that is a number",
            request(json!({"uid": 7})),
            "request.uid of the review is not a text",
        ),
        (
            "a uid without end",
            request(json!({"uid": long})),
            "request.uid of the review has 10000 bytes; at most 128",
        ),
        (
            "no operation",
            request(json!({"operation": null})),
            "the review has no request.operation",
        ),
        (
            "an unknown operation",
            request(json!({"operation": "create"})),
            "request.operation of the review is `create`; it must be one of CREATE, UPDATE, DELETE and CONNECT",
        ),
        (
            "an operation that is a list",
            request(json!({"operation": ["CREATE"]})),
            "request.operation of the review is not a text",
        ),
        (
            "an object that is a text",
            request(json!({"object": "Pod"})),
            "request.object of the review is not an object",
        ),
        (
            "an object that is a list",
            request(json!({"object": []})),
            "request.object of the review is not an object",
        ),
        (
            "a namespace that is an object",
            request(json!({"namespace": {}})),
            "request.namespace of the review is not a text",
        ),
        (
            "a subresource that is true",
            request(json!({"subResource": true})),
            "request.subResource of the review is not a text",
        ),
        (
            "dryRun that is a text",
            request(json!({"dryRun": "true"})),
            "request.dryRun of the review is not a boolean",
        ),
        (
            "a kind of the object that is a text",
            request(json!({"kind": "Pod"})),
            "request.kind of the review is not an object",
        ),
        (
            "a kind in it that is a list",
            request(json!({"kind": {"kind": []}})),
            "request.kind.kind of the review is not a text",
        ),
        (
            "a name that is a number",
            request(json!({"name": 1})),
            "request.name of the review is not a text",
        ),
    ]
}

#[test]
fn each_bad_review_is_told_in_one_sentence() {
    let bodies = bodies();
    println!("{} bad reviews", bodies.len());
    assert_eq!(bodies.len(), 34);
    for (name, body, expected) in bodies {
        let error = respond(&Snapshot::default(), &Fresh, body.as_bytes())
            .expect_err(name)
            .to_string();
        assert!(error.contains(expected), "{name}: {error}");
        assert!(error.contains(';'), "{name}: no mend: {error}");
        assert!(
            error.len() <= 320 && !error.contains(char::is_control),
            "{name}: {error}"
        );
    }
}

#[test]
fn no_sentence_shows_what_the_object_holds() {
    let canary = "s3cret-canary";
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "data": {"token": canary}});
    let body = review("CREATE", Some("test"), &secret).to_string();
    let mut bodies: Vec<String> = (0..body.len()).map(|length| body[..length].to_owned()).collect();
    let members = ["dryRun", "object", "kind"];
    bodies.extend(members.map(|member| with(&json!({"request": {member: canary}}))));
    bodies.push(spliced(
        &env("HERE"),
        &format!("{{\"x\": \"{canary}\", \"x\": 1e999}}"),
    ));
    bodies.push(spliced(&env("HERE"), &format!("\"{canary}\u{1}\"")));
    assert!(bodies.len() > 300);
    for body in bodies {
        let error = respond(&Snapshot::default(), &Fresh, body.as_bytes()).expect_err(&body);
        let told = format!("{error} {error:?}");
        assert!(!told.contains(canary), "{told}");
    }
}

/// Bodies that look bad, and are none of our business.
#[test]
fn what_nobody_reads_may_be_anything() {
    let request = |changes: Value| json!({"request": changes});
    let bodies = [
        (
            "unknown members",
            with(&json!({"new": {"x": 1}, "request": {"newer": [null]}})),
        ),
        (
            "a member nested deep",
            spliced(&request(json!({"oldObject": "HERE"})), &deep(5_000)),
        ),
        (
            "a field of the object nested deep",
            spliced(&request(json!({"object": {"spec": {"x": "HERE"}}})), &deep(5_000)),
        ),
        (
            "a number too large",
            spliced(&request(json!({"options": "HERE"})), "1e999"),
        ),
        (
            "no dryRun, no kind, no namespace",
            with(&request(json!({"dryRun": null, "kind": null, "namespace": null}))),
        ),
        (
            "a namespace that is empty",
            with(&request(json!({"namespace": "", "subResource": ""}))),
        ),
    ];
    for (name, body) in bodies {
        let answer = respond(&Snapshot::default(), &Fresh, body.as_bytes());
        let outcome = answer
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .decision
            .outcome;
        assert_eq!(outcome.code(), "not-ours", "{name}");
    }
}

#[test]
fn a_name_without_end_does_not_reach_the_log() {
    let mut review = review(
        "CREATE",
        Some(&"n".repeat(5_000)),
        &json!({"kind": "K".repeat(5_000)}),
    );
    review["request"]["name"] = json!(format!("a\n{}", "ä".repeat(5_000)));
    let decision = answered(&review).0.decision;
    for text in [decision.kind, decision.namespace.unwrap(), decision.name] {
        assert!(text.chars().count() == 253 && !text.contains('\n'), "{text}");
    }
}
