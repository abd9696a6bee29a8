//! Objects that are made or changed in unusual ways, in a namespace that the injector serves.

use std::time::Duration;

use alumet_injector::names::{COMPONENT_LABEL, INJECT_LABEL, MIRROR_ANNOTATION};
use serde_json::{Value, json};

use crate::support::{
    Case, Cluster, cases,
    injector::{Injector, Installation},
    other_webhook::OtherWebhook,
    poll::wait_for,
    rest::{Stored, create, merge},
    samples::{all, assert_complete, config_map, marks, pod, pod_of, pod_spec, record, values},
};

const SOON: Duration = Duration::from_mins(1);

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_pod_with_a_generated_name_and_no_namespace_is_completed,
        a_pod_of_a_controller_that_nobody_completes_is_completed_itself,
        a_native_sidecar_stays_as_it_is,
        an_ephemeral_container_can_be_added_later,
        the_user_of_a_pod_without_values_is_warned,
        an_immutable_config_map_can_be_annotated,
        an_object_that_waits_for_its_finalizer_is_left_alone,
        a_mirror_pod_is_left_alone,
        an_object_that_opted_out_is_left_alone,
        fields_that_the_injector_has_never_heard_of_survive,
        two_injectors_on_one_namespace_double_nothing,
        the_injector_is_asked_again_after_another_webhook_and_has_nothing_to_add,
    ]
}

fn a_pod_with_a_generated_name_and_no_namespace_is_completed(cluster: &Cluster) {
    let namespace = cluster.served_namespace("generated");
    let mut object = pod(&namespace, "");
    object["metadata"] = marks(&values());
    object["metadata"]["generateName"] = json!("agent-");
    let arguments = ["create", "-f", "-", "-o", "json", "-n", &namespace];
    let made = cluster.kubectl_with(&arguments, &object.to_string()).ok();
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_complete(&made);
    let name = made["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("agent-") && name.len() > 6, "{name}");
    wait_for("its line in the log", SOON, || {
        let log = cluster.injector().log();
        log.lines()
            .any(|line| line.contains(&namespace) && line.contains("\"agent-\""))
            .then_some(())
    });
}

/// The webhook is not asked about a `ReplicaSet`: so its template has no record, and each pod is completed by itself.
fn a_pod_of_a_controller_that_nobody_completes_is_completed_itself(cluster: &Cluster) {
    let namespace = cluster.served_namespace("replica-set");
    let mut template = json!({"metadata": marks(&values()), "spec": pod_spec()});
    template["metadata"]["labels"]["app"] = json!("set");
    let object = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "set", "namespace": namespace, "labels": {COMPONENT_LABEL: "relay-server"}},
        "spec": {"selector": {"matchLabels": {"app": "set"}}, "template": template},
    });
    let set = create(cluster, &object, Stored::Yes).unwrap();
    assert!(record(&set["spec"]["template"]["metadata"]).is_null(), "{set:#}");
    let made = pod_of(cluster, &namespace, "set");
    assert_complete(&made);
    assert_eq!(made["metadata"]["ownerReferences"][0]["kind"], "ReplicaSet");
}

fn a_native_sidecar_stays_as_it_is(cluster: &Cluster) {
    let namespace = cluster.served_namespace("sidecar");
    let mut object = pod(&namespace, "with-sidecar");
    object["spec"]["initContainers"] = json!([{
        "name": "proxy", "image": "proxy:1", "restartPolicy": "Always",
        "env": [{"name": "INFLUX_TOKEN", "value": "of-the-proxy"}],
        "volumeMounts": [{"name": "config", "mountPath": "/etc/alumet"}],
    }]);
    let made = create(cluster, &object, Stored::Yes).unwrap();
    assert_complete(&made);
    let proxy = &made["spec"]["initContainers"][0];
    assert_eq!(proxy["restartPolicy"], "Always");
    assert_eq!(
        proxy["env"],
        json!([{"name": "INFLUX_TOKEN", "value": "of-the-proxy"}])
    );
}

fn an_ephemeral_container_can_be_added_later(cluster: &Cluster) {
    let namespace = cluster.served_namespace("ephemeral");
    let before = create(cluster, &pod(&namespace, "debugged"), Stored::Yes).unwrap();
    let add = json!({"spec": {"ephemeralContainers": [{"name": "look", "image": "busybox"}]}});
    let arguments = [
        "patch",
        "pod",
        "debugged",
        "-n",
        &namespace,
        "--subresource=ephemeralcontainers",
    ];
    let patch = add.to_string();
    cluster
        .kubectl(&[&arguments[..], &["--type=strategic", "--patch", &patch]].concat())
        .ok();
    let after = cluster.get(&["pod", "debugged", "-n", &namespace]);
    assert_eq!(all(&after["spec"]["ephemeralContainers"], "name"), ["look"]);
    assert_complete(&after);
    assert_eq!(record(&after["metadata"]), record(&before["metadata"]));
}

