//! No body makes the door panic, and every answer can be read, repeats the uid and holds a patch that applies.

use alumet_injector::{
    admission::respond,
    engine::setup::{Fresh, Snapshot},
};
use proptest::{prelude::*, strategy::ValueTree as _};
use serde_json::{Value, json};

use crate::{
    admission::{answered, review},
    engine_properties::{object, odd_object},
};

fn operation() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["CREATE", "UPDATE", "DELETE", "CONNECT"])
}

/// The answer to a review can be read, repeats the uid, and its patch applies; asked again, there is nothing to do.
/// Gives whether there was a patch.
fn holds(uid: &str, mut review: Value) -> bool {
    review["request"]["uid"] = json!(uid);
    let (answer, response, patch) = answered(&review);
    assert_eq!(response["uid"], json!(uid));
    assert!(answer.decision.allowed);
    json_patch::patch(&mut review["request"]["object"], &patch)
        .unwrap_or_else(|error| panic!("{error}: {review}"));
    let (_, _, again) = answered(&review);
    assert!(again.0.is_empty(), "{review}: {again}");
    !patch.0.is_empty()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn every_object_gets_an_answer(
        uid in "[ -~\u{80}-\u{ff}\n]{1,30}",
        operation in operation(),
        namespace in prop::option::of("[a-z]{1,5}"),
        object in object(),
    ) {
        holds(&uid, review(operation, namespace.as_deref(), &object));
    }

    #[test]
    fn any_bytes_are_refused_or_answered(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let answer = respond(&Snapshot::default(), &Fresh, &bytes);
        prop_assert!(answer.is_err());
    }

    #[test]
    fn a_review_with_broken_bytes_is_refused_or_answered(
        object in object(),
        length in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut body = review("CREATE", Some("n"), &object).to_string().into_bytes();
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        for body in [&body[..], &body[..length.index(body.len())]] {
            if let Ok(answer) = respond(&Snapshot::default(), &Fresh, body) {
                let sent: Value = serde_json::from_slice(&answer.body).unwrap();
                prop_assert_eq!(&sent["response"]["uid"], &json!(answer.decision.uid));
            }
        }
    }
}

#[test]
fn no_object_is_too_odd_for_an_answer() {
    const ALL: usize = 500;
    let mut patched = 0;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..ALL {
        let object = odd_object().new_tree(&mut runner).unwrap().current();
        for operation in ["CREATE", "UPDATE"] {
            patched += usize::from(holds("u", review(operation, None, &object)));
        }
    }
    println!("{patched} of {} odd objects got a patch", 2 * ALL);
    assert!(
        patched * 4 > ALL,
        "only {patched} of {ALL} odd objects got a patch"
    );
}
