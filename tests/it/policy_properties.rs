//! Policies add, and change nothing that a user set; what they add can be taken out again, and follows them.

use std::collections::BTreeMap;

use alumet_injector::{
    engine::{
        self, Plan,
        facts::{Facts, Known, Operation},
        object::ObjectView,
        report::Fate,
        setup::{Fresh, Snapshot},
    },
    names::Component,
    policy::index::{Asked, PolicyIndex},
    server::memo::Memo,
    source::Source,
};
use proptest::{prelude::*, sample::select, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::{
    engine_properties::object,
    policies::{self, applied, plan},
    stored::stored,
};

fn some(value: Value) -> impl Strategy<Value = Value> {
    prop_oneof![1 => Just(Value::Null), 2 => Just(value)]
}

/// What a policy gives; only what pods are given where it looks at the labels of pods.
fn defaults() -> impl Strategy<Value = Value> {
    let registry = select(vec!["registry.example.org/alumet", "other.example.org"]);
    let toleration = select(vec![
        json!({"key": "gpu", "operator": "Exists"}),
        json!({"key": "gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 7}),
        json!({"key": "master", "operator": "Exists", "effect": "NoSchedule"}),
    ]);
    let env = select(vec!["RUST_LOG", "A", "NODE_NAME", "a"]);
    let poll = select(vec!["1s", "3s"]);
    (
        prop::option::of(registry),
        prop::collection::vec(select(vec!["a", "b", "registry"]), 0..3),
        prop::collection::vec(toleration, 0..3),
        prop::option::of(env),
        some(json!({"host": "https://influx.example.org", "secretName": "s"})),
        prop::option::of(poll),
        some(json!({"disk": ""})),
        some(json!({"requests": {"cpu": "100m"}})),
        some(json!("nvidia")),
    )
        .prop_map(
            |(registry, pull, tolerations, env, influxdb, poll, node_selector, resources, runtime_class)| {
                let secret = env.filter(|name| name.len() == 1);
                json!({
                    "image": registry.map(|registry| json!({"registry": registry})),
                    "imagePullSecrets": pull.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
                    "tolerations": tolerations,
                    "env": env.filter(|name| name.len() > 1).map(|name| json!({name: "of-a-policy"})),
                    "secretEnv": secret.map(|name| json!({name: {"name": "s", "key": "k"}})),
                    "influxdb": influxdb,
                    "plugins": poll.map(|poll| json!({"rapl": {"enable": true, "poll_interval": poll}, "prometheusExporter": {"enable": true}})),
                    "nodeSelector": node_selector,
                    "resources": resources,
                    "runtimeClassName": runtime_class,
                })
            },
        )
}

fn policy() -> impl Strategy<Value = Value> {
    let components = select(vec![
        json!(null),
        json!(null),
        json!(null),
        json!(["relay-client"]),
        json!(["relay-server", "relay-client"]),
    ]);
    let of_namespace = select(vec![
        json!(null),
        json!(null),
        json!({}),
        json!({"matchLabels": {"team": "hpc"}}),
        json!({"matchLabels": {"team": "web"}}),
        json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["web"]}]}),
    ]);
    let of_pods = select(vec![
        json!(null),
        json!(null),
        json!({"matchLabels": {"other": "label"}}),
        json!({"matchLabels": {"other": "x"}}),
        json!({"matchExpressions": [{"key": "none", "operator": "DoesNotExist"}]}),
    ]);
    let own = select(vec![None, None, None, Some("n"), Some("n"), Some("elsewhere")]);
    (own, -1..2_i32, components, of_namespace, of_pods, defaults()).prop_map(
        |(own, priority, components, of_namespace, of_pods, mut defaults)| {
            if !of_pods.is_null() {
                defaults["plugins"] = Value::Null;
                defaults["influxdb"] = Value::Null;
            }
            let mut policy = json!({
                "apiVersion": "injector.alumet.dev/v1alpha1", "kind": "ClusterInjectionPolicy", "metadata": {},
                "spec": {
                    "priority": priority, "defaults": defaults,
                    "match": {"components": components, "namespaceSelector": of_namespace, "objectSelector": of_pods},
                },
            });
            if let Some(namespace) = own {
                policy["kind"] = json!("InjectionPolicy");
                policy["metadata"]["namespace"] = json!(namespace);
                policy["spec"]["match"]["namespaceSelector"] = Value::Null;
            }
            policy
        },
    )
}

