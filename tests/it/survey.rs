//! The standing of objects that a cluster holds, after each thing that can happen to them.

use alumet_injector::{
    engine::{
        self,
        facts::{Facts, Known, Operation},
        object::ObjectView,
        report::Fate,
        setup::{Fresh, Snapshot},
        survey::{Standing, survey},
    },
    names::{INJECT_LABEL, REFRESH_ANNOTATION, STATUS_ANNOTATION, VALUES_ANNOTATION},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{engine_properties, policies};

fn metadata(name: &str, values: &Value) -> Value {
    json!({
        "name": name,
        "namespace": "n",
        "labels": {"injector.alumet.dev/component": "relay-server"},
        "annotations": {VALUES_ANNOTATION: values.to_string()},
    })
}

fn values() -> Value {
    json!({
        "agentVersion": "0.9.5",
        "plugins": {"influxdb": {"host": "http://influx.example.org", "existingSecret": "s"}},
        "tolerations": [{"key": "mine", "operator": "Exists"}],
    })
}

/// A ConfigMap and the Deployment whose pods mount it, as a chart makes them.
fn made(values: &Value) -> [Value; 2] {
    let config_map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("c", values)});
    let mut template = json!({"metadata": metadata("d", values), "spec": {
        "containers": [{"name": "agent", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/etc/alumet"}]}],
        "volumes": [{"name": "v", "configMap": {"name": "c"}}],
    }});
    template["metadata"] = json!({"labels": template["metadata"]["labels"]});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata("d", values), "spec": {"template": template},
    });
    [config_map, deployment]
}

/// The object as an injector with these policies leaves it.
fn completed(object: &Value, operation: Operation, snapshot: &Snapshot) -> Value {
    let facts = Facts {
        operation,
        namespace: Known::Known("n"),
        ..Facts::RENDER
    };
    let plan = engine::plan(&ObjectView::read(object).unwrap(), &facts, snapshot, &Fresh);
    let mut result = object.clone();
    json_patch::patch(&mut result, &plan.patch).unwrap();
    result
}

fn refreshed(object: &Value, snapshot: &Snapshot) -> Value {
    let mut asked = object.clone();
    asked["metadata"]["annotations"][REFRESH_ANNOTATION] = json!("now");
    completed(&asked, Operation::Update, snapshot)
}

fn standings(objects: &[Value], snapshot: &Snapshot) -> Vec<Standing> {
    let views: Vec<ObjectView<'_>> = objects
        .iter()
        .map(|object| ObjectView::read(object).unwrap())
        .collect();
    let surveyed = survey(&views, snapshot, &Fresh);
    surveyed.into_iter().map(|one| one.standing).collect()
}

fn none() -> Snapshot {
    Snapshot::default()
}

/// Another configuration, and a toleration more.
fn policy() -> Snapshot {
    let defaults =
        "{defaults: {plugins: {csv: {enable: true}}, tolerations: [{key: theirs, operator: Exists}]}}";
    policies::snapshot(&policies::of_cluster("p", defaults))
}

fn installed(snapshot: &Snapshot) -> [Value; 2] {
    made(&values()).map(|object| completed(&object, Operation::Create, snapshot))
}

#[test]
fn what_was_just_completed_is_up_to_date() {
    for snapshot in [none(), policy()] {
        assert_eq!(
            standings(&installed(&snapshot), &snapshot),
            [Standing::UpToDate; 2]
        );
    }
}

#[test]
fn what_nobody_completed_is_missed() {
    assert_eq!(standings(&made(&values()), &none()), [Standing::Missed; 2]);
}

#[test]
fn values_that_changed_while_nobody_was_asked_are_missed() {
    let mut changed = values();
    changed["plugins"]["influxdb"]["bucket"] = json!("energy");
    let mut objects = installed(&none());
    for object in &mut objects {
        object["metadata"]["annotations"][VALUES_ANNOTATION] = json!(changed.to_string());
    }
    assert_eq!(standings(&objects, &none()), [Standing::Missed; 2]);
}

