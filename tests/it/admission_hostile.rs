//! Objects that were made to cost more than they should: each is answered, and is worked on no further than its limits.
//!
//! Each body has about the length that the server takes, and work that grew with its square would not end here.

use alumet_injector::{
    admission::Answer,
    engine::{field::MAX_ELEMENTS, setup::Snapshot},
};
use serde_json::{Value, json};

use crate::admission::{asked, review};

/// Bytes that a body may have.
const BODY: usize = 7 << 20;

/// A text many times over, with commas between, so long that `below` bytes hold it.
fn list(element: &str, below: usize) -> String {
    let count = below / (element.len() + 1);
    format!("[{}]", vec![element; count].join(","))
}

/// A marked pod with this status annotation and this `spec`, as text, for a `Value` would take longer than the answer.
fn pod(status: &str, spec: &str) -> String {
    let review = review(
        "CREATE",
        Some("n"),
        &json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "p", "labels": {"injector.alumet.dev/component": "agent"},
                "annotations": {
                    "injector.alumet.dev/values": r#"{"agentVersion":"0.9.5","plugins":{"csv":{"enable":true}}}"#,
                    "injector.alumet.dev/status": status,
                },
            },
            "spec": "the spec",
        }),
    );
    review.to_string().replace(r#""the spec""#, spec)
}

fn answer(body: &str) -> Answer {
    asked(&Snapshot::default(), body.as_bytes()).0
}

/// The codes of what is found, each once.
fn codes(body: &str) -> Vec<&'static str> {
    assert!(body.len() > BODY / 2, "{} bytes", body.len());
    let answer = answer(body);
    let mut codes: Vec<_> = answer
        .decision
        .findings()
        .iter()
        .map(|finding| finding.code)
        .collect();
    assert!(codes.len() <= 100, "{} findings", codes.len());
    codes.sort_unstable();
    codes.dedup();
    codes
}

#[test]
fn a_pod_with_more_mounts_and_volumes_than_can_be() {
    let mounts = list(r#"{"name":"a"}"#, BODY / 2);
    let volumes = list(r#"{"name":"b"}"#, BODY / 3);
    let spec = format!(r#"{{"containers":[{{"name":"c","volumeMounts":{mounts}}}],"volumes":{volumes}}}"#);
    codes(&pod(r#"{"v":1,"values":""}"#, &spec));
}

#[test]
fn many_containers_with_many_mounts_and_as_many_volumes_as_are_read() {
    let mounts = list(r#"{"name":"a"}"#, MAX_ELEMENTS * 10);
    let container = format!(r#"{{"name":"c","volumeMounts":{mounts}}}"#);
    let volumes = list(r#"{"name":"b"}"#, MAX_ELEMENTS * 12);
    let spec = format!(
        r#"{{"containers":{},"volumes":{volumes}}}"#,
        list(&container, BODY - (1 << 20))
    );
    codes(&pod("", &spec));
}

#[test]
fn a_variable_twice_as_often_as_there_is_room() {
    let twice: Vec<String> = (0..MAX_ELEMENTS / 2 - 1)
        .flat_map(|number| {
            [
                format!(r#"{{"name":"v{number}"}}"#),
                format!(r#"{{"name":"v{number}"}}"#),
            ]
        })
        .collect();
    let name = "n".repeat(BODY - (1 << 20));
    // A name that long is none, and the work on its variables is not done.
    let spec = format!(
        r#"{{"containers":[{{"name":"{name}","env":[{}]}}]}}"#,
        twice.join(",")
    );
    assert!(!codes(&pod("", &spec)).contains(&"duplicate-env"));
    let padding = "x".repeat(BODY - (1 << 20));
    let spec = format!(
        r#"{{"containers":[{{"name":"agent","image":"{padding}","env":[{}]}}]}}"#,
        twice.join(",")
    );
    assert!(codes(&pod("", &spec)).contains(&"duplicate-env"));
}

#[test]
fn lists_that_are_too_long_are_told_and_left() {
    for (field, element) in [("tolerations", "{}"), ("imagePullSecrets", r#"{"name":"b"}"#)] {
        let spec = format!(
            r#"{{"containers":[{{"name":"agent"}}],"{field}":{}}}"#,
            list(element, BODY - (1 << 20))
        );
        assert!(codes(&pod("", &spec)).contains(&"wrong-type"), "{field}");
    }
}

#[test]
fn a_record_that_is_too_long_is_none() {
    let hashes = list(r#""00000000""#, BODY - (1 << 20));
    let status = format!(r#"{{"v":1,"values":"","tol":{hashes}}}"#);
    let spec = format!(
        r#"{{"containers":[{{"name":"agent"}}],"tolerations":{}}}"#,
        list("{}", MAX_ELEMENTS)
    );
    assert!(codes(&pod(&status, &spec)).contains(&"record-malformed"));
}

#[test]
fn a_configuration_with_more_variables_than_a_config_map_may_hold() {
    let config: String = (0..600_000).map(|number| format!("${{v{number:x}}}")).collect();
    let object = |config: &str| -> Value {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "c", "labels": {"injector.alumet.dev/component": "agent"}},
            "data": {"config": config},
        })
    };
    codes(&review("CREATE", Some("n"), &object(&config)).to_string());
    // As long as one may be, it is looked at.
    let answer = answer(&review("CREATE", Some("n"), &object(&config[..1 << 20])).to_string());
    assert!(!answer.decision.findings().is_empty());
}
