//! The index selects what looking at every policy would select, in the order of precedence, and looks at few.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use alumet_injector::{
    names::Component,
    policy::{
        index::{Asked, PolicyIndex, Rank, Selected},
        model::{Defaults, Match, Policy, Scope},
        selector::{Labels, Operator, Requirement, Selector},
    },
};
use proptest::prelude::*;

type Map = BTreeMap<String, String>;

const KEYS: [&str; 3] = ["team", "app", "tier"];
const VALUES: [&str; 3] = ["a", "b", "c"];
const NAMESPACES: [&str; 3] = ["one", "two", "three"];

fn requirement(key: &str, operator: Operator, values: &[&str]) -> Requirement {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Requirement::new(key.to_owned(), operator, values).unwrap()
}

fn policy(name: &str, selects: Match) -> Policy {
    Policy {
        scope: Scope::Cluster,
        name: name.to_owned(),
        priority: 0,
        selects,
        defaults: Defaults::default(),
        on_error: None,
    }
}

fn equals(key: &str, value: &str) -> Selector {
    Selector::new(vec![requirement(key, Operator::In, &[value])])
}

fn titles(index: &PolicyIndex, ranks: &[Rank]) -> Vec<String> {
    ranks
        .iter()
        .map(|rank| index.get(*rank).unwrap().title())
        .collect()
}

fn any_requirement() -> impl Strategy<Value = Requirement> {
    let values = prop::sample::subsequence(&VALUES[..], 1..3);
    (
        prop::sample::select(&KEYS[..]),
        prop::sample::select(&Operator::ALL[..]),
        values,
    )
        .prop_map(|(key, operator, values)| match operator {
            Operator::In | Operator::NotIn => requirement(key, operator, &values),
            Operator::Exists | Operator::DoesNotExist => requirement(key, operator, &[]),
        })
}

fn any_selector() -> impl Strategy<Value = Selector> {
    prop_oneof![
        2 => Just(Selector::default()),
        3 => prop::collection::vec(any_requirement(), 1..3).prop_map(Selector::new),
    ]
}

fn any_scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        2 => Just(Scope::Cluster),
        1 => prop::sample::select(&NAMESPACES[..]).prop_map(|name| Scope::Namespace(name.to_owned())),
    ]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let components = prop::sample::subsequence(&Component::ALL[..], 0..3);
    let namespaces = prop::sample::subsequence(&NAMESPACES[..], 0..2);
    (
        any_scope(),
        -1..2_i32,
        components,
        namespaces,
        any_selector(),
        any_selector(),
    )
        .prop_map(
            |(scope, priority, components, namespaces, namespace_selector, object_selector)| {
                let of_cluster = scope == Scope::Cluster;
                Policy {
                    scope,
                    priority,
                    selects: Match {
                        components,
                        namespaces: namespaces
                            .into_iter()
                            .filter(|_| of_cluster)
                            .map(str::to_owned)
                            .collect(),
                        namespace_selector: if of_cluster {
                            namespace_selector
                        } else {
                            Selector::default()
                        },
                        object_selector,
                    },
                    ..policy("", Match::default())
                }
            },
        )
}

fn any_policies() -> impl Strategy<Value = Vec<Policy>> {
    prop::collection::vec(any_policy(), 0..12).prop_map(|mut policies| {
        for (number, policy) in policies.iter_mut().enumerate() {
            // Names against the order, so that it is not the order of the input.
            policy.name = format!("p{:02}", 99 - number);
        }
        policies
    })
}

fn any_labels() -> impl Strategy<Value = Map> {
    prop::collection::btree_map(
        prop::sample::select(&KEYS[..]),
        prop::sample::select(&VALUES[..]),
        0..3,
    )
    .prop_map(|labels| {
        labels
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    })
}

