//! `diff --live` with manifests: what an upgrade would change is told before, and is what it then does.

use std::{collections::BTreeMap, fs};

use alumet_injector::names::COMPONENT_LABEL;
use json_patch::Patch;
use serde_json::{Value, json};

use crate::{
    helm::Major,
    policies_live::of_namespace,
    support::{
        Case, Cluster, cases,
        cluster::Ran,
        release::{CLIENT_NAME, INFLUXDB, NAME, Release, SERVER_NAME, values},
    },
};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        what_an_upgrade_by_helm_3_will_do_is_told_before,
        what_an_upgrade_by_helm_4_will_do_is_told_before,
        people_read_what_changes_and_which_pods_roll,
        objects_that_come_and_go_are_told,
        what_the_api_server_would_refuse_is_told,
        an_object_of_somebody_else_is_told,
        without_an_injector_it_says_what_would_be_missed,
        no_value_of_a_secret_is_shown,
        a_release_that_is_not_there_is_refused,
        a_conflict_of_helm_4_is_told_before,
        helm_3_writes_over_what_others_wrote,
        the_files_of_the_injector_judge_what_comes_back,
    ]
}

/// The kinds of the chart, but for Secrets.
const KINDS: [&str; 7] = [
    "configmap",
    "daemonset",
    "deployment",
    "statefulset",
    "service",
    "serviceaccount",
    "persistentvolumeclaim",
];

/// The objects of the release, by kind and name.
fn objects(release: &Release<'_>) -> BTreeMap<(String, String), Value> {
    let mut objects = BTreeMap::new();
    for kind in KINDS {
        for mut object in release.list(&[kind]) {
            if object["metadata"]["annotations"]["meta.helm.sh/release-name"] != NAME {
                continue;
            }
            let text = |pointer: &str| object.pointer(pointer).unwrap().as_str().unwrap().to_owned();
            let id = (text("/kind"), text("/metadata/name"));
            object.as_object_mut().unwrap().shift_remove("status");
            let metadata = object["metadata"].as_object_mut().unwrap();
            for kept in [
                "managedFields",
                "resourceVersion",
                "uid",
                "generation",
                "creationTimestamp",
            ] {
                metadata.shift_remove(kept);
            }
            // A controller writes it, after the upgrade.
            if let Some(annotations) = metadata["annotations"].as_object_mut() {
                annotations.shift_remove("deployment.kubernetes.io/revision");
            }
            objects.insert(id, object);
        }
    }
    objects
}

fn ask(release: &Release<'_>, stream: &str, more: &[&str]) -> Ran {
    let arguments = [
        &["diff", "--live", NAME, "--namespace", &release.namespace, "-"],
        more,
    ]
    .concat();
    release.cluster.own_with(&arguments, stream)
}

/// Asks, upgrades, and holds each object against what was told of it. Gives what was told.
#[track_caller]
fn told_and_done(release: &Release<'_>, to: &Value) -> Vec<Value> {
    let stream = release.rendered(to);
    let mut expected = objects(release);
    let told = ask(release, &stream, &["--output", "json"]).ok();
    assert_eq!(objects(release), expected, "to ask changes nothing");
    let told: Vec<Value> = serde_json::from_str(&told).expect("it is JSON");
    for entry in &told {
        let id = |key: &str| entry[key].as_str().unwrap().to_owned();
        let id = (id("kind"), id("name"));
        match entry["becomes"].as_str().unwrap() {
            "changed" => {
                let patch: Patch = serde_json::from_value(entry["patch"].clone()).unwrap();
                let object = expected
                    .get_mut(&id)
                    .unwrap_or_else(|| panic!("{id:?} is not there"));
                // The revision was taken out above, so that a test of it would not hold; there is none in a diff.
                json_patch::patch(object, &patch)
                    .unwrap_or_else(|error| panic!("{id:?}: {error}: {entry:#}"));
            }
            "deleted" => {
                assert!(expected.remove(&id).is_some(), "{id:?} is not there");
            }
            "created" => assert!(!expected.contains_key(&id), "{id:?} is there"),
            "unchanged" => {}
            other => panic!("{other}: {entry:#}"),
        }
    }
    release.upgrade(to);
    let mut done = objects(release);
    for entry in told.iter().filter(|entry| entry["becomes"] == "created") {
        let id = |key: &str| entry[key].as_str().unwrap().to_owned();
        let id = (id("kind"), id("name"));
        assert!(done.remove(&id).is_some(), "{id:?} was not created");
    }
    // Marked objects that go are told; of the others Helm's own record knows alone.
    expected.retain(|id, object| done.contains_key(id) || is_marked(object));
    assert_eq!(done, expected);
    told
}

