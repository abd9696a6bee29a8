//! `explain KIND/NAME`: what stands on the objects of a cluster, where it came from, and what a policy would change.

use std::{fs, path::Path};

use alumet_injector::names::REFRESH_ANNOTATION as REFRESH;
use serde_json::{Value, json};

use crate::{
    helm::{INJECTOR, Major},
    support::{
        Case, Cluster, cases,
        cluster::{Ran, run},
        release::{CLIENT_NAME, Release, SERVER_NAME, values},
    },
};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_live_object_says_which_policy_gave_what_and_what_lost,
        an_object_that_is_not_injected_says_why,
    ]
}

/// The program, as a person calls it.
pub(crate) fn injector(cluster: &Cluster, arguments: &[&str]) -> Ran {
    let mut command = cluster.command(Path::new(INJECTOR));
    command.args(arguments);
    run(command, "")
}

/// A policy of a namespace.
pub(crate) fn policy(namespace: &str, name: &str, defaults: &Value) -> String {
    json!({
        "apiVersion": "injector.alumet.dev/v1alpha1", "kind": "InjectionPolicy",
        "metadata": {"namespace": namespace, "name": name}, "spec": {"defaults": defaults},
    })
    .to_string()
}

/// What a program prints about one object.
pub(crate) fn told(cluster: &Cluster, arguments: &[&str]) -> Value {
    let printed = injector(cluster, &[&["explain", "--output", "json"], arguments].concat()).ok();
    let told: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(told.as_array().map(Vec::len), Some(1), "{told:#}");
    told[0].clone()
}

/// The value of this name.
#[track_caller]
pub(crate) fn value<'t>(told: &'t Value, what: &str) -> &'t Value {
    let values = told["values"].as_array().unwrap();
    let found = values.iter().find(|value| value["what"] == what);
    found.unwrap_or_else(|| panic!("no {what}: {told:#}"))
}

fn a_live_object_says_which_policy_gave_what_and_what_lost(cluster: &Cluster) {
    cluster.policy_resources();
    let namespace = cluster.served_namespace("explained");
    let release = Release::running(cluster, Major::Four, &namespace, &values(&json!({})));
    let n = ["-n", namespace.as_str()];
    let config_map = format!("configmaps/{CLIENT_NAME}-config");
    let clients = format!("ds/{CLIENT_NAME}");
    for object in [&clients, &config_map] {
        let told = told(cluster, &[&[object.as_str()], &n[..]].concat());
        assert_eq!(told["outcome"], "up-to-date", "{told:#}");
        let values = told["values"].as_array().unwrap();
        let stands = |value: &Value| ["kept", "user-wins"].contains(&value["fate"].as_str().unwrap());
        assert!(values.iter().all(stands), "{told:#}");
    }

    // The webhook does not know this policy: what stands there is stale.
    let defaults = json!({
        "plugins": {"k8s": {"poll_interval": "7s"}},
        "tolerations": [{"key": "energy", "operator": "Exists"}],
    });
    release
        .kubectl_with(&["apply", "-f", "-"], &policy(&namespace, "team", &defaults))
        .ok();
    let stale = told(cluster, &[&["DaemonSet", CLIENT_NAME], &n[..]].concat());
    assert_eq!(stale["outcome"], "stale", "{stale:#}");
    let toleration = value(&stale, "toleration energy op=Exists");
    let source = format!("policy: {namespace}/team");
    assert_eq!(
        toleration,
        &json!({
            "what": "toleration energy op=Exists", "value": r#"{"key":"energy","operator":"Exists"}"#,
            "source": source, "fate": "set", "lost": [],
        })
    );
    let interval = "data.config plugins.k8s.poll_interval";
    let stale = told(
        cluster,
        &[&["cm", &format!("{CLIENT_NAME}-config")], &n[..]].concat(),
    );
    let lost = json!([{"source": "default: k8s.poll_interval", "value": "\"5s\""}]);
    assert_eq!(
        (
            &value(&stale, interval)["source"],
            &value(&stale, interval)["lost"]
        ),
        (&json!(source), &lost)
    );

    // A policy in a file counts as if it were applied: in place of the one of its name, and over the rest.
    let file = cluster.folder().join(format!("{namespace}.policy.json"));
    let again = json!({"plugins": {"k8s": {"poll_interval": "9s"}}});
    fs::write(&file, policy(&namespace, "team", &again)).unwrap();
    let path = file.to_str().unwrap();
    let tried = told(
        cluster,
        &[&[config_map.as_str(), "--policy", path], &n[..]].concat(),
    );
    assert_eq!(value(&tried, interval)["value"], "\"9s\"", "{tried:#}");
    assert_eq!(value(&tried, interval)["lost"], lost, "{tried:#}");
    let tried = told(cluster, &[&[clients.as_str(), "--policy", path], &n[..]].concat());
    assert_eq!(
        tried["outcome"], "stale",
        "the configuration is another one: {tried:#}"
    );
    assert!(!tried.to_string().contains("toleration energy"), "{tried:#}");

    // For people: no colour in a pipe, and the command that brings the object up to date.
    let text = injector(cluster, &[&["explain", &config_map], &n[..]].concat()).ok();
    let head = format!(
        "ConfigMap {namespace}/{CLIENT_NAME}-config (relay-client): stale\n  \
         it belongs to the object's values, but policies and catalogue would give something else now\n  \
         from the cluster\n  \
         bring it up to date: kubectl annotate configmap {CLIENT_NAME}-config -n {namespace} {REFRESH}=now\n"
    );
    assert!(text.starts_with(&head), "{text}");
    for line in [
        format!("<- {source}\n"),
        "over default: k8s.poll_interval: \"5s\"\n".to_owned(),
    ] {
        assert!(text.contains(&line), "{text}");
    }

    let pod = release.pods_of(super::support::release::CLIENT)[0]["metadata"]["name"].clone();
    let pod = told(cluster, &[&["po", pod.as_str().unwrap()], &n[..]].concat());
    assert_eq!(
        (&pod["kind"], &pod["outcome"]),
        (&json!("Pod"), &json!("stale")),
        "{pod:#}"
    );
}

