//! The Events that the injector writes about marked objects: where people look for them, and no more than they read.

use std::time::{Duration, Instant};

use alumet_injector::engine::survey::Standing;
use serde_json::{Value, json};

use crate::{
    injector_rights::{may_not, patch, texts},
    support::{
        Case, Cluster, cases,
        injector::{Injector, Installation},
        poll::wait_for,
        rest::{Stored, create},
        samples::{config_map, marks, pod, pod_spec, values},
    },
};

const SOON: Duration = Duration::from_mins(1);

const WRITTEN: &str = "alumet_injector_written_events_total";
const DROPPED: &str = "alumet_injector_dropped_events_total";
const FAILED: &str = "alumet_injector_failed_events_total";

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_pod_that_was_not_injected_shows_on_its_daemonset,
        a_configmap_with_errors_shows_and_after_a_change_in_describe,
        a_warning_shows_and_what_is_right_does_not,
        a_dry_run_is_not_told,
        a_hundred_bad_pods_are_told_by_some_of_them,
        the_installed_chart_gives_the_right_to_write_events_and_to_read_none,
        without_the_right_it_says_so_once_and_goes_on,
    ]
}

/// An injector for a namespace of its own.
fn injector(cluster: &Cluster) -> (String, Injector) {
    let namespace = cluster.namespace("told");
    let injector = Injector::install(cluster, &Installation::serving(&namespace));
    (namespace, injector)
}

/// Values that no agent reads.
fn wrong() -> Value {
    let mut values = values();
    values["plugins"] = json!({"csv": {"enable": "yess"}});
    values
}

/// What is told about them.
const WHY: &str = "error[wrong-type]: plugins.csv.enable: expected true or false, found \"yess\"";

fn bad_config_map(namespace: &str, name: &str) -> Value {
    let mut object = config_map(namespace, name);
    object["metadata"]["annotations"] = marks(&wrong())["annotations"].clone();
    object
}

fn bad_pod(namespace: &str, name: &str) -> Value {
    let mut object = pod(namespace, name);
    object["metadata"]["annotations"] = marks(&wrong())["annotations"].clone();
    // Nobody is to run it.
    object["spec"]["schedulerName"] = json!("nobody");
    object
}

/// The Events of our own in a namespace, about what was decided: an injector that another test has observe the cluster
/// tells beside these what each object is worth.
fn told(cluster: &Cluster, namespace: &str) -> Vec<Value> {
    let all = cluster.get(&["events.events.k8s.io", "-n", namespace]);
    let is_standing = |reason: &Value| {
        let mut standings = Standing::ALL
            .iter()
            .map(|standing| standing.code().replace('-', ""));
        standings.any(|code| {
            reason
                .as_str()
                .is_some_and(|reason| reason.eq_ignore_ascii_case(&code))
        })
    };
    let ours = all["items"].as_array().unwrap().iter();
    ours.filter(|event| event["reportingController"] == "alumet-injector" && !is_standing(&event["reason"]))
        .cloned()
        .collect()
}

/// Waits for one about this object.
#[track_caller]
fn about(cluster: &Cluster, namespace: &str, kind: &str, name: &str) -> Value {
    wait_for(&format!("an Event about {kind} {name}"), SOON, || {
        let mut all = told(cluster, namespace).into_iter();
        all.find(|event| event["regarding"]["kind"] == kind && event["regarding"]["name"] == name)
    })
}

fn a_pod_that_was_not_injected_shows_on_its_daemonset(cluster: &Cluster) {
    let (namespace, injector) = injector(cluster);
    let mut template = json!({"metadata": marks(&wrong()), "spec": pod_spec()});
    template["metadata"]["labels"]["app"] = json!("clients");
    let object = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "clients", "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"app": "clients"}}, "template": template},
    });
    let made = create(cluster, &object, Stored::Yes).unwrap();
    let pods = || {
        cluster.get(&["pods", "-n", &namespace, "-l", "app=clients"])["items"]
            .as_array()
            .unwrap()
            .len()
    };
    wait_for("several pods of it", SOON, || (pods() > 2).then_some(()));
    let event = about(cluster, &namespace, "DaemonSet", "clients");
    assert_eq!(event["regarding"]["uid"], made["metadata"]["uid"], "{event:#}");
    assert_eq!(event["regarding"]["apiVersion"], "apps/v1", "{event:#}");
    assert_eq!(event["type"], "Warning");
    assert_eq!(event["reason"], "WrongType");
    assert_eq!(event["note"], format!("a pod of it was not injected: {WHY}"));
    // Each pod has the same to tell.
    let all = told(cluster, &namespace);
    assert_eq!(all.len(), 1, "{all:#?}");
    let described = cluster
        .kubectl(&["describe", "daemonset", "clients", "-n", &namespace])
        .ok();
    assert!(
        described.contains("WrongType") && described.contains("a pod of it was not injected"),
        "{described}"
    );
    wait_for("it to be counted", SOON, || {
        (injector.sample(cluster, WRITTEN) == 1).then_some(())
    });
}