fn is_marked(object: &Value) -> bool {
    !object["metadata"]["labels"][COMPONENT_LABEL].is_null()
}

/// What each of the four marked objects becomes.
fn becomes(told: &[Value]) -> BTreeMap<String, String> {
    let marked = told.iter().filter(|entry| !entry["component"].is_null());
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
    marked
        .map(|entry| {
            (
                format!("{} {}", text(entry, "kind"), text(entry, "component")),
                text(entry, "becomes"),
            )
        })
        .collect()
}

fn walk(cluster: &Cluster, helm: Major) {
    let namespace = cluster.served_namespace("told-before");
    let release = Release::running(
        cluster,
        helm,
        &namespace,
        &values(&json!({
            "alumet-relay-client": {
                "podLabels": {"team": "hpc"},
                "extraEnv": [{"name": "GOES", "value": "1"}, {"name": "STAYS", "value": "2"}],
                "plugins": {"procfs": {"enable": true}},
            },
            "alumet-relay-server": {"tolerations": [{"key": "a", "operator": "Exists"}]},
        })),
    );

    // Somebody else writes on an object of the release, and the upgrade leaves it.
    release
        .kubectl(&["label", "daemonset", CLIENT_NAME, "theirs=yes"])
        .ok();
    let same = values(&json!({
        "alumet-relay-client": {
            "podLabels": {"team": "hpc"},
            "extraEnv": [{"name": "GOES", "value": "1"}, {"name": "STAYS", "value": "2"}],
            "plugins": {"procfs": {"enable": true}},
        },
        "alumet-relay-server": {"tolerations": [{"key": "a", "operator": "Exists"}]},
    }));
    let told = told_and_done(&release, &same);
    assert!(
        told.iter().all(|entry| entry["becomes"] == "unchanged"),
        "{told:#?}"
    );

    // A value that reaches the configuration, and with it the template.
    let mut next = same.clone();
    json_patch::merge(
        &mut next,
        &json!({"alumet-relay-client": {"plugins": {"procfs": {"enable": false}}}}),
    );
    let told = told_and_done(&release, &next);
    let expected = [
        ("ConfigMap relay-client", "changed"),
        ("ConfigMap relay-server", "unchanged"),
        ("DaemonSet relay-client", "changed"),
        ("Deployment relay-server", "unchanged"),
    ];
    let expected: BTreeMap<String, String> =
        expected.map(|(id, what)| (id.to_owned(), what.to_owned())).into();
    assert_eq!(becomes(&told), expected);

    // What the chart no longer renders goes, and what was injected stays.
    json_patch::merge(
        &mut next,
        &json!({
            "alumet-relay-client": {"podLabels": null, "extraEnv": [{"name": "STAYS", "value": "2"}]},
            "alumet-relay-server": {"tolerations": null},
        }),
    );
    told_and_done(&release, &next);
    // And all of it away.
    told_and_done(&release, &values(&json!({})));
    // InfluxDB goes, and its objects with it.
    let elsewhere = json!({"host": "https://influx.example.org", "existingSecret": "central-influxdb"});
    told_and_done(
        &release,
        &values(
            &json!({"influxdb2": {"enabled": false}, "alumet-relay-server": {"plugins": {"influxdb": elsewhere}}}),
        ),
    );
}

fn what_an_upgrade_by_helm_3_will_do_is_told_before(cluster: &Cluster) {
    walk(cluster, Major::Three);
}

fn what_an_upgrade_by_helm_4_will_do_is_told_before(cluster: &Cluster) {
    walk(cluster, Major::Four);
}

fn people_read_what_changes_and_which_pods_roll(cluster: &Cluster) {
    let namespace = cluster.served_namespace("read-before");
    let release = Release::running(cluster, Major::Four, &namespace, &values(&json!({})));
    let same = release.rendered(&values(&json!({})));
    let told = ask(&release, &same, &[]).ok();
    let nothing = told.lines().next().unwrap();
    assert!(
        nothing.starts_with("0 of ") && nothing.ends_with(" objects of release test-alumet would change"),
        "{told}"
    );
    assert!(
        told.ends_with("Secrets are not compared: 1\nno pod would roll\n"),
        "{told}"
    );

    let stream = release.rendered(&values(
        &json!({"alumet-relay-client": {"plugins": {"procfs": {"enable": true}}}}),
    ));
    let told = ask(&release, &stream, &[]).ok();
    for line in [
        &format!("--- ConfigMap {namespace}/{CLIENT_NAME}-config"),
        &format!("+++ ConfigMap {namespace}/{CLIENT_NAME}-config, upgraded"),
        "+    [plugins.procfs]",
        &format!("+++ DaemonSet {namespace}/{CLIENT_NAME}, upgraded"),
        &format!("the pods of DaemonSet {namespace}/{CLIENT_NAME} would roll on 1 node"),
    ] {
        assert!(told.lines().any(|one| one == line), "{line}: {told}");
    }
    assert!(
        !told.contains(&format!("Deployment {namespace}/{SERVER_NAME}")),
        "{told}"
    );
    assert!(!told.contains("managedFields"), "{told}");
}

