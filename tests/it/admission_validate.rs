//! Each directory of `tests/validate` is one policy that somebody writes: `review.json` as the API server sends it, and
//! what is expected: `response.json` and `decision.txt`. `BLESS=1` rewrites what is expected.

use std::{collections::BTreeSet, fs};

use alumet_injector::admission::{Answer, Judged, Outcome, Skip, validate};
use serde_json::{Value, json};

use crate::{
    admission::{line, review},
    files::{golden, root},
};

/// The answer, and what it says to the API server.
fn asked(body: &[u8]) -> (Answer, Value) {
    let answer = validate(body).unwrap_or_else(|error| panic!("{error}"));
    let mut sent: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(sent["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(sent["kind"], "AdmissionReview");
    let response = sent["response"].take();
    assert_eq!(response["uid"], json!(answer.decision.uid));
    assert_eq!(response["allowed"], json!(answer.decision.allowed));
    assert_eq!(response.get("status").is_some(), !answer.decision.allowed);
    // A policy is taken as it is, or not at all.
    assert!(response.get("patch").is_none() && answer.decision.operations == 0);
    (answer, response)
}

#[test]
fn every_case_gives_the_expected_response() {
    let mut outcomes = BTreeSet::new();
    let mut cases = 0;
    for entry in fs::read_dir(root("tests/validate")).unwrap() {
        let case = entry.unwrap().path();
        let (answer, response) = asked(&fs::read(case.join("review.json")).unwrap());
        assert!(
            !answer.body.windows(7).any(|text| text == b"hunter2"),
            "{}",
            case.display()
        );
        golden(&case.join("response.json"), &format!("{response:#}\n"));
        golden(&case.join("decision.txt"), &line(&answer.decision));
        outcomes.insert(answer.decision.outcome.code());
        cases += 1;
    }
    assert!(cases >= 19, "{cases}");
    let expected = Skip::ALL.iter().map(|skip| skip.code());
    let expected = expected.chain(Judged::ALL.iter().map(|judged| judged.code()));
    for code in expected.chain(["not-ours", "being-deleted"]) {
        assert!(outcomes.contains(code), "no case shows {code}");
    }
}

/// The API server would show the rest to nobody, or cut it in the middle.
#[test]
fn a_refusal_is_bounded_and_has_one_line() {
    let plugins: Value = (0..2_000)
        .map(|number| (format!("{}\n{number}", "x".repeat(3_000)), json!({})))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let policy = json!({
        "apiVersion": "injector.alumet.dev/v1alpha1",
        "kind": "ClusterInjectionPolicy",
        "metadata": {"name": "p"},
        "spec": {"defaults": {"plugins": plugins}},
    });
    let (answer, response) = asked(review("CREATE", None, &policy).to_string().as_bytes());
    assert_eq!(answer.decision.outcome, Outcome::Judged(Judged::Refused));
    assert!(answer.body.len() < 32_768, "{}", answer.body.len());
    let message = response["status"]["message"].as_str().unwrap();
    assert!(
        message.chars().count() <= 4_096 && !message.contains('\n'),
        "{message}"
    );
    assert!(response["status"]["details"]["causes"].as_array().unwrap().len() <= 16);
}

/// What is no review gets no answer, as at the other path.
#[test]
fn what_is_no_review_is_told() {
    for (body, expected) in [
        (
            "",
            "the body cannot be read as JSON: EOF while parsing a value at line 1 column 0; send one AdmissionReview of admission.k8s.io/v1",
        ),
        (
            "[]",
            "the body is no JSON object; send one AdmissionReview of admission.k8s.io/v1",
        ),
        (
            r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE","object":5}}"#,
            "request.object of the review is not an object; send the review as the API server writes it",
        ),
    ] {
        assert_eq!(validate(body.as_bytes()).unwrap_err().to_string(), expected);
    }
}
