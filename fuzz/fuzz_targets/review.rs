//! Any body: no panic, every answer repeats the uid and holds a patch that applies, and a second answer holds none.

#![no_main]

use alumet_injector::{
    admission::respond,
    engine::setup::{Fresh, Snapshot},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// The patch of the answer to a body, where there is an answer.
fn patch_for(body: &[u8]) -> Option<json_patch::Patch> {
    let answer = respond(&Snapshot::default(), &Fresh, body).ok()?;
    let sent: Value = serde_json::from_slice(&answer.body).expect("the answer is JSON");
    assert_eq!(sent["response"]["uid"].as_str(), Some(answer.decision.uid.as_str()));
    let patch = sent["response"].get("patch").and_then(Value::as_str).map(|patch| {
        let patch = STANDARD.decode(patch).expect("the patch is base64");
        serde_json::from_slice(&patch).expect("the patch is JSON")
    });
    Some(patch.unwrap_or_default())
}

fuzz_target!(|body: &[u8]| {
    let Some(patch) = patch_for(body) else { return };
    // What the door skips need not be what every reader takes.
    let Ok(mut review) = serde_json::from_slice::<Value>(body) else { return };
    if patch.0.is_empty() {
        return;
    }
    json_patch::patch(&mut review["request"]["object"], &patch).expect("every patch applies");
    let again = patch_for(review.to_string().as_bytes()).expect("it is still a review");
    assert!(again.0.is_empty(), "{again}");
});