fn objects_that_come_and_go_are_told(cluster: &Cluster) {
    let namespace = cluster.served_namespace("come-and-go");
    let release = Release::running(cluster, Major::Four, &namespace, &values(&json!({})));
    let without = values(
        &json!({"alumet-relay-server": {"enabled": false}, "influxdb2": {"enabled": false},
        "alumet-relay-client": {"plugins": {"relayClient": {"relay_server": "elsewhere.example.org:50051"}}}}),
    );
    let told = ask(&release, &release.rendered(&without), &[]).ok();
    let gone = format!("Deployment {namespace}/{SERVER_NAME}: it would be deleted");
    assert!(told.lines().any(|line| line == gone), "{told}");
    assert!(told.contains("2 would be deleted"), "{told}");
    release.upgrade(&without);
    let told = ask(&release, &release.rendered(&values(&json!({}))), &[]).ok();
    let comes = format!("+++ Deployment {namespace}/{SERVER_NAME}, created");
    assert!(told.lines().any(|line| line == comes), "{told}");
}

fn what_the_api_server_would_refuse_is_told(cluster: &Cluster) {
    let namespace = cluster.served_namespace("refused-before");
    let release = Release::running(cluster, Major::Four, &namespace, &values(&json!({})));
    let stream = release.rendered(&values(&json!({})));
    let other = stream.replace(
        "app.kubernetes.io/name: alumet-relay-client",
        "app.kubernetes.io/name: other",
    );
    assert_ne!(stream, other);
    let told = ask(&release, &other, &[]);
    assert_eq!(told.code, Some(1), "{told}");
    let sentence = format!("DaemonSet {namespace}/{CLIENT_NAME}: the upgrade would fail here: ");
    let line = told.stdout.lines().find(|line| line.starts_with(&sentence));
    assert!(
        line.is_some_and(|line| line.contains("field is immutable")),
        "{told}"
    );
    assert!(told.stdout.contains("1 would be refused"), "{told}");

    let unknown =
        format!("{stream}\n---\napiVersion: example.org/v1\nkind: Nothing\nmetadata:\n  name: one\n");
    let told = ask(&release, &unknown, &[]);
    assert_eq!(told.code, Some(1), "{told}");
    let sentence = "Nothing one: the upgrade would fail here: the cluster knows no kind Nothing in example.org/v1; \
                    install its CustomResourceDefinition first";
    assert!(told.stdout.lines().any(|line| line == sentence), "{told}");
}

fn an_object_of_somebody_else_is_told(cluster: &Cluster) {
    let namespace = cluster.served_namespace("not-ours");
    let release = Release::running(cluster, Major::Four, &namespace, &values(&json!({})));
    release.kubectl(&["create", "configmap", "theirs"]).ok();
    let stream = release.rendered(&values(&json!({})))
        + "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: theirs\n";
    let told = ask(&release, &stream, &[]);
    assert_eq!(told.code, Some(1), "{told}");
    let sentence = format!(
        "ConfigMap {namespace}/theirs: the upgrade would fail here: the cluster has it, and it is not of release \
         test-alumet in namespace {namespace}, so Helm refuses to take it over"
    );
    assert!(told.stdout.lines().any(|line| line == sentence), "{told}");
}

fn without_an_injector_it_says_what_would_be_missed(cluster: &Cluster) {
    // Nobody serves this namespace: the release was rendered through the post-renderer.
    let namespace = cluster.namespace("no-injector");
    let release = Release::post_rendered(cluster, Major::Four, &namespace);
    release.install(&values(&json!({})));
    let stream = release.rendered(&values(
        &json!({"alumet-relay-client": {"plugins": {"procfs": {"enable": true}}}}),
    ));
    let told = ask(&release, &stream, &[]).ok();
    let sentence = format!("DaemonSet {namespace}/{CLIENT_NAME}: it would be missed: ");
    assert!(told.lines().any(|line| line.starts_with(&sentence)), "{told}");
    // Completed as the release was, it is right.
    let completed = cluster.own_with(&["post-render"], &stream).ok();
    let told = ask(&release, &completed, &[]).ok();
    assert!(!told.contains("would be missed"), "{told}");
    assert!(told.contains("+    [plugins.procfs]"), "{told}");
}

