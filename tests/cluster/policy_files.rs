//! Policies in files through `helm install`: what the post-renderer of either Helm hands on is stored with what the
//! policies give, and `explain` names the policy of each value.

use std::fs;

use alumet_injector::names::Component;
use serde_json::{Value, json};

use crate::{
    explain_live::{of_team, told, value},
    files::root,
    helm::Major,
    support::{
        Case, Cluster, cases,
        release::{CLIENT, Release, SERVER, tolerated, values, variable},
    },
};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        helm_3_stores_what_policies_in_files_give,
        helm_4_stores_what_policies_in_files_give,
    ]
}

fn helm_3_stores_what_policies_in_files_give(cluster: &Cluster) {
    what_policies_in_files_give_is_stored(cluster, Major::Three);
}

fn helm_4_stores_what_policies_in_files_give(cluster: &Cluster) {
    what_policies_in_files_give_is_stored(cluster, Major::Four);
}

/// The namespace stands apart: no webhook adds to what Helm sends. Its quota lets no pod in, for what the pods are made
/// from is what counts here.
fn what_policies_in_files_give_is_stored(cluster: &Cluster, helm: Major) {
    cluster.policy_resources();
    let namespace = cluster.namespace("policy-files");
    let quota = ["create", "quota", "no-pods", "--hard=pods=0", "-n", &namespace];
    cluster.kubectl(&quota).ok();
    let team = cluster.folder().join(format!("{namespace}.policy.json"));
    let defaults = json!({"plugins": {"k8s": {"poll_interval": "7s"}}, "env": {"RUST_LOG": "debug"}});
    fs::write(&team, of_team(&namespace, &defaults)).unwrap();
    let [mirror, control_plane] = ["mirror", "control-plane"].map(|name| {
        let file = root(&format!("deploy/policies/{name}.yaml"));
        file.to_str().unwrap().to_owned()
    });
    let policies = [
        "--policy",
        &mirror,
        "--policy",
        &control_plane,
        "--policy",
        team.to_str().unwrap(),
    ];

    let release = Release::post_rendered_with(cluster, helm, &namespace, &policies);
    release.install(&values(&json!({})));

    let clients = release.object("daemonset", CLIENT);
    let clients = &clients["spec"]["template"]["spec"];
    assert!(
        tolerated(clients).contains(&"node-role.kubernetes.io/control-plane"),
        "{clients:#}"
    );
    let log = variable(clients, "RUST_LOG").map(|variable| &variable["value"]);
    assert_eq!(log, Some(&json!("debug")), "{clients:#}");
    let config = release.config(CLIENT).expect("the configuration is stored");
    assert!(config.contains("poll_interval = \"7s\""), "{config}");
    for (kind, component) in [("daemonset", CLIENT), ("deployment", SERVER)] {
        let pods = release.object(kind, component)["spec"]["template"]["spec"].clone();
        assert_eq!(
            pods["imagePullSecrets"],
            json!([{"name": "registry-secret"}]),
            "{pods:#}"
        );
        let image = pods["containers"][0]["image"].as_str().unwrap_or_default();
        assert!(image.starts_with("registry.example.org/alumet/"), "{image}");
    }

    let explained = |kind: &str, component: Component, arguments: &[&str]| {
        let object = release.name(kind, component);
        told(
            cluster,
            &[&[object.as_str(), "-n", &namespace], arguments].concat(),
        )
    };
    let team = format!("{namespace}/team");
    for (kind, component, what, policy) in [
        (
            "daemonset",
            CLIENT,
            "toleration node-role.kubernetes.io/control-plane:NoSchedule op=Exists",
            "control-plane",
        ),
        (
            "daemonset",
            CLIENT,
            "env RUST_LOG of container alumet-relay-client",
            &team,
        ),
        ("daemonset", CLIENT, "imagePullSecret registry-secret", "mirror"),
        ("deployment", SERVER, "imagePullSecret registry-secret", "mirror"),
        (
            "configmap",
            CLIENT,
            "data.config plugins.k8s.poll_interval",
            &team,
        ),
    ] {
        let with_policies = explained(kind, component, &policies);
        assert_eq!(with_policies["outcome"], "up-to-date", "{with_policies:#}");
        let given = value(&with_policies, what);
        assert_eq!(given["source"], format!("policy: {policy}"), "{given:#}");
        assert_eq!(given["fate"], "kept", "{given:#}");
        // The files alone have the policies: without them it is taken out again, or is what the default says.
        let without: Value = explained(kind, component, &[]);
        assert_eq!(without["outcome"], "stale", "{without:#}");
        assert!(
            !without.to_string().contains(&format!("policy: {policy}")),
            "{without:#}"
        );
    }
}