fn an_object_that_is_not_injected_says_why(cluster: &Cluster) {
    cluster.policy_resources();
    let namespace = cluster.served_namespace("unexplained");
    let release = Release::running(cluster, Major::Four, &namespace, &values(&json!({})));
    let n = ["-n", namespace.as_str()];
    let server = format!("deployments.apps/{SERVER_NAME}");
    release
        .kubectl(&["create", "configmap", "plain", "--from-literal=a=b"])
        .ok();
    release
        .kubectl(&[
            "label",
            "deployment",
            SERVER_NAME,
            "injector.alumet.dev/inject=false",
        ])
        .ok();
    for (object, head) in [
        (
            "cm/plain",
            format!(
                "ConfigMap {namespace}/plain: not-ours\n  \
                 the object does not carry the component label, or is of a kind that nothing is injected into\n  \
                 from the cluster\n"
            ),
        ),
        (
            &server,
            format!(
                "Deployment {namespace}/{SERVER_NAME} (relay-server): opted-out\n  \
                 the label injector.alumet.dev/inject says \"false\"\n  \
                 from the cluster\n  \
                 warning[opted-out-left]: the object opted out after something was injected, which stays\n    \
                 --> metadata.labels[injector.alumet.dev/inject]\n    \
                 = take it out with `alumet-injector uninject`\n"
            ),
        ),
    ] {
        assert_eq!(
            injector(cluster, &[&["explain", object], &n[..]].concat()).ok(),
            head
        );
    }
    for (arguments, code, sentence) in [
        (
            ["explain", "svc/kubernetes"],
            2,
            "error: nothing is injected into objects of the kind `svc`; name one of a ConfigMap, Pod, DaemonSet, \
             Deployment, StatefulSet, Job, CronJob\n"
                .to_owned(),
        ),
        (
            ["explain", "ds/none"],
            3,
            format!("error: there is no DaemonSet {namespace}/none; name another one, or its namespace with -n"),
        ),
    ] {
        let ran = injector(cluster, &[&arguments[..], &n[..]].concat());
        assert_eq!(ran.code, Some(code), "{ran}");
        assert!(ran.stderr.starts_with(&sentence), "{ran}");
    }
}
