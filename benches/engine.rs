//! How fast an object is read, planned and set up, and how often memory is asked for on the way.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it counted")]

#[path = "support/policies.rs"]
mod policies;
#[path = "support/engine.rs"]
mod support;

use std::hint::black_box;

use alumet_injector::{
    agent_config::{Request, configure, values::AgentValues},
    engine::{
        self,
        facts::{Facts, Known},
        object::ObjectView,
        setup::{Fresh, SetupKey, Setups, Snapshot},
    },
    names::Component,
    policy::index::PolicyIndex,
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use policies::{among, policies};
use serde_json::{Value, json};
use support::{Remembered, allocations};

fn values() -> String {
    json!({
        "agentVersion": "0.9.5", "release": "r", "namespace": "n", "config": "r-alumet-relay-client-config",
        "server": {"service": "r-alumet-relay-server", "port": 50051},
        "imagePullSecrets": ["gh-registry-secret"],
        "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}],
        "plugins": {"rapl": {"enable": true}, "procfs": {"enable": true}, "energyAttribution": {"enable": true}},
    })
    .to_string()
}

/// The values of an installation in which nobody set anything.
fn where_nobody_set_anything(component: Component) -> String {
    let mut values = json!({
        "agentVersion": "0.9.5", "release": "r", "namespace": "n", "config": "c",
        "server": {"service": "r-alumet-relay-server", "port": 50051},
    });
    if component == Component::RelayServer {
        values["influxdb"] = json!({
            "deployed": true, "service": "r-influxdb2", "port": 80, "secretName": "r-influxdb2-auth",
            "organization": "influxdata", "bucket": "default",
        });
    }
    values.to_string()
}

/// A DaemonSet as the chart renders it.
fn daemon_set() -> Value {
    let labels = json!({
        "app.kubernetes.io/name": "alumet-relay-client", "app.kubernetes.io/instance": "r",
        "app.kubernetes.io/version": "0.9.5", "app.kubernetes.io/managed-by": "Helm",
        "injector.alumet.dev/component": "relay-client",
    });
    let annotations = json!({"injector.alumet.dev/values": values()});
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "r-alumet-relay-client", "labels": labels, "annotations": annotations},
        "spec": {
            "selector": {"matchLabels": {"app.kubernetes.io/name": "alumet-relay-client"}},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {
                    "hostPID": true,
                    "containers": [{
                        "name": "alumet-relay-client", "image": "ghcr.io/alumet-dev/alumet-agent:0.9.5",
                        "args": ["--config", "/etc/alumet/alumet-agent.toml"],
                        "env": [
                            {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}},
                            {"name": "RUST_LOG", "value": "info"},
                        ],
                        "securityContext": {"privileged": true},
                        "volumeMounts": [{"name": "sysfs", "mountPath": "/sys"}, {"name": "config", "mountPath": "/etc/alumet"}],
                    }],
                    "volumes": [
                        {"name": "sysfs", "hostPath": {"path": "/sys"}},
                        {"name": "config", "configMap": {"name": "r-alumet-relay-client-config"}},
                    ],
                },
            },
        },
    })
}

fn engine(criterion: &mut Criterion) {
    let snapshot = Snapshot::default();
    let text = daemon_set().to_string();
    let view = || -> ObjectView<'_> { serde_json::from_str(&text).expect("it is JSON") };
    let annotation = values();
    let key = SetupKey {
        component: Component::RelayClient,
        values: Some(&annotation),
        release: None,
        namespace: None,
        agent_version: None,
        policies: &[],
    };
    let setups = Remembered(Fresh.setup(&snapshot, key));
    let object = view();
    let mut injected = daemon_set();
    let first = engine::plan(&object, &Facts::RENDER, &snapshot, &setups);
    json_patch::patch(&mut injected, &first.patch).expect("the plan applies");
    let injected_text = injected.to_string();
    let injected_view: ObjectView<'_> = serde_json::from_str(&injected_text).expect("it is JSON");
    let (values, _) = AgentValues::parse(&annotation);
    let request = Request {
        component: Component::RelayClient,
        values: &values,
        layers: &[],
        release: None,
        namespace: None,
    };

    println!("a DaemonSet of {} bytes; allocations:", text.len());
    println!("  into a view             {}", allocations(view));
    println!(
        "  into a serde_json Value {}",
        allocations(|| serde_json::from_str::<Value>(&text))
    );
    println!(
        "  a plan                  {}",
        allocations(|| engine::plan(&object, &Facts::RENDER, &snapshot, &setups))
    );
    println!(
        "  a plan of what is done  {}",
        allocations(|| engine::plan(&injected_view, &Facts::RENDER, &snapshot, &setups))
    );

    let mut group = criterion.benchmark_group("engine");
    group.sample_size(30);
    group.bench_function("view", |bencher| bencher.iter(|| black_box(view())));
    group.bench_function("plan, setup remembered", |bencher| {
        bencher.iter(|| engine::plan(black_box(&object), &Facts::RENDER, &snapshot, &setups));
    });
    group.bench_function("plan of what is done", |bencher| {
        bencher.iter(|| engine::plan(black_box(&injected_view), &Facts::RENDER, &snapshot, &setups));
    });
    group.bench_function("setup", |bencher| {
        bencher.iter(|| Fresh.setup(&snapshot, black_box(key)));
    });
    group.bench_function("configure", |bencher| {
        bencher.iter(|| configure(black_box(&request)));
    });
    for component in [Component::RelayClient, Component::RelayServer] {
        let values = where_nobody_set_anything(component);
        let key = SetupKey {
            component,
            values: Some(&values),
            ..key
        };
        let name = format!("setup of a {component} where nobody set anything");
        group.bench_function(&name, |bencher| {
            bencher.iter(|| Fresh.setup(&snapshot, black_box(key)));
        });
    }
    group.finish();
}

/// Ten policies and ten thousand, of which as many apply.
fn many_policies(criterion: &mut Criterion) {
    let text = daemon_set().to_string();
    let object: ObjectView<'_> = serde_json::from_str(&text).expect("it is JSON");
    let annotation = values();
    let facts = Facts {
        namespace: Known::Known("n"),
        ..Facts::RENDER
    };
    let mut group = criterion.benchmark_group("policies");
    group.sample_size(30);
    for count in [0, 10, 10_000] {
        let snapshot = among(count, "n");
        let key = SetupKey {
            component: Component::RelayClient,
            values: Some(&annotation),
            release: None,
            namespace: None,
            agent_version: None,
            policies: &[],
        };
        let setups = Remembered(Fresh.setup(&snapshot, key));
        group.bench_function(
            format!("view and plan, setup remembered, among {count}"),
            |bencher| {
                bencher.iter(|| {
                    let object: ObjectView<'_> = serde_json::from_str(black_box(&text)).expect("it is JSON");
                    engine::plan(&object, &facts, &snapshot, &setups)
                });
            },
        );
        group.bench_function(format!("plan, setup worked out, among {count}"), |bencher| {
            bencher.iter(|| engine::plan(black_box(&object), &facts, &snapshot, &Fresh));
        });
    }
    group.sample_size(10);
    group.bench_function("an index of 10000", |bencher| {
        bencher.iter_batched(|| policies(10_000), PolicyIndex::new, BatchSize::LargeInput);
    });
    group.finish();
}

criterion_group!(benches, engine, many_policies);
criterion_main!(benches);
