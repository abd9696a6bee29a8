//! The injector's own chart: both Helms render the same, its tables and suites are whole, and the API server sends what
//! it is meant to.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use alumet_injector::{
    manifest::load,
    names::{COMPONENT_LABEL, NAME_LABEL, OWN_NAME},
};
use serde_json::{Value, json};

use crate::{
    charts::{Objects, objects},
    files::{golden, root},
    release::leaves,
    support::{Helm, Major, Renderer, Template, unittest},
};

fn chart() -> PathBuf {
    root("deploy/injector")
}

/// The values files that show one way of use each.
pub(crate) fn ci_files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(chart().join("ci"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 8, "{files:?}");
    files
}

/// What one Helm makes of a values file.
pub(crate) fn rendered(helm: &Helm, file: &Path) -> Objects {
    let chart = chart();
    let template = Template {
        values: &[file],
        ..Template::of(&chart)
    };
    objects(&helm.template(&template).stdout)
}

fn yaml(file: &Path) -> Value {
    load::parse_any(&fs::read_to_string(file).unwrap()).unwrap().value
}

#[test]
fn both_helms_lint_every_values_file_without_a_warning() {
    for helm in Helm::both() {
        for file in ci_files() {
            let arguments = [
                "lint".into(),
                chart().into(),
                "--strict".into(),
                "--values".into(),
                file.into(),
            ];
            helm.run(&arguments).unwrap_or_else(|failure| panic!("{failure}"));
        }
    }
}

#[test]
fn both_helms_render_the_same_for_every_values_file() {
    let [three, four] = Helm::both();
    for file in ci_files() {
        let (three, four) = (rendered(&three, &file), rendered(&four, &file));
        assert!(!four.is_empty());
        assert_eq!(three, four, "{}", file.display());
    }
}

#[test]
fn the_suites_of_the_chart_pass() {
    let arguments = ["--strict".into(), "--color=false".into(), chart().into()];
    let told = unittest(&arguments).unwrap_or_else(|failure| panic!("{failure}"));
    let passed = told
        .lines()
        .find_map(|line| line.strip_prefix("Test Suites:"))
        .and_then(|counts| counts.split_whitespace().next())
        .and_then(|count| count.parse::<usize>().ok());
    let suites = fs::read_dir(chart().join("tests"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with("_test.yaml"))
        .count();
    // A pattern that matches no file passes as well.
    assert_eq!(passed, Some(suites), "{told}");
}

/// `chart/readme.awk` says how it is called.
#[test]
fn generated_table_of_values_is_that_of_the_values_file() {
    let (values, readme) = (chart().join("values.yaml"), chart().join("README.md"));
    let made = Command::new("awk")
        .arg("-f")
        .args([&root("chart/readme.awk"), &values, &readme])
        .output()
        .expect("awk is there");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made = String::from_utf8(made.stdout).unwrap();
    let rows = fs::read_to_string(&values).unwrap().matches("# -- ").count();
    assert_eq!(made.matches("\n| `").count(), rows, "a row for each comment");
    golden(&readme, &made);
}

/// The program is installed in the version that the sources have.
#[test]
fn the_chart_and_the_program_have_one_version() {
    let meta = yaml(&chart().join("Chart.yaml"));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(meta["version"], version);
    assert_eq!(meta["appVersion"], version);
    let images = meta["annotations"]["artifacthub.io/images"].as_str().unwrap();
    assert!(
        images.ends_with(&format!("image: ghcr.io/alumet-dev/alumet-injector:{version}\n")),
        "{images}"
    );
}

/// The comment of a schema whose keys are Kubernetes' own.
const OF_KUBERNETES: &str = "what Kubernetes defines";

/// The paths of a schema's leaves; what Kubernetes defines is one, and so is a map of any keys.
fn schema_leaves(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        found.insert(path.to_owned());
        return;
    };
    assert_eq!(
        schema["additionalProperties"],
        json!(false),
        "{path} takes any key"
    );
    if schema
        .get("$comment")
        .is_some_and(|comment| comment == OF_KUBERNETES)
    {
        found.insert(path.to_owned());
        return;
    }
    for (name, below) in properties {
        let below_path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        schema_leaves(below, &below_path, found);
    }
}

