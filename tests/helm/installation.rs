//! The project's own chart through real Helm 3 and real Helm 4 and the post-renderer: complete installations, the same
//! from both.
//!
//! For each values file of `chart/ci`, `tests/installations/<file>/` has what the chart wrote on the objects and what the
//! engine made of it. `BLESS=1` rewrites it.

use std::{collections::BTreeMap, fs, path::Path};

use alumet_injector::{
    agent_config::check_toml,
    engine::{
        self,
        facts::Facts,
        object::ObjectView,
        report::Row,
        setup::{Fresh, Snapshot},
    },
    finding::Severity,
    names::{self, Component},
};
use serde_json::{Value, json};

use crate::{
    charts::{Objects, case_of, objects, values_files},
    files::{golden, root},
    support::{Helm, Renderer, Template},
};

#[test]
fn both_helms_give_the_same_complete_installation_for_every_values_file() {
    let files = values_files();
    assert!(files.len() >= 12, "the values files are there: {}", files.len());
    let helms = Helm::both();
    for file in files {
        let case = case_of(&file);
        let [three, four] = helms
            .each_ref()
            .map(|helm| rendered(helm, &file, Renderer::Injector(&[])));
        assert_same(&case, &three, &four);
        assert_complete(&case, &four);
    }
}

#[test]
fn what_is_injected_is_what_the_golden_files_say() {
    let helms = Helm::both();
    for file in values_files() {
        let case = case_of(&file);
        let folder = root("tests/installations").join(&case);
        fs::create_dir_all(&folder).unwrap();
        for helm in &helms {
            let marked: Vec<Value> = rendered(helm, &file, Renderer::None)
                .into_values()
                .filter(|one| component(one).is_some())
                .collect();
            golden(&folder.join("values.json"), &pretty(&annotations(&marked)));
            let (plans, reports) = planned(&marked);
            golden(&folder.join("patches.json"), &pretty(&plans));
            golden(&folder.join("report.txt"), &reports);
        }
    }
}

#[test]
fn three_installations_have_the_configuration_that_was_written_by_hand() {
    let by_hand = [
        ("defaults", Component::RelayClient, "defaults-relay-client"),
        ("defaults", Component::RelayServer, "defaults-relay-server"),
        ("private-images", Component::RelayServer, "defaults-relay-server"),
        (
            "clients-only-prometheus",
            Component::RelayClient,
            "clients-only-prometheus",
        ),
    ];
    let helm = Helm::new(crate::support::Major::Four);
    for (case, of, fixture) in by_hand {
        let file = root("chart/ci").join(format!("{case}-values.yaml"));
        let objects = rendered(&helm, &file, Renderer::Injector(&[]));
        let config = objects
            .values()
            .find(|one| one["kind"] == "ConfigMap" && component(one) == Some(of))
            .and_then(|one| one["data"]["config"].as_str())
            .unwrap_or_else(|| panic!("{case}: the ConfigMap of {of} has its key"));
        let expected =
            fs::read_to_string(root("tests/fixtures/handwritten").join(format!("{fixture}.toml"))).unwrap();
        let parse = |text: &str| text.parse::<toml::Table>().unwrap();
        assert_eq!(parse(config), parse(&expected), "{case}: {of}");
    }
}

#[test]
fn the_command_config_gives_for_a_values_file_what_the_chart_and_the_engine_give() {
    let helm = Helm::new(crate::support::Major::Four);
    let mut compared = 0;
    for file in values_files() {
        for one in rendered(&helm, &file, Renderer::Injector(&[]))
            .values()
            .filter(|one| one["kind"] == "ConfigMap")
        {
            let (Some(of), Some(config)) = (component(one), one["data"]["config"].as_str()) else {
                continue;
            };
            let output = std::process::Command::new(crate::support::INJECTOR)
                .args([
                    "config",
                    of.as_str(),
                    "--release",
                    "test-alumet",
                    "--namespace",
                    "test",
                    "--values",
                ])
                .arg(&file)
                .output()
                .unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                String::from_utf8_lossy(&output.stdout),
                config,
                "{}: {of}: {stderr}",
                file.display()
            );
            compared += 1;
        }
    }
    assert!(compared >= 18, "configurations were compared: {compared}");
}

/// Equal objects, but for hooks, which only Helm 4 shows, and credentials, which are new each time.
fn assert_same(case: &str, three: &Objects, four: &Objects) {
    let comparable = |objects: &Objects| -> Objects {
        let mut objects = objects.clone();
        objects.retain(|_, one| one["metadata"]["annotations"].get("helm.sh/hook").is_none());
        for one in objects.values_mut().filter(|one| one["kind"] == "Secret") {
            for value in one["data"]
                .as_object_mut()
                .into_iter()
                .flat_map(serde_json::Map::values_mut)
            {
                *value = json!("a credential");
            }
        }
        objects
    };
    let (three, four) = (comparable(three), comparable(four));
    assert_eq!(
        three.keys().collect::<Vec<_>>(),
        four.keys().collect::<Vec<_>>(),
        "{case}"
    );
    for (key, one) in &three {
        assert_eq!(one, &four[key], "{case}: {key}");
    }
}

