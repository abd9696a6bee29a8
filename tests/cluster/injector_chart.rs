//! The injector's own installation: its upgrades, its files, and the namespace that it shares.

use std::{ffi::OsString, fs, path::Path, time::Duration};

use alumet_injector::names::{COMPONENT_LABEL, NAME_LABEL, OWN_NAME};
use serde_json::json;

use crate::{
    files::root,
    helm::Major,
    support::{
        Case, Cluster, cases,
        injector::{Certificate, Injector, Installation, injects},
        poll::wait_for,
        rest::{Stored, create},
        samples::{assert_complete, config_map, deployment, record, values},
    },
};

const SOON: Duration = Duration::from_mins(1);

pub(crate) fn cases() -> Vec<Case> {
    cases![
        install_yaml_is_taken_by_the_api_server_and_its_pod_runs,
        it_shares_a_namespace_with_a_release_and_never_waits_for_itself,
        a_renamed_webhook_entry_is_upgraded_by_helm_4_without_a_conflict,
        an_upgrade_by_either_helm_keeps_the_certificate_and_uninstall_takes_the_webhook_away,
        files_are_exchanged_while_it_serves_and_no_call_fails,
    ]
}

/// One that makes its certificate itself, for one namespace.
pub(crate) fn self_managed(namespace: &str) -> Installation<'_> {
    Installation {
        certificate: Certificate::SelfManaged,
        set: &["webhook.failurePolicy=Fail"],
        ..Installation::serving(namespace)
    }
}

