//! What both Helms hand over for each values file comes back: once completed nothing more is done, and taken out again
//! the objects are those of the chart.

use alumet_injector::manifest::{load, stream};
use serde_json::Value;

use crate::{
    release::{ci_streams, injector},
    stored::stored,
};

/// All objects in their order, as the API server stores them.
fn values(text: &str) -> Vec<Value> {
    stream::documents(text.as_bytes())
        .filter(|document| !document.body().trim_ascii().is_empty())
        .map(|document| stored(&load::read(&document).unwrap().value))
        .collect()
}

#[test]
fn completing_twice_is_completing_once() {
    for one in ci_streams() {
        let once = injector(&["post-render"], &one.stream).stdout;
        assert_ne!(once, one.stream, "{:?} {}", one.major, one.case);
        let twice = injector(&["post-render"], &once).stdout;
        assert!(once == twice, "{:?} {}", one.major, one.case);
    }
}

#[test]
fn what_was_put_in_comes_out_again() {
    for one in ci_streams() {
        let completed = injector(&["post-render"], &one.stream).stdout;
        let back = injector(&["uninject"], &completed).stdout;
        assert_eq!(values(&back), values(&one.stream), "{:?} {}", one.major, one.case);
        let again = injector(&["post-render"], &back).stdout;
        assert_eq!(values(&again), values(&completed), "{:?} {}", one.major, one.case);
    }
}

/// The documents of other charts are neither shortened nor moved, and each keeps what tells where it came from.
#[test]
fn foreign_documents_and_the_names_of_the_templates_stay() {
    for one in ci_streams() {
        let completed = injector(&["post-render"], &one.stream).stdout;
        let before: Vec<_> = stream::documents(one.stream.as_bytes()).collect();
        let after: Vec<_> = stream::documents(completed.as_bytes()).collect();
        assert_eq!(before.len(), after.len(), "{:?} {}", one.major, one.case);
        let mut foreign = 0;
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before.source(), after.source(), "{:?} {}", one.major, one.case);
            assert!(before.source().is_some(), "Helm says where each comes from");
            if !before.is_marked() {
                assert_eq!(before.bytes(), after.bytes());
                foreign += 1;
            }
        }
        assert!(foreign > 0, "{:?} {}: nothing foreign", one.major, one.case);
    }
}
