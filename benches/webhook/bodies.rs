//! The reviews that are sent, and whether they are answered as they should be.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::body::Bytes;
use serde_json::Value;

use crate::load::Failure;

/// One review.
pub(crate) struct Body {
    /// What the table calls it.
    pub(crate) name: &'static str,
    /// The `AdmissionReview`, as the API server sent it.
    pub(crate) review: Bytes,
    /// Whether there is something to inject.
    pub(crate) incomplete: bool,
}

/// All reviews. The first one is the one that every program gets.
pub(crate) fn all() -> [Body; 4] {
    let body = |name, review: &'static [u8], incomplete| Body {
        name,
        review: Bytes::from_static(review),
        incomplete,
    };
    [
        body("pod", include_bytes!("pod.json"), true),
        body("complete pod", include_bytes!("pod-complete.json"), false),
        body("`DaemonSet`", include_bytes!("daemonset.json"), true),
        body("`ConfigMap`", include_bytes!("configmap.json"), true),
    ]
}

/// How many operations the answer has, and the object after them. Fails on an answer that the API server would not take.
pub(crate) fn patched(body: &Body, answer: &[u8]) -> Result<(usize, Value), Failure> {
    let mut review: Value = serde_json::from_slice(&body.review)?;
    let answer: Value = serde_json::from_slice(answer)?;
    let response = &answer["response"];
    if response["uid"] != review["request"]["uid"] || response["allowed"] != true {
        return Err(format!("the answer to the {} is not a yes: {answer}", body.name).into());
    }
    let mut object = review["request"]["object"].take();
    let Some(patch) = response["patch"].as_str() else {
        return Ok((0, object));
    };
    let patch: json_patch::Patch = serde_json::from_slice(&STANDARD.decode(patch)?)?;
    json_patch::patch(&mut object, &patch)?;
    Ok((patch.0.len(), object))
}

/// The object without what two injectors may do differently: the text of the record, the order of tolerations.
pub(crate) fn comparable(mut object: Value) -> Value {
    if let Some(record) = object.pointer_mut("/metadata/annotations/injector.alumet.dev~1status") {
        record.take();
    }
    if let Some(Value::Array(tolerations)) = object.pointer_mut("/spec/tolerations") {
        tolerations.sort_by_key(Value::to_string);
    }
    object
}