fn a_configmap_with_errors_shows_and_after_a_change_in_describe(cluster: &Cluster) {
    let (namespace, _injector) = injector(cluster);
    create(cluster, &bad_config_map(&namespace, "bad"), Stored::Yes).unwrap();
    let event = about(cluster, &namespace, "ConfigMap", "bad");
    assert_eq!(event["reason"], "WrongType");
    assert_eq!(event["note"], format!("it was not injected: {WHY}"));
    // Before it was stored it had no uid.
    assert!(event["regarding"]["uid"].is_null(), "{event:#}");
    let line = cluster.kubectl(&["get", "events", "-n", &namespace]).ok();
    assert!(
        line.contains("WrongType") && line.contains("configmap/bad"),
        "{line}"
    );
    // Whoever changes it sees it where they look.
    cluster
        .kubectl(&["label", "configmap", "bad", "-n", &namespace, "touched=yes"])
        .ok();
    wait_for("an Event with the uid", SOON, || {
        let described = cluster
            .kubectl(&["describe", "configmap", "bad", "-n", &namespace])
            .ok();
        described.contains("WrongType").then_some(())
    });
}

fn a_warning_shows_and_what_is_right_does_not(cluster: &Cluster) {
    let (namespace, _injector) = injector(cluster);
    create(cluster, &config_map(&namespace, "right"), Stored::Yes).unwrap();
    let mut object = pod(&namespace, "warned");
    // The user's own variable wins.
    object["spec"]["containers"][0]["env"] = json!([{"name": "INFLUX_TOKEN", "value": "mine"}]);
    object["spec"]["schedulerName"] = json!("nobody");
    create(cluster, &object, Stored::Yes).unwrap();
    let event = about(cluster, &namespace, "Pod", "warned");
    assert_eq!(event["reason"], "UserWins", "{event:#}");
    let note = event["note"].as_str().unwrap();
    assert!(
        note.starts_with("it was injected, with warnings: warning[user-wins]: "),
        "{note}"
    );
    assert!(!note.contains("mine"), "{note}");
    assert_eq!(told(cluster, &namespace).len(), 1);
}

fn a_dry_run_is_not_told(cluster: &Cluster) {
    let (namespace, _injector) = injector(cluster);
    create(cluster, &bad_config_map(&namespace, "dry"), Stored::No).unwrap();
    create(cluster, &bad_config_map(&namespace, "stored"), Stored::Yes).unwrap();
    // They are told in their order.
    about(cluster, &namespace, "ConfigMap", "stored");
    let all = told(cluster, &namespace);
    assert_eq!(all.len(), 1, "{all:#?}");
}

fn a_hundred_bad_pods_are_told_by_some_of_them(cluster: &Cluster) {
    let (namespace, injector) = injector(cluster);
    let begun = Instant::now();
    for number in 0..100 {
        create(
            cluster,
            &bad_pod(&namespace, &format!("bad-{number}")),
            Stored::Yes,
        )
        .unwrap();
    }
    let sample = |name| injector.sample(cluster, name);
    wait_for("all to be written or dropped", SOON, || {
        (sample(WRITTEN) + sample(DROPPED) == 100).then_some(())
    });
    let events = told(cluster, &namespace);
    assert_eq!(events.len(), sample(WRITTEN));
    // 60 in the first minute, and as many in each one that began meanwhile.
    let minutes = 1 + usize::try_from(begun.elapsed().as_secs() / 60).unwrap();
    assert!((60..=60 * minutes).contains(&events.len()), "{}", events.len());
    assert_eq!(sample(FAILED), 0);
}

fn role(injector: &Injector) -> [String; 2] {
    ["clusterrole".to_owned(), format!("{}-events", injector.webhook)]
}

fn the_installed_chart_gives_the_right_to_write_events_and_to_read_none(cluster: &Cluster) {
    let namespace = cluster.namespace("told");
    let injector = Injector::install_only(cluster, &Installation::serving(&namespace));
    let role = cluster.get(&role(&injector));
    let rules = role["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 1, "{role:#}");
    assert_eq!(texts(&rules[0], "apiGroups"), ["events.k8s.io"]);
    assert_eq!(texts(&rules[0], "resources"), ["events"]);
    assert_eq!(texts(&rules[0], "verbs"), ["create"]);
}

fn without_the_right_it_says_so_once_and_goes_on(cluster: &Cluster) {
    let (namespace, injector) = injector(cluster);
    let none = json!({"rules": []});
    patch(cluster, &role(&injector), "merge", &none);
    may_not(cluster, &injector, "create", &["events.events.k8s.io".to_owned()]);
    for name in ["first", "second"] {
        create(cluster, &bad_config_map(&namespace, name), Stored::Yes).unwrap();
    }
    let sentence = "an Event cannot be written";
    wait_for("both to fail, and the log to have it", SOON, || {
        let both = injector.sample(cluster, FAILED) == 2;
        (both && injector.log().contains(sentence)).then_some(())
    });
    let log = injector.log();
    assert_eq!(log.matches(sentence).count(), 1, "{log}");
    assert!(
        log.contains("may not create events.events.k8s.io; give the account the verb"),
        "{log}"
    );
    // It serves on.
    create(cluster, &config_map(&namespace, "right"), Stored::Yes).unwrap();
}
