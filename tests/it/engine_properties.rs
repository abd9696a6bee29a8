//! Every plan applies, a plan applied twice is a plan applied once, and taking out gives back what was put in.

use std::{cell::RefCell, sync::Arc};

use alumet_injector::{
    engine::{
        self, Plan,
        facts::{Facts, Known, Operation},
        object::ObjectView,
        setup::{Fresh, Setup, SetupKey, Setups, Snapshot},
    },
    names::Component,
};
use proptest::{prelude::*, strategy::ValueTree as _};
use serde_json::{Value, json};

use crate::stored::stored;

/// Gives one setup whatever is asked.
struct Given(Arc<Setup>);

impl Setups for Given {
    fn setup(&self, _snapshot: &Snapshot, _key: SetupKey<'_>) -> Arc<Setup> {
        Arc::clone(&self.0)
    }
}

/// Remembers every setup by its key.
#[derive(Default)]
struct Memo(RefCell<Vec<Remembered>>);

/// The whole key, and what it gave.
type Remembered = (String, Arc<Setup>);

impl Setups for Memo {
    fn setup(&self, snapshot: &Snapshot, key: SetupKey<'_>) -> Arc<Setup> {
        let whole = format!("{key:?}");
        let mut known = self.0.borrow_mut();
        if let Some((_, setup)) = known.iter().find(|(other, _)| *other == whole) {
            return Arc::clone(setup);
        }
        let setup = Fresh.setup(snapshot, key);
        known.push((whole, Arc::clone(&setup)));
        setup
    }
}

fn plan(object: &Value, facts: &Facts<'_>, setups: &dyn Setups) -> Plan {
    engine::plan(
        &ObjectView::read(object).unwrap(),
        facts,
        &Snapshot::default(),
        setups,
    )
}

fn applied(object: &Value, plan: &Plan) -> Value {
    let mut result = object.clone();
    json_patch::patch(&mut result, &plan.patch)
        .expect("every plan applies to the object that it was made for");
    result
}

fn taken_out(object: &Value) -> Value {
    applied(object, &engine::unplan(&ObjectView::read(object).unwrap()))
}

/// The values annotation of some release.
fn values(pull: &[String], tolerations: &[Value], registry: Option<&String>, exporter: bool) -> String {
    json!({
        "agentVersion": "0.9.5", "release": "r", "namespace": "n", "config": "r-config",
        "server": {"service": "r-server", "port": 50051},
        "influxdb": {"deployed": true, "service": "r-influxdb2", "port": 80, "secretName": "r-auth",
                     "organization": "influxdata", "bucket": "default"},
        "imagePullSecrets": pull,
        "tolerations": tolerations,
        "image": registry.map(|registry| json!({"registry": registry})),
        "plugins": {"prometheusExporter": {"enable": exporter}},
    })
    .to_string()
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["INFLUX_TOKEN", "NODE_NAME", "RUST_LOG", "a", "b", "agent"])
        .prop_map(str::to_owned)
}

fn env_entry() -> impl Strategy<Value = Value> {
    prop_oneof![
        (name(), "[a-z~/]{0,3}").prop_map(|(name, value)| json!({"name": name, "value": value})),
        name().prop_map(|name| json!({"name": name})),
        name().prop_map(|name| json!({
            "name": name,
            "valueFrom": {"secretKeyRef": {"key": "admin-token", "name": "r-auth"}},
        })),
        name().prop_map(|name| json!({"valueFrom": {"newSource": {"x": 1}}, "name": name})),
    ]
}

fn toleration() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec!["master", "gpu", ""]);
    let effect = prop::sample::select(vec!["NoSchedule", "NoExecute", ""]);
    (key, effect, prop::option::of(0_i64..3), any::<bool>()).prop_map(|(key, effect, seconds, exists)| {
        let mut toleration = json!({"key": key, "effect": effect, "tolerationSeconds": seconds});
        toleration["operator"] = if exists { json!("Exists") } else { json!(null) };
        toleration
    })
}

/// One that the API server takes.
fn valid_toleration() -> impl Strategy<Value = Value> {
    toleration().prop_map(|mut toleration| {
        if toleration["key"] == "" {
            toleration["operator"] = json!("Exists");
        }
        if toleration["effect"] != "NoExecute" {
            toleration["tolerationSeconds"] = Value::Null;
        }
        toleration
    })
}

/// A name that a Secret can have.
fn secret_name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["registry", "a", "b", "agent"]).prop_map(str::to_owned)
}

fn list(element: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::Null),
        1 => Just(json!([])),
        4 => prop::collection::vec(element, 1..4).prop_map(Value::Array),
    ]
}

