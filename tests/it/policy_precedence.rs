//! Who wins: the table of precedence, row by row, for each thing that several can give.

use alumet_injector::{
    engine::{
        self, Plan,
        facts::Facts,
        object::ObjectView,
        report::Row,
        setup::{Fresh, Snapshot},
    },
    policy::{
        index::PolicyIndex,
        model::Policy,
        selector::{Labels, Operator, Requirement, Selector},
    },
};
use serde_json::{Value, json};

use crate::policies::{self, of_cluster, of_namespace};

/// Who may say something, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Object,
    Values,
    Own,
    High,
    Low,
}

const LEVELS: [Level; 5] = [Level::Object, Level::Values, Level::Own, Level::High, Level::Low];

impl Level {
    /// A number that tells what it says from what the others say.
    fn number(self) -> usize {
        self as usize + 1
    }

    /// How a report names it.
    fn source(self) -> &'static str {
        match self {
            Self::Object => "set on the object",
            Self::Values => "values: ",
            Self::Own => "policy: ns/own",
            Self::High => "policy: high",
            Self::Low => "policy: low",
        }
    }
}

/// Something that several can give.
struct Thing {
    name: &'static str,
    /// The row of the report that speaks of it.
    row: &'static str,
    /// Where it stands in the object when all is done.
    place: &'static str,
    /// What stands there if this level wins.
    value: fn(Level) -> Value,
    /// What the values say.
    in_values: Option<fn(Level) -> Value>,
    /// `defaults` of a policy.
    in_policy: fn(Level) -> Value,
}

const CONTAINER: &str = "/spec/template/spec/containers/0";

const THINGS: [Thing; 7] = [
    Thing {
        name: "registry",
        row: "image of container agent",
        place: "/spec/template/spec/containers/0/image",
        value: |level| json!(format!("{}.example.org/alumet-agent:0.9.5", level.number())),
        in_values: Some(|level| json!({"image": {"registry": format!("{}.example.org", level.number())}})),
        in_policy: |level| json!({"image": {"registry": format!("{}.example.org", level.number())}}),
    },
    Thing {
        name: "toleration",
        row: "toleration k:NoExecute op=Exists",
        place: "/spec/template/spec/tolerations/0",
        value: toleration,
        in_values: Some(|level| json!({"tolerations": [toleration(level)]})),
        in_policy: |level| json!({"tolerations": [toleration(level)]}),
    },
    Thing {
        name: "variable",
        row: "env LEVEL of container agent",
        place: "/spec/template/spec/containers/0/env/0",
        value: |level| json!({"name": "LEVEL", "value": level.number().to_string()}),
        in_values: None,
        in_policy: |level| json!({"env": {"LEVEL": level.number().to_string()}}),
    },
    Thing {
        name: "pull secret",
        row: "imagePullSecret s",
        place: "/spec/template/spec/imagePullSecrets/0",
        value: |_| json!({"name": "s"}),
        in_values: Some(|_| json!({"imagePullSecrets": ["s"]})),
        in_policy: |_| json!({"imagePullSecrets": [{"name": "s"}]}),
    },
    Thing {
        name: "nodeSelector",
        row: "nodeSelector",
        place: "/spec/template/spec/nodeSelector",
        value: |level| json!({"level": level.number().to_string()}),
        in_values: None,
        in_policy: |level| json!({"nodeSelector": {"level": level.number().to_string()}}),
    },
    Thing {
        name: "runtimeClassName",
        row: "runtimeClassName",
        place: "/spec/template/spec/runtimeClassName",
        value: |level| json!(format!("c{}", level.number())),
        in_values: None,
        in_policy: |level| json!({"runtimeClassName": format!("c{}", level.number())}),
    },
    Thing {
        name: "resources",
        row: "resources of container agent",
        place: "/spec/template/spec/containers/0/resources",
        value: |level| json!({"requests": {"cpu": level.number().to_string()}}),
        in_values: None,
        in_policy: |level| json!({"resources": {"requests": {"cpu": level.number()}}}),
    },
];

fn toleration(level: Level) -> Value {
    json!({"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": level.number()})
}

