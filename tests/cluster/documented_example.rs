//! The documented example as its reader types it: what Helm says, what kubectl lists, and what each pod has.

use std::{env, fs};

use alumet_injector::names::STATUS_ANNOTATION;
use serde_json::{Value, json};

use crate::{
    charts::{documented_notes, version},
    files::root,
    helm::{Major, program},
    support::{
        Case, Cluster, cases,
        cluster::run,
        control_plane::NODES,
        poll::{try_wait_for, wait_for},
        release::{
            CLIENT, CLIENT_NAME, INFLUXDB, Release, SERVER, SERVER_NAME, SOON, is_ready, node_of, variable,
        },
    },
};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        the_documented_example_by_the_webhook_alone,
        the_documented_example_by_the_post_renderer_of_helm_3,
        the_documented_example_by_the_post_renderer_of_helm_4,
        every_documented_path_set_at_once_runs,
        configurations_of_the_users_own_are_mounted_as_they_are,
    ]
}

/// The documented listings, but for AGE and RESTARTS, which is 0 in all of them.
const PODS: &str = "\
NAME                                               READY   STATUS                  RESTARTS   AGE
test-alumet-alumet-relay-client-6ssmd              1/1     Running                 0          56s
test-alumet-alumet-relay-client-h4ntl              1/1     Running                 0          56s
test-alumet-alumet-relay-client-hsgdl              1/1     Running                 0          56s
test-alumet-alumet-relay-client-ms2hd              1/1     Running                 0          56s
test-alumet-alumet-relay-client-zvvbg              1/1     Running                 0          56s
test-alumet-alumet-relay-server-54d548d487-9v62r   1/1     Running                 0          56s
test-alumet-influxdb2-0                            1/1     Running                 0          56s
";
const SERVICES: &str = "\
NAME                        TYPE           CLUSTER-IP       EXTERNAL-IP     PORT(S)        AGE
test-alumet-alumet-relay-server   ClusterIP      10.102.121.155   <none>         50051/TCP      63s
test-alumet-influxdb2             LoadBalancer   10.104.55.25     192.168.1.48   80:30421/TCP   63s
";

/// What the cluster of the documentation had, and its section on private images sets; the taint is that of `node-4`.
const EXAMPLE: [&str; 5] = [
    "influxdb2.service.type=LoadBalancer",
    "global.secret=gh-registry-secret",
    "alumet-relay-client.tolerations[0].key=node-role.kubernetes.io/control-plane",
    "alumet-relay-client.tolerations[0].operator=Exists",
    "alumet-relay-client.tolerations[0].effect=NoSchedule",
];

fn the_documented_example_by_the_webhook_alone(cluster: &Cluster) {
    cluster.injector();
    cluster.make_namespace("test", &json!({}));
    let release = Release::of(cluster, Major::Four, "test");
    the_example(&release);
}

fn the_documented_example_by_the_post_renderer_of_helm_3(cluster: &Cluster) {
    let namespace = cluster.namespace("documented");
    the_example(&Release::post_rendered(cluster, Major::Three, &namespace));
}

fn the_documented_example_by_the_post_renderer_of_helm_4(cluster: &Cluster) {
    let namespace = cluster.namespace("documented");
    the_example(&Release::post_rendered(cluster, Major::Four, &namespace));
}

/// The namespace's name stands in what Helm and the chart say, and nowhere else.
fn the_example(release: &Release<'_>) {
    pull_secret(release);
    release.volume_for(INFLUXDB);
    let said = release.install(("defaults", &EXAMPLE));
    let (head, notes) = said.split_once("\nNOTES:\n").unwrap_or_else(|| panic!("{said}"));
    for line in [
        "NAME: test-alumet",
        &format!("NAMESPACE: {}", release.namespace),
        "STATUS: deployed",
        "REVISION: 1",
    ] {
        assert!(head.lines().any(|one| one == line), "no `{line}` in\n{said}");
    }
    let wanted = documented_notes(&version(), "test-alumet-influxdb2-auth")
        .replace("-n test ", &format!("-n {} ", release.namespace));
    assert!(notes.starts_with(&wanted), "{said}");

    same_table("pods", release, |listed| {
        (shape_of_pods(listed), shape_of_pods(PODS))
    });
    same_table("svc", release, |listed| {
        (shape_of_services(listed), shape_of_services(SERVICES))
    });
    the_clients_are_as_documented(release);
    the_server_is_as_documented(release);
    the_commands_of_the_notes_decode_the_secret(release, notes);
}

/// Waits until kubectl lists what is documented.
#[track_caller]
fn same_table(kind: &str, release: &Release<'_>, compare: impl Fn(&str) -> (String, String)) {
    let mut last = String::new();
    let same = try_wait_for(SOON, || {
        last = release.kubectl(&["get", kind]).ok();
        let (listed, wanted) = compare(&last);
        (listed == wanted).then_some(())
    });
    assert!(same.is_some(), "kubectl lists\n{last}");
}

/// NAME without its random end, READY, STATUS and RESTARTS, sorted as kubectl sorts them.
fn shape_of_pods(listed: &str) -> String {
    let line = |line: &str| {
        let mut columns: Vec<&str> = line.split_whitespace().take(4).collect();
        columns[0] = [CLIENT_NAME, SERVER_NAME]
            .into_iter()
            .find(|name| columns[0].starts_with(&format!("{name}-")))
            .unwrap_or(columns[0]);
        columns.join(" ") + "\n"
    };
    listed.lines().map(line).collect()
}

/// NAME, TYPE and PORT(S), the port of the nodes being whichever was free.
fn shape_of_services(listed: &str) -> String {
    let line = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let port = columns[4].split(['/', ':']).next().unwrap();
        let on_nodes = columns[4].contains(':');
        format!("{} {} {port} {on_nodes}\n", columns[0], columns[1])
    };
    listed.lines().map(line).collect()
}