/// Whether `path` is one of `known`, above or below one.
fn covered(path: &str, known: &BTreeSet<String>) -> bool {
    let below = |upper: &str, lower: &str| lower == upper || lower.starts_with(&format!("{upper}."));
    known.iter().any(|one| below(one, path) || below(path, one))
}

#[test]
fn every_value_is_in_the_schema_and_in_the_file_that_sets_them_all() {
    let values = yaml(&chart().join("values.yaml"));
    let every = yaml(&chart().join("ci/every-value-values.yaml"));
    let schema =
        serde_json::from_str(&fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap();
    let paths = |value: &Value| -> BTreeSet<String> { leaves(value).into_keys().collect() };
    let (values, every) = (paths(&values), paths(&every));
    let mut known = BTreeSet::new();
    schema_leaves(&schema, "", &mut known);
    assert!(values.len() > 60, "values were found: {}", values.len());
    for path in &values {
        assert!(covered(path, &known), "the schema does not know {path}");
    }
    for path in known.iter().filter(|path| *path != "global") {
        assert!(covered(path, &values), "values.yaml does not have {path}");
        assert!(
            covered(path, &every),
            "ci/every-value-values.yaml does not set {path}"
        );
    }
}

#[test]
fn both_helms_refuse_values_that_do_not_go_together() {
    let chart = chart();
    for helm in Helm::both() {
        for (set, said) in [
            ("replicas=2", "the self-managed mode is for one replica"),
            ("replicaCount=2", "replicaCount"),
            ("webhook.timeoutSeconds=31", "timeoutSeconds"),
        ] {
            let failure = helm
                .try_template(&Template {
                    set: &[set],
                    ..Template::of(&chart)
                })
                .err()
                .unwrap_or_else(|| panic!("{:?} takes {set}", helm.major));
            assert!(failure.stderr.contains(said), "{set}: {failure}");
        }
    }
}

/// The webhook entries of a configuration.
fn entries(objects: &Objects) -> Vec<Value> {
    let configuration = objects
        .values()
        .find(|one| one["kind"] == "MutatingWebhookConfiguration")
        .expect("the configuration is rendered");
    configuration["webhooks"].as_array().unwrap().clone()
}

/// The labels of an object.
fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["labels"].get(key).and_then(Value::as_str)
}

/// A label selector of Kubernetes: every part has to hold.
fn selects(selector: &Value, object: &Value) -> bool {
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    labels
        .into_iter()
        .flatten()
        .all(|(key, value)| label(object, key) == value.as_str())
        && expressions.into_iter().flatten().all(|one| {
            let found = label(object, one["key"].as_str().unwrap());
            let is_among = || {
                let values = one["values"].as_array().unwrap();
                found.is_some_and(|found| values.iter().any(|value| value == found))
            };
            match one["operator"].as_str().unwrap() {
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                "In" => is_among(),
                "NotIn" => !is_among(),
                other => panic!("no operator: {other}"),
            }
        })
}

/// How many of the rules of all entries send an object to the injector when it is created.
fn times_sent(entries: &[Value], object: &Value) -> usize {
    let api_version = object["apiVersion"].as_str().unwrap();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
    let has = |list: &Value, item: &str| list.as_array().unwrap().iter().any(|one| one == item);
    entries
        .iter()
        .filter(|entry| selects(&entry["objectSelector"], object))
        .flat_map(|entry| entry["rules"].as_array().unwrap())
        .filter(|rule| {
            has(&rule["apiGroups"], group)
                && has(&rule["apiVersions"], version)
                && has(&rule["resources"], &resource)
                && has(&rule["operations"], "CREATE")
        })
        .count()
}