/// The policies of the levels that say something, with these `defaults`.
fn snapshot(says: &[Level], defaults: &dyn Fn(Level) -> Value) -> Snapshot {
    let spec = |level, priority: i32| json!({"priority": priority, "defaults": defaults(level)}).to_string();
    let stream: String = says
        .iter()
        .map(|level| match level {
            Level::Object | Level::Values => String::new(),
            // Its priority does not count against those of the cluster.
            Level::Own => of_namespace("ns", "own", &spec(Level::Own, -9)),
            Level::High => of_cluster("high", &spec(Level::High, 5)),
            Level::Low => of_cluster("low", &spec(Level::Low, 1)),
        })
        .collect();
    if stream.is_empty() {
        return Snapshot::default();
    }
    policies::snapshot(&stream)
}

fn values(more: &Value) -> Value {
    let mut values = json!({"agentVersion": "0.9.5", "server": {"service": "s", "port": 50051}, "plugins": {"k8s": {"enable": false}, "relay-client": {"client_name": "n"}}});
    merge(&mut values, more);
    json!({
        "name": "x", "namespace": "ns",
        "labels": {"injector.alumet.dev/component": "relay-client"},
        "annotations": {"injector.alumet.dev/values": values.to_string()},
    })
}

fn merge(values: &mut Value, more: &Value) {
    json_patch::merge(values, more);
}

fn planned(object: &Value, snapshot: &Snapshot) -> (Plan, Value) {
    let view = ObjectView::read(object).unwrap();
    let plan = engine::plan(&view, &Facts::RENDER, snapshot, &Fresh);
    let mut result = object.clone();
    json_patch::patch(&mut result, &plan.patch).unwrap();
    (plan, result)
}

/// Every choice of some levels.
fn choices(levels: &[Level]) -> impl Iterator<Item = Vec<Level>> {
    (0_u32..1 << levels.len()).map(move |bits| {
        let is_chosen = |place: &usize| bits & (1 << place) != 0;
        let places = (0..levels.len()).filter(is_chosen);
        places.map(|place| levels[place]).collect()
    })
}

#[test]
fn each_row_of_the_table_holds_for_each_thing() {
    let mut rows = 0;
    for thing in &THINGS {
        for says in choices(&LEVELS) {
            if says.contains(&Level::Values) && thing.in_values.is_none() {
                continue;
            }
            rows += 1;
            let in_values = match thing.in_values {
                Some(in_values) if says.contains(&Level::Values) => in_values(Level::Values),
                _ => json!({}),
            };
            let mut object = json!({
                "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": values(&in_values),
                "spec": {"template": {
                    "metadata": {"labels": {"injector.alumet.dev/component": "relay-client"}},
                    "spec": {"containers": [{"name": "agent", "image": "ghcr.io/alumet-dev/alumet-agent:0.9.5"}]},
                }},
            });
            if says.contains(&Level::Object) {
                let (parent, last) = thing.place.rsplit_once('/').unwrap();
                match last.parse::<usize>() {
                    Ok(_) => put(&mut object, parent, json!([(thing.value)(Level::Object)])),
                    Err(_) => put(&mut object, thing.place, (thing.value)(Level::Object)),
                }
            }
            let (plan, result) = planned(&object, &snapshot(&says, &thing.in_policy));
            let place = format!("{}: {says:?}: {}", thing.name, plan.report.outcome.code());
            let Some(winner) = says.first() else {
                assert_eq!(
                    result.pointer(thing.place),
                    object.pointer(thing.place),
                    "{place}"
                );
                continue;
            };
            assert_eq!(
                result.pointer(thing.place),
                Some(&(thing.value)(*winner)),
                "{place}"
            );
            let row = plan.report.rows.iter().find(|row| row.what == thing.row);
            match row {
                Some(row) => {
                    assert!(
                        row.source.to_string().starts_with(winner.source()),
                        "{place}: {}",
                        row.source
                    );
                    // The value of a row that gave way is the strongest one besides the object's; and a pull secret is
                    // the same whoever has it.
                    let sources = says.iter().copied().filter(|level| *level != Level::Object);
                    let weaker = sources.skip(1).filter(|_| thing.name != "pull secret");
                    let weaker: Vec<Level> = weaker.collect();
                    assert_lost(row, &weaker, &place);
                }
                // Nobody else had anything to say; or an image of the user's, which is no matter for a row.
                None => assert!(
                    says == [Level::Object] || thing.name == "registry",
                    "{place}: {:?}",
                    plan.report.rows
                ),
            }
            let again = planned(&result, &snapshot(&says, &thing.in_policy)).0;
            assert!(again.patch.0.is_empty(), "{place}: {}", again.patch);
        }
    }
    assert_eq!(rows, 3 * 32 + 4 * 16);
}

