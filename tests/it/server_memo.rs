//! The memo is a shortcut: with it, without it, and with one that is too small for anything, the answers are equal.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use alumet_injector::{
    admission::respond,
    engine::setup::{Fresh, Setup, SetupKey, Setups, Snapshot},
    names::Component,
    policy::index::{Asked, Rank},
    server::{
        memo::{Memo, Tally},
        world::{Admit, Worlds},
    },
};
use proptest::prelude::*;
use serde_json::json;

use crate::{
    policies::{self, of_cluster},
    server_support::review,
};

/// Few of each, so that keys come again, and differ from one another in one place only.
const VALUES: [Option<&str>; 6] = [
    None,
    Some("{}"),
    Some("not JSON"),
    Some(r#"{"agentVersion": "0.9.5", "plugins": {"rapl": {"enable": true}}}"#),
    Some(r#"{"agentVersion": "0.9.5", "plugins": {"rapl": {"enable": true, "poll_interval": "2s"}}}"#),
    Some(r#"{"imagePullSecrets": [{"name": "a"}], "tolerations": [{"operator": "Exists"}], "unknown": 1}"#),
];
const NAMES: [Option<&str>; 3] = [None, Some("a"), Some("b")];

/// Policies that each give something else.
const POLICIES: [&str; 3] = [
    "{priority: 1, defaults: {plugins: {rapl: {poll_interval: 7s}}}}",
    "{defaults: {plugins: {rapl: {poll_interval: 9s}}, env: {A: x}}}",
    "{defaults: {tolerations: [{operator: Exists}], nodeSelector: {a: b}}}",
];

/// Those policies, every one of which applies to everything.
static SNAPSHOT: LazyLock<Arc<Snapshot>> = LazyLock::new(|| {
    let documents = POLICIES.iter().zip(["a", "b", "c"]);
    let stream: String = documents.map(|(spec, name)| of_cluster(name, spec)).collect();
    Arc::new(policies::snapshot(&stream))
});

/// Every choice of them.
static CHOICES: LazyLock<Vec<Vec<Rank>>> = LazyLock::new(|| {
    let all = SNAPSHOT.policies.select(Asked {
        component: Component::Agent,
        namespace: None,
        pods: None,
    });
    assert_eq!(all.matching.len(), POLICIES.len());
    let chosen = |bits: usize| (0..POLICIES.len()).filter(move |bit| bits & (1 << bit) != 0);
    (0..1 << POLICIES.len())
        .map(|bits| chosen(bits).map(|bit| all.matching[bit]).collect())
        .collect()
});

fn key() -> impl Strategy<Value = SetupKey<'static>> {
    let name = || prop::sample::select(&NAMES[..]);
    (
        prop::sample::select(&Component::ALL[..]),
        prop::sample::select(&VALUES[..]),
        name(),
        name(),
        name(),
        prop::sample::select(&CHOICES[..]),
    )
        .prop_map(
            |(component, values, release, namespace, agent_version, policies)| SetupKey {
                component,
                values,
                release,
                namespace,
                agent_version,
                policies: policies.leak(),
            },
        )
}

fn snapshot(poll_interval: Option<&str>) -> Snapshot {
    let spec = |interval| format!("{{defaults: {{plugins: {{rapl: {{poll_interval: {interval}}}}}}}}}");
    poll_interval.map_or_else(Snapshot::default, |interval| {
        policies::snapshot(&of_cluster("fast", &spec(interval)))
    })
}

fn memo(snapshot: &Arc<Snapshot>, bytes: u64) -> (Memo, Arc<Tally>) {
    let tally = Arc::new(Tally::default());
    (Memo::new(snapshot, bytes, Arc::clone(&tally)), tally)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn the_memo_changes_no_setup(keys in prop::collection::vec(key(), 1..40), bytes in prop::sample::select(vec![1_u64, 20_000, 16 << 20])) {
        let snapshot = Arc::clone(&*SNAPSHOT);
        let (memo, tally) = memo(&snapshot, bytes);
        for key in &keys {
            let (known, fresh) = (memo.setup(&snapshot, *key), Fresh.setup(&snapshot, *key));
            prop_assert!(*known == *fresh, "{key:?}");
        }
        let numbers = tally.numbers(memo.weight());
        prop_assert_eq!(numbers.hits + numbers.misses, keys.len() as u64);
        prop_assert!(numbers.bytes <= bytes);
    }
}

/// A key that is known is not worked out again, and each part of a key counts.
#[test]
fn each_part_of_a_key_tells_setups_apart() {
    let snapshot = Arc::clone(&*SNAPSHOT);
    let (memo, tally) = memo(&snapshot, 16 << 20);
    let first = SetupKey {
        component: Component::RelayClient,
        values: Some("{}"),
        release: Some("a"),
        namespace: None,
        agent_version: None,
        policies: &CHOICES[3],
    };
    let keys = [
        first,
        SetupKey {
            component: Component::Agent,
            ..first
        },
        SetupKey {
            values: None,
            ..first
        },
        SetupKey {
            release: None,
            namespace: Some("a"),
            ..first
        },
        SetupKey {
            release: None,
            agent_version: Some("a"),
            ..first
        },
        SetupKey {
            release: Some(""),
            ..first
        },
        SetupKey {
            policies: &CHOICES[1],
            ..first
        },
    ];
    for round in 1..=2 {
        for key in keys {
            memo.setup(&snapshot, key);
        }
        let numbers = tally.numbers(memo.weight());
        assert_eq!((numbers.misses, numbers.hits), (7, 7 * (round - 1)));
    }
}

#[test]
fn what_is_asked_for_by_many_at_once_is_worked_out_once() {
    let snapshot = Arc::new(Snapshot::default());
    let (memo, tally) = memo(&snapshot, 16 << 20);
    let key = SetupKey {
        component: Component::RelayServer,
        values: VALUES[3],
        release: Some("a"),
        namespace: Some("b"),
        agent_version: None,
        policies: &[],
    };
    let setups: Vec<Arc<Setup>> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| memo.setup(&snapshot, key)))
            .collect();
        asking.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(setups.iter().all(|setup| Arc::ptr_eq(setup, &setups[0])));
    let numbers = tally.numbers(memo.weight());
    assert_eq!((numbers.misses, numbers.hits), (1, 7));
}