/// A snapshot with some policies, which knows the namespace of the objects.
fn snapshot() -> impl Strategy<Value = Snapshot> {
    prop::collection::vec(policy(), 1..5).prop_map(|mut policies| {
        for (number, policy) in policies.iter_mut().enumerate() {
            policy["metadata"]["name"] = json!(format!("p{number}"));
        }
        let stream: String = policies.iter().map(|policy| format!("---\n{policy}\n")).collect();
        let mut policies: PolicyIndex = policies::index(&stream);
        policies.know_namespace("n", &BTreeMap::from([("team".to_owned(), "hpc".to_owned())]));
        Snapshot { policies }
    })
}

/// Every value of `users` that stands otherwise, or no more, at its place in `result`.
fn changed(users: &Value, result: Option<&Value>, at: &str, found: &mut Vec<String>) {
    match (users, result) {
        (Value::Null, _) => {}
        (Value::Object(members), Some(Value::Object(_)) | None) => {
            for (key, member) in members {
                changed(
                    member,
                    result.and_then(|result| result.get(key)),
                    &format!("{at}/{key}"),
                    found,
                );
            }
        }
        // What is ours stands behind what is the user's.
        (Value::Array(elements), Some(Value::Array(_)) | None) => {
            for (index, element) in elements.iter().enumerate() {
                changed(
                    element,
                    result.and_then(|result| result.get(index)),
                    &format!("{at}/{index}"),
                    found,
                );
            }
        }
        _ if Some(users) == result => {}
        _ => found.push(at.to_owned()),
    }
}

/// Fields that a policy gives only where there is nothing, set by the user.
fn with_fields(mut object: Value) -> Value {
    let places = [
        "/spec/template/spec",
        "/spec/jobTemplate/spec/template/spec",
        "/spec",
    ];
    let place = places
        .iter()
        .find(|place| object.pointer(&format!("{place}/containers")).is_some());
    if let Some(spec) = place.and_then(|place| object.pointer_mut(place)) {
        // A label without a value is one, too.
        spec["nodeSelector"] = json!({"users": ""});
        spec["runtimeClassName"] = json!("users");
        for container in spec["containers"].as_array_mut().unwrap() {
            container["resources"] = json!({"limits": {"cpu": "3"}});
        }
    }
    object
}