fn container(name: &'static str) -> impl Strategy<Value = Value> {
    let image = prop::sample::select(vec![
        "ghcr.io/alumet-dev/alumet-agent:0.9.5",
        "ghcr.io/alumet-dev/alumet-agent@sha256:0123",
        "ghcr.io/alumet-dev/deep/alumet-agent:0.9.5",
        "registry.example.org/mine:1",
        "busybox",
    ]);
    (list(env_entry()), image, any::<bool>()).prop_map(move |(env, image, mounts)| {
        let mut container =
            json!({"name": name, "image": image, "env": env, "unknownField": {"kept": [1, 2]}});
        if mounts {
            container["volumeMounts"] = json!([{"name": "config", "mountPath": "/etc/alumet"}]);
        }
        container
    })
}

fn annotations() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!({})),
        Just(json!({"mine": "x"})),
        Just(json!({"prometheus.io/scrape": "true"})),
        Just(json!({"prometheus.io/scrape": "false", "mine": "y"})),
    ]
}

fn pod_spec() -> impl Strategy<Value = Value> {
    let containers = prop_oneof![
        container("agent").prop_map(|agent| json!([agent])),
        (container("sidecar"), container("agent")).prop_map(|(sidecar, agent)| json!([sidecar, agent])),
    ];
    let pull = list(secret_name().prop_map(|name| json!({"name": name})));
    (containers, pull, list(toleration())).prop_map(|(containers, pull, tolerations)| {
        json!({
            "containers": containers,
            "imagePullSecrets": pull,
            "tolerations": tolerations,
            "volumes": [{"name": "config", "configMap": {"name": "r-config"}}],
            "newerField": true,
        })
    })
}

/// The values annotation's text.
fn any_values() -> impl Strategy<Value = String> {
    (
        prop::collection::vec(secret_name(), 0..3),
        prop::collection::vec(valid_toleration(), 0..3),
        prop::option::of(prop::sample::select(vec![
            "registry.example.org/alumet",
            "ghcr.io/alumet-dev",
        ])),
        any::<bool>(),
    )
        .prop_map(|(pull, tolerations, registry, exporter)| {
            values(
                &pull,
                &tolerations,
                registry.map(str::to_owned).as_ref(),
                exporter,
            )
        })
}

fn component() -> impl Strategy<Value = Component> {
    prop::sample::select(vec![Component::RelayClient, Component::RelayServer])
}

/// An object of any kind that is planned.
pub(crate) fn object() -> impl Strategy<Value = Value> {
    (any_values(), component(), annotations(), annotations(), pod_spec(), 0..5_usize, any::<bool>()).prop_map(
        |(values, component, annotations, of_template, spec, kind, with_data)| {
            let labels = json!({"injector.alumet.dev/component": component.as_str(), "other": "label"});
            let meta = |annotations: Value| {
                let mut annotations = annotations.as_object().cloned().unwrap_or_default();
                annotations.insert("injector.alumet.dev/values".to_owned(), json!(values));
                json!({"name": "x", "labels": labels, "annotations": annotations})
            };
            let template = json!({"metadata": {"labels": labels, "annotations": of_template}, "spec": spec});
            let metadata = meta(annotations);
            match kind {
                0 if with_data => json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"other": "y"}}),
                0 => json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}),
                1 => json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}),
                2 => json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata,
                            "spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}}}),
                3 => json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template}}),
                _ => json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata,
                            "spec": {"selector": {}, "template": template}}),
            }
        },
    )
}

/// A value of a type that hardly belongs anywhere.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!([null, 7, "x", {"name": null}])),
        Just(json!({"name": ["x"], "injector.alumet.dev/status": 5})),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~]{0,6}".prop_map(Value::from),
    ]
}