/// Whether a policy applies, by looking at it; `None` where it cannot be told.
fn applies(policy: &Policy, asked: &Asked<'_>, namespace_labels: Option<&Map>) -> Option<bool> {
    let Match {
        components,
        namespaces,
        namespace_selector,
        object_selector,
    } = &policy.selects;
    if !components.is_empty() && !components.contains(&asked.component) {
        return Some(false);
    }
    if !asked.pods.map_or_else(
        || object_selector.is_everything(),
        |pods| object_selector.matches(pods),
    ) {
        return Some(false);
    }
    let named: Vec<&String> = match &policy.scope {
        Scope::Namespace(own) => vec![own],
        Scope::Cluster => namespaces.iter().collect(),
    };
    let by_name = match asked.namespace {
        _ if named.is_empty() => Some(true),
        Some(name) => Some(named.iter().any(|named| *named == name)),
        None => None,
    };
    let by_labels = match namespace_labels {
        _ if namespace_selector.is_everything() => Some(true),
        Some(labels) => Some(namespace_selector.matches(labels)),
        None => None,
    };
    match (by_name, by_labels) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2048) })]

    #[test]
    fn the_index_selects_what_looking_at_every_policy_would(
        policies in any_policies(),
        component in prop::sample::select(&Component::ALL[..]),
        namespace in prop::option::of(prop::sample::select(vec!["one", "two", "elsewhere"])),
        known in any::<bool>(),
        namespace_labels in any_labels(),
        pods in prop::option::of(any_labels()),
    ) {
        let mut index = PolicyIndex::new(policies.clone());
        // Another namespace is known in any case, and one that is forgotten again.
        index.know_namespace("three", &namespace_labels);
        index.know_namespace("elsewhere", &Map::new());
        index.forget_namespace("elsewhere");
        if let Some(name) = namespace.filter(|_| known) {
            index.know_namespace(name, &namespace_labels);
        }
        let asked = Asked { component, namespace, pods: pods.as_ref().map(|pods| pods as &dyn Labels) };
        let labels = (known && namespace.is_some()).then_some(&namespace_labels);
        let expected = |wanted| {
            let mut chosen: Vec<&Policy> =
                policies.iter().filter(|policy| applies(policy, &asked, labels) == wanted).collect();
            // The table of the order, in other words than the code's.
            chosen.sort_by_key(|policy| {
                (policy.scope == Scope::Cluster, match &policy.scope {
                    Scope::Namespace(name) => name.clone(),
                    Scope::Cluster => String::new(),
                }, -policy.priority, policy.name.clone())
            });
            chosen.iter().map(|policy| policy.title()).collect::<Vec<_>>()
        };
        let selected = index.select(asked);
        prop_assert_eq!(titles(&index, &selected.matching), expected(Some(true)));
        prop_assert_eq!(titles(&index, &selected.undecided), expected(None));
    }
}

/// Labels that count how often a selector looks at them.
struct Counting<'c>(&'c Map, &'c Cell<usize>);

impl Labels for Counting<'_> {
    fn value(&self, key: &str) -> Option<&str> {
        self.1.set(self.1.get() + 1);
        self.0.value(key)
    }

    fn each<'l>(&'l self, visit: &mut dyn FnMut(&'l str, &'l str)) {
        self.0.each(visit);
    }
}

/// Policies of which few can apply, told apart in some way, among `count`; and how many looks it takes to find them.
fn looks(count: usize, tell_apart: &dyn Fn(usize) -> Match) -> (usize, usize) {
    let policies = (0..count)
        .map(|number| policy(&format!("p{number}"), tell_apart(number)))
        .collect();
    let mut index = PolicyIndex::new(policies);
    let team = Map::from([
        ("team".to_owned(), "n3".to_owned()),
        ("tier".to_owned(), "gold".to_owned()),
    ]);
    let namespace_looks = Cell::new(0);
    index.know_namespace("n3", &Counting(&team, &namespace_looks));
    assert!(
        namespace_looks.get() <= 10,
        "{} looks at a namespace",
        namespace_looks.get()
    );
    let pods = Map::from([
        ("app".to_owned(), "n3".to_owned()),
        ("tier".to_owned(), "gold".to_owned()),
    ]);
    let of_pods = Cell::new(0);
    let selected = index.select(Asked {
        component: Component::RelayClient,
        namespace: Some("n3"),
        pods: Some(&Counting(&pods, &of_pods)),
    });
    assert_eq!(selected.undecided, []);
    (selected.matching.len(), of_pods.get())
}