#[test]
fn a_policy_makes_stale_and_so_does_its_end() {
    assert_eq!(standings(&installed(&none()), &policy()), [Standing::Stale; 2]);
    assert_eq!(standings(&installed(&policy()), &none()), [Standing::Stale; 2]);
}

#[test]
fn a_policy_that_gives_an_object_nothing_leaves_it_up_to_date() {
    let only_pods = policies::snapshot(&policies::of_cluster("p", "{defaults: {env: {RUST_LOG: debug}}}"));
    assert_eq!(
        standings(&installed(&none()), &only_pods),
        [Standing::UpToDate, Standing::Stale]
    );
}

#[test]
fn of_two_halves_of_a_refresh_the_template_is_out_of_step() {
    let [config_map, deployment] = installed(&none());
    let halves = [refreshed(&config_map, &policy()), deployment.clone()];
    assert_eq!(
        standings(&halves, &policy()),
        [Standing::UpToDate, Standing::OutOfStep]
    );
    let halves = [config_map.clone(), refreshed(&deployment, &policy())];
    assert_eq!(
        standings(&halves, &policy()),
        [Standing::Stale, Standing::OutOfStep]
    );
    let both = [
        refreshed(&config_map, &policy()),
        refreshed(&deployment, &policy()),
    ];
    assert_eq!(standings(&both, &policy()), [Standing::UpToDate; 2]);
}

#[test]
fn a_template_is_in_step_with_a_configuration_that_says_the_same() {
    let [config_map, deployment] = installed(&none());
    // Another injector wrote it with a comment.
    let text = format!(
        "# another spelling\n{}",
        config_map["data"]["config"].as_str().unwrap()
    );
    let mut object = config_map.clone();
    object["data"]["config"] = json!(text);
    let mut record: Value = serde_json::from_str(
        config_map["metadata"]["annotations"][STATUS_ANNOTATION]
            .as_str()
            .unwrap(),
    )
    .unwrap();
    record["config"] = json!(format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes())));
    object["metadata"]["annotations"][STATUS_ANNOTATION] = json!(record.to_string());
    assert_eq!(
        standings(&[object, deployment], &none()),
        [Standing::Stale, Standing::UpToDate]
    );
}

#[test]
fn templates_are_held_against_the_config_map_of_their_namespace_alone() {
    let [config_map, deployment] = installed(&none());
    let mut elsewhere = refreshed(&config_map, &policy());
    elsewhere["metadata"]["namespace"] = json!("other");
    assert_eq!(
        standings(&[elsewhere, config_map, deployment], &none()),
        [Standing::Stale, Standing::UpToDate, Standing::UpToDate]
    );
}

#[test]
fn a_template_is_not_held_against_a_config_map_that_its_agent_does_not_mount() {
    let [config_map, deployment] = installed(&none());
    let mut another = refreshed(&config_map, &policy());
    another["metadata"]["name"] = json!("another");
    // Its own is not among the objects.
    assert_eq!(
        standings(&[another, deployment], &none()),
        [Standing::Stale, Standing::UpToDate]
    );
}

#[test]
fn what_is_up_to_date_is_told_value_by_value() {
    let objects = installed(&policy());
    let views = objects.each_ref().map(|object| ObjectView::read(object).unwrap());
    for one in survey(&views, &policy(), &Fresh) {
        assert_eq!(one.standing, Standing::UpToDate);
        let rows = &one.plan.report.rows;
        assert!(!rows.is_empty(), "{:?}", one.plan.report);
        assert!(rows.iter().all(|row| row.fate == Fate::Kept), "{rows:?}");
        assert!(one.plan.patch.0.is_empty(), "{:?}", one.plan.patch);
    }
}

