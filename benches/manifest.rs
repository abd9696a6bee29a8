//! How fast streams are cut, and marked documents read and written again.

use std::hint::black_box;

use alumet_injector::manifest::{
    emit, load,
    stream::{Piece, documents, pieces},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// A foreign document of about 620 bytes, as charts have them.
fn foreign(index: usize) -> String {
    let settings = "    setting.of.something: \"a value of some length\"\n".repeat(7);
    format!(
        "---\n# Source: big/templates/config-{index}.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: config-{index}\n  \
         labels:\n    app.kubernetes.io/name: big\n    app.kubernetes.io/instance: test\ndata:\n  settings: |\n{settings}"
    )
}

fn marked(index: usize) -> String {
    let tolerations =
        "      - key: dedicated\n        operator: Exists\n        effect: NoSchedule\n".repeat(8);
    format!(
        "---\n# Source: alumet/templates/daemonset.yaml\napiVersion: apps/v1\nkind: DaemonSet\nmetadata:\n  name: client-{index}\n  \
         labels:\n    injector.alumet.dev/component: relay-client\n  annotations:\n    injector.alumet.dev/values: \
         '{{\"agentVersion\":\"0.9.5\",\"release\":\"test\",\"plugins\":{{\"rapl\":{{\"enable\":true}}}}}}'\nspec:\n  \
         selector:\n    matchLabels: {{app: client}}\n  template:\n    metadata:\n      labels: {{app: client}}\n    spec:\n      \
         containers:\n      - name: agent\n        image: \"ghcr.io/alumet-dev/alumet-agent:0.9.5\"\n        args: \
         [\"--config\", \"/etc/alumet/alumet-agent.toml\"]\n        env:\n        - name: NODE_NAME\n          valueFrom: \
         {{fieldRef: {{fieldPath: spec.nodeName}}}}\n        resources: {{limits: {{cpu: 100m, memory: 100Mi}}}}\n      \
         tolerations:\n{tolerations}"
    )
}

fn stream(count: usize, document: fn(usize) -> String) -> String {
    (0..count).map(document).collect::<Vec<_>>().concat()
}

fn rewritten(stream: &str) -> Vec<u8> {
    let parts = pieces(stream.as_bytes()).map(|piece| match piece {
        Piece::Foreign(bytes) => bytes.to_vec(),
        Piece::Marked(document) => {
            let loaded = load::read(&document).expect("the document is well-formed");
            emit::rewrite(&document, &loaded.value)
        }
    });
    parts.collect::<Vec<_>>().concat()
}

fn manifest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("manifest");
    group.sample_size(20);
    let streams = [
        ("100 MB foreign", stream(100_000_000 / foreign(0).len(), foreign)),
        ("1200 documents foreign", stream(1_200, foreign)),
        (
            "1200 documents foreign, 12 marked",
            stream(1_200, foreign) + &stream(12, marked),
        ),
    ];
    for (name, stream) in &streams {
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.bench_function(format!("pieces, {name}"), |b| {
            b.iter(|| pieces(black_box(stream.as_bytes())).count());
        });
        group.bench_function(format!("documents, {name}"), |b| {
            b.iter(|| documents(black_box(stream.as_bytes())).count());
        });
    }
    let ours = stream(200, marked);
    group.throughput(Throughput::Bytes(ours.len() as u64));
    group.bench_function("load and emit, 200 marked documents", |b| {
        b.iter(|| rewritten(black_box(&ours)));
    });
    group.bench_function("load, 200 marked documents", |b| {
        b.iter(|| {
            documents(black_box(ours.as_bytes()))
                .flat_map(|document| load::read(&document))
                .count()
        });
    });
    group.finish();
}

criterion_group!(benches, manifest);
criterion_main!(benches);
