//! How long an answer takes, from the bytes of a review to the bytes of the response, and how often memory is asked
//! for on the way.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it counted")]

#[path = "support/policies.rs"]
mod policies;
#[path = "support/engine.rs"]
mod support;

use std::hint::black_box;

use alumet_injector::{
    admission::respond,
    engine::{
        self,
        facts::{Facts, Operation},
        object::ObjectView,
        setup::{Fresh, SetupKey, Setups, Snapshot},
    },
    names::Component,
};
use criterion::{Criterion, criterion_group, criterion_main};
use policies::among;
use serde_json::{Value, json};
use support::{Remembered, allocations};

fn values() -> String {
    json!({
        "agentVersion": "0.9.5", "release": "test-alumet", "namespace": "test", "config": "test-alumet-relay-client-config",
        "server": {"service": "test-alumet-relay-server", "port": 50051},
        "image": {"registry": "registry.example.org/alumet"}, "imagePullSecrets": ["gh-registry-secret"],
        "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}],
        "plugins": {"rapl": {"enable": true}, "procfs": {"enable": true}, "energyAttribution": {"enable": true}},
    })
    .to_string()
}

fn labels() -> Value {
    json!({
        "app.kubernetes.io/name": "alumet-relay-client", "app.kubernetes.io/instance": "test-alumet",
        "controller-revision-hash": "5d8f4b9c7d", "injector.alumet.dev/component": "relay-client",
        "pod-template-generation": "1",
    })
}

/// What a controller and the plugins of the API server have made of the chart's pod by the time that webhooks see it.
fn pod_spec() -> Value {
    let mounts = json!([
        {"name": "sysfs", "readOnly": true, "mountPath": "/sys"},
        {"name": "config", "readOnly": true, "mountPath": "/etc/alumet"},
        {"name": "kube-api-access-x7k2p", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
    ]);
    let taints = [
        "not-ready",
        "unreachable",
        "disk-pressure",
        "memory-pressure",
        "pid-pressure",
        "unschedulable",
    ];
    let tolerations: Vec<Value> = taints
        .iter()
        .map(|taint| json!({"key": format!("node.kubernetes.io/{taint}"), "operator": "Exists", "effect": "NoSchedule"}))
        .collect();
    json!({
        "volumes": [
            {"name": "sysfs", "hostPath": {"path": "/sys", "type": ""}},
            {"name": "config", "configMap": {"name": "test-alumet-relay-client-config", "defaultMode": 420,
                "items": [{"key": "config", "path": "alumet-agent.toml"}]}},
            {"name": "kube-api-access-x7k2p", "projected": {"defaultMode": 420, "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
            ]}},
        ],
        "containers": [{
            "name": "alumet-relay-client", "image": "ghcr.io/alumet-dev/alumet-agent:0.9.5",
            "args": ["--config", "/etc/alumet/alumet-agent.toml"],
            "env": [
                {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}},
                {"name": "RUST_LOG", "value": "info"},
            ],
            "resources": {"limits": {"memory": "128Mi"}, "requests": {"cpu": "50m", "memory": "64Mi"}},
            "volumeMounts": mounts, "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File", "imagePullPolicy": "IfNotPresent",
            "securityContext": {"privileged": true, "runAsUser": 0},
        }],
        "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "test-alumet-relay-client", "serviceAccount": "test-alumet-relay-client", "hostPID": true,
        "securityContext": {}, "schedulerName": "default-scheduler", "priority": 0, "enableServiceLinks": true,
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-17"]}]},
        ]}}},
        "tolerations": tolerations, "preemptionPolicy": "PreemptLowerPriority",
    })
}

/// Who wrote which field, as the API server keeps it.
fn managed_fields(manager: &str) -> Value {
    json!([{
        "manager": manager, "operation": "Update", "apiVersion": "v1", "time": "2025-01-22T09:35:29Z",
        "fieldsType": "FieldsV1", "fieldsV1": {
            "f:metadata": {"f:annotations": {".": {}, "f:injector.alumet.dev/values": {}}, "f:generateName": {}, "f:labels": {
                ".": {}, "f:app.kubernetes.io/instance": {}, "f:app.kubernetes.io/name": {}, "f:controller-revision-hash": {}}},
            "f:spec": {"f:containers": {"k:{\"name\":\"alumet-relay-client\"}": {".": {}, "f:args": {}, "f:env": {}, "f:image": {},
                "f:name": {}, "f:resources": {}, "f:volumeMounts": {}}}, "f:dnsPolicy": {}, "f:hostPID": {}, "f:tolerations": {}, "f:volumes": {}},
        },
    }])
}

fn pod() -> Value {
    json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {
            "generateName": "test-alumet-relay-client-", "creationTimestamp": null, "labels": labels(),
            "annotations": {"injector.alumet.dev/values": values()},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "test-alumet-relay-client",
                "uid": "4be3bd4c-4c1e-4f0a-8d43-4c2f7e7b2f1d", "controller": true, "blockOwnerDeletion": true}],
            "managedFields": managed_fields("kube-controller-manager"),
        },
        "spec": pod_spec(), "status": {},
    })
}