#[test]
fn what_was_taken_out_by_hand_is_lacking() {
    let [mut config_map, mut deployment] = installed(&none());
    config_map["data"].as_object_mut().unwrap().remove("config");
    deployment["spec"]["template"]["spec"]["tolerations"] = json!([]);
    assert_eq!(
        standings(&[config_map.clone(), deployment.clone()], &none()),
        [Standing::Lacking; 2]
    );
    // To put back what is missing does not bring the template into step with another configuration.
    let other = refreshed(&config_map, &policy());
    assert_eq!(
        standings(&[other, deployment], &policy()),
        [Standing::UpToDate, Standing::OutOfStep]
    );
}

#[test]
fn a_refresh_that_nobody_answered_is_missed() {
    let mut objects = installed(&none());
    for object in &mut objects {
        object["metadata"]["annotations"][REFRESH_ANNOTATION] = json!("now");
    }
    assert_eq!(standings(&objects, &none()), [Standing::Missed; 2]);
}

#[test]
fn a_configuration_edited_by_hand_is_left_alone_and_nothing_is_out_of_step_with_it() {
    let [mut config_map, deployment] = installed(&none());
    config_map["data"]["config"] = json!("[plugins.csv]\n");
    assert_eq!(
        standings(&[config_map, deployment], &none()),
        [Standing::LeftAlone, Standing::UpToDate]
    );
}

#[test]
fn errors_are_told_of_new_values_and_of_those_that_an_earlier_injector_took() {
    let wrong = json!({"agentVersion": "0.9.5", "plugins": {"no-such-plugin": {"enable": true}}});
    assert_eq!(standings(&made(&wrong), &none()), [Standing::Failed; 2]);
    // A record says that they were injected.
    let hash = xxhash_rust::xxh3::xxh3_64(format!("relay-server\n{wrong}").as_bytes());
    let mut objects = installed(&none());
    for (object, record) in objects.iter_mut().zip(["/metadata", "/spec/template/metadata"]) {
        object["metadata"]["annotations"][VALUES_ANNOTATION] = json!(wrong.to_string());
        let annotations = &mut object.pointer_mut(record).unwrap()["annotations"];
        let text = annotations[STATUS_ANNOTATION].as_str().unwrap();
        let mut record: Value = serde_json::from_str(text).unwrap();
        record["values"] = json!(format!("{hash:016x}"));
        annotations[STATUS_ANNOTATION] = json!(record.to_string());
    }
    assert_eq!(standings(&objects, &none()), [Standing::Failed; 2]);
}

#[test]
fn what_opted_out_is_left_alone() {
    let objects = made(&values()).map(|mut object| {
        object["metadata"]["labels"][INJECT_LABEL] = json!("false");
        object
    });
    assert_eq!(standings(&objects, &none()), [Standing::LeftAlone; 2]);
}

#[test]
fn a_pod_and_a_job_live_with_what_they_were_made_with() {
    let [_, deployment] = made(&values());
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata("p", &values())});
    pod["spec"] = deployment["spec"]["template"]["spec"].clone();
    let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata("j", &values())});
    job["spec"] = deployment["spec"].clone();
    let objects = [pod, job];
    assert_eq!(standings(&objects, &none()), [Standing::Missed; 2]);
    let completed = objects.map(|object| completed(&object, Operation::Create, &none()));
    assert_eq!(standings(&completed, &none()), [Standing::UpToDate; 2]);
    assert_eq!(standings(&completed, &policy()), [Standing::UpToDate; 2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever the object: once it was completed, there is nothing that a refresh would change, and it is told so.
    #[test]
    fn a_refresh_leaves_nothing_to_do(object in engine_properties::object()) {
        let mut object = object;
        object["metadata"]["namespace"] = json!("n");
        let is_planned = |standing| !matches!(standing, Standing::LeftAlone | Standing::Failed);
        let before = standings(std::slice::from_ref(&object), &policy());
        prop_assume!(is_planned(before[0]));
        let operation = match object["kind"].as_str() {
            Some("Pod" | "Job" | "CronJob") => Operation::Create,
            _ => Operation::Update,
        };
        let after = completed(&object, operation, &policy());
        let standing = standings(std::slice::from_ref(&after), &policy());
        prop_assert!(standing[0].is_right(), "{:?} {after:#}", standing[0]);
    }
}