/// What belongs to the whole cluster, of which another injector is there already, is asked for alone.
fn install_yaml_is_taken_by_the_api_server_and_its_pod_runs(cluster: &Cluster) {
    let file = root("deploy/install.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let documents: Vec<&str> = text.split("\n---\n").collect();
    let is_the_clusters = |document: &&str| {
        [
            "ClusterRole",
            "ClusterRoleBinding",
            "CustomResourceDefinition",
            "MutatingWebhookConfiguration",
            "ValidatingWebhookConfiguration",
        ]
        .iter()
        .any(|kind| document.contains(&format!("\nkind: {kind}\n")))
    };
    let (of_the_cluster, own): (Vec<&str>, Vec<&str>) = documents.iter().copied().partition(is_the_clusters);
    assert_eq!(of_the_cluster.len(), 10);
    let own_text = own.join("\n---\n");
    let apply = || cluster.kubectl_with(&["apply", "-f", "-"], &own_text);
    let applied = apply();
    // The namespace warns of what is not `restricted`.
    assert_eq!(applied.stderr, "", "{applied}");
    assert_eq!(applied.ok().lines().count(), own.len());

    let file = file.to_str().unwrap();
    let dry = cluster.kubectl(&["apply", "--dry-run=server", "-f", file]).ok();
    let taken = dry.lines().filter(|line| line.ends_with(" (server dry run)"));
    assert_eq!(taken.count(), documents.len(), "{dry}");
    let webhook = "mutatingwebhookconfiguration.admissionregistration.k8s.io/alumet-injector created";
    assert!(dry.contains(webhook), "{dry}");
    let again = apply().ok();
    assert!(again.lines().all(|line| line.ends_with(" unchanged")), "{again}");
    let (deployment, namespace) = ("deployment/alumet-injector", "alumet-injector");
    cluster
        .kubectl(&["rollout", "status", deployment, "-n", namespace, "--timeout=60s"])
        .ok();
}

fn it_shares_a_namespace_with_a_release_and_never_waits_for_itself(cluster: &Cluster) {
    let namespace = cluster.namespace("shared");
    let installation = Installation {
        into: Some(&namespace),
        ..self_managed(&namespace)
    };
    let injector = Injector::install(cluster, &installation);
    let release = injector.release.as_str();
    let made = create(cluster, &deployment(&namespace, "server", &values()), Stored::Yes).unwrap();
    let template = &made["spec"]["template"];
    assert_complete(&json!({"metadata": template["metadata"], "spec": template["spec"]}));
    let own = cluster.get(&["deployment", release, "-n", &namespace]);
    assert!(record(&own["spec"]["template"]["metadata"]).is_null(), "{own:#}");

    // The node goes away with it, and every object of others waits for it.
    injector.stop();
    let why = create(cluster, &config_map(&namespace, "waits"), Stored::No).unwrap_err();
    assert!(why.contains("failed calling webhook"), "{why}");
    let selector = format!("{NAME_LABEL}={OWN_NAME}");
    let pods = || {
        let pods = cluster.get(&["pods", "-n", &namespace, "-l", &selector]);
        let mut names: Vec<String> = Vec::new();
        for pod in pods["items"].as_array().unwrap() {
            if pod["metadata"]["deletionTimestamp"].is_null() && pod["status"]["phase"] == "Running" {
                names.push(pod["metadata"]["name"].as_str().unwrap().to_owned());
            }
        }
        names
    };
    let first = wait_for("its pod to run", SOON, || pods().pop());
    cluster
        .kubectl(&["delete", "pod", &first, "-n", &namespace, "--wait=false"])
        .ok();
    wait_for("another pod of it", SOON, || {
        pods().into_iter().find(|pod| *pod != first)
    });
    // Even with the label that asks for an injection.
    let mut own = config_map(&namespace, "own");
    own["metadata"]["labels"] = json!({NAME_LABEL: OWN_NAME, COMPONENT_LABEL: "agent"});
    create(cluster, &own, Stored::No).unwrap();
    injector.start(cluster);
    create(cluster, &config_map(&namespace, "waits"), Stored::Yes).unwrap();
}

fn ca_bundle(cluster: &Cluster, injector: &Injector, entry: &str) -> Option<String> {
    let config = cluster.get(&["mutatingwebhookconfiguration", &injector.webhook]);
    let entries = config["webhooks"].as_array().unwrap().clone();
    assert_eq!(entries.len(), 1, "{config:#}");
    assert_eq!(entries[0]["name"], entry, "{config:#}");
    entries[0]["clientConfig"]["caBundle"].as_str().map(str::to_owned)
}

fn a_renamed_webhook_entry_is_upgraded_by_helm_4_without_a_conflict(cluster: &Cluster) {
    let namespace = cluster.namespace("renamed");
    let installation = self_managed(&namespace);
    let injector = Injector::install(cluster, &installation);
    let before = ca_bundle(cluster, &injector, "mutate.injector.alumet.dev");
    assert!(before.is_some());

    let copy = tempfile::tempdir().unwrap();
    copy_folder(&root("deploy/injector"), copy.path());
    let file = copy.path().join("templates/mutatingwebhookconfiguration.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let renamed = text.replace(
        "name: mutate.injector.alumet.dev",
        "name: renamed.injector.alumet.dev",
    );
    assert_ne!(text, renamed);
    fs::write(&file, renamed).unwrap();
    injector.helm_with(cluster, "upgrade", copy.path(), &installation);
    wait_for("the caBundle of the renamed entry", SOON, || {
        (ca_bundle(cluster, &injector, "renamed.injector.alumet.dev") == before).then_some(())
    });
    wait_for("calls through the renamed entry", SOON, || {
        injects(cluster, &namespace).then_some(())
    });
    // And back, as a rollback does it.
    injector.helm(cluster, "upgrade", &installation);
    wait_for("calls through the entry of before", SOON, || {
        injects(cluster, &namespace).then_some(())
    });
    assert_eq!(
        ca_bundle(cluster, &injector, "mutate.injector.alumet.dev"),
        before
    );
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn an_upgrade_by_either_helm_keeps_the_certificate_and_uninstall_takes_the_webhook_away(cluster: &Cluster) {
    for helm in [Major::Three, Major::Four] {
        let namespace = cluster.namespace("upgraded");
        let installation = Installation {
            helm,
            ..self_managed(&namespace)
        };
        let injector = Injector::install(cluster, &installation);
        let secret = format!("{}-serving-cert", injector.release);
        let data = || cluster.get(&["secret", &secret, "-n", &injector.namespace])["data"].clone();
        let entry = "mutate.injector.alumet.dev";
        let before = (data(), ca_bundle(cluster, &injector, entry));
        assert!(before.0["tls.key"].is_string() && before.1.is_some(), "{helm:?}");

        // Nobody is there to put it right.
        injector.stop();
        let changed = Installation {
            set: &[
                "webhook.failurePolicy=Fail",
                "webhook.timeoutSeconds=7",
                "commonLabels.team=hpc",
            ],
            ..installation
        };
        injector.helm(cluster, "upgrade", &changed);
        assert!(
            before == (data(), ca_bundle(cluster, &injector, entry)),
            "{helm:?}: the certificate is kept"
        );
        let config = cluster.get(&["mutatingwebhookconfiguration", &injector.webhook]);
        assert_eq!(config["webhooks"][0]["timeoutSeconds"], 7, "{helm:?}");
        injector.start(cluster);
        wait_for("calls after the upgrade", SOON, || {
            injects(cluster, &namespace).then_some(())
        });
        injector.stop();

        let arguments = ["uninstall", &injector.release, "--namespace", &injector.namespace];
        cluster
            .helm(helm)
            .run(&arguments.map(OsString::from))
            .unwrap_or_else(|failure| panic!("{failure}"));
        let gone = cluster
            .kubectl(&["get", "mutatingwebhookconfiguration", &injector.webhook])
            .refused();
        assert!(gone.contains("not found"), "{helm:?}: {gone}");
        create(cluster, &config_map(&namespace, "nobody-is-asked"), Stored::Yes).unwrap();
    }
}

/// The API server trusts both authorities while it happens.
fn files_are_exchanged_while_it_serves_and_no_call_fails(cluster: &Cluster) {
    let namespace = cluster.namespace("files");
    let fail = ["webhook.failurePolicy=Fail"];
    let installation = Installation {
        set: &fail,
        ..Installation::serving(&namespace)
    };
    let injector = Injector::install(cluster, &installation);
    let old = injector.authority().to_owned();
    let renewed = injector.prepare_files();
    injector.trust(cluster, &format!("{old}{}", renewed.authority));
    // The API server makes new connections from now on, with what it trusts now.
    wait_for("the API server to know both", SOON, || {
        injects(cluster, &namespace).then_some(())
    });
    renewed.put_in_place();
    wait_for("the new certificate to be served", SOON, || {
        assert!(injects(cluster, &namespace), "{}", injector.log());
        injector
            .log()
            .contains("a new certificate is served")
            .then_some(())
    });
    // From here on the new one alone is trusted.
    injector.trust(cluster, &renewed.authority);
    wait_for("calls under the new authority alone", SOON, || {
        injects(cluster, &namespace).then_some(())
    });
    let metrics = injector.metrics(cluster);
    assert!(
        metrics.contains("alumet_injector_failed_certificate_reloads_total 0"),
        "{metrics}"
    );
}