fn daemon_set() -> Value {
    let annotations = json!({"injector.alumet.dev/values": values()});
    json!({
        "kind": "DaemonSet", "apiVersion": "apps/v1",
        "metadata": {"name": "test-alumet-relay-client", "namespace": "test", "labels": labels(), "annotations": annotations,
            "managedFields": managed_fields("helm")},
        "spec": {
            "selector": {"matchLabels": {"app.kubernetes.io/name": "alumet-relay-client"}},
            "template": {"metadata": {"labels": labels(), "annotations": annotations}, "spec": pod_spec()},
        },
    })
}

fn config_map() -> Value {
    json!({
        "kind": "ConfigMap", "apiVersion": "v1",
        "metadata": {"name": "test-alumet-relay-client-config", "namespace": "test", "labels": labels(),
            "annotations": {"injector.alumet.dev/values": values()}, "managedFields": managed_fields("helm")},
    })
}

/// The object as a door leaves it.
fn completed(mut object: Value, operation: Operation, setups: &dyn Setups) -> Value {
    let facts = Facts {
        operation,
        ..Facts::RENDER
    };
    let view = ObjectView::read(&object).expect("it is an object");
    let plan = engine::plan(&view, &facts, &Snapshot::default(), setups);
    json_patch::patch(&mut object, &plan.patch).expect("the plan applies");
    object
}

/// The body of a review, as the API server sends it.
fn body(operation: &str, object: &Value) -> Vec<u8> {
    let kind = json!({"group": "", "version": "v1", "kind": object["kind"]});
    let resource = json!({"group": "", "version": "v1", "resource": "pods"});
    let review = json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": kind, "resource": resource,
            "requestKind": kind, "requestResource": resource, "namespace": "test", "operation": operation,
            "userInfo": {"username": "system:serviceaccount:kube-system:daemon-set-controller",
                "uid": "8c3d7a52-23f0-4a5b-a7c1-7f9c7be0b3c1",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"]},
            "object": object, "oldObject": null, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    });
    review.to_string().into_bytes()
}

/// The setup of the relay clients with these values.
fn remembered(snapshot: &Snapshot) -> Remembered {
    let key = SetupKey {
        component: Component::RelayClient,
        values: Some(&values()),
        release: None,
        namespace: Some("test"),
        agent_version: None,
        policies: &[],
    };
    Remembered(Fresh.setup(snapshot, key))
}

fn admission(criterion: &mut Criterion) {
    let snapshot = Snapshot::default();
    let setups = remembered(&snapshot);
    // A pod of a completed template has its record, and its image is still to be decided.
    let template = completed(daemon_set(), Operation::Create, &setups);
    let mut of_a_template = pod();
    of_a_template["metadata"]["annotations"] =
        template["spec"]["template"]["metadata"]["annotations"].clone();
    of_a_template["spec"] = template["spec"]["template"]["spec"].clone();
    let bodies = [
        ("a pod", body("CREATE", &pod())),
        ("a pod of a completed template", body("CREATE", &of_a_template)),
        ("a DaemonSet", body("CREATE", &daemon_set())),
        ("a ConfigMap", body("CREATE", &config_map())),
        ("a DaemonSet that is up to date", body("UPDATE", &template)),
        (
            "a ConfigMap that is up to date",
            body("UPDATE", &completed(config_map(), Operation::Create, &setups)),
        ),
    ];

    println!("a review of; its bytes, those of the answer, the operations, the allocations:");
    for (name, body) in &bodies {
        let respond = || respond(&snapshot, &setups, body).expect("it is a review");
        let answer = respond();
        println!(
            "  {name:32} {:6} {:6} {:3} {:4}  {}",
            body.len(),
            answer.body.len(),
            answer.decision.operations,
            allocations(respond),
            answer.decision.outcome.code(),
        );
    }
    let mut group = criterion.benchmark_group("admission");
    group.sample_size(30);
    for (name, body) in &bodies {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| respond(&snapshot, &setups, black_box(body)));
        });
    }
    let (_, pod) = &bodies[0];
    group.bench_function("a pod, into a serde_json Value alone", |bencher| {
        bencher.iter(|| serde_json::from_slice::<Value>(black_box(pod)));
    });
    group.finish();
}

/// A review of a pod among ten policies and among ten thousand, of which as many apply.
fn many_policies(criterion: &mut Criterion) {
    let body = body("CREATE", &pod());
    let mut group = criterion.benchmark_group("admission of a pod among policies");
    for count in [0, 10, 10_000] {
        let snapshot = among(count, "test");
        let setups = remembered(&snapshot);
        group.bench_function(count.to_string(), |bencher| {
            bencher.iter(|| respond(&snapshot, &setups, black_box(&body)));
        });
    }
    group.finish();
}

criterion_group!(benches, admission, many_policies);
criterion_main!(benches);