fn the_user_of_a_pod_without_values_is_warned(cluster: &Cluster) {
    let namespace = cluster.served_namespace("run");
    let labels = format!("{COMPONENT_LABEL}=agent");
    let image = "--image=ghcr.io/alumet-dev/alumet-agent:0.9.5";
    let ran = cluster.kubectl(&["run", "bare", image, "--labels", &labels, "-n", &namespace]);
    let warned = ran.stderr.clone();
    ran.ok();
    let made = cluster.get(&["pod", "bare", "-n", &namespace]);
    assert!(record(&made["metadata"])["v"].is_number(), "{made:#}\n{warned}");
    let warnings: Vec<&str> = warned
        .lines()
        .filter(|line| line.starts_with("Warning: alumet-injector: "))
        .collect();
    assert_eq!(warnings.len(), 1, "{warned}");
    assert!(
        warnings[0].contains("no-values") && warnings[0].contains("injector.alumet.dev/values"),
        "{warned}"
    );
}

fn an_immutable_config_map_can_be_annotated(cluster: &Cluster) {
    let namespace = cluster.namespace("immutable");
    let mut object = config_map(&namespace, "frozen");
    object["immutable"] = json!(true);
    create(cluster, &object, Stored::Yes).unwrap();
    cluster.serve(&namespace);
    cluster
        .kubectl(&["annotate", "configmap", "frozen", "touched=yes", "-n", &namespace])
        .ok();
    let after = cluster.get(&["configmap", "frozen", "-n", &namespace]);
    assert_eq!(after["metadata"]["annotations"]["touched"], "yes");
    assert!(after["data"].is_null(), "{after:#}");
    wait_for("its line in the log", SOON, || {
        let log = cluster.injector().log();
        log.lines()
            .any(|line| {
                line.contains(&namespace) && line.contains("frozen") && line.contains("\"immutable\"")
            })
            .then_some(())
    });

    // One that is made under the injector is completed as it is made, and needs nothing later.
    let mut object = config_map(&namespace, "frozen-later");
    object["immutable"] = json!(true);
    let made = create(cluster, &object, Stored::Yes).unwrap();
    assert!(made["data"]["config"].is_string(), "{made:#}");
    cluster
        .kubectl(&[
            "annotate",
            "configmap",
            "frozen-later",
            "touched=yes",
            "-n",
            &namespace,
        ])
        .ok();
}

/// Also where the injector must answer, and does not.
fn an_object_that_waits_for_its_finalizer_is_left_alone(cluster: &Cluster) {
    let namespace = cluster.namespace("finalizer");
    let mut object = config_map(&namespace, "going");
    object["metadata"]["finalizers"] = json!(["test.alumet.dev/last"]);
    create(cluster, &object, Stored::Yes).unwrap();
    let fail = Installation {
        set: &["webhook.failurePolicy=Fail"],
        ..Installation::serving(&namespace)
    };
    let injector = Injector::install(cluster, &fail);
    cluster
        .kubectl(&["delete", "configmap", "going", "--wait=false", "-n", &namespace])
        .ok();
    let touch = |key: &str| {
        merge(
            cluster,
            &object,
            &json!({"metadata": {"annotations": {key: "yes"}}}),
        )
    };
    let touched = touch("touched").unwrap();
    assert!(
        touched["data"].is_null() && record(&touched["metadata"]).is_null(),
        "{touched:#}"
    );

    injector.stop();
    let why = create(cluster, &config_map(&namespace, "another"), Stored::No).unwrap_err();
    assert!(why.contains("failed calling webhook"), "{why}");
    touch("touched-again").unwrap();
    merge(cluster, &object, &json!({"metadata": {"finalizers": null}})).unwrap();
    wait_for("the object to go", SOON, || {
        let ran = cluster.kubectl(&["get", "configmap", "going", "-n", &namespace]);
        (ran.code != Some(0)).then_some(())
    });
}

/// As an administrator makes it; what a kubelet makes has in addition the node as its owner. Also where the injector must
/// answer, and does not.
fn a_mirror_pod_is_left_alone(cluster: &Cluster) {
    let namespace = cluster.namespace("mirror");
    let mut object = pod(&namespace, "static-node-1");
    object["metadata"]["annotations"][MIRROR_ANNOTATION] = json!("3b1e0a77c2d94f60");
    object["spec"]["nodeName"] = json!("node-1");
    // A pod of a file mounts nothing of the API server.
    object["spec"]["volumes"] = json!([{"name": "config", "hostPath": {"path": "/etc/alumet"}}]);
    let fail = Installation {
        set: &["webhook.failurePolicy=Fail"],
        ..Installation::serving(&namespace)
    };
    let injector = Injector::install(cluster, &fail);
    let made = create(cluster, &object, Stored::No).unwrap();
    assert!(record(&made["metadata"]).is_null(), "{made:#}");
    assert!(made["spec"]["containers"][0]["env"].is_null(), "{made:#}");
    injector.stop();
    create(cluster, &object, Stored::No).unwrap();
}