fn no_value_of_a_secret_is_shown(cluster: &Cluster) {
    let namespace = cluster.served_namespace("secret-before");
    let release = Release::running(cluster, Major::Four, &namespace, &values(&json!({})));
    let secret = release.get("secret", &format!("{INFLUXDB}-auth"));
    let token = secret["data"]["admin-token"].as_str().unwrap();
    let another =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: another}\nstringData: {key: not-to-be-seen}\n";
    let stream = format!("{}\n---\n{another}", release.rendered(&values(&json!({}))));
    assert!(stream.contains(token), "Helm renders it");
    let told = ask(&release, &stream, &[]);
    assert_eq!(told.code, Some(0), "{told}");
    assert!(told.stdout.contains("Secrets are not compared: 2\n"), "{told}");
    for shown in [&told.stdout, &told.stderr] {
        assert!(
            !shown.contains(token) && !shown.contains("not-to-be-seen"),
            "{told}"
        );
    }
}

fn a_release_that_is_not_there_is_refused(cluster: &Cluster) {
    let release = Release::of(cluster, Major::Four, &cluster.namespace("empty"));
    let told = ask(
        &release,
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n",
        &[],
    );
    assert_eq!(told.code, Some(1), "{told}");
    let sentence = format!(
        "error: release test-alumet: no marked object of it is in namespace {}; `alumet-injector status` lists the \
         releases\n",
        release.namespace
    );
    assert!(told.stderr.ends_with(&sentence), "{told}");
}

/// Takes a label of Helm's over, as somebody would by hand.
fn take_over(release: &Release<'_>) {
    let label = [
        "label",
        "daemonset",
        CLIENT_NAME,
        "app.kubernetes.io/part-of=theirs",
        "--overwrite",
    ];
    release.kubectl(&label).ok();
}

fn a_conflict_of_helm_4_is_told_before(cluster: &Cluster) {
    let namespace = cluster.served_namespace("conflict");
    let release = Release::running(cluster, Major::Four, &namespace, &values(&json!({})));
    take_over(&release);
    let same = values(&json!({}));
    let told = ask(&release, &release.rendered(&same), &[]);
    assert_eq!(told.code, Some(1), "{told}");
    let begin = format!(
        "DaemonSet {namespace}/{CLIENT_NAME}: the upgrade would fail here: Apply failed with 1 conflict"
    );
    let end = "; helm upgrade takes the fields over with --force-conflicts";
    assert!(
        told.stdout.contains(&begin) && told.stdout.contains(end),
        "{told}"
    );
    release
        .put("upgrade", &same, &[])
        .expect_err("it was told that it would fail");
    release.put("upgrade", &same, &["--force-conflicts"]).unwrap();
    assert_eq!(ask(&release, &release.rendered(&same), &[]).code, Some(0));
}

fn helm_3_writes_over_what_others_wrote(cluster: &Cluster) {
    let namespace = cluster.served_namespace("written-over");
    let release = Release::running(cluster, Major::Three, &namespace, &values(&json!({})));
    take_over(&release);
    let told = told_and_done(&release, &values(&json!({})));
    let expected = [
        ("ConfigMap relay-client", "unchanged"),
        ("ConfigMap relay-server", "unchanged"),
        ("DaemonSet relay-client", "changed"),
        ("Deployment relay-server", "unchanged"),
    ];
    let expected = expected.map(|(id, what)| (id.to_owned(), what.to_owned()));
    assert_eq!(becomes(&told), expected.into());
}

fn the_files_of_the_injector_judge_what_comes_back(cluster: &Cluster) {
    let namespace = cluster.served_namespace("judged-by-files");
    let release = Release::running(cluster, Major::Four, &namespace, &values(&json!({})));
    let stream = release.rendered(&values(&json!({})));
    let file = cluster.folder().join(format!("{namespace}.policy.json"));
    fs::write(&file, of_namespace(&namespace, "in-a-file").to_string()).unwrap();
    let told = ask(&release, &stream, &["--policy", file.to_str().unwrap()]).ok();
    let stale = format!("DaemonSet {namespace}/{CLIENT_NAME}: it would be stale: ");
    // This injector does not have the file.
    assert!(told.lines().any(|line| line.starts_with(&stale)), "{told}");
    assert!(!told.contains("in-a-file"), "{told}");
    let told = ask(&release, &stream, &[]).ok();
    assert!(!told.contains("it would be"), "{told}");
}
