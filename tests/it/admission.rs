//! Each directory of `tests/admission` is one case: `review.json` as the API server sends it, and what is expected:
//! `response.json`, with the patch decoded for the reader, and `decision.txt`. `BLESS=1` rewrites what is expected.
//! Each patch is applied to the object, and the outcome asked again, which must find nothing to do.

use std::{collections::BTreeSet, fs, path::Path};

use alumet_injector::{
    admission::{Answer, Decision, Judged, Operation, Outcome, Skip, respond},
    engine::{
        report::{Outcome as EngineOutcome, Reason},
        setup::{Fresh, Snapshot},
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use json_patch::Patch;
use serde_json::{Value, json};

use crate::files::{golden, root};

/// The review of a request that does something with an object.
pub(crate) fn review(operation: &str, namespace: Option<&str>, object: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": object["kind"]},
            "namespace": namespace, "operation": operation, "object": object, "oldObject": null, "dryRun": false,
        },
    })
}

/// The answer, what it says to the API server, and its patch.
pub(crate) fn answered(review: &Value) -> (Answer, Value, Patch) {
    asked(&Snapshot::default(), review.to_string().as_bytes())
}

/// The answer to a body, what it says to the API server, and its patch.
pub(crate) fn asked(snapshot: &Snapshot, body: &[u8]) -> (Answer, Value, Patch) {
    let answer = respond(snapshot, &Fresh, body).unwrap_or_else(|error| panic!("{error}"));
    let mut sent: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(sent["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(sent["kind"], "AdmissionReview");
    let response = sent["response"].take();
    assert_eq!(response["uid"], json!(answer.decision.uid));
    assert_eq!(response["allowed"], json!(answer.decision.allowed));
    let patch = match response.get("patch") {
        None => {
            assert!(response.get("patchType").is_none());
            Patch::default()
        }
        Some(patch) => {
            assert_eq!(response["patchType"], "JSONPatch");
            let bytes = STANDARD.decode(patch.as_str().unwrap()).unwrap();
            serde_json::from_slice(&bytes).unwrap()
        }
    };
    assert_eq!(patch.0.len(), answer.decision.operations);
    assert_eq!(
        answer.decision.outcome == Outcome::Planned(EngineOutcome::Injected),
        !patch.0.is_empty()
    );
    (answer, response, patch)
}

/// What a log would say.
pub(crate) fn line(decision: &Decision) -> String {
    let Decision {
        uid,
        operation,
        dry_run,
        kind,
        namespace,
        name,
        outcome,
        allowed,
        operations,
        report: _,
        of_policy: _,
        about: _,
    } = decision;
    let namespace = namespace.as_deref().unwrap_or("none");
    let component = decision
        .component()
        .map_or("none", |component| component.as_str());
    format!(
        "uid: {uid}\noperation: {}\ndry run: {dry_run}\nkind: {kind}\nnamespace: {namespace}\nname: {name}\n\
         component: {component}\noutcome: {}\nallowed: {allowed}\noperations: {operations}\nfindings: {}\n",
        operation.as_str(),
        outcome.code(),
        decision.findings().len(),
    )
}

#[test]
fn every_case_gives_the_expected_response() {
    let mut cases: Vec<_> = fs::read_dir(root("tests/admission"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    let (mut patched, mut outcomes, mut operations) = (0, BTreeSet::new(), BTreeSet::new());
    for case in &cases {
        let (decision, was_patched) = run(case);
        patched += usize::from(was_patched);
        outcomes.insert(decision.outcome.code());
        operations.insert(decision.operation.as_str());
    }
    println!("{} cases, {patched} of them with a patch", cases.len());
    assert!(cases.len() >= 29, "the cases are there: {}", cases.len());
    assert!(patched >= 10, "{patched} cases have a patch");
    assert_eq!(operations.len(), Operation::ALL.len(), "{operations:?}");
    let reasons = [
        Reason::NotOurs,
        Reason::OptedOut,
        Reason::BeingDeleted,
        Reason::MirrorPod,
        Reason::Immutable,
        Reason::UsersConfig,
        Reason::UpToDate,
        Reason::RecordNewer,
        Reason::NotAtUpdate,
    ];
    let expected = Skip::ALL.iter().map(|skip| skip.code());
    let expected = expected.chain(reasons.map(Reason::code));
    for code in expected.chain(["injected", "failed"]) {
        assert!(outcomes.contains(code), "no case shows {code}");
    }
}

fn run(case: &Path) -> (Decision, bool) {
    let body = fs::read(case.join("review.json")).unwrap();
    let (answer, mut response, patch) = asked(&Snapshot::default(), &body);
    if !patch.0.is_empty() {
        response["patch"] = serde_json::to_value(&patch).unwrap();
    }
    golden(&case.join("response.json"), &format!("{response:#}\n"));
    golden(&case.join("decision.txt"), &line(&answer.decision));

    let mut review: Value = serde_json::from_slice(&body).unwrap();
    json_patch::patch(&mut review["request"]["object"], &patch)
        .unwrap_or_else(|error| panic!("{}: {error}", case.display()));
    let (_, _, again) = answered(&review);
    assert!(again.0.is_empty(), "{}: a second time: {again}", case.display());
    (answer.decision, !patch.0.is_empty())
}

#[test]
fn no_code_means_two_things() {
    let reasons = Reason::ALL.iter().map(|reason| reason.code());
    let mut all: Vec<&str> = reasons.chain(["injected", "unchanged", "failed"]).collect();
    all.extend(Skip::ALL.iter().map(|skip| skip.code()));
    all.extend(Judged::ALL.iter().map(|judged| judged.code()));
    let (total, distinct) = (all.len(), all.into_iter().collect::<BTreeSet<_>>().len());
    assert_eq!(total, distinct);
}