/// Every place below `value`, but for the marks and the kind, without which the object would be nobody's.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let spared = ["/apiVersion", "/kind", "/metadata", "/metadata/labels"];
    if !at.is_empty() && !spared.contains(&at) && !at.ends_with("component") {
        found.push(at.to_owned());
    }
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                places(
                    member,
                    &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")),
                    found,
                );
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                places(element, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// An object of ours, injected or not, in which some parts were replaced by something odd.
pub(crate) fn odd_object() -> impl Strategy<Value = Value> {
    (
        object(),
        any::<bool>(),
        prop::collection::vec((any::<prop::sample::Index>(), odd()), 1..4),
    )
        .prop_map(|(mut object, injected, replacements)| {
            if injected {
                object = applied(&object, &plan(&object, &Facts::RENDER, &Fresh));
            }
            for (at, odd) in replacements {
                let mut all: Vec<String> = Vec::new();
                places(&object, "", &mut all);
                *object.pointer_mut(&all[at.index(all.len())]).unwrap() = odd;
            }
            object
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn taking_out_gives_back_what_was_put_in(object in object()) {
        let injected = applied(&object, &plan(&object, &Facts::RENDER, &Fresh));
        prop_assert_ne!(&stored(&injected), &stored(&object), "the engine has something to put into each of these");
        prop_assert_eq!(stored(&taken_out(&injected)), stored(&object));
    }

    #[test]
    fn a_plan_applied_twice_is_a_plan_applied_once(object in object()) {
        let injected = applied(&object, &plan(&object, &Facts::RENDER, &Fresh));
        let again = plan(&injected, &Facts::RENDER, &Fresh);
        prop_assert!(again.patch.0.is_empty(), "{}", again.patch);
        // Nor does a look that does not trust the record find anything.
        let view = ObjectView::read(&injected).unwrap();
        let explained = engine::explain(&view, &Facts::RENDER, &Snapshot::default(), &Fresh);
        prop_assert!(explained.patch.0.is_empty(), "{}", explained.patch);
        // And what the API server stored of it is as good.
        let kept = stored(&injected);
        let again = plan(&kept, &Facts { operation: Operation::Update, ..Facts::RENDER }, &Fresh);
        prop_assert!(again.patch.0.is_empty(), "{}", again.patch);
    }

    #[test]
    fn a_change_of_values_gives_what_injecting_anew_gives(object in object(), values in any_values()) {
        let mut injected = applied(&object, &plan(&object, &Facts::RENDER, &Fresh));
        let mut fresh = object;
        for object in [&mut injected, &mut fresh] {
            object["metadata"]["annotations"]["injector.alumet.dev/values"] = json!(values);
        }
        let replanned = applied(&injected, &plan(&injected, &Facts::RENDER, &Fresh));
        let anew = applied(&fresh, &plan(&fresh, &Facts::RENDER, &Fresh));
        prop_assert_eq!(stored(&replanned), stored(&anew));
    }

    #[test]
    fn what_the_user_adds_between_ours_survives(object in object(), entry in env_entry(), at in 0..6_usize, values in any_values()) {
        let mut injected = applied(&object, &plan(&object, &Facts::RENDER, &Fresh));
        let Some(Value::Array(env)) = injected.pointer_mut("/spec/template/spec/containers/0/env") else { return Ok(()) };
        let mut entry = entry;
        entry["name"] = json!("USERS_OWN");
        env.insert(at.min(env.len()), entry.clone());
        injected["metadata"]["annotations"]["injector.alumet.dev/values"] = json!(values);
        let replanned = applied(&injected, &plan(&injected, &Facts::RENDER, &Fresh));
        let env = replanned.pointer("/spec/template/spec/containers/0/env").unwrap().as_array().unwrap();
        prop_assert_eq!(env.iter().filter(|other| **other == entry).count(), 1);
        let again = plan(&replanned, &Facts::RENDER, &Fresh);
        prop_assert!(again.patch.0.is_empty(), "{}", again.patch);
    }

    #[test]
    fn a_memo_changes_no_answer(objects in prop::collection::vec((object(), 0..3_usize), 1..6)) {
        let memo = Memo::default();
        for (object, version) in &objects {
            let agent_version = Known::Known(["0.9.3", "0.9.4", "latest"][*version]);
            let facts = Facts { agent_version, namespace: Known::Known("elsewhere"), ..Facts::RENDER };
            prop_assert_eq!(plan(object, &facts, &memo), plan(object, &facts, &Fresh));
        }
    }

    #[test]
    fn an_empty_setup_leaves_a_record_alone(object in object()) {
        let nothing = Given(Arc::new(Setup::default()));
        let injected = applied(&object, &plan(&object, &Facts::RENDER, &nothing));
        prop_assert_eq!(stored(&taken_out(&injected)), stored(&object));
    }
}

#[test]
fn no_object_is_too_odd() {
    const ALL: usize = 2_000;
    let mut planned = 0;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..ALL {
        let object = odd_object().new_tree(&mut runner).unwrap().current();
        let view = ObjectView::read(&object).unwrap();
        for operation in [Operation::Render, Operation::Create, Operation::Update] {
            let facts = Facts {
                operation,
                ..Facts::RENDER
            };
            let plan = engine::plan(&view, &facts, &Snapshot::default(), &Fresh);
            let result = applied(&object, &plan);
            let again = engine::plan(
                &ObjectView::read(&result).unwrap(),
                &facts,
                &Snapshot::default(),
                &Fresh,
            );
            assert!(
                again.patch.0.is_empty(),
                "{object}\n{}\n{}",
                plan.patch,
                again.patch
            );
            planned += usize::from(operation == Operation::Render && !plan.patch.0.is_empty());
        }
        taken_out(&object);
    }
    assert!(
        planned * 3 > ALL,
        "only {planned} of {ALL} odd objects were planned"
    );
}
