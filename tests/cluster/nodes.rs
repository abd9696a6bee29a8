//! Where the pods of a release land, and how they are reached.

use alumet_injector::names::{SCRAPE_ANNOTATION, STATUS_ANNOTATION};
use serde_json::{Value, json};

use crate::{
    charts::objects,
    helm::Major,
    support::{
        Case, Cluster, cases,
        injector::{Injector, Installation},
        joined::{Joined, POOL},
        poll::{try_wait_for, wait_for},
        release::{CLIENT, CLIENT_NAME, INFLUXDB, Release, SERVER, SERVER_NAME, SOON, is_ready, node_of},
    },
};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        clients_reach_a_tainted_node_because_the_template_was_patched,
        without_the_toleration_clients_do_not_reach_it,
        without_an_injector_clients_do_not_reach_it,
        a_node_that_joins_while_the_webhook_is_down_gets_a_complete_pod,
        the_server_lands_on_the_tainted_node_that_its_pair_names,
        the_server_lands_on_the_node_that_a_plain_map_names,
        a_server_that_asks_for_a_node_that_is_not_there_stays_pending,
        the_services_of_the_server_and_of_influxdb_have_endpoints,
        the_service_of_clients_alone_selects_each_of_them,
    ]
}

/// The values tolerate the taint of `node-4`, the chart renders no toleration for the clients, and so there are five
/// of them only when the DaemonSet's template came back with it.
fn clients_reach_a_tainted_node_because_the_template_was_patched(cluster: &Cluster) {
    let release = Release::served(cluster, "tainted");
    release.install("tainted-nodes");
    let manifest = release.helm(&["get", "manifest"], &[]);
    let rendered = objects(&manifest);
    let template = &rendered[&format!("DaemonSet {CLIENT_NAME}")]["spec"]["template"];
    assert!(template["spec"]["tolerations"].is_null(), "{template:#}");

    let pods = release.ready(CLIENT, 5);
    assert!(pods.iter().any(|pod| node_of(pod) == "node-4"), "{pods:#?}");
}

fn without_the_toleration_clients_do_not_reach_it(cluster: &Cluster) {
    let release = Release::served(cluster, "untolerated");
    release.install("defaults");
    assert_eq!(release.wanted_clients(), 4);
    let pods = release.ready(CLIENT, 4);
    assert!(pods.iter().all(|pod| node_of(pod) != "node-4"), "{pods:#?}");
}

fn without_an_injector_clients_do_not_reach_it(cluster: &Cluster) {
    let namespace = cluster.namespace("unpatched");
    let release = Release::of(cluster, Major::Four, &namespace);
    release.install("tainted-nodes");
    assert_eq!(release.wanted_clients(), 4);
}

fn a_node_that_joins_while_the_webhook_is_down_gets_a_complete_pod(cluster: &Cluster) {
    let namespace = cluster.namespace("joins");
    let injector = Injector::install(
        cluster,
        &Installation {
            set: &["webhook.failurePolicy=Ignore"],
            ..Installation::serving(&namespace)
        },
    );
    let release = Release::of(cluster, Major::Four, &namespace);
    release.install((
        "private-images",
        &[
            &format!("alumet-relay-client.nodeSelector.nodeLabelName={POOL}"),
            &format!("alumet-relay-client.nodeSelector.nodeLabelValue={namespace}"),
            &format!("alumet-relay-client.tolerations[0].key={POOL}"),
            &format!("alumet-relay-client.tolerations[0].value={namespace}"),
            "alumet-relay-client.tolerations[0].effect=NoSchedule",
        ],
    ));
    assert_eq!(release.wanted_clients(), 0, "there is no such node yet");
    injector.stop();

    let node = Joined::new(cluster, &namespace);
    let pods = release.ready(CLIENT, 1);
    let pod = &pods[0];
    assert_eq!(node_of(pod), node.name);
    assert_eq!(
        pod["spec"]["imagePullSecrets"],
        json!([{"name": "gh-registry-secret"}])
    );
    assert!(
        pod["metadata"]["annotations"][STATUS_ANNOTATION].is_string(),
        "{pod:#}"
    );
}