#[test]
fn each_marked_object_is_sent_once_and_no_other() {
    let helm = Helm::new(Major::Four);
    let own = rendered(&helm, &chart().join("ci/default-values.yaml"));
    let entries = entries(&own);
    let alumet = helm.template(&Template {
        renderer: Renderer::None,
        ..Template::of(&root("chart"))
    });
    let mut sent = 0;
    for object in objects(&alumet.stdout).values() {
        let expected = usize::from(label(object, COMPONENT_LABEL).is_some());
        assert_eq!(times_sent(&entries, object), expected, "{object}");
        sent += expected;
    }
    assert!(sent >= 4, "both ConfigMaps and both workloads: {sent}");
    for object in own.values() {
        assert_eq!(times_sent(&entries, object), 0, "{object}");
        assert_eq!(label(object, NAME_LABEL), Some(OWN_NAME), "{object}");
    }
}

#[test]
fn what_is_left_to_one_label_is_decided_by_it() {
    let helm = Helm::new(Major::Four);
    let entries = entries(&rendered(&helm, &chart().join("ci/default-values.yaml")));
    for (labels, times) in [
        (json!({}), 0),
        (json!({ COMPONENT_LABEL: "agent" }), 1),
        (
            json!({ COMPONENT_LABEL: "agent", NAME_LABEL: "alumet-relay-client" }),
            1,
        ),
        (json!({ COMPONENT_LABEL: "agent", NAME_LABEL: OWN_NAME }), 0),
    ] {
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "labels": labels } });
        assert_eq!(times_sent(&entries, &pod), times, "{pod}");
    }
}

/// A right or a key of the API server that is not used is one that can be stolen.
#[test]
fn the_injector_has_the_rights_for_what_it_is_told_to_do_and_no_others() {
    let helm = Helm::new(Major::Four);
    for file in ci_files() {
        let objects = rendered(&helm, &file);
        let rights = objects
            .values()
            .filter(|one| one["kind"].as_str().unwrap().contains("Role"))
            .count();
        let Some(server) = objects.values().find(|one| one["kind"] == "Deployment") else {
            assert_eq!(rights, 0, "{}", file.display());
            continue;
        };
        let pod = &server["spec"]["template"]["spec"];
        let arguments = pod["containers"][0]["args"].as_array().unwrap();
        let is_told = |flag: &str| arguments.iter().any(|one| one == flag);
        let roles = [
            ("--self-managed", 4),
            ("--watch-policies", 2),
            ("--observe", 2),
            ("--events", 2),
        ];
        let needed: usize = roles
            .iter()
            .filter(|(flag, _)| is_told(flag))
            .map(|(_, count)| count)
            .sum();
        assert_eq!(rights, needed, "{}", file.display());
        assert_eq!(
            pod["automountServiceAccountToken"],
            needed > 0,
            "{}",
            file.display()
        );
    }
}

/// Helm would refuse the second release, or take the object of the first one.
#[test]
fn two_releases_of_one_name_share_no_object_of_the_cluster() {
    let helm = Helm::new(Major::Four);
    for file in ci_files() {
        let chart = chart();
        let of_the_cluster = |namespace: &str, further: &str| -> BTreeSet<String> {
            let name = format!("webhook.configurationName={namespace}-injector");
            let told = helm.template(&Template {
                namespace,
                values: &[&file],
                set: &[&name, further],
                ..Template::of(&chart)
            });
            let mut objects = objects(&told.stdout);
            objects.retain(|_, object| object["metadata"].get("namespace").is_none());
            objects.into_keys().collect()
        };
        let (one, other) = (
            of_the_cluster("one", "replicas=1"),
            of_the_cluster("other", "crds.install=false"),
        );
        assert!(!one.is_empty(), "{}", file.display());
        assert!(one.is_disjoint(&other), "{}: {one:?} {other:?}", file.display());
    }
}