fn put(object: &mut Value, place: &str, value: Value) {
    let (parent, last) = place.rsplit_once('/').unwrap();
    object
        .pointer_mut(parent)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .insert(last.to_owned(), value);
}

fn config(object: &Value) -> toml::Table {
    object["data"]["config"].as_str().unwrap().parse().unwrap()
}

fn config_map(in_values: &Value, component: &str) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": values(in_values)});
    object["metadata"]["labels"]["injector.alumet.dev/component"] = component.into();
    object
}

/// The report names who lost, strongest first; the catalogue's default comes last and is no level here.
#[track_caller]
fn assert_lost(row: &Row, weaker: &[Level], place: &str) {
    let lost: Vec<String> = row.lost.iter().map(|lost| lost.source.to_string()).collect();
    let levels: Vec<_> = lost
        .iter()
        .filter(|source| !source.starts_with("default: "))
        .collect();
    assert_eq!(levels.len(), weaker.len(), "{place}: {lost:?}");
    for (source, level) in levels.iter().zip(weaker) {
        assert!(source.starts_with(level.source()), "{place}: {lost:?}");
    }
}

#[test]
fn each_row_of_the_table_holds_for_a_setting_of_a_plugin() {
    for says in choices(&LEVELS) {
        let rapl = |level: Level| json!({"rapl": {"enable": true, "poll_interval": format!("{}s", level.number() + 10)}});
        let mut in_values = json!({"plugins": {"rapl": {"enable": true}}});
        if says.contains(&Level::Values) {
            in_values = json!({"plugins": rapl(Level::Values)});
        }
        let mut object = config_map(&in_values, "relay-client");
        if says.contains(&Level::Object) {
            object["data"] = json!({"config": "max_update_interval = '1s'\n"});
        }
        let policies = snapshot(&says, &|level| json!({"plugins": rapl(level)}));
        let (plan, result) = planned(&object, &policies);
        if says.contains(&Level::Object) {
            assert_eq!(plan.report.outcome.code(), "users-config", "{says:?}");
            assert_eq!(result["data"], object["data"], "{says:?}");
            continue;
        }
        let (interval, source) = match says.first() {
            Some(winner) => (format!("{}s", winner.number() + 10), winner.source()),
            None => ("1s".to_owned(), "default: "),
        };
        let place = "data.config plugins.rapl.poll_interval";
        let row = plan.report.rows.iter().find(|row| row.what == place).unwrap();
        assert_eq!(row.value, format!("{interval:?}"), "{says:?}");
        assert!(
            row.source.to_string().starts_with(source),
            "{says:?}: {}",
            row.source
        );
        assert_lost(row, says.get(1..).unwrap_or_default(), &format!("{says:?}"));
        let values_lost: Vec<&str> = row.lost.iter().map(|lost| lost.value.as_str()).collect();
        let weaker = says
            .iter()
            .skip(1)
            .map(|level| format!("\"{}s\"", level.number() + 10));
        let default = (!says.is_empty()).then(|| "\"1s\"".to_owned());
        assert_eq!(values_lost, weaker.chain(default).collect::<Vec<_>>(), "{says:?}");
        assert_eq!(
            config(&result)["plugins"]["rapl"]["poll_interval"].as_str(),
            Some(interval.as_str())
        );
    }
}

#[test]
fn a_policy_turns_a_plugin_on_where_nobody_says_and_not_where_the_values_say_false() {
    let policies = policies::snapshot(&of_cluster(
        "turned-on",
        "{defaults: {plugins: {rapl: {enable: true}}}}",
    ));
    for (in_values, is_on) in [
        (json!({}), true),
        (json!({"plugins": {"rapl": {"enable": null}}}), true),
        (json!({"plugins": {"rapl": {"poll_interval": "2s"}}}), true),
        (json!({"plugins": {"rapl": {"enable": true}}}), true),
        (json!({"plugins": {"rapl": {"enable": false}}}), false),
        (
            json!({"plugins": {"EnergyEstimationTdpPlugin": {"enable": false}, "rapl": {"enabled": "false"}}}),
            false,
        ),
    ] {
        let (_, result) = planned(&config_map(&in_values, "relay-client"), &policies);
        assert_eq!(
            config(&result)["plugins"].get("rapl").is_some(),
            is_on,
            "{in_values}"
        );
    }
}

