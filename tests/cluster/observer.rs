//! The observer: what is not right in the cluster is told while the injector serves, though nobody sends an object.

use std::collections::BTreeSet;

use alumet_injector::names::REFRESH_ANNOTATION;
use serde_json::{Value, json};

use crate::{
    helm::Major,
    injector_rights::{Right, give, rights_of, take_away},
    policies_live::{apply, of_namespace},
    support::{
        Case, Cluster, cases,
        injector::{Injector, Installation},
        poll::wait_for,
        release::{CLIENT, Release, SOON, values},
    },
};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        what_a_policy_makes_stale_is_told_until_a_refresh,
        what_was_missed_is_told,
        without_any_one_right_it_says_which_and_looks_at_the_rest,
    ]
}

/// The rights that the chart gives for it.
const RIGHTS: [Right; 8] = [
    ("list", "configmaps"),
    ("list", "daemonsets"),
    ("list", "deployments"),
    ("list", "statefulsets"),
    ("list", "cronjobs"),
    ("list", "jobs"),
    ("list", "pods"),
    ("get", "pods"),
];

/// An injector for one namespace that looks at all of them.
#[track_caller]
fn observing(cluster: &Cluster, namespace: &str) -> Injector {
    cluster.policy_resources();
    Injector::install(
        cluster,
        &Installation {
            set: &["observer.enabled=true"],
            ..Installation::serving(namespace)
        },
    )
}

/// Lines of the log about an object: `DaemonSet NAMESPACE/NAME`.
fn told(injector: &Injector, object: &str) -> Vec<String> {
    let log = injector.log();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_object = lines.filter(|line| line["fields"]["object"] == object || line["object"] == object);
    let standing = |line: Value| {
        let standing = [&line["standing"], &line["fields"]["standing"]].map(Value::as_str);
        standing.into_iter().flatten().next().map(str::to_owned)
    };
    of_object.filter_map(standing).collect()
}

#[track_caller]
fn wait_until_told(injector: &Injector, object: &str, standings: &[&str]) {
    wait_for(&format!("{object} to be told as {standings:?}"), SOON, || {
        (told(injector, object) == standings).then_some(())
    });
}

/// How many objects of a kind have a standing.
fn counted(cluster: &Cluster, injector: &Injector, kind: &str, standing: &str) -> usize {
    let name = format!("alumet_injector_objects{{kind=\"{kind}\",standing=\"{standing}\"}}");
    injector.sample(cluster, &name)
}

fn what_a_policy_makes_stale_is_told_until_a_refresh(cluster: &Cluster) {
    let namespace = cluster.namespace("observed");
    let injector = observing(cluster, &namespace);
    let release = Release::running(cluster, Major::Four, &namespace, &values(&json!({})));
    let name = release.name("daemonset", CLIENT);
    let object = format!("DaemonSet {namespace}/{}", name.split_once('/').unwrap().1);
    assert_eq!(told(&injector, &object), [""; 0]);

    let generation =
        |release: &Release<'_>| release.object("daemonset", CLIENT)["metadata"]["generation"].clone();
    let before = generation(&release);
    apply(cluster, &of_namespace(&namespace, "one"));
    wait_until_told(&injector, &object, &["stale"]);
    assert!(counted(cluster, &injector, "DaemonSet", "stale") >= 1);
    assert_eq!(generation(&release), before, "it is told, and nothing else");
    let set = name.split_once('/').unwrap().1;
    wait_for("an Event about it", SOON, || {
        let described = release.kubectl(&["describe", "daemonset", set]).ok();
        let is_told = |line: &str| line.contains("Stale") && line.contains("policies and catalogue");
        described.lines().any(is_told).then_some(())
    });

    release
        .kubectl(&["annotate", &name, &format!("{REFRESH_ANNOTATION}=now")])
        .ok();
    release.wait_until_running();
    assert_ne!(generation(&release), before);
    let (namespace, other) = (&namespace, "up-to-date");
    // A change that gives this object nothing asks for a look.
    let mut beside = of_namespace(namespace, "one");
    beside["metadata"]["name"] = json!("beside");
    beside["spec"] = json!({"match": {"components": ["agent"]}, "defaults": {"env": {"BESIDE": "x"}}});
    apply(cluster, &beside);
    wait_until_told(&injector, &object, &["stale", other]);
    apply(cluster, &of_namespace(namespace, "another"));
    wait_until_told(&injector, &object, &["stale", other, "stale"]);
}

fn what_was_missed_is_told(cluster: &Cluster) {
    let served = cluster.namespace("observes");
    let missed = cluster.namespace("unserved");
    let release = Release::of(cluster, Major::Four, &missed);
    release.install(&values(&json!({})));
    let injector = observing(cluster, &served);
    for kind in ["configmap", "daemonset"] {
        let name = release.name(kind, CLIENT);
        let (_, name) = name.split_once('/').unwrap();
        let kind = if kind == "configmap" {
            "ConfigMap"
        } else {
            "DaemonSet"
        };
        wait_until_told(&injector, &format!("{kind} {missed}/{name}"), &["missed"]);
        assert!(counted(cluster, &injector, kind, "missed") >= 1);
    }
}

fn without_any_one_right_it_says_which_and_looks_at_the_rest(cluster: &Cluster) {
    let namespace = cluster.namespace("half-blind");
    // Pods without a record, so that one has to be read whole.
    let release = Release::of(cluster, Major::Four, &cluster.namespace("unserved"));
    release.install(&values(&json!({})));
    let injector = observing(cluster, &namespace);
    let role = ["clusterrole".to_owned(), format!("{}-observer", injector.webhook)];
    let given = cluster.get(&role)["rules"].clone();
    assert_eq!(rights_of(&given), BTreeSet::from(RIGHTS));

    for (turn, (verb, resource)) in RIGHTS.into_iter().enumerate() {
        let what = [resource.to_owned()];
        let rules = take_away(cluster, &injector, &role, (verb, resource), &what);
        // A change of policies asks for a look.
        apply(cluster, &of_namespace(&namespace, &format!("turn-{turn}")));
        let refusal = format!("cannot {verb} resource \\\"{resource}\\\"");
        wait_for(&format!("{refusal} in the log"), SOON, || {
            injector.log().contains(&refusal).then_some(())
        });
        give(cluster, &role, &rules);
    }
}