fn the_server_lands_on_the_tainted_node_that_its_pair_names(cluster: &Cluster) {
    let release = Release::served(cluster, "master");
    release.install(("tainted-nodes", &["alumet-relay-client.enabled=false"]));
    let pods = release.ready(SERVER, 1);
    assert_eq!(node_of(&pods[0]), "node-4", "{:#}", pods[0]);
}

fn the_server_lands_on_the_node_that_a_plain_map_names(cluster: &Cluster) {
    let release = Release::served(cluster, "plain-map");
    let selector = r"alumet-relay-server.nodeSelector.kubernetes\.io/hostname=node-2";
    release.install(("defaults", &["alumet-relay-client.enabled=false", selector]));
    let pods = release.ready(SERVER, 1);
    assert_eq!(node_of(&pods[0]), "node-2", "{:#}", pods[0]);
}

fn a_server_that_asks_for_a_node_that_is_not_there_stays_pending(cluster: &Cluster) {
    let release = Release::served(cluster, "nowhere");
    release.install((
        "defaults",
        &[
            "alumet-relay-client.enabled=false",
            "alumet-relay-server.nodeSelector.nodeLabelName=kubernetes.io/role",
            "alumet-relay-server.nodeSelector.nodeLabelValue=no-such-role",
        ],
    ));
    // The scheduler has looked at every node.
    let (pod, why) = wait_for("the scheduler's words", SOON, || {
        let pod = release.pods_of(SERVER).pop()?;
        let conditions = pod["status"]["conditions"].as_array()?;
        let condition = conditions.iter().find(|one| one["reason"] == "Unschedulable")?;
        let why = condition["message"].as_str()?.to_owned();
        Some((pod, why))
    });
    assert!(why.contains("didn't match Pod's node affinity/selector"), "{why}");
    assert_eq!(pod["status"]["phase"], "Pending");
    assert_eq!(node_of(&pod), "");
}

fn the_services_of_the_server_and_of_influxdb_have_endpoints(cluster: &Cluster) {
    let release = Release::served(cluster, "endpoints");
    release.volume_for(INFLUXDB);
    release.install(("defaults", &["alumet-relay-client.enabled=false"]));
    let server = release.ready(SERVER, 1);
    assert_endpoints(&release, SERVER_NAME, 50051, &server);
    let influxdb = wait_for("InfluxDB", SOON, || {
        let pod = release.get("pod", &format!("{INFLUXDB}-0"));
        is_ready(&pod).then_some(pod)
    });
    assert_endpoints(&release, INFLUXDB, 8086, &[influxdb]);
}

fn the_service_of_clients_alone_selects_each_of_them(cluster: &Cluster) {
    let release = Release::served(cluster, "prometheus");
    release.install("clients-only-prometheus");
    let pods = release.ready(CLIENT, 4);
    for pod in &pods {
        let annotations = &pod["metadata"]["annotations"];
        assert_eq!(annotations[SCRAPE_ANNOTATION], "true", "{pod:#}");
    }
    assert_endpoints(&release, CLIENT_NAME, 9091, &pods);
    let workloads = release.list(&["deployments,statefulsets"]);
    assert!(workloads.is_empty(), "{workloads:#?}");
}

/// The Service leads to this port of these pods, and nowhere else.
#[track_caller]
fn assert_endpoints(release: &Release<'_>, service: &str, port: u64, pods: &[Value]) {
    let addresses = |from: &[Value], path: &str| {
        let mut all: Vec<String> = from
            .iter()
            .filter_map(|one| Some(one.pointer(path)?.as_str()?.to_owned()))
            .collect();
        all.sort();
        all
    };
    let wanted = addresses(pods, "/status/podIP");
    assert_eq!(wanted.len(), pods.len(), "each pod has an address");
    let label = format!("kubernetes.io/service-name={service}");
    let mut last = Vec::new();
    let led = try_wait_for(SOON, || {
        last = release.list(&["endpointslices", "-l", &label]);
        let ready: Vec<Value> = last
            .iter()
            .filter(|slice| slice["ports"][0]["port"] == port)
            .flat_map(|slice| slice["endpoints"].as_array().cloned().unwrap_or_default())
            .filter(|endpoint| endpoint["conditions"]["ready"] == true)
            .collect();
        (addresses(&ready, "/addresses/0") == wanted).then_some(())
    });
    assert!(
        led.is_some(),
        "{service} leads to\n{last:#?}\nand not to {wanted:?}"
    );
}