/// Values, the release's own database and two policies, in every choice: one of them gives all of the group.
#[test]
fn the_database_comes_from_one_source() {
    let levels = [Level::Values, Level::Object, Level::Own, Level::High];
    for says in choices(&levels) {
        let group = |level: Level| {
            let number = level.number();
            json!({
                "host": format!("https://{number}.example.org"), "organization": format!("org{number}"),
                "bucket": format!("bucket{number}"), "secretName": format!("secret{number}"), "secretKey": format!("key{number}"),
            })
        };
        let mut in_values = json!({});
        if says.contains(&Level::Values) {
            merge(
                &mut in_values,
                &json!({"plugins": {"influxdb": group(Level::Values)}}),
            );
        }
        // The object stands for the database of the release here.
        if says.contains(&Level::Object) {
            let number = Level::Object.number();
            merge(
                &mut in_values,
                &json!({"influxdb": {
                    "deployed": true, "service": "release", "port": 80, "secretName": format!("secret{number}"),
                    "organization": format!("org{number}"), "bucket": format!("bucket{number}"),
                }}),
            );
        }
        let policies = snapshot(&says, &|level| json!({"influxdb": group(level)}));
        let (plan, result) = planned(&config_map(&in_values, "relay-server"), &policies);
        let Some(winner) = says.first() else {
            assert_eq!(plan.report.outcome.code(), "failed");
            continue;
        };
        let number = winner.number();
        let influxdb = &config(&result)["plugins"]["influxdb"];
        let host = if *winner == Level::Object {
            "http://release:80".to_owned()
        } else {
            format!("https://{number}.example.org")
        };
        assert_eq!(influxdb["host"].as_str(), Some(host.as_str()), "{says:?}");
        assert_eq!(
            influxdb["org"].as_str(),
            Some(format!("org{number}").as_str()),
            "{says:?}"
        );
        assert_eq!(
            influxdb["bucket"].as_str(),
            Some(format!("bucket{number}").as_str()),
            "{says:?}"
        );
        for key in ["host", "org", "bucket", "token"] {
            let place = format!("data.config plugins.influxdb.{key}");
            let row = plan.report.rows.iter().find(|row| row.what == place).unwrap();
            // The database of the release is no source of settings, so it wins or is not asked.
            let weaker: Vec<Level> = says[1..]
                .iter()
                .copied()
                .filter(|level| *level != Level::Object)
                .collect();
            assert_lost(row, &weaker, &format!("{says:?}: {key}"));
        }

        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": config_map(&in_values, "relay-server")["metadata"],
            "spec": {"containers": [{"name": "agent"}]},
        });
        let (_, result) = planned(&pod, &policies);
        let key = if *winner == Level::Object {
            "admin-token".to_owned()
        } else {
            format!("key{number}")
        };
        let token = json!([{"name": "INFLUX_TOKEN", "valueFrom": {"secretKeyRef": {"name": format!("secret{number}"), "key": key}}}]);
        assert_eq!(result["spec"]["containers"][0]["env"], token, "{says:?}");
    }
}

/// A stronger policy may choose the bucket alone, in the database of a weaker one.
#[test]
fn a_setting_that_names_no_database_is_the_strongest_policys() {
    let whole =
        "{influxdb: {host: 'https://whole.example.org', organization: whole, bucket: whole, secretName: s}}";
    let stream = of_namespace("ns", "own", "{defaults: {plugins: {influxdb: {bucket: own}}}}")
        + &of_cluster("whole", &format!("{{defaults: {whole}}}"));
    let (_, result) = planned(
        &config_map(&json!({}), "relay-server"),
        &policies::snapshot(&stream),
    );
    let influxdb = config(&result)["plugins"]["influxdb"].clone();
    let setting = |key: &str| influxdb[key].as_str().map(str::to_owned);
    assert_eq!(
        (setting("host"), setting("org"), setting("bucket")),
        (
            Some("https://whole.example.org".to_owned()),
            Some("whole".to_owned()),
            Some("own".to_owned())
        )
    );
}

#[test]
fn a_plugin_without_settings_leaves_the_database_of_its_policy() {
    let database = "influxdb: {host: 'https://a.example.org', secretName: s}";
    for beside in ["{influxdb: null}", "{influxdb: {}}"] {
        let policy = of_cluster("p", &format!("{{defaults: {{plugins: {beside}, {database}}}}}"));
        let object = config_map(&json!({}), "relay-server");
        let (_, result) = planned(&object, &policies::snapshot(&policy));
        let host = config(&result)["plugins"]["influxdb"]["host"].clone();
        assert_eq!(host.as_str(), Some("https://a.example.org"), "{beside}");
    }
}

