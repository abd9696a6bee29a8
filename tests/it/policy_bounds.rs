//! However many policies there are, an object stays one that the API server takes and that we read again.

use std::collections::BTreeMap;

use alumet_injector::{
    engine::{
        self, Plan,
        facts::{Facts, Known, Operation},
        object::ObjectView,
        setup::{Fresh, Snapshot},
    },
    names::Component,
    policy::index::{Asked, MOST_UNDECIDED},
};
use serde_json::{Value, json};

use crate::{
    policies::{applied, index, of_cluster, of_namespace, plan, snapshot},
    stored::stored,
};

const MANY: usize = 10_000;

/// The API server's limit for all annotations of an object.
const ANNOTATIONS: usize = 256 << 10;

fn pod(spec: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "p", "namespace": "ns", "labels": {"injector.alumet.dev/component": "agent"},
            "annotations": {"injector.alumet.dev/values": r#"{"agentVersion": "0.9.5", "plugins": {"csv": {"enable": true}}}"#},
        },
        "spec": spec,
    })
}

fn warnings(plan: &Plan) -> Vec<String> {
    plan.report.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn ten_thousand_policies_leave_an_object_that_is_taken_and_read_again() {
    let long = |what: &str, number: usize| format!("{what}{number:05}{}", "x".repeat(50));
    let stream: String = (0..MANY)
        .map(|number| {
            let defaults = json!({
                "env": {long("E", number): "v"}, "imagePullSecrets": [{"name": long("s", number)}],
                "tolerations": [{"key": long("k", number), "operator": "Exists"}],
            });
            of_namespace(
                "ns",
                &long("p", number),
                &json!({"defaults": defaults}).to_string(),
            )
        })
        .collect();
    let snapshot = snapshot(&stream);
    let object = pod(&json!({"containers": [{"name": "agent", "image": "i"}]}));
    let first = plan(&object, &snapshot);
    let injected = applied(&object, &first);
    let annotations = injected["metadata"]["annotations"].as_object().unwrap();
    let record = annotations["injector.alumet.dev/status"].as_str().unwrap();
    let all: usize = annotations
        .iter()
        .map(|(key, value)| key.len() + value.as_str().unwrap().len())
        .sum();
    println!("a record of {} bytes, annotations of {all}", record.len());
    assert!(record.len() <= 64 << 10 && all <= ANNOTATIONS);

    let given = injected["spec"]["containers"][0]["env"].as_array().unwrap();
    assert!(given.len() >= 100, "{}", given.len());
    // The strongest: here those whose names come first.
    assert_eq!(given[0]["name"], json!(long("E", 0)));
    let said = warnings(&first);
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(
        said[0].starts_with("warning[policy-gives-way]: spec of the pod: policies give more variables, pull secrets and tolerations"),
        "{said:#?}"
    );
    let from: Value = serde_json::from_str(record).unwrap();
    let from = from["from"].as_array().unwrap();
    assert_eq!((from.len(), &from[32]), (33, &json!("and more")));

    assert!(plan(&injected, &snapshot).patch.0.is_empty());
    let mut asked = injected.clone();
    asked["metadata"]["annotations"]["injector.alumet.dev/refresh"] = json!("now");
    let again = applied(&asked, &plan(&asked, &snapshot));
    assert_eq!(again, injected, "a refresh changes nothing");
    let taken_out = applied(&injected, &engine::unplan(&ObjectView::read(&injected).unwrap()));
    assert_eq!(stored(&taken_out), stored(&object));
}

#[test]
fn of_policies_that_cannot_be_decided_the_strongest_are_collected() {
    let stream: String = (0..MANY)
        .map(|number| {
            let priority = number % 100;
            let spec = json!({
                "priority": priority, "match": {"namespaceSelector": {"matchLabels": {"team": format!("t{number}")}}},
                "defaults": {"env": {"A": "b"}},
            });
            of_cluster(&format!("p{number:05}"), &spec.to_string())
        })
        .collect();
    let policies = index(&stream);
    let labels = BTreeMap::new();
    for namespace in [None, Some("unknown")] {
        let selected = policies.select(Asked {
            component: Component::Agent,
            namespace,
            pods: Some(&labels),
        });
        let names = selected
            .undecided
            .iter()
            .map(|rank| policies.get(*rank).unwrap().name.clone());
        let strongest = policies
            .policies()
            .iter()
            .take(MOST_UNDECIDED)
            .map(|policy| policy.name.clone());
        assert_eq!(
            names.collect::<Vec<_>>(),
            strongest.collect::<Vec<_>>(),
            "{namespace:?}"
        );
        assert_eq!(selected.matching, []);
    }
    let object = pod(&json!({"containers": [{"name": "agent", "image": "i"}]}));
    let facts = Facts {
        operation: Operation::Create,
        namespace: Known::Known("ns"),
        ..Facts::RENDER
    };
    let plan = engine::plan(
        &ObjectView::read(&object).unwrap(),
        &facts,
        &Snapshot { policies },
        &Fresh,
    );
    let said = warnings(&plan);
    assert!(
        said.iter()
            .any(|it| it.contains("`p00099`, `p00199`, `p00299`, `p00399`, `p00499`, many more; ")),
        "{said:#?}"
    );
}

/// A policy's `resources` go to the agent's container, and it has to be known which one that is.
#[test]
fn resources_alone_need_to_know_the_container_too() {
    let snapshot = snapshot(&of_cluster("p", "{defaults: {resources: {limits: {cpu: 1}}}}"));
    let two = pod(&json!({"containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]}));
    assert_eq!(
        warnings(&plan(&two, &snapshot)),
        [
            "warning[no-agent-container]: spec.containers: it cannot be told which container is the agent's, so none gets resources; \
          name one of the pod's containers in the annotation injector.alumet.dev/container"
        ]
    );
}

/// The containers share what the pod has, and the API server refuses one that asks for more.
#[test]
fn a_pod_with_resources_of_its_own_gets_none_for_its_container() {
    let snapshot = snapshot(&of_cluster("p", "{defaults: {resources: {limits: {cpu: 1}}}}"));
    let containers = json!([{"name": "agent", "image": "i"}]);
    for (resources, gets_some) in [
        (json!({"limits": {"cpu": "500m"}}), false),
        (json!({"requests": {"memory": "1Gi"}}), false),
        (json!({}), true),
        (json!(null), true),
    ] {
        let object = pod(&json!({"containers": containers, "resources": resources}));
        let plan = plan(&object, &snapshot);
        let injected = applied(&object, &plan);
        assert_eq!(
            injected["spec"]["containers"][0]["resources"].is_object(),
            gets_some,
            "{resources}"
        );
        assert_eq!(injected["spec"]["resources"], resources);
        let rows: Vec<_> = plan
            .report
            .rows
            .iter()
            .map(|row| (row.what.as_str(), row.fate.as_str()))
            .collect();
        let fate = if gets_some { "set" } else { "user-wins" };
        assert!(rows.contains(&("resources of container agent", fate)), "{rows:?}");
    }
    // What was given before the pod had its own is taken away again.
    let object = pod(&json!({"containers": containers}));
    let mut injected = applied(&object, &plan(&object, &snapshot));
    injected["spec"]["resources"] = json!({"limits": {"cpu": "500m"}});
    injected["metadata"]["annotations"]["injector.alumet.dev/refresh"] = json!("now");
    let refreshed = applied(&injected, &plan(&injected, &snapshot));
    assert!(
        refreshed["spec"]["containers"][0]["resources"].is_null(),
        "{refreshed:#}"
    );
}
