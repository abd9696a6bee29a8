//! Policies for tests, read from YAML.

use alumet_injector::{engine::setup::Snapshot, policy::index::PolicyIndex, policy_document::PolicyReader};

/// One policy of the cluster as a document, with this `spec` in YAML of one line.
pub(crate) fn of_cluster(name: &str, spec: &str) -> String {
    format!(
        "---\n{{apiVersion: injector.alumet.dev/v1alpha1, kind: ClusterInjectionPolicy, metadata: {{name: {name}}}, spec: {spec}}}\n"
    )
}

/// One policy of a namespace.
pub(crate) fn of_namespace(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "---\n{{apiVersion: injector.alumet.dev/v1alpha1, kind: InjectionPolicy, \
         metadata: {{namespace: {namespace}, name: {name}}}, spec: {spec}}}\n"
    )
}

/// The policies of a stream.
#[track_caller]
pub(crate) fn index(stream: &str) -> PolicyIndex {
    let mut reader = PolicyReader::default();
    reader.read("policies", stream.as_bytes());
    let (policies, problems) = reader.finish();
    assert_eq!(problems, [], "{stream}");
    PolicyIndex::new(policies)
}

/// A snapshot with the policies of a stream.
#[track_caller]
pub(crate) fn snapshot(stream: &str) -> Snapshot {
    Snapshot {
        policies: index(stream),
    }
}
