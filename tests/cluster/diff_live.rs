//! `diff --live`: what a refresh of a release would change is told before, and is what it then does.

use std::fs;

use alumet_injector::names::REFRESH_ANNOTATION;
use serde_json::{Value, json};

use crate::{
    helm::Major,
    policies_live::{apply, of_namespace},
    support::{
        Case, Cluster, cases,
        poll::wait_for,
        release::{CLIENT, Release, SOON, values},
    },
};

pub(crate) fn cases() -> Vec<Case> {
    cases![what_a_policy_would_roll_is_told_and_then_rolls]
}

fn what_a_policy_would_roll_is_told_and_then_rolls(cluster: &Cluster) {
    cluster.policy_resources();
    let namespace = cluster.served_namespace("would-roll");
    let release = Release::running(cluster, Major::Four, &namespace, &values(&json!({})));
    let policy = of_namespace(&namespace, "new");
    let file = cluster.folder().join(format!("{namespace}.policy.json"));
    fs::write(&file, policy.to_string()).expect("the file can be written");
    let ask = |more: &[&str]| {
        let arguments = [
            &["diff", "--live", "test-alumet", "--namespace", &namespace],
            more,
        ]
        .concat();
        cluster.own(&arguments)
    };
    assert_eq!(
        ask(&[]).ok(),
        "0 of 4 objects of release test-alumet would change\nno pod would roll\n"
    );

    let with_policy = ["--policy", file.to_str().expect("a path in UTF-8")];
    let told = ask(&with_policy).ok();
    let name = release.name("daemonset", CLIENT);
    let (_, name) = name.split_once('/').unwrap();
    for line in [
        "+        - name: FORM",
        "+          value: new",
        "2 of 4 objects of release test-alumet would change",
        &format!("the pods of DaemonSet {namespace}/{name} would roll on 1 node"),
        &format!("the pods of Deployment {namespace}/test-alumet-alumet-relay-server would roll, 1 of them"),
    ] {
        assert!(told.lines().any(|one| one.trim_end() == line), "{line}: {told}");
    }
    assert!(!told.contains("managedFields"), "{told}");
    let for_programs = ask(&[&with_policy[..], &["--output", "json"]].concat()).ok();
    let entries: Value = serde_json::from_str(&for_programs).expect("it is JSON");
    let rolls: Vec<&Value> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["rolls"])
        .collect();
    assert_eq!(
        rolls,
        [&json!(null), &json!(null), &json!(1), &json!(1)],
        "{entries:#}"
    );

    let before = release.state_and_pods();
    apply(cluster, &policy);
    // In force here as soon as the command sees it; the injector is asked for the refresh until it does, too.
    for kind in [
        "daemonset/test-alumet-alumet-relay-client",
        "deployment/test-alumet-alumet-relay-server",
    ] {
        wait_for("the refresh to change it", SOON, || {
            release
                .kubectl(&["annotate", kind, &format!("{REFRESH_ANNOTATION}=now")])
                .ok();
            let after = release.state();
            let component = if kind.starts_with("daemonset") {
                "daemonset relay-client"
            } else {
                "deployment relay-server"
            };
            (after[component]["generation"] != before.0[component]["generation"]).then_some(())
        });
    }
    release.wait_until_running();
    let after = release.state_and_pods();
    for name in ["configmap relay-client", "configmap relay-server"] {
        assert_eq!(
            after.0[name], before.0[name],
            "it was not among those that would change"
        );
    }
    assert!(
        after
            .1
            .iter()
            .zip(&before.1)
            .all(|(new, old)| new.is_disjoint(old))
    );
    assert_eq!(
        ask(&[]).ok(),
        "0 of 4 objects of release test-alumet would change\nno pod would roll\n"
    );
}