#[test]
fn a_token_that_is_only_kept_from_missing_gives_way_to_a_policys() {
    let policy = of_cluster("p", "{defaults: {secretEnv: {INFLUX_TOKEN: {name: s, key: k}}}}");
    let own = json!({"configMap": {"name": "mine"}});
    let mut object = config_map(&own, "relay-server");
    object["kind"] = json!("Pod");
    object["spec"] = json!({"containers": [{"name": "agent"}]});
    for (snapshot, expected) in [
        (Snapshot::default(), json!({"name": "INFLUX_TOKEN", "value": ""})),
        (
            policies::snapshot(&policy),
            json!({"name": "INFLUX_TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
        ),
    ] {
        let (plan, result) = planned(&object, &snapshot);
        assert_eq!(result["spec"]["containers"][0]["env"], json!([expected]));
        assert!(plan.report.findings.is_empty(), "{:?}", plan.report.findings);
    }
}

#[test]
fn a_pod_whose_node_is_chosen_gets_no_node_selector() {
    let policy = of_cluster(
        "p",
        "{defaults: {nodeSelector: {gpu: 'true'}, runtimeClassName: nvidia}}",
    );
    let snapshot = policies::snapshot(&policy);
    let owned = |kind: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": "o", "uid": "u"}]);
    for (owners, node, is_given) in [
        (json!(null), json!(null), true),
        (owned("ReplicaSet"), json!(""), true),
        (owned("DaemonSet"), json!(null), false),
        (json!(null), json!("node-1"), false),
    ] {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": values(&json!({})),
            "spec": {"containers": [{"name": "agent"}], "nodeName": node},
        });
        pod["metadata"]["ownerReferences"] = owners;
        let (_, result) = planned(&pod, &snapshot);
        assert_eq!(result["spec"].get("nodeSelector").is_some(), is_given, "{pod:#}");
        assert_eq!(result["spec"]["runtimeClassName"], "nvidia");
    }
}

#[test]
fn elements_of_all_are_merged_by_their_key_and_say_whose_they_are() {
    let stream = of_cluster(
        "low",
        "{defaults: {imagePullSecrets: [{name: a}, {name: b}], env: {A: low, B: low}}}",
    ) + &of_cluster(
        "high",
        "{priority: 1, defaults: {imagePullSecrets: [{name: b}, {name: c}], secretEnv: {B: {name: s, key: k}}}}",
    );
    let object = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": values(&json!({"imagePullSecrets": ["c", "d"]})),
        "spec": {"containers": [{"name": "agent", "env": [{"name": "USERS", "value": "1"}]}], "imagePullSecrets": [{"name": "e"}]},
    });
    let (plan, result) = planned(&object, &policies::snapshot(&stream));
    let rows: Vec<String> = plan
        .report
        .rows
        .iter()
        .map(|row| format!("{}: {}", row.what, row.source))
        .collect();
    assert_eq!(
        rows,
        [
            "env B of container agent: policy: high",
            "env A of container agent: policy: low",
            "imagePullSecret c: values: imagePullSecrets[0]",
            "imagePullSecret d: values: imagePullSecrets[1]",
            "imagePullSecret b: policy: high",
            "imagePullSecret a: policy: low",
        ]
    );
    let env = result
        .pointer("/spec/containers/0/env")
        .unwrap()
        .as_array()
        .unwrap();
    assert_eq!(env[0], json!({"name": "USERS", "value": "1"}));
    assert_eq!(env.len(), 3);
    assert_eq!(plan.report.policies, ["high", "low"]);
}

#[test]
fn an_empty_list_in_the_values_refuses_what_policies_would_add() {
    let stream = of_cluster(
        "p",
        "{defaults: {imagePullSecrets: [{name: a}], tolerations: [{operator: Exists}], runtimeClassName: c}}",
    );
    let plan = |in_values: &Value| {
        let object = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": values(in_values), "spec": {"containers": [{"name": "agent"}]},
        });
        planned(&object, &policies::snapshot(&stream)).1["spec"].clone()
    };
    let all = plan(&json!({}));
    assert_eq!(
        (
            &all["imagePullSecrets"][0]["name"],
            &all["tolerations"][0]["operator"]
        ),
        (&json!("a"), &json!("Exists"))
    );
    let none = plan(&json!({"imagePullSecrets": [], "tolerations": []}));
    assert_eq!(
        none,
        json!({"containers": [{"name": "agent"}], "runtimeClassName": "c"})
    );
    let one = plan(&json!({"imagePullSecrets": []}));
    assert_eq!(
        (one.get("imagePullSecrets"), &one["tolerations"]),
        (None, &all["tolerations"])
    );
}

