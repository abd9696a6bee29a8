//! What somebody changes with kubectl, behind Helm's back.

use alumet_injector::names::{REFRESH_ANNOTATION as REFRESH, STATUS_ANNOTATION as STATUS};
use serde_json::{Value, json};

use super::{full, template};
use crate::{
    helm::Major,
    support::{
        Case, Cluster, cases,
        release::{
            CLIENT, MARKED, Release, SERVER, assert_nobody_owns_what_is_injected, tolerated, variable,
        },
    },
};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        what_is_taken_out_of_a_template_comes_back_in_that_very_request,
        a_configuration_edited_by_hand_stays_and_deleting_the_key_generates_it_anew,
        a_refresh_by_hand_leaves_what_is_right_as_it_is,
        a_refresh_by_hand_renews_what_is_stale,
    ]
}

fn patch(release: &Release<'_>, name: &str, operations: &Value) -> crate::support::cluster::Ran {
    release.kubectl(&[
        "patch",
        name,
        "--type",
        "json",
        "--patch",
        &operations.to_string(),
    ])
}

fn what_is_taken_out_of_a_template_comes_back_in_that_very_request(cluster: &Cluster) {
    let namespace = cluster.served_namespace("taken-out");
    let release = Release::running(cluster, Major::Four, &namespace, &full(&json!({})));
    let before = release.state_and_pods();
    let server = release.name("deployment", SERVER);
    let spec = &template(&release, "deployment", SERVER)["spec"];
    assert!(variable(spec, "INFLUX_TOKEN").is_some(), "{spec:#}");
    for path in [
        "/spec/template/spec/tolerations",
        "/spec/template/spec/imagePullSecrets",
    ] {
        let said = patch(&release, &server, &json!([{"op": "remove", "path": path}])).ok();
        assert!(said.contains("no change"), "{path}: {said}");
    }
    let one = "/spec/template/spec/containers/0/env/";
    let env = spec["containers"][0]["env"].as_array().expect("it has variables");
    let at = env
        .iter()
        .position(|one| one["name"] == "INFLUX_TOKEN")
        .expect("it is there");
    let said = patch(
        &release,
        &server,
        &json!([{"op": "remove", "path": format!("{one}{at}")}]),
    )
    .ok();
    assert!(said.contains("no change"), "{said}");
    // A key of the ConfigMap too; nothing rolls for it.
    let config_map = release.name("configmap", CLIENT);
    let config = release.config(CLIENT);
    patch(
        &release,
        &config_map,
        &json!([{"op": "remove", "path": "/data/config"}]),
    )
    .ok();
    assert_eq!(release.config(CLIENT), config);
    assert_eq!(release.state_and_pods(), before);
    assert_nobody_owns_what_is_injected(&release);
}

fn a_configuration_edited_by_hand_stays_and_deleting_the_key_generates_it_anew(cluster: &Cluster) {
    for helm in [Major::Three, Major::Four] {
        let namespace = cluster.served_namespace("edited");
        let release = Release::running(cluster, helm, &namespace, &full(&json!({})));
        let config_map = release.name("configmap", SERVER);
        let edited = format!("# edited\n{}", release.config(SERVER).unwrap_or_default());
        let edit = json!([{"op": "replace", "path": "/data/config", "value": edited}]);
        let ran = patch(&release, &config_map, &edit);
        assert!(
            ran.stderr.contains("edited-config") && ran.stderr.contains("delete the key `config`"),
            "{helm:?}: {ran}"
        );
        assert_eq!(release.config(SERVER).as_ref(), Some(&edited), "{helm:?}");

        let changed = full(&json!({"alumet-relay-server": {"plugins": {"influxdb": {"bucket": "energy"}}}}));
        release.upgrade(&changed);
        release.wait_until_running();
        assert_eq!(
            release.config(SERVER).as_ref(),
            Some(&edited),
            "{helm:?}: it is the user's"
        );

        patch(
            &release,
            &config_map,
            &json!([{"op": "remove", "path": "/data/config"}]),
        )
        .ok();
        let anew = release.config(SERVER).unwrap_or_default();
        assert!(
            anew.contains("bucket = \"energy\"") && !anew.contains("# edited"),
            "{helm:?}: {anew}"
        );
        release.upgrade(&full(&json!({})));
        let config = release.config(SERVER).unwrap_or_default();
        assert!(
            config.contains("bucket = \"default\""),
            "{helm:?}: ours again: {config}"
        );
    }
}