fn the_clients_are_as_documented(release: &Release<'_>) {
    let pods = release.ready(CLIENT, NODES.len());
    let mut on: Vec<&str> = pods.iter().map(node_of).collect();
    on.sort_unstable();
    assert_eq!(on, NODES.map(|node| node.name), "one on each node");
    for pod in &pods {
        assert_complete(release, pod, "defaults-relay-client");
        assert_eq!(
            variable(&pod["spec"], "NODE_NAME").unwrap()["valueFrom"]["fieldRef"]["fieldPath"],
            "spec.nodeName",
            "{pod:#}"
        );
        let toleration = json!({
            "key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule",
        });
        let tolerations = pod["spec"]["tolerations"].as_array().unwrap();
        assert_eq!(
            tolerations.iter().filter(|one| **one == toleration).count(),
            1,
            "{pod:#}"
        );
    }
}

fn the_server_is_as_documented(release: &Release<'_>) {
    let pods = release.ready(SERVER, 1);
    assert_complete(release, &pods[0], "defaults-relay-server");
    assert_eq!(
        variable(&pods[0]["spec"], "INFLUX_TOKEN").unwrap()["valueFrom"]["secretKeyRef"],
        json!({"name": "test-alumet-influxdb2-auth", "key": "admin-token"}),
        "{:#}",
        pods[0]
    );
    let influxdb = release.get("pod", "test-alumet-influxdb2-0");
    assert_eq!(
        influxdb["spec"]["imagePullSecrets"],
        json!([{"name": "gh-registry-secret"}])
    );
}

/// A pod of an agent has a record, the pull secret once, and mounts the configuration that was written by hand.
fn assert_complete(release: &Release<'_>, pod: &Value, by_hand: &str) {
    let metadata = &pod["metadata"];
    assert!(metadata["annotations"][STATUS_ANNOTATION].is_string(), "{pod:#}");
    assert_eq!(
        pod["spec"]["imagePullSecrets"],
        json!([{"name": "gh-registry-secret"}]),
        "{pod:#}"
    );
    let by_hand = root("tests/fixtures/handwritten").join(format!("{by_hand}.toml"));
    let by_hand = fs::read_to_string(by_hand).unwrap();
    let config = config_of(release, pod);
    let parse = |text: &str| text.parse::<toml::Table>().unwrap();
    assert_eq!(parse(&config), parse(&by_hand), "{}", metadata["name"]);
}

/// The text that the agent in this pod reads.
fn config_of(release: &Release<'_>, pod: &Value) -> String {
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    let volume = volumes.iter().find(|one| one["name"] == "config").unwrap();
    let config_map = release.get("configmap", volume["configMap"]["name"].as_str().unwrap());
    let key = volume["configMap"]["items"][0]["key"].as_str().unwrap();
    config_map["data"][key]
        .as_str()
        .unwrap_or_else(|| panic!("{config_map:#}"))
        .to_owned()
}

/// Each line is typed as it stands there.
fn the_commands_of_the_notes_decode_the_secret(release: &Release<'_>, notes: &str) {
    let kubectl = program("KUBECTL");
    let folder = kubectl.parent().unwrap();
    let commands: Vec<&str> = notes
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("kubectl "))
        .collect();
    assert_eq!(commands.len(), 2, "{notes}");
    for command in commands {
        let mut sh = release.cluster.command("/bin/sh".as_ref());
        let path = env::var("PATH").unwrap_or_default();
        sh.env("PATH", format!("{}:{path}", folder.display()));
        sh.args(["-c", command]);
        let credential = run(sh, "").ok();
        assert!(
            credential.len() == 32 && credential.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "{command}: {credential}"
        );
    }
}

/// The documented way to make it.
fn pull_secret(release: &Release<'_>) {
    release
        .kubectl(&[
            "create",
            "secret",
            "docker-registry",
            "gh-registry-secret",
            "--docker-server=ghcr.io/alumet-dev",
            "--docker-username=user",
            "--docker-password=token",
        ])
        .ok();
}

/// `node-4` is the master that the values ask for; the clients tolerate another taint, and so they are four.
fn every_documented_path_set_at_once_runs(cluster: &Cluster) {
    let release = Release::served(cluster, "documented");
    release.install("documented");
    release.ready(CLIENT, 4);
    let server = release.ready(SERVER, 1);
    assert_eq!(node_of(&server[0]), "node-4", "{:#}", server[0]);
    wait_for("InfluxDB", SOON, || {
        is_ready(&release.get("pod", "test-alumet-influxdb2-0")).then_some(())
    });
}

/// The documented way to make them; before that the pods wait.
fn configurations_of_the_users_own_are_mounted_as_they_are(cluster: &Cluster) {
    let release = Release::served(cluster, "own-config");
    release.install(("own-configmaps", &["influxdb2.persistence.enabled=false"]));
    let agents = [
        ("my-client-config", "defaults-relay-client", CLIENT, 4),
        ("my-server-config", "defaults-relay-server", SERVER, 1),
    ];
    for (name, file, component, count) in agents {
        wait_for("a pod to be held", SOON, || {
            let pods = release.pods_of(component);
            let why = release.why_held(pods.first()?)?;
            why.contains(&format!("configmap \"{name}\" not found"))
                .then_some(())
        });
        let file = root("tests/fixtures/handwritten").join(format!("{file}.toml"));
        let from = format!("--from-file=config={}", file.display());
        release.kubectl(&["create", "cm", name, &from]).ok();
        for pod in release.ready(component, count) {
            assert_eq!(config_of(&release, &pod), fs::read_to_string(&file).unwrap());
        }
    }
}
