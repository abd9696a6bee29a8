//! Under `Fail`: what is refused while the injector is away, and what must never be.

use std::ffi::OsString;

use alumet_injector::names::COMPONENT_LABEL;
use serde_json::{Value, json};

use super::WEBHOOK;
use crate::{
    helm::Major,
    support::{
        Case, Cluster, cases,
        injector::{Certificate, Injector, Installation},
        poll::wait_for,
        release::{MARKED, Release, SERVER, SOON, values},
    },
};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        under_fail_marked_objects_are_refused_and_nothing_else_is,
        under_fail_the_injectors_own_pods_and_kube_system_do_not_wait_for_it,
        uninstalling_the_injector_leaves_nothing_that_blocks,
    ]
}

fn config_map(name: &str, labels: &Value) -> String {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}).to_string()
}

fn under_fail_marked_objects_are_refused_and_nothing_else_is(cluster: &Cluster) {
    let namespace = cluster.namespace("fail");
    let fail = Installation {
        set: &["webhook.failurePolicy=Fail"],
        ..Installation::serving(&namespace)
    };
    let injector = Injector::install(cluster, &fail);
    let release = Release::running(cluster, Major::Four, &namespace, &values(&json!({})));
    injector.stop();
    let refused = format!("failed calling webhook \"{WEBHOOK}\"");
    let create = |namespace: &str, object: &str| {
        cluster.kubectl_with(&["create", "--namespace", namespace, "-f", "-"], object)
    };
    let marked = json!({COMPONENT_LABEL: "agent"});

    let why = create(&namespace, &config_map("marked", &marked)).refused();
    assert!(why.contains(&refused), "{why}");
    let changed = values(&json!({"alumet-relay-server": {"plugins": {"influxdb": {"bucket": "energy"}}}}));
    let why = release
        .put("upgrade", &changed, &[])
        .expect_err("it changes marked objects");
    assert!(why.stderr.contains(&refused), "{why}");

    create(&namespace, &config_map("unmarked", &json!({}))).ok();
    // The pods that run go on, whatever their objects: parts such as the status are not asked about.
    assert!(
        release
            .pods()
            .iter()
            .all(|pod| pod["status"]["phase"] == "Running"),
        "{}",
        release.story()
    );
    // A pod that is gone waits for the injector: pods are asked about, too.
    let old = release.uids(SERVER);
    release
        .kubectl(&[
            "delete",
            "pods",
            "--selector",
            &format!("{COMPONENT_LABEL}={SERVER}"),
        ])
        .ok();
    wait_for("the ReplicaSet to be refused", SOON, || {
        let events = release.kubectl(&["get", "events", "--output", "json"]).ok();
        (events.contains("FailedCreate") && events.contains(WEBHOOK)).then_some(())
    });
    assert!(release.uids(SERVER).is_empty(), "{}", release.story());
    injector.start(cluster);
    release.wait_until_running();
    assert!(release.uids(SERVER).is_disjoint(&old));
    injector.stop();

    for (kind, component) in MARKED {
        release.kubectl(&["delete", &release.name(kind, component)]).ok();
    }
    wait_for("the pods to go", SOON, || release.pods().is_empty().then_some(()));
}

/// Both are told to serve what they must not stop, with the list of namespaces that the chart has by default.
fn under_fail_the_injectors_own_pods_and_kube_system_do_not_wait_for_it(cluster: &Cluster) {
    let namespace = cluster.namespace("own");
    let fail = |serves| Installation {
        set: &["webhook.failurePolicy=Fail"],
        ..Installation::serving(serves)
    };
    let own = Installation {
        into: Some(&namespace),
        ..fail(&namespace)
    };
    Injector::install_only(cluster, &own);
    let release = Release::of(cluster, Major::Four, &namespace);
    let marked = json!({COMPONENT_LABEL: "agent"});
    let create = ["create", "-f", "-"];
    release
        .kubectl_with(&create, &config_map("marked", &marked))
        .refused();
    let selector = "app.kubernetes.io/name=alumet-injector";
    let pods = || {
        let get = ["get", "pods", "--selector", selector, "--output", "name"];
        release.kubectl(&get).ok()
    };
    let first = wait_for("its pod", SOON, || Some(pods()).filter(|pods| !pods.is_empty()));
    release.kubectl(&["delete", first.trim(), "--wait=false"]).ok();
    wait_for("another pod", SOON, || {
        let now = pods();
        (!now.is_empty() && !now.contains(first.trim())).then_some(())
    });

    Injector::install_only(cluster, &fail("kube-system"));
    let system = Release::of(cluster, Major::Four, "kube-system");
    system
        .kubectl_with(&create, &config_map(&namespace, &marked))
        .ok();
}

fn uninstalling_the_injector_leaves_nothing_that_blocks(cluster: &Cluster) {
    for helm in [Major::Three, Major::Four] {
        let namespace = cluster.namespace("uninstalled");
        let installation = Installation {
            helm,
            certificate: Certificate::SelfManaged,
            set: &["webhook.failurePolicy=Fail"],
            ..Installation::serving(&namespace)
        };
        let injector = Injector::install(cluster, &installation);
        let release = Release::running(cluster, helm, &namespace, &values(&json!({})));
        let pods = release.state_and_pods();
        // The worst order: the program goes before its configuration.
        injector.stop();
        let uninstall =
            ["uninstall", &injector.release, "--namespace", &injector.namespace].map(OsString::from);
        cluster
            .helm(helm)
            .run(&uninstall)
            .unwrap_or_else(|failure| panic!("{failure}"));

        let kinds =
            "mutatingwebhookconfigurations,validatingwebhookconfigurations,clusterroles,clusterrolebindings";
        let left = cluster.kubectl(&["get", kinds, "--output", "name"]).ok();
        assert!(!left.contains(&injector.namespace), "{helm:?}: {left}");
        wait_for("nothing of its release to be left", SOON, || {
            let kinds =
                "deployments,services,serviceaccounts,roles,rolebindings,secrets,poddisruptionbudgets,pods";
            let own = "app.kubernetes.io/name=alumet-injector";
            let left = cluster
                .kubectl(&[
                    "get",
                    kinds,
                    "--namespace",
                    &injector.namespace,
                    "--selector",
                    own,
                    "--output",
                    "name",
                ])
                .ok();
            left.is_empty().then_some(())
        });
        // What it wrote stays, and marked objects come in again.
        assert_eq!(release.state_and_pods(), pods, "{helm:?}");
        let object = config_map("marked", &json!({COMPONENT_LABEL: "agent"}));
        wait_for("the API server to forget the webhook", SOON, || {
            let ran = release.kubectl_with(&["create", "--dry-run=server", "-f", "-"], &object);
            (ran.code == Some(0)).then_some(())
        });
        release.upgrade(&values(&json!({})));
    }
}
