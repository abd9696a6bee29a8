//! The life of a release under the webhook: what upgrades, rollbacks and changes by hand do to it.

mod by_hand;
mod streams;

use alumet_injector::names::Component;
use serde_json::{Value, json};

use crate::{
    helm::Major,
    support::{
        Case, Cluster, cases,
        poll::wait_for,
        release::{
            CLIENT, Release, SERVER, SOON, assert_nobody_owns_what_is_injected, tolerated, values, variable,
        },
    },
};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = cases![
        an_upgrade_without_a_change_changes_nothing_with_helm_3,
        an_upgrade_without_a_change_changes_nothing_with_helm_4,
        changed_values_move_configuration_and_pods_and_a_rollback_moves_them_back_with_helm_3,
        changed_values_move_configuration_and_pods_and_a_rollback_moves_them_back_with_helm_4,
        tolerations_that_leave_the_values_go_and_the_users_own_stay,
        from_the_post_renderer_to_the_webhook_and_back_no_pod_rolls_with_helm_3,
        from_the_post_renderer_to_the_webhook_and_back_no_pod_rolls_with_helm_4,
        after_rollout_undo_helm_4_needs_force_conflicts_once_and_helm_3_nothing,
    ];
    cases.extend(by_hand::cases());
    cases.extend(streams::cases());
    cases
}

/// Values with something of each kind to inject, changed as `change` says.
fn full(change: &Value) -> Value {
    let mut full = values(&json!({
        "global": {"secret": "gh-registry-secret"},
        "alumet-relay-server": {"tolerations": [{"key": "mine", "operator": "Exists", "effect": "NoSchedule"}]},
    }));
    json_patch::merge(&mut full, change);
    full
}

fn template(release: &Release<'_>, kind: &str, component: Component) -> Value {
    release.object(kind, component)["spec"]["template"].clone()
}

/// Outcomes of the calls about objects of a kind, as the audit log of the API server has them.
fn outcomes(release: &Release<'_>, resource: &str, verb: &str) -> Vec<String> {
    let events = release.cluster.audit_events(|event| {
        let of = &event["objectRef"];
        of["namespace"] == release.namespace.as_str() && of["resource"] == resource && event["verb"] == verb
    });
    let outcome = |event: &Value| {
        let outcome = event["annotations"]["mutate.injector.alumet.dev/outcome"].as_str()?;
        Some(outcome.to_owned())
    };
    events.iter().filter_map(outcome).collect()
}

fn an_upgrade_without_a_change_changes_nothing_with_helm_3(cluster: &Cluster) {
    an_upgrade_without_a_change_changes_nothing(cluster, Major::Three);
}

fn an_upgrade_without_a_change_changes_nothing_with_helm_4(cluster: &Cluster) {
    an_upgrade_without_a_change_changes_nothing(cluster, Major::Four);
}

fn an_upgrade_without_a_change_changes_nothing(cluster: &Cluster, helm: Major) {
    let release = Release::running(
        cluster,
        helm,
        &cluster.served_namespace("unchanged"),
        &full(&json!({})),
    );
    let before = release.state_and_pods();
    let spec = &template(&release, "deployment", SERVER)["spec"];
    assert!(variable(spec, "INFLUX_TOKEN").is_some(), "{spec:#}");
    assert_eq!(tolerated(spec), ["mine"]);
    assert_eq!(spec["imagePullSecrets"], json!([{"name": "gh-registry-secret"}]));
    assert_nobody_owns_what_is_injected(&release);

    release.upgrade(&full(&json!({})));
    release.upgrade(&full(&json!({})));
    release.wait_until_running();
    assert_eq!(release.state_and_pods(), before);
    assert_nobody_owns_what_is_injected(&release);
}

fn changed_values_move_configuration_and_pods_and_a_rollback_moves_them_back_with_helm_3(cluster: &Cluster) {
    changed_values_move_configuration_and_pods_and_a_rollback_moves_them_back(cluster, Major::Three);
}

fn changed_values_move_configuration_and_pods_and_a_rollback_moves_them_back_with_helm_4(cluster: &Cluster) {
    changed_values_move_configuration_and_pods_and_a_rollback_moves_them_back(cluster, Major::Four);
}

fn changed_values_move_configuration_and_pods_and_a_rollback_moves_them_back(cluster: &Cluster, helm: Major) {
    let release = Release::running(
        cluster,
        helm,
        &cluster.served_namespace("changed"),
        &full(&json!({})),
    );
    let (first, first_pods) = release.state_and_pods();

    release.upgrade(&full(&json!({
        "alumet-relay-client": {"plugins": {"k8s": {"poll_interval": "7s"}}},
        "alumet-relay-server": {"plugins": {"influxdb": {"enable": false}, "csv": {"enable": true}}},
    })));
    release.wait_until_running();
    let (second, second_pods) = release.state_and_pods();
    let client = release.config(CLIENT).unwrap_or_default();
    assert!(client.contains("poll_interval = \"7s\""), "{client}");
    let server = release.config(SERVER).unwrap_or_default();
    assert!(
        server.contains("[plugins.csv]") && !server.contains("influxdb"),
        "{server}"
    );
    for (of, pods) in first_pods.iter().zip(&second_pods) {
        assert!(of.is_disjoint(pods), "all pods are new: {of:?} {pods:?}");
    }
    for pod in release.pods_of(SERVER) {
        let spec = &pod["spec"];
        assert!(variable(spec, "INFLUX_TOKEN").is_none(), "{spec:#}");
        assert_eq!(tolerated(spec), ["mine"], "what did not change is there once");
        assert_eq!(spec["imagePullSecrets"], json!([{"name": "gh-registry-secret"}]));
    }

    release.helm(&["rollback"], &["1"]);
    release.wait_until_running();
    let (third, third_pods) = release.state_and_pods();
    for (name, state) in &third {
        for part in ["data", "template", "record"] {
            assert_eq!(state[part], first[name][part], "{name}: {part} as before");
        }
    }
    assert!(
        second_pods
            .iter()
            .zip(&third_pods)
            .all(|(old, new)| old.is_disjoint(new))
    );
    assert_ne!(second, third);
    assert_nobody_owns_what_is_injected(&release);
    release.upgrade(&full(&json!({})));
    release.wait_until_running();
    assert_eq!(release.state_and_pods(), (third, third_pods));
}