/// What is given to a pod depends on its labels, and what stands in the configuration does not.
#[test]
fn the_labels_of_the_pods_limit_what_pods_are_given() {
    let stream = of_cluster(
        "gold",
        "{match: {objectSelector: {matchLabels: {tier: gold}}}, defaults: {env: {TIER: gold}}}",
    );
    let policies = policies::snapshot(&stream);
    let template = |tier: &str| {
        json!({
            "metadata": {"labels": {"injector.alumet.dev/component": "relay-client", "tier": tier}},
            "spec": {"containers": [{"name": "agent"}]},
        })
    };
    for (tier, is_given) in [("gold", true), ("silver", false)] {
        let mut object = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": values(&json!({})), "spec": {"template": template(tier)}});
        // Labels of the workload itself are not those of its pods.
        object["metadata"]["labels"]["tier"] = json!("gold");
        let (_, result) = planned(&object, &policies);
        assert_eq!(
            result.pointer(CONTAINER).unwrap().get("env").is_some(),
            is_given,
            "{tier}"
        );
        let mut pod = template(tier);
        merge(
            &mut pod,
            &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "ns", "annotations": values(&json!({}))["annotations"]}}),
        );
        let (_, result) = planned(&pod, &policies);
        assert_eq!(
            result.pointer("/spec/containers/0/env").is_some(),
            is_given,
            "{tier}: a pod of its own"
        );
    }
    let mut object = config_map(&json!({}), "relay-client");
    object["metadata"]["labels"]["tier"] = json!("gold");
    assert!(planned(&object, &policies).0.report.policies.is_empty());
}

/// The document of such a policy is refused; one that is made otherwise gives its pods what is theirs, and no more.
#[test]
fn a_policy_that_looks_at_pods_gives_nothing_to_the_configuration() {
    let stream = of_cluster("p", "{defaults: {env: {A: x}, plugins: {rapl: {enable: true}}}}");
    let mut policy = Policy::clone(&policies::index(&stream).policies()[0]);
    let requirement = Requirement::new(
        "injector.alumet.dev/component".to_owned(),
        Operator::Exists,
        Vec::new(),
    );
    policy.selects.object_selector = Selector::new(vec![requirement.unwrap()]);
    let policies = Snapshot {
        policies: PolicyIndex::new(vec![policy]),
    };
    let of_config_map = planned(&config_map(&json!({}), "relay-client"), &policies).1;
    assert!(config(&of_config_map)["plugins"].get("rapl").is_none());
    let metadata = of_config_map["metadata"].clone();
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "agent"}]}});
    pod["metadata"]["annotations"]
        .as_object_mut()
        .unwrap()
        .remove("injector.alumet.dev/status");
    let (with, result) = planned(&pod, &policies);
    let (without, _) = planned(&pod, &Snapshot::default());
    assert_eq!(
        result["spec"]["containers"][0]["env"],
        json!([{"name": "A", "value": "x"}])
    );
    assert_eq!(
        with.report.config, without.report.config,
        "the pod waits for the configuration that there is"
    );
}

#[test]
fn an_object_without_values_gets_the_defaults_of_its_policies_alone() {
    let policies = policies::snapshot(&of_cluster(
        "p",
        "{defaults: {env: {A: x}, tolerations: [{operator: Exists}]}}",
    ));
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "labels": {"injector.alumet.dev/component": "agent"}},
        "spec": {"containers": [{"name": "agent"}]},
    });
    let (plan, result) = planned(&pod, &policies);
    assert_eq!(plan.report.policies, ["p"]);
    assert_eq!(result["spec"]["tolerations"], json!([{"operator": "Exists"}]));
    assert!(
        result["spec"]["containers"][0]["env"]
            .as_array()
            .unwrap()
            .contains(&json!({"name": "A", "value": "x"}))
    );
}

