//! Policies for tests, read from YAML.

use alumet_injector::{
    engine::{
        self, Plan,
        facts::Facts,
        object::ObjectView,
        setup::{Fresh, Snapshot},
    },
    policy::index::PolicyIndex,
    policy_document::PolicyReader,
};
use serde_json::Value;

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

/// What an object of a manifest needs under these policies.
pub(crate) fn plan(object: &Value, snapshot: &Snapshot) -> Plan {
    engine::plan(
        &ObjectView::read(object).unwrap(),
        &Facts::RENDER,
        snapshot,
        &Fresh,
    )
}

/// The object with the patch of a plan.
#[track_caller]
pub(crate) fn applied(object: &Value, plan: &Plan) -> Value {
    let mut result = object.clone();
    json_patch::patch(&mut result, &plan.patch)
        .expect("every plan applies to the object that it was made for");
    result
}