fn tolerations_that_leave_the_values_go_and_the_users_own_stay(cluster: &Cluster) {
    for helm in [Major::Three, Major::Four] {
        let release = Release::running(
            cluster,
            helm,
            &cluster.served_namespace("tolerations"),
            &full(&json!({})),
        );
        let own = json!([{"op": "add", "path": "/spec/template/spec/tolerations/-",
                          "value": {"key": "users", "operator": "Exists"}}]);
        let server = release.name("deployment", SERVER);
        release
            .kubectl(&["patch", &server, "--type", "json", "--patch", &own.to_string()])
            .ok();
        let spec = &template(&release, "deployment", SERVER)["spec"];
        assert_eq!(tolerated(spec), ["mine", "users"], "{helm:?}");

        release.upgrade(&full(&json!({"alumet-relay-server": {"tolerations": null}})));
        release.wait_until_running();
        for pod in release.pods_of(SERVER) {
            assert_eq!(tolerated(&pod["spec"]), ["users"], "{helm:?}: {pod:#}");
        }
    }
}

fn from_the_post_renderer_to_the_webhook_and_back_no_pod_rolls_with_helm_3(cluster: &Cluster) {
    from_the_post_renderer_to_the_webhook_and_back_no_pod_rolls(cluster, Major::Three);
}

fn from_the_post_renderer_to_the_webhook_and_back_no_pod_rolls_with_helm_4(cluster: &Cluster) {
    from_the_post_renderer_to_the_webhook_and_back_no_pod_rolls(cluster, Major::Four);
}

fn from_the_post_renderer_to_the_webhook_and_back_no_pod_rolls(cluster: &Cluster, helm: Major) {
    let namespace = cluster.served_namespace("both-doors");
    let release = Release::of(cluster, helm, &namespace);
    let post_rendered = Release::post_rendered(cluster, helm, &namespace);
    let values = full(&json!({}));
    post_rendered.install(&values);
    release.wait_until_running();
    let before = release.state_and_pods();
    for resource in ["configmaps", "daemonsets", "deployments"] {
        let seen = wait_for("the calls in the audit log", SOON, || {
            let seen = outcomes(&release, resource, "create");
            let seen = [seen, outcomes(&release, resource, "patch")].concat();
            (!seen.is_empty()).then_some(seen)
        });
        assert!(
            seen.iter().all(|outcome| outcome == "up-to-date"),
            "{resource}: {seen:?}"
        );
    }

    // The manifest no longer has what was injected: Helm takes it out, and in the same request it comes back.
    release.upgrade(&values);
    release.wait_until_running();
    assert_eq!(release.state_and_pods(), before);
    assert_nobody_owns_what_is_injected(&release);

    post_rendered.upgrade(&values);
    release.wait_until_running();
    assert_eq!(release.state_and_pods(), before);
}

fn after_rollout_undo_helm_4_needs_force_conflicts_once_and_helm_3_nothing(cluster: &Cluster) {
    for helm in [Major::Three, Major::Four] {
        let release = Release::running(
            cluster,
            helm,
            &cluster.served_namespace("undo"),
            &full(&json!({})),
        );
        let changed = |name: &str| {
            full(&json!({"alumet-relay-server": {
                "tolerations": [{"key": name, "operator": "Exists"}], "plugins": {"influxdb": {"bucket": name}},
            }}))
        };
        let assert_tolerated = |key: &str| {
            let spec = &template(&release, "deployment", SERVER)["spec"];
            assert_eq!(tolerated(spec), [key], "{helm:?}");
        };
        release.upgrade(&changed("energy"));
        release.wait_until_running();
        assert_tolerated("energy");
        let second = release.state();
        let server = release.name("deployment", SERVER);
        release.kubectl(&["rollout", "undo", &server]).ok();
        release.wait_until_running();
        let config = release.config(SERVER).unwrap_or_default();
        assert!(
            config.contains("bucket = \"energy\""),
            "{helm:?}: the configuration stays: {config}"
        );
        assert_tolerated("mine");

        if helm == Major::Four {
            let refusal = release
                .put("upgrade", &changed("energy"), &[])
                .expect_err("kubectl owns the values");
            assert!(refusal.stderr.contains("conflicts with \"kubectl\""), "{refusal}");
            let forced = release.put("upgrade", &changed("energy"), &["--force-conflicts"]);
            forced.unwrap_or_else(|failure| panic!("{failure}"));
        } else {
            release.upgrade(&changed("energy"));
        }
        release.wait_until_running();
        for (name, state) in release.state() {
            for part in ["data", "template", "record"] {
                assert_eq!(state[part], second[&name][part], "{helm:?}: {name}: {part}");
            }
        }
        // Once is enough.
        release.upgrade(&changed("power"));
        assert_tolerated("power");
        release.helm(&["rollback"], &["1"]);
        release.upgrade(&changed("energy"));
        release.wait_until_running();
    }
}
