//! What happens to one object as it goes through the doors, and after somebody followed the advice of a warning.

use alumet_injector::engine::{
    self, Plan,
    facts::{Facts, Known, Operation},
    object::ObjectView,
    setup::{Fresh, Snapshot},
};
use serde_json::{Value, json};

const CREATE: Facts<'static> = Facts {
    operation: Operation::Create,
    ..Facts::RENDER
};

fn plan(object: &Value, facts: &Facts<'_>) -> Plan {
    engine::plan(
        &ObjectView::read(object).unwrap(),
        facts,
        &Snapshot::default(),
        &Fresh,
    )
}

fn through(object: &Value, facts: &Facts<'_>) -> Value {
    let mut result = object.clone();
    json_patch::patch(&mut result, &plan(object, facts).patch).unwrap();
    result
}

fn values() -> String {
    json!({
        "agentVersion": "0.9.5", "server": {"service": "s", "port": 50051},
        "image": {"registry": "registry.example.org/alumet/"}, "imagePullSecrets": ["p"],
        "tolerations": [{"key": "k", "operator": "Equal", "value": "v"}],
    })
    .to_string()
}

/// A DaemonSet with the marks on itself alone.
fn daemon_set(container: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {
            "name": "d", "labels": {"injector.alumet.dev/component": "relay-client"},
            "annotations": {"injector.alumet.dev/values": values()},
        },
        "spec": {"template": {"metadata": {}, "spec": {"containers": [container]}}},
    })
}

/// The pod that a controller makes of a workload's template.
fn pod_of(workload: &Value) -> Value {
    let mut pod = workload["spec"]["template"].clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["generateName"] = json!("d-");
    pod["metadata"]["labels"] = json!({"injector.alumet.dev/component": "relay-client"});
    pod
}

#[test]
fn a_pod_keeps_what_its_template_gave_it_and_gets_the_registry() {
    let workload = through(
        &daemon_set(&json!({"name": "a", "image": "ghcr.io/alumet-dev/a:1"})),
        &CREATE,
    );
    assert_eq!(
        workload["spec"]["template"]["spec"]["containers"][0]["image"],
        "ghcr.io/alumet-dev/a:1"
    );
    let mut pod = pod_of(&workload);
    // Values on the workload alone: the pod does not know them, and keeps everything.
    assert!(
        plan(&pod, &CREATE).patch.0.is_empty(),
        "{}",
        plan(&pod, &CREATE).patch
    );
    // Values on the template too: the image is the pod's.
    pod["metadata"]["annotations"]["injector.alumet.dev/values"] = json!(values());
    let created = through(&pod, &CREATE);
    assert_eq!(
        created["spec"]["containers"][0]["image"],
        "registry.example.org/alumet/a:1"
    );
    assert_eq!(created["spec"]["tolerations"], pod["spec"]["tolerations"]);
    assert_eq!(
        created["spec"]["imagePullSecrets"],
        pod["spec"]["imagePullSecrets"]
    );
    assert!(plan(&created, &CREATE).patch.0.is_empty());
    let back = engine::unplan(&ObjectView::read(&created).unwrap());
    let mut without = created.clone();
    json_patch::patch(&mut without, &back.patch).unwrap();
    assert_eq!(
        without["spec"]["containers"][0]["image"],
        "ghcr.io/alumet-dev/a:1"
    );
}

#[test]
fn a_report_names_the_namespace_of_the_object_else_that_of_the_door() {
    let facts = Facts {
        namespace: Known::Known("of-the-door"),
        ..Facts::RENDER
    };
    let mut object = daemon_set(&json!({"name": "a"}));
    assert_eq!(plan(&object, &Facts::RENDER).report.object(), "DaemonSet d");
    assert_eq!(plan(&object, &facts).report.object(), "DaemonSet of-the-door/d");
    object["metadata"]["namespace"] = json!("its-own");
    assert_eq!(plan(&object, &facts).report.object(), "DaemonSet its-own/d");
}

#[test]
fn whoever_follows_the_mend_of_a_warning_gets_what_was_missing() {
    let env = |object: &Value| object["spec"]["template"]["spec"]["containers"][0]["env"].clone();
    let wanted = json!([{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}}]);

    let own = through(
        &daemon_set(&json!({"name": "a", "env": [{"name": "NODE_NAME", "value": "mine"}]})),
        &Facts::RENDER,
    );
    assert_eq!(plan(&own, &Facts::RENDER).report.outcome.code(), "unchanged");
    let mut mended = own;
    mended["spec"]["template"]["spec"]["containers"][0]["env"] = json!([]);
    assert_eq!(env(&through(&mended, &Facts::RENDER)), wanted);

    let mut mended = through(&daemon_set(&json!({"name": "a", "env": {}})), &Facts::RENDER);
    mended["spec"]["template"]["spec"]["containers"][0]["env"] = json!([]);
    assert_eq!(env(&through(&mended, &Facts::RENDER)), wanted);

    let mut two = daemon_set(&json!({"name": "a"}));
    two["spec"]["template"]["spec"]["containers"] = json!([{"name": "a"}, {"name": "b"}]);
    let mut mended = through(&two, &Facts::RENDER);
    mended["metadata"]["annotations"]["injector.alumet.dev/container"] = json!("c");
    let wrong = plan(&mended, &Facts::RENDER).report.findings;
    assert!(wrong[0].message.contains("names container c"), "{wrong:?}");
    mended["metadata"]["annotations"]["injector.alumet.dev/container"] = json!("a");
    assert_eq!(env(&through(&mended, &Facts::RENDER)), wanted);
}