#[test]
fn its_weight_has_a_bound() {
    let snapshot = Arc::new(Snapshot::default());
    let bound = 1 << 20;
    let (memo, _tally) = memo(&snapshot, bound);
    for number in 0..500 {
        let values =
            json!({"imagePullSecrets": [{"name": "x".repeat(2000) + &number.to_string()}]}).to_string();
        let key = SetupKey {
            component: Component::RelayClient,
            values: Some(&values),
            release: None,
            namespace: None,
            agent_version: None,
            policies: &[],
        };
        memo.setup(&snapshot, key);
    }
    let weight = memo.weight();
    assert!((bound / 2..=bound).contains(&weight), "{weight}");
}

#[test]
fn another_snapshot_is_never_answered_from_the_memo() {
    let (one, other) = (Arc::new(snapshot(None)), snapshot(Some("7s")));
    let (memo, _tally) = memo(&one, 16 << 20);
    let key = SetupKey {
        component: Component::Agent,
        values: VALUES[3],
        release: Some("a"),
        namespace: Some("b"),
        agent_version: None,
        // The one policy of the other snapshot, and none of this one.
        policies: &CHOICES[1],
    };
    let text = |setup: &Setup| setup.config.as_ref().map(|config| config.text.clone());
    let of_one = text(&memo.setup(&one, key));
    let of_other = text(&memo.setup(&other, key));
    assert_ne!(of_one, of_other);
    assert_eq!(of_other, text(&Fresh.setup(&other, key)));
    assert_eq!(
        of_one,
        text(&memo.setup(&one, key)),
        "and it is not remembered, either"
    );
}

#[test]
fn a_swapped_world_answers_from_its_own_snapshot() {
    let mut review = review();
    let object = &mut review["request"]["object"]["metadata"];
    object["labels"]["injector.alumet.dev/component"] = "agent".into();
    object["annotations"]["injector.alumet.dev/values"] = VALUES[3].into();
    let review = review.to_string();
    let answer = |snapshot: &Snapshot| respond(snapshot, &Fresh, review.as_bytes()).unwrap().body;
    assert!(
        answer(&snapshot(None)) != answer(&snapshot(Some("7s"))),
        "it matters whose snapshot it is"
    );
    let worlds = Worlds::new(snapshot(None), 16 << 20);
    for poll_interval in [None, Some("7s"), Some("9s"), None] {
        worlds.swap(snapshot(poll_interval));
        for _ in 0..2 {
            let body = worlds.respond(review.as_bytes()).unwrap().body;
            assert!(body == answer(&snapshot(poll_interval)), "{poll_interval:?}");
        }
    }
    let numbers = worlds.memo();
    assert_eq!(
        (numbers.misses, numbers.hits),
        (4, 4),
        "the numbers go on from world to world"
    );
}

#[test]
fn what_is_remembered_outlives_a_change_of_namespaces() {
    let mut review = review();
    let object = &mut review["request"]["object"]["metadata"];
    object["labels"]["injector.alumet.dev/component"] = "agent".into();
    object["annotations"]["injector.alumet.dev/values"] = VALUES[3].into();
    review["request"]["namespace"] = "n".into();
    let review = review.to_string();
    let mut policies = policies::index(&of_cluster(
        "of-a-team",
        "{match: {namespaceSelector: {matchLabels: {team: hpc}}}, defaults: {plugins: {rapl: {poll_interval: 7s}}}}",
    ));
    let worlds = Worlds::new(
        Snapshot {
            policies: policies.clone(),
        },
        16 << 20,
    );
    let mut bodies = Vec::new();
    for (team, misses) in [("hpc", 1), ("web", 2), ("hpc", 2), ("web", 2)] {
        policies.know_namespace("n", &BTreeMap::from([("team".to_owned(), team.to_owned())]));
        worlds.swap(Snapshot {
            policies: policies.clone(),
        });
        bodies.push(worlds.respond(review.as_bytes()).unwrap().body);
        assert_eq!(worlds.memo().misses, misses, "{team}");
    }
    assert!(bodies[0] != bodies[1], "the policy applies to one team alone");
    assert!(bodies[0] == bodies[2] && bodies[1] == bodies[3]);
}