/// Each ConfigMap of ours has a configuration that `check` passes, and each agent's container the variables that the
/// configuration names.
fn assert_complete(case: &str, objects: &Objects) {
    let ours = |kinds: &[&str]| -> Vec<&Value> {
        let is_ours =
            |one: &&Value| component(one).is_some() && kinds.contains(&one["kind"].as_str().unwrap());
        objects.values().filter(is_ours).collect()
    };
    let workloads = ours(&["DaemonSet", "Deployment"]);
    let config_maps = ours(&["ConfigMap"]);
    assert!(!workloads.is_empty(), "{case}");
    let expected = if case == "own-configmaps" {
        0
    } else {
        workloads.len()
    };
    assert_eq!(
        config_maps.len(),
        expected,
        "{case}: a ConfigMap for each workload"
    );

    let mut variables = 0;
    for workload in &workloads {
        let of = component(workload).unwrap();
        let container = &workload["spec"]["template"]["spec"]["containers"][0];
        let env: Vec<&str> = container["env"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
            .filter_map(|one| one["name"].as_str())
            .collect();
        let Some(config_map) = config_maps.iter().find(|one| component(one) == Some(of)) else {
            continue;
        };
        let config = config_map["data"]["config"]
            .as_str()
            .unwrap_or_else(|| panic!("{case}: {of} has a configuration"));
        let errors: Vec<_> = check_toml(config, Some(of), None)
            .into_iter()
            .filter(|finding| finding.severity == Severity::Error)
            .collect();
        assert!(errors.is_empty(), "{case}: {of}: {errors:?}");
        for name in names_in(config) {
            assert!(env.contains(&name), "{case}: {of}: the container has no {name}");
            variables += 1;
        }
    }
    assert!(
        variables > 0 || case == "own-configmaps" || case == "no-influxdb",
        "{case}: some configuration names a variable"
    );
}

/// The names of all `${NAME}`.
fn names_in(config: &str) -> Vec<&str> {
    config
        .split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
        .collect()
}

/// The values annotation of each component, which is the same text on each of its objects.
fn annotations(marked: &[Value]) -> Value {
    let mut texts: BTreeMap<&str, &str> = BTreeMap::new();
    for one in marked {
        let of = component(one).unwrap().as_str();
        let on_template = one["spec"]["template"]["metadata"]["annotations"].get(names::VALUES_ANNOTATION);
        for text in one["metadata"]["annotations"]
            .get(names::VALUES_ANNOTATION)
            .into_iter()
            .chain(on_template)
        {
            let text = text.as_str().unwrap();
            assert_eq!(
                *texts.entry(of).or_insert(text),
                text,
                "{of}: one text on all objects"
            );
        }
    }
    let parsed = texts
        .into_iter()
        .map(|(of, text)| (of.to_owned(), serde_json::from_str::<Value>(text).unwrap()));
    Value::Object(parsed.collect())
}

/// Patch and report of each object; what came of it needs nothing more.
fn planned(marked: &[Value]) -> (Value, String) {
    let mut patches = serde_json::Map::new();
    let mut reports = Vec::new();
    for one in marked {
        let plan = |one: &Value| {
            engine::plan(
                &ObjectView::read(one).unwrap(),
                &Facts::RENDER,
                &Snapshot::default(),
                &Fresh,
            )
        };
        let first = plan(one);
        let mut result = one.clone();
        json_patch::patch(&mut result, &first.patch).unwrap();
        assert!(
            plan(&result).patch.0.is_empty(),
            "{}: a second time",
            first.report.object()
        );
        patches.insert(first.report.object(), serde_json::to_value(&first.patch).unwrap());
        let report = &first.report;
        reports.push(format!("{}: {}", report.object(), report.outcome.code()));
        for Row {
            what,
            value,
            source,
            fate,
            ..
        } in &report.rows
        {
            reports.push(format!("  {} {what} = {value} <- {source}", fate.as_str()));
        }
        reports.extend(report.findings.iter().map(|finding| format!("  {finding}")));
    }
    (Value::Object(patches), reports.join("\n") + "\n")
}

/// The objects that a Helm makes of the chart with one values file.
fn rendered(helm: &Helm, file: &Path, renderer: Renderer<'_>) -> Objects {
    let chart = root("chart");
    let template = Template {
        values: &[file],
        renderer,
        ..Template::of(&chart)
    };
    objects(&helm.template(&template).stdout)
}

fn component(object: &Value) -> Option<Component> {
    Component::parse(
        object["metadata"]["labels"]
            .get(names::COMPONENT_LABEL)?
            .as_str()?,
    )
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
