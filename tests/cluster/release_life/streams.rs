//! The stream of the chart through kubectl, as scripts and tools of `GitOps` send it.

use alumet_injector::names::Component;
use serde_json::{Value, json};

use crate::support::{
    Case, Cluster, cases,
    release::{MARKED, Release, SERVER},
};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        kubectl_apply_twice_says_unchanged,
        a_dry_run_shows_the_complete_objects_and_leaves_no_trace,
        a_stream_applied_twice_by_server_side_apply_changes_nothing,
    ]
}

/// Versions of the marked objects: each write changes one.
fn versions(release: &Release<'_>) -> Vec<(String, Value, Value)> {
    let version = |(kind, component): (&str, Component)| {
        let metadata = &release.object(kind, component)["metadata"];
        (
            format!("{kind} {component}"),
            metadata["resourceVersion"].clone(),
            metadata["generation"].clone(),
        )
    };
    MARKED.map(version).into()
}

fn kubectl_apply_twice_says_unchanged(cluster: &Cluster) {
    let release = Release::of_a_stream(cluster, &cluster.served_namespace("apply-twice"));
    let stream = release.stream(&json!({}));
    release.kubectl_with(&["apply", "-f", "-"], &stream).ok();
    release.wait_until_running();
    let before = release.state_and_pods();
    let said = release.kubectl_with(&["apply", "-f", "-"], &stream).ok();
    let of_alumet: Vec<&str> = said.lines().filter(|line| !line.starts_with("pod/")).collect();
    assert!(of_alumet.len() >= MARKED.len(), "{said}");
    assert!(
        of_alumet.iter().all(|line| line.ends_with(" unchanged")),
        "{said}"
    );
    assert_eq!(release.state_and_pods(), before);
}

fn a_dry_run_shows_the_complete_objects_and_leaves_no_trace(cluster: &Cluster) {
    let release = Release::of_a_stream(cluster, &cluster.served_namespace("dry-run"));
    let dry_run = |stream: &str| -> Vec<Value> {
        let arguments = ["apply", "--dry-run=server", "--output", "json", "-f", "-"];
        let text = release.kubectl_with(&arguments, stream).ok();
        let list: Value = serde_json::from_str(&text).expect("kubectl prints JSON");
        list["items"].as_array().expect("a list").clone()
    };
    let marked = |shown: &[Value], kind: &str, component: Component| -> Value {
        let is_it = |one: &&Value| {
            one["kind"]
                .as_str()
                .is_some_and(|it| it.eq_ignore_ascii_case(kind))
                && one["metadata"]["labels"]["injector.alumet.dev/component"] == component.as_str()
        };
        let found = shown.iter().find(is_it);
        found
            .unwrap_or_else(|| panic!("{kind} of the {component}: {shown:#?}"))
            .clone()
    };
    let first = release.stream(&json!({}));
    let shown = dry_run(&first);
    let objects = "configmaps,daemonsets,deployments,pods";
    let there = release
        .kubectl(&[
            "get",
            objects,
            "--selector",
            "injector.alumet.dev/component",
            "--output",
            "name",
        ])
        .ok();
    assert_eq!(there, "", "nothing is stored");

    release.kubectl_with(&["apply", "-f", "-"], &first).ok();
    release.wait_until_running();
    for (kind, component) in MARKED {
        let (shown, stored) = (marked(&shown, kind, component), release.object(kind, component));
        assert_eq!(shown["data"], stored["data"], "{kind} {component}");
        assert_eq!(
            shown["spec"]["template"], stored["spec"]["template"],
            "{kind} {component}"
        );
    }

    let before = (release.state_and_pods(), versions(&release));
    let changed =
        release.stream(&json!({"alumet-relay-server": {"plugins": {"influxdb": {"bucket": "energy"}}}}));
    let shown = dry_run(&changed);
    let config = &marked(&shown, "configmap", SERVER)["data"]["config"];
    assert!(
        config
            .as_str()
            .is_some_and(|text| text.contains("bucket = \"energy\"")),
        "{config}"
    );
    assert_eq!((release.state_and_pods(), versions(&release)), before);
}

fn a_stream_applied_twice_by_server_side_apply_changes_nothing(cluster: &Cluster) {
    let release = Release::of_a_stream(cluster, &cluster.served_namespace("gitops"));
    let stream = release.stream(&json!({}));
    let apply = ["apply", "--server-side", "--field-manager=gitops", "-f", "-"];
    release.kubectl_with(&apply, &stream).ok();
    release.wait_until_running();
    // No controller writes any more.
    let before = (release.state_and_pods(), versions(&release));
    release.kubectl_with(&apply, &stream).ok();
    assert_eq!((release.state_and_pods(), versions(&release)), before);
    let diff = release.kubectl_with(
        &["diff", "--server-side", "--field-manager=gitops", "-f", "-"],
        &stream,
    );
    assert!(diff.code == Some(0), "no drift: {diff}");
}
