//! The Secrets of a release: InfluxDB's credentials are made once and kept, or they are the user's own.

use serde_json::json;

use crate::{
    helm::Major,
    support::{
        Case, Cluster, cases,
        poll::wait_for,
        release::{INFLUXDB, Release, SERVER, SOON, is_ready, variable},
    },
};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        credentials_are_kept_by_helm_3,
        credentials_are_kept_by_helm_4,
        a_given_token_that_is_not_the_kept_one_is_refused,
        an_existing_secret_is_used_after_the_webhook,
        an_existing_secret_is_used_after_the_post_renderer,
    ]
}

fn credentials_are_kept_by_helm_3(cluster: &Cluster) {
    credentials_are_kept(cluster, Major::Three);
}

fn credentials_are_kept_by_helm_4(cluster: &Cluster) {
    credentials_are_kept(cluster, Major::Four);
}

/// Across an upgrade, and across uninstall and install; and so is the volume that can only be opened with them.
fn credentials_are_kept(cluster: &Cluster, major: Major) {
    let namespace = cluster.served_namespace("credentials");
    let release = Release::of(cluster, major, &namespace);
    release.volume_for(INFLUXDB);
    release.install("defaults");
    let credentials = || release.get("secret", "test-alumet-influxdb2-auth")["data"].clone();
    let first = credentials();
    assert!(first["admin-token"].is_string() && first["admin-password"].is_string());
    let volume = || {
        wait_for("the claim to be bound", SOON, || {
            let claim = release.get("pvc", INFLUXDB);
            let identity = (
                claim["metadata"]["uid"].clone(),
                claim["spec"]["volumeName"].clone(),
            );
            (claim["status"]["phase"] == "Bound").then_some(identity)
        })
    };
    let first_volume = volume();

    release.upgrade(("defaults", &["alumet-relay-client.plugins.rapl.enable=true"]));
    assert!(credentials() == first, "upgraded");
    release.helm(&["uninstall"], &[]);
    assert!(credentials() == first, "uninstalled");
    release.install("defaults");
    assert!(credentials() == first, "installed again");
    assert_eq!(volume(), first_volume);
    let server = release.ready(SERVER, 1);
    assert_eq!(
        variable(&server[0]["spec"], "INFLUX_TOKEN").unwrap()["valueFrom"]["secretKeyRef"]["name"],
        "test-alumet-influxdb2-auth"
    );
}

fn a_given_token_that_is_not_the_kept_one_is_refused(cluster: &Cluster) {
    let namespace = cluster.namespace("kept");
    for major in [Major::Three, Major::Four] {
        let release = Release::post_rendered(cluster, major, &namespace);
        release.install("defaults");
        let other = ["influxdb2.adminUser.token=another"];
        let failure = release
            .put("upgrade", ("defaults", &other), &[])
            .unwrap_err()
            .to_string();
        let sentence = format!(
            "influxdb2.adminUser.token is not the one in Secret {namespace}/test-alumet-influxdb2-auth (key admin-token)"
        );
        assert!(failure.contains(&sentence), "{major:?}: {failure}");
        release.helm(&["uninstall"], &[]);
    }
}

fn an_existing_secret_is_used_after_the_webhook(cluster: &Cluster) {
    let namespace = cluster.served_namespace("existing");
    existing_secret(&Release::of(cluster, Major::Four, &namespace));
}

fn an_existing_secret_is_used_after_the_post_renderer(cluster: &Cluster) {
    let namespace = cluster.namespace("existing");
    existing_secret(&Release::post_rendered(cluster, Major::Three, &namespace));
}

/// The server waits for it, with the kubelet's own words, and then both start with it.
fn existing_secret(release: &Release<'_>) {
    release.install(("existing-secret", &["influxdb2.persistence.enabled=false"]));
    wait_for("the server to be held", SOON, || {
        let why = release.why_held(&release.pods_of(SERVER).pop()?)?;
        why.contains("secret \"influxdb2-auth\" not found").then_some(())
    });
    let keys = [
        "--from-literal=admin-token=influxToken",
        "--from-literal=admin-password=influxPasswd",
    ];
    release
        .kubectl(&["create", "secret", "generic", "influxdb2-auth", keys[0], keys[1]])
        .ok();
    let server = release.ready(SERVER, 1);
    assert_eq!(
        variable(&server[0]["spec"], "INFLUX_TOKEN").unwrap()["valueFrom"]["secretKeyRef"],
        json!({"name": "influxdb2-auth", "key": "admin-token"})
    );
    wait_for("InfluxDB", SOON, || {
        is_ready(&release.get("pod", &format!("{INFLUXDB}-0"))).then_some(())
    });
    let made = release.list(&["secrets", "-l", "app.kubernetes.io/instance=test-alumet"]);
    assert!(made.is_empty(), "the chart makes none: {made:#?}");
}
