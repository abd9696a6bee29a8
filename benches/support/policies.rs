//! Policies by the thousand, as benchmarks have them: a few of them apply.

use std::collections::BTreeMap;

use alumet_injector::{
    engine::setup::Snapshot,
    names::Component,
    policy::{
        index::PolicyIndex,
        model::{Defaults, Match, Policy, Scope},
        selector::{Operator, Requirement, Selector},
    },
};

use crate::support::held;

/// How many policies select an object of the relay clients, however many there are.
const MATCHING: usize = 5;

/// So many policies, told apart by component, by labels of the namespace and by labels of the pods.
pub(crate) fn policies(count: usize) -> Vec<Policy> {
    let selector = |key: &str, value: String| {
        let requirement = Requirement::new(key.to_owned(), Operator::In, vec![value]);
        Selector::new(vec![requirement.expect("it is a requirement")])
    };
    let everything = Match::default;
    let policy = |number: usize| {
        let selects = match number {
            0..MATCHING => Match {
                components: vec![Component::RelayClient],
                namespace_selector: selector("team", "mine".to_owned()),
                ..everything()
            },
            _ if number.is_multiple_of(3) => Match {
                components: vec![Component::RelayServer],
                ..everything()
            },
            _ if number % 3 == 1 => Match {
                namespace_selector: selector("team", format!("team-{number}")),
                ..everything()
            },
            _ => Match {
                object_selector: selector("app.kubernetes.io/instance", format!("release-{number}")),
                ..everything()
            },
        };
        Policy {
            scope: Scope::Cluster,
            name: format!("policy-{number}"),
            priority: 0,
            selects,
            defaults: Defaults {
                image_pull_secrets: vec![format!("secret-{number}")],
                ..Defaults::default()
            },
            on_error: None,
        }
    };
    (0..count).map(policy).collect()
}

/// What a server with so many policies decides by, of which [`MATCHING`] apply to relay clients of this namespace. Says
/// how much memory it takes.
pub(crate) fn among(count: usize, namespace: &str) -> Snapshot {
    let (snapshot, bytes) = held(|| {
        let mut policies = PolicyIndex::new(policies(count));
        policies.know_namespace(
            namespace,
            &BTreeMap::from([("team".to_owned(), "mine".to_owned())]),
        );
        Snapshot { policies }
    });
    println!("{count} policies hold {} KiB", bytes / 1024);
    snapshot
}