#[test]
fn marks_on_the_template_alone_count() {
    let mut object = daemon_set(&json!({"name": "a"}));
    let metadata = std::mem::replace(&mut object["metadata"], json!({"name": "d"}));
    object["spec"]["template"]["metadata"] = metadata;
    let result = through(&object, &Facts::RENDER);
    assert_eq!(
        result["spec"]["template"]["spec"]["imagePullSecrets"],
        json!([{"name": "p"}])
    );
}

#[test]
fn a_toleration_without_an_operator_is_one_with_equal() {
    let mut object = daemon_set(&json!({"name": "a"}));
    object["spec"]["template"]["spec"]["tolerations"] = json!([{"key": "k", "value": "v"}]);
    let result = through(&object, &Facts::RENDER);
    assert_eq!(
        result["spec"]["template"]["spec"]["tolerations"],
        json!([{"key": "k", "value": "v"}])
    );
}

#[test]
fn another_component_or_a_lost_entry_is_planned_anew() {
    let injected = through(
        &daemon_set(&json!({"name": "a", "image": "ghcr.io/alumet-dev/a:1"})),
        &Facts::RENDER,
    );
    let lost = [
        "/spec/template/spec/tolerations",
        "/spec/template/spec/imagePullSecrets",
        "/spec/template/spec/containers/0/env",
    ];
    for pointer in lost {
        let mut object = injected.clone();
        *object.pointer_mut(pointer).unwrap() = json!([]);
        assert_eq!(
            through(&object, &Facts::RENDER).pointer(pointer),
            injected.pointer(pointer),
            "{pointer}"
        );
    }
    let mut object = injected.clone();
    object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("ghcr.io/alumet-dev/a:1");
    assert_eq!(through(&object, &Facts::RENDER), injected);
    let mut object = injected;
    object["metadata"]["labels"]["injector.alumet.dev/component"] = json!("agent");
    assert!(!plan(&object, &Facts::RENDER).patch.0.is_empty());
}

#[test]
fn a_mark_that_is_no_text_is_an_error_and_not_nothing() {
    let mut object = daemon_set(&json!({"name": "a"}));
    object["metadata"]["labels"]["injector.alumet.dev/inject"] = json!(false);
    assert_eq!(plan(&object, &Facts::RENDER).report.outcome.code(), "failed");
    let mut object = daemon_set(&json!({"name": "a"}));
    object["metadata"]["annotations"]["injector.alumet.dev/values"] = json!({"agentVersion": "0.9.5"});
    let report = plan(&object, &Facts::RENDER).report;
    assert!(
        report.findings[0].path.contains("injector.alumet.dev/values"),
        "{:?}",
        report.findings
    );
}

#[test]
fn a_config_map_that_holds_the_key_as_binary_data_is_the_users() {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "binaryData": {"config": "YQ=="},
        "metadata": {"name": "c", "labels": {"injector.alumet.dev/component": "relay-client"}},
    });
    assert_eq!(
        plan(&object, &Facts::RENDER).report.outcome.code(),
        "users-config"
    );
}

#[test]
fn nothing_is_injected_where_the_record_cannot_be_written() {
    let mut object = daemon_set(&json!({"name": "a"}));
    object["spec"]["template"]["metadata"] = json!({"annotations": "none"});
    let plan = plan(&object, &Facts::RENDER);
    assert!(plan.patch.0.is_empty());
    assert_eq!(plan.report.findings[0].code, "wrong-type");
}

#[test]
fn what_is_no_registry_is_refused() {
    for registry in [
        "https://registry.example.org",
        "user@registry.example.org",
        "registry example",
    ] {
        let mut object = daemon_set(&json!({"name": "a"}));
        object["metadata"]["annotations"]["injector.alumet.dev/values"] =
            json!(json!({"agentVersion": "0.9.5", "image": {"registry": registry}}).to_string());
        let report = plan(&object, &Facts::RENDER).report;
        assert_eq!(report.outcome.code(), "failed", "{registry}");
        assert_eq!(report.findings[0].path, "image.registry");
    }
}

#[test]
fn errors_of_the_values_are_told_beside_a_configuration_of_the_users_own() {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"config": "[plugins.csv]\n"},
        "metadata": {
            "name": "c", "labels": {"injector.alumet.dev/component": "relay-client"},
            "annotations": {"injector.alumet.dev/values": "{bad"},
        },
    });
    let report = plan(&object, &Facts::RENDER).report;
    assert_eq!(report.outcome.code(), "users-config");
    assert!(
        report
            .findings
            .iter()
            .any(|finding| finding.code == "values-syntax"),
        "{:?}",
        report.findings
    );
    assert!(!report.has_errors());
}