/// The namespace is that of the object, else that which the chart wrote, else that of the command line.
#[test]
fn a_manifest_goes_where_it_says_and_else_where_its_values_say() {
    use alumet_injector::engine::facts::Known;
    let stream: String = ["a", "b", "c"]
        .map(|name| {
            of_cluster(
                name,
                &format!("{{match: {{namespaces: [{name}]}}, defaults: {{env: {{IN: {name}}}}}}}"),
            )
        })
        .concat();
    let policies = policies::snapshot(&stream);
    for (of_object, in_values, of_door, expected) in [
        (Some("a"), Some("b"), Some("c"), Some("a")),
        (None, Some("b"), Some("c"), Some("b")),
        (None, None, Some("c"), Some("c")),
        (None, None, None, None),
    ] {
        let mut metadata = values(&in_values.map_or(json!({}), |name| json!({"namespace": name})));
        metadata["namespace"] = json!(of_object);
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "agent"}]}});
        let facts = Facts {
            namespace: of_door.map_or(Known::Unknown, Known::Known),
            ..Facts::RENDER
        };
        let report = engine::plan(&ObjectView::read(&pod).unwrap(), &facts, &policies, &Fresh).report;
        assert_eq!(
            report.policies,
            expected.into_iter().collect::<Vec<_>>(),
            "{of_object:?} {in_values:?} {of_door:?}"
        );
        let undecided = report
            .findings
            .iter()
            .any(|finding| finding.code == "policy-undecided");
        assert_eq!(undecided, expected.is_none());
    }
}

#[test]
fn what_needs_the_labels_of_an_unknown_namespace_is_told_and_not_guessed() {
    let stream: String = (0..7)
        .map(|number| {
            of_cluster(
                &format!("p{number}"),
                "{match: {namespaceSelector: {matchLabels: {team: hpc}}}, defaults: {env: {A: x}}}",
            )
        })
        .collect();
    let mut policies = policies::snapshot(&stream);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": values(&json!({})), "spec": {"containers": [{"name": "agent"}]}});
    let (plan, result) = planned(&pod, &policies);
    assert!(result["spec"]["containers"][0].get("env").is_none());
    let told: Vec<String> = plan.report.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "warning[policy-undecided]: metadata.namespace: it cannot be told whether these policies apply, so they do not: `p0`, `p1`, \
         `p2`, `p3`, `p4`, 2 more; the namespace or its labels are not known; say them with --namespace and --namespace-labels, or \
         let the webhook complete the object"
        ]
    );
    let before = result;
    for (team, is_given) in [("hpc", true), ("web", false)] {
        let labels = std::collections::BTreeMap::from([("team".to_owned(), team.to_owned())]);
        policies.policies.know_namespace("ns", &labels as &dyn Labels);
        let (plan, result) = planned(&pod, &policies);
        assert_eq!(
            result["spec"]["containers"][0].get("env").is_some(),
            is_given,
            "{team}"
        );
        assert!(plan.report.findings.is_empty(), "{:?}", plan.report.findings);
        let (_, completed) = planned(&before, &policies);
        assert_eq!(completed, result, "{team}: what was not told is made up for");
    }
}

/// A policy is no reason to refuse the agent of another version everything; what the user asks for is told as an error.
#[test]
fn a_plugin_that_this_version_lacks_is_left_out_where_a_policy_turns_it_on() {
    let settings = json!({"plugins": {"energy-to-carbon": {"enable": true}, "rapl": {"enable": true}}});
    let policies = policies::snapshot(&of_cluster("p", &json!({"defaults": settings}).to_string()));
    for (version, has_it) in [("0.9.3", false), ("0.9.5", true)] {
        let of_version = json!({"agentVersion": version});
        let (plan, result) = planned(&config_map(&of_version, "relay-client"), &policies);
        assert!(!plan.report.has_errors(), "{version}: {:?}", plan.report.findings);
        let told = plan
            .report
            .findings
            .iter()
            .any(|finding| finding.code == "not-in-version");
        assert_eq!(told, !has_it, "{version}");
        let plugins = config(&result)["plugins"].clone();
        assert!(plugins.get("rapl").is_some(), "{version}");
        assert_eq!(plugins.get("energy-to-carbon").is_some(), has_it, "{version}");
        let mut asked = settings.clone();
        merge(&mut asked, &of_version);
        let (plan, _) = planned(&config_map(&asked, "relay-client"), &Snapshot::default());
        assert_eq!(plan.report.has_errors(), !has_it, "{version}");
    }
}