#[test]
fn a_policy_never_changes_what_the_user_set() {
    const ALL: usize = 400;
    let (mut policies, mut matching, mut gave, mut gave_way) = (0, 0, 0, 0);
    let mut runner = TestRunner::deterministic();
    for number in 0..ALL {
        let mut object = object().new_tree(&mut runner).unwrap().current();
        if number % 2 == 0 {
            object = with_fields(object);
        }
        let snapshot = snapshot().new_tree(&mut runner).unwrap().current();
        let (with, without) = (plan(&object, &snapshot), plan(&object, &Snapshot::default()));
        let (result, alone) = (applied(&object, &with), applied(&object, &without));

        let mut found = Vec::new();
        changed(&object, Some(&result), "", &mut found);
        let values: Value = serde_json::from_str(
            object["metadata"]["annotations"]["injector.alumet.dev/values"]
                .as_str()
                .unwrap(),
        )
        .unwrap();
        for place in found {
            assert!(place.ends_with("/image"), "{object}\n{place}");
            let image = object.pointer(&place).unwrap().as_str().unwrap();
            assert!(image.starts_with("ghcr.io/alumet-dev/"), "{image}");
            if values["image"]["registry"].is_string() {
                assert_eq!(
                    result.pointer(&place),
                    alone.pointer(&place),
                    "the values chose the registry"
                );
            }
        }
        let of_values = |plan: &Plan| -> Vec<(String, String)> {
            let rows = plan
                .report
                .rows
                .iter()
                .filter(|row| matches!(row.source, Source::Values(_)));
            rows.map(|row| (row.what.clone(), row.value.clone())).collect()
        };
        let (with_policies, by_itself) = (of_values(&with), of_values(&without));
        for set in by_itself {
            assert!(with_policies.contains(&set), "{object}\n{set:?}");
        }
        let of_policies = |fates: &[Fate]| {
            let rows = &with.report.rows;
            rows.iter()
                .any(|row| matches!(row.source, Source::Policy(_)) && fates.contains(&row.fate))
        };
        gave += usize::from(of_policies(&[Fate::Set]));
        gave_way += usize::from(
            with.report
                .rows
                .iter()
                .filter(|row| row.fate == Fate::UserWins)
                .count()
                > without
                    .report
                    .rows
                    .iter()
                    .filter(|row| row.fate == Fate::UserWins)
                    .count(),
        );

        let labels = BTreeMap::from([("other".to_owned(), "label".to_owned())]);
        let label = object["metadata"]["labels"]["injector.alumet.dev/component"]
            .as_str()
            .unwrap();
        let selected = snapshot.policies.select(Asked {
            component: Component::parse(label).unwrap(),
            namespace: Some("n"),
            pods: Some(&labels),
        });
        policies += snapshot.policies.policies().len();
        matching += selected.matching.len();
    }
    println!(
        "{matching} of {policies} policies applied; {gave} of {ALL} objects got something, {gave_way} had it"
    );
    assert!(
        matching * 2 >= policies,
        "only {matching} of {policies} policies applied"
    );
    assert!(
        gave * 2 >= ALL && gave_way * 10 >= ALL,
        "{gave} objects got something, {gave_way} had it"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn what_policies_put_in_is_taken_out_again(object in object(), snapshot in snapshot()) {
        let injected = applied(&object, &plan(&object, &snapshot));
        let taken_out = applied(&injected, &engine::unplan(&ObjectView::read(&injected).unwrap()));
        prop_assert_eq!(stored(&taken_out), stored(&object));
    }

    #[test]
    fn a_plan_applied_twice_is_a_plan_applied_once(object in object(), snapshot in snapshot()) {
        let injected = applied(&object, &plan(&object, &snapshot));
        let again = plan(&injected, &snapshot);
        prop_assert!(again.patch.0.is_empty(), "{}", again.patch);
        let view = ObjectView::read(&injected).unwrap();
        let explained = engine::explain(&view, &Facts::RENDER, &snapshot, &Fresh);
        prop_assert!(explained.patch.0.is_empty(), "{}", explained.patch);
        let kept = stored(&injected);
        // `stored` takes away a label of a node that has no value, and the API server does not.
        let facts = Facts { operation: Operation::Update, namespace: Known::Known("n"), ..Facts::RENDER };
        if !injected.to_string().contains(r#""nodeSelector""#) {
            let again = engine::plan(&ObjectView::read(&kept).unwrap(), &facts, &snapshot, &Fresh);
            prop_assert!(again.patch.0.is_empty(), "{}", again.patch);
        }
    }

    #[test]
    fn after_a_change_of_policies_a_refresh_gives_what_injecting_anew_gives(
        object in object(), before in snapshot(), after in snapshot(),
    ) {
        let mut injected = applied(&object, &plan(&object, &before));
        // One that lacks something is planned anew each time.
        if !injected.to_string().contains(r#"\"incomplete\":true"#) {
            let alone = plan(&injected, &after);
            prop_assert!(alone.patch.0.is_empty(), "a change of policies alone makes an object stale, and no more: {}", alone.patch);
        }
        injected["metadata"]["annotations"]["injector.alumet.dev/refresh"] = json!("now");
        let refreshed = applied(&injected, &plan(&injected, &after));
        prop_assert_eq!(stored(&refreshed), stored(&applied(&object, &plan(&object, &after))));
    }

    #[test]
    fn the_memo_changes_no_answer(objects in prop::collection::vec(object(), 1..5), snapshot in snapshot()) {
        let memo = Memo::new(&snapshot, 1 << 20, std::sync::Arc::default());
        for object in objects.iter().chain(&objects) {
            let known = engine::plan(&ObjectView::read(object).unwrap(), &Facts::RENDER, &snapshot, &memo);
            prop_assert_eq!(known, plan(object, &snapshot));
        }
    }
}
