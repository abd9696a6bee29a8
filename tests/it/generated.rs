//! Files in the tree that are made of the code. `make generate` writes them anew.

use std::fs;

use alumet_injector::{
    agent_config::{PluginsSchema, needs, plugins_schema, reference},
    cli::Cli,
    manifest::emit::to_yaml,
    names::{self, Component},
    policy_document::{
        definition::definitions,
        fields::{DOCUMENT, Field, Shape},
    },
};
use clap::CommandFactory as _;
use clap_markdown::{MarkdownOptions, help_markdown_command_custom};
use serde_json::Value;

use crate::files::{golden, root};

/// The charts that have plugins, and whose these are.
const CHARTS: [(&str, Component); 2] = [
    ("alumet-relay-client", Component::RelayClient),
    ("alumet-relay-server", Component::RelayServer),
];

#[test]
fn the_reference_of_all_plugins_is_up_to_date() {
    golden(&root("docs/plugins.md"), &reference());
}

#[test]
fn the_page_of_all_options_is_up_to_date() {
    let options = MarkdownOptions::new()
        .title("All commands and options".to_owned())
        .show_footer(false)
        .show_table_of_contents(false);
    golden(
        &root("docs/options.md"),
        &help_markdown_command_custom(&Cli::command(), &options),
    );
}

#[test]
fn the_charts_know_what_each_plugin_needs() {
    for (chart, _) in CHARTS {
        golden(
            &root(&format!("chart/charts/{chart}/files/needs.json")),
            &pretty(&needs()),
        );
    }
}

#[test]
fn the_charts_schemas_know_every_plugin_and_key() {
    for (chart, component) in CHARTS {
        let file = root(&format!("chart/charts/{chart}/values.schema.json"));
        let mut schema: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let PluginsSchema { plugins, definitions } = plugins_schema(component);
        schema["properties"]["plugins"] = plugins;
        for (name, definition) in definitions {
            schema["definitions"][name] = definition;
        }
        golden(&file, &pretty(&schema));
    }
}

/// The chart gives the rest: Helm's labels and annotations.
#[test]
fn the_chart_of_the_injector_has_the_definitions_of_policies() {
    for definition in definitions() {
        let plural = definition["spec"]["names"]["plural"].as_str().unwrap();
        golden(
            &root(&format!("deploy/injector/files/crds/{plural}.yaml")),
            &to_yaml(&definition["spec"]),
        );
    }
}

/// What stands around the chart's alerts for those who have no Helm.
const ALERTS: &str = "\
# Alerts for the Prometheus Operator. Give it the labels by which your Prometheus selects its rules.
# Generated from deploy/injector/files/alerts.yaml: `make generate` writes it anew.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: alumet-injector
spec:
";

#[test]
fn the_file_of_alerts_has_those_of_the_chart() {
    let alerts = fs::read_to_string(root("deploy/injector/files/alerts.yaml")).unwrap();
    let lines = alerts.lines().filter(|line| !line.starts_with('#'));
    let spec: String = lines.map(|line| format!("  {line}\n")).collect();
    golden(&root("deploy/monitoring/alerts.yaml"), &format!("{ALERTS}{spec}"));
}

#[test]
fn the_readme_lists_every_mark() {
    let readme = fs::read_to_string(root("README.md")).unwrap();
    let (before, rest) = readme
        .split_once("<!-- marks -->\n")
        .expect("the README has the place");
    let (_, after) = rest
        .split_once("<!-- end of marks -->\n")
        .expect("the place ends");
    let rows: String = names::MARKS
        .iter()
        .map(|mark| {
            format!(
                "| {} `{}` | {} | {} |\n",
                mark.kind, mark.name, mark.on, mark.meaning
            )
        })
        .collect();
    let table = format!("| mark | on | meaning |\n|---|---|---|\n{rows}");
    golden(
        &root("README.md"),
        &format!("{before}<!-- marks -->\n{table}<!-- end of marks -->\n{after}"),
    );
}

#[cfg(feature = "server")]
#[test]
fn the_page_of_commands_lists_every_check_of_a_cluster() {
    use alumet_injector::cluster::installation::CHECKS;

    let rows: String = CHECKS
        .iter()
        .map(|check| format!("| `{}` | {} |\n", check.code, check.holds))
        .collect();
    let page = fs::read_to_string(root("docs/commands.md")).unwrap();
    let (before, rest) = page
        .split_once("<!-- checks -->\n")
        .expect("the page has the place");
    let (_, after) = rest
        .split_once("<!-- end of checks -->\n")
        .expect("the place ends");
    let table = format!("| code | it is `ok` when |\n|---|---|\n{rows}");
    golden(
        &root("docs/commands.md"),
        &format!("{before}<!-- checks -->\n{table}<!-- end of checks -->\n{after}"),
    );
}

#[test]
fn the_page_of_policies_lists_every_field() {
    fn rows(fields: &[Field], path: &str, table: &mut String) {
        for field in fields {
            let name = format!("{path}{}", field.name);
            let (below, form) = match &field.shape {
                Shape::Text => (None, "text"),
                Shape::Number => (None, "number"),
                Shape::Texts => (None, "list of texts"),
                Shape::TextMap => (None, "map of texts"),
                Shape::Quantities => (None, "map of quantities"),
                Shape::Open | Shape::OpenTables => (None, "table"),
                Shape::Table(inner) => (Some((inner, ".")), "table"),
                Shape::Tables(inner) => (Some((inner, "[].")), "list"),
                Shape::TableMap(inner) => (Some((inner, ".NAME.")), "map"),
            };
            let row = format!("| `{name}` | {form} | {} |\n", field.about);
            *table += &row;
            if let Some((inner, joint)) = below {
                rows(inner, &format!("{name}{joint}"), table);
            }
        }
    }
    let mut table = "| field | form | meaning |\n|---|---|---|\n".to_owned();
    rows(DOCUMENT, "", &mut table);
    let page = fs::read_to_string(root("docs/policies.md")).unwrap();
    let (before, rest) = page
        .split_once("<!-- fields -->\n")
        .expect("the page has the place");
    let (_, after) = rest
        .split_once("<!-- end of fields -->\n")
        .expect("the place ends");
    golden(
        &root("docs/policies.md"),
        &format!("{before}<!-- fields -->\n{table}<!-- end of fields -->\n{after}"),
    );
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