fn a_refresh_by_hand_leaves_what_is_right_as_it_is(cluster: &Cluster) {
    let namespace = cluster.served_namespace("refreshed");
    let release = Release::running(cluster, Major::Four, &namespace, &full(&json!({})));
    let before = release.state_and_pods();
    for (kind, component) in MARKED {
        let name = release.name(kind, component);
        release
            .kubectl(&["annotate", &name, &format!("{REFRESH}=now")])
            .ok();
        let annotations = &release.object(kind, component)["metadata"]["annotations"];
        assert!(annotations[REFRESH].is_null(), "{name}: {annotations:#}");
    }
    release.wait_until_running();
    assert_eq!(release.state_and_pods(), before);
    assert_nobody_owns_what_is_injected(&release);
    release.upgrade(&full(&json!({})));
    assert_eq!(release.state_and_pods(), before);
}

/// What is stale here was made for other values, and its record says that it belongs to these.
fn a_refresh_by_hand_renews_what_is_stale(cluster: &Cluster) {
    let namespace = cluster.served_namespace("stale");
    let release = Release::running(cluster, Major::Four, &namespace, &full(&json!({})));
    let old = release.object("configmap", SERVER);
    let old_template = template(&release, "deployment", SERVER);
    release.upgrade(&full(&json!({
        "alumet-relay-server": {"tolerations": null, "plugins": {"influxdb": {"bucket": "energy"}}},
    })));
    release.wait_until_running();
    let new = release.state_and_pods();
    let record = |annotations: &Value| -> Value {
        serde_json::from_str(annotations[STATUS].as_str().unwrap_or_default()).expect("a record is JSON")
    };
    // The old text under the new values.
    let stale = |old: &Value, new: &Value| {
        let mut stale = record(old);
        stale["values"] = record(new)["values"].clone();
        stale.to_string()
    };
    let now = release.object("configmap", SERVER);
    let text = stale(&old["metadata"]["annotations"], &now["metadata"]["annotations"]);
    let change = json!({"metadata": {"annotations": {STATUS: text}}, "data": old["data"]});
    let config_map = release.name("configmap", SERVER);
    release
        .kubectl(&[
            "patch",
            &config_map,
            "--type",
            "merge",
            "--patch",
            &change.to_string(),
        ])
        .ok();
    assert_eq!(
        release.object("configmap", SERVER)["data"],
        old["data"],
        "nobody sees that it is stale"
    );
    let text = stale(
        &old_template["metadata"]["annotations"],
        &template(&release, "deployment", SERVER)["metadata"]["annotations"],
    );
    let change = json!({"spec": {"template": {
        "metadata": {"annotations": {STATUS: text}},
        "spec": {"tolerations": old_template["spec"]["tolerations"]},
    }}});
    let server = release.name("deployment", SERVER);
    release
        .kubectl(&[
            "patch",
            &server,
            "--type",
            "merge",
            "--patch",
            &change.to_string(),
        ])
        .ok();
    release.wait_until_running();
    assert_eq!(
        tolerated(&template(&release, "deployment", SERVER)["spec"]),
        ["mine"]
    );
    let pods = release.uids(SERVER);

    release
        .kubectl(&["annotate", &config_map, &server, &format!("{REFRESH}=now")])
        .ok();
    release.wait_until_running();
    let renewed = release.state_and_pods();
    for name in ["configmap relay-server", "deployment relay-server"] {
        for part in ["data", "template", "record"] {
            assert_eq!(renewed.0[name][part], new.0[name][part], "{name}: {part}");
        }
    }
    assert!(
        renewed.1[1].is_disjoint(&pods),
        "the template changed, so its pods are new"
    );
    assert_eq!(renewed.1[0], new.1[0], "the clients had no reason to");
}