fn an_object_that_opted_out_is_left_alone(cluster: &Cluster) {
    let namespace = cluster.served_namespace("opted-out");
    let mut pod = pod(&namespace, "without");
    pod["metadata"]["labels"][INJECT_LABEL] = json!("false");
    let made = create(cluster, &pod, Stored::No).unwrap();
    assert!(record(&made["metadata"]).is_null(), "{made:#}");
    let mut map = config_map(&namespace, "without");
    map["metadata"]["labels"][INJECT_LABEL] = json!("false");
    let made = create(cluster, &map, Stored::No).unwrap();
    assert!(made["data"].is_null(), "{made:#}");
}

fn fields_that_the_injector_has_never_heard_of_survive(cluster: &Cluster) {
    let namespace = cluster.served_namespace("fields");
    let new = json!({
        "resources": {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1"}},
        "hostnameOverride": "another-name",
    });
    let mut object = pod(&namespace, "new-fields");
    object["spec"]["resources"] = new["resources"].clone();
    object["spec"]["hostnameOverride"] = new["hostnameOverride"].clone();
    let by_injector = create(cluster, &object, Stored::No).unwrap();
    assert_complete(&by_injector);
    object["metadata"]["labels"][INJECT_LABEL] = json!("false");
    let without = create(cluster, &object, Stored::No).unwrap();
    assert!(without["spec"]["resources"]["limits"].is_object(), "{without:#}");
    assert_eq!(without["spec"]["hostnameOverride"], "another-name", "{without:#}");
    for field in ["resources", "hostnameOverride"] {
        assert_eq!(by_injector["spec"][field], without["spec"][field], "{field}");
    }
}

fn two_injectors_on_one_namespace_double_nothing(cluster: &Cluster) {
    let namespace = cluster.served_namespace("twice");
    let second = Injector::install(cluster, &Installation::serving(&namespace));
    let made = create(cluster, &pod(&namespace, "asked-twice"), Stored::Yes).unwrap();
    assert_complete(&made);
    let outcomes: Vec<String> = [cluster.injector(), &second]
        .map(|injector| {
            wait_for("the outcome", SOON, || {
                outcomes_of(injector, &namespace, "asked-twice").first().cloned()
            })
        })
        .into();
    let mut sorted = outcomes.clone();
    sorted.sort();
    assert_eq!(sorted, ["injected", "up-to-date"], "{outcomes:?}");
}

/// As a service mesh does it: another webhook, which comes later, puts a container first.
fn the_injector_is_asked_again_after_another_webhook_and_has_nothing_to_add(cluster: &Cluster) {
    let namespace = cluster.namespace("reinvoked");
    let injector = Injector::install(cluster, &Installation::serving(&namespace));
    let mesh = json!([{"op": "add", "path": "/spec/containers/0",
                       "value": {"name": "mesh", "image": "mesh:1"}}]);
    // Webhooks are called in the order of the names of their configurations.
    let _other = OtherWebhook::start(cluster, &format!("zz-mesh-{namespace}"), &namespace, mesh);
    let made = wait_for("both webhooks to be asked", SOON, || {
        let made = create(cluster, &pod(&namespace, "probe"), Stored::No).unwrap();
        (all(&made["spec"]["containers"], "name").len() == 2).then_some(made)
    });
    assert_complete(&made);

    let made = create(cluster, &pod(&namespace, "meshed"), Stored::Yes).unwrap();
    assert_complete(&made);
    assert_eq!(made["spec"]["containers"][0]["name"], "mesh", "{made:#}");
    assert!(made["spec"]["containers"][0]["env"].is_null(), "{made:#}");
    let outcomes = wait_for("both calls in the log", SOON, || {
        let outcomes = outcomes_of(&injector, &namespace, "meshed");
        (outcomes.len() == 2).then_some(outcomes)
    });
    assert_eq!(outcomes, ["injected", "up-to-date"], "{}", injector.log());
}

/// The outcomes that an injector logged for an object, in order.
fn outcomes_of(injector: &Injector, namespace: &str, name: &str) -> Vec<String> {
    injector
        .log()
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["namespace"] == namespace && line["name"] == name)
        .filter_map(|line| line["outcome"].as_str().map(str::to_owned))
        .collect()
}