#[test]
fn policies_that_cannot_apply_cost_nothing() {
    let gold_and = |key: &str, value: &str| {
        let gold = requirement("tier", Operator::In, &["gold"]);
        Selector::new(vec![gold, requirement(key, Operator::In, &[value])])
    };
    let ways: [(&str, &dyn Fn(usize) -> Match); 4] = [
        ("labels of the pods", &|number| Match {
            object_selector: gold_and("app", &format!("n{number}")),
            ..Match::default()
        }),
        ("labels of the namespace", &|number| Match {
            namespace_selector: gold_and("team", &format!("n{number}")),
            ..Match::default()
        }),
        ("the name of the namespace", &|number| Match {
            namespaces: vec![format!("n{number}")],
            object_selector: equals("app", "n3"),
            ..Match::default()
        }),
        ("the component", &|number| Match {
            components: vec![if number == 3 {
                Component::RelayClient
            } else {
                Component::RelayServer
            }],
            object_selector: equals("app", "n3"),
            ..Match::default()
        }),
    ];
    for (way, tell_apart) in ways {
        let (few, many) = (looks(10, tell_apart), looks(10_000, tell_apart));
        assert_eq!(few.0, 1, "{way}: one applies");
        assert_eq!(few, many, "{way}: as many looks among 10,000 as among 10");
    }
}

#[test]
fn a_change_of_a_namespace_changes_a_copy_and_not_the_index_that_it_was_made_of() {
    let team = |team: &str| Map::from([("team".to_owned(), team.to_owned())]);
    let mut index = PolicyIndex::new(vec![policy(
        "hpc",
        Match {
            namespace_selector: equals("team", "hpc"),
            ..Match::default()
        },
    )]);
    let asked = Asked {
        component: Component::Agent,
        namespace: Some("n"),
        pods: None,
    };
    assert_eq!(titles(&index, &index.select(asked).undecided), ["hpc"]);
    index.know_namespace("n", &team("hpc"));
    assert_eq!(titles(&index, &index.select(asked).matching), ["hpc"]);
    let mut later = index.clone();
    later.know_namespace("n", &team("web"));
    assert_eq!(later.select(asked), Selected::default());
    assert_eq!(titles(&index, &index.select(asked).matching), ["hpc"]);
    later.forget_namespace("n");
    assert_eq!(titles(&later, &later.select(asked).undecided), ["hpc"]);
}

/// The order, row by row: each list is in order.
#[test]
fn the_order_of_policies_is_that_of_the_table() {
    let cluster = |name: &str, priority| Policy {
        priority,
        ..policy(name, Match::default())
    };
    let of_namespace = |name: &str, priority| Policy {
        scope: Scope::Namespace("n".to_owned()),
        ..cluster(name, priority)
    };
    for (row, mut policies) in [
        (
            "scope before priority and name",
            vec![of_namespace("z", -5), cluster("a", 5)],
        ),
        (
            "priority before name, in the cluster",
            vec![cluster("z", 2), cluster("a", 1), cluster("b", -1)],
        ),
        (
            "priority before name, in the namespace",
            vec![of_namespace("z", 2), of_namespace("a", 1)],
        ),
        (
            "name at last, in the cluster",
            vec![cluster("a", 1), cluster("b", 1)],
        ),
        (
            "name at last, in the namespace",
            vec![of_namespace("a", 1), of_namespace("b", 1)],
        ),
    ] {
        let expected: Vec<String> = policies.iter().map(Policy::title).collect();
        policies.reverse();
        let index = PolicyIndex::new(policies);
        let asked = Asked {
            component: Component::Agent,
            namespace: Some("n"),
            pods: None,
        };
        assert_eq!(titles(&index, &index.select(asked).matching), expected, "{row}");
    }
    let titles: BTreeSet<String> = [cluster("x", 0), of_namespace("x", 0)]
        .iter()
        .map(Policy::title)
        .collect();
    assert_eq!(
        titles.len(),
        2,
        "two policies of one name and two scopes are told apart"
    );
}
