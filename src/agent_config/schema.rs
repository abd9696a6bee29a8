//! What the charts take from the catalogue: the schema of `plugins` in the values, and what each plugin needs.

use serde_json::{Map, Value, json};

use super::catalog::{Encoding, Kind, Node, Plugin, Row, catalogue};
use crate::names::Component;

/// The part of a chart's schema that the catalogue gives.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginsSchema {
    /// The schema of `plugins`, closed, every spelling in it; it refers to `#/definitions/...`.
    pub plugins: Value,
    /// What belongs under `definitions` at the root of the chart's schema.
    pub definitions: Map<String, Value>,
}

/// JSON schema (draft 7) of `plugins` in the values of a component's chart.
pub fn plugins_schema(component: Component) -> PluginsSchema {
    let mut properties = Map::new();
    let mut definitions = Map::new();
    definitions.insert("reference".to_owned(), reference_schema());
    for plugin in &catalogue().plugins {
        for spelling in &plugin.spellings {
            properties.insert(spelling.clone(), definition(&plugin.name));
        }
        definitions.insert(plugin.name.clone(), plugin_schema(plugin, component));
    }
    let plugins = json!({
        "type": ["object", "null"],
        "description": "Plugins of the agent, by the agent's own names, in snake_case or in camelCase.",
        "additionalProperties": false,
        "properties": properties,
    });
    PluginsSchema { plugins, definitions }
}

fn definition(name: &str) -> Value {
    json!({"$ref": format!("#/definitions/{name}")})
}

fn plugin_schema(plugin: &Plugin, component: Component) -> Value {
    let on = plugin.on_by_default(component);
    let mut properties = Map::new();
    for key in ["enable", "enabled"] {
        let mut switch = one_of_kinds(&[Kind::Bool]);
        switch["description"] = format!("Switch the plugin on or off. Default: {on}").into();
        properties.insert(key.to_owned(), switch);
    }
    add_children(&plugin.root, component, &mut properties);
    for retired in &plugin.retired {
        properties.insert(
            retired.path.clone(),
            json!({"description": format!("Does nothing: {}.", retired.why)}),
        );
    }
    json!({
        "type": ["object", "null"],
        "description": plugin.about,
        "additionalProperties": false,
        "properties": properties,
    })
}

fn add_children(node: &Node, component: Component, properties: &mut Map<String, Value>) {
    for child in &node.children {
        for spelling in &child.row.spellings {
            properties.insert(spelling.clone(), node_schema(child, component));
        }
    }
}

fn node_schema(node: &Node, component: Component) -> Value {
    let mut schema = if node.holds_table() {
        table_schema(node, component)
    } else {
        leaf_schema(node, component)
    };
    schema["description"] = description(&node.row, component).into();
    schema
}

fn table_schema(node: &Node, component: Component) -> Value {
    let mut properties = Map::new();
    add_children(node, component, &mut properties);
    let mut table = json!({"type": ["object", "null"], "properties": properties});
    table["additionalProperties"] = match node.any.as_deref() {
        Some(any) => node_schema(any, component),
        None => Value::Bool(false),
    };
    let others: Vec<Kind> = node
        .row
        .kinds
        .iter()
        .filter(|kind| **kind != Kind::Table)
        .cloned()
        .collect();
    if others.is_empty() {
        table
    } else {
        json!({"anyOf": [table, one_of_kinds(&others)]})
    }
}

fn leaf_schema(node: &Node, component: Component) -> Value {
    if let Some(item) = node.item.as_deref() {
        return json!({"type": ["array", "null"], "items": node_schema(item, component)});
    }
    let mut schema = one_of_kinds(&node.row.kinds);
    let referable =
        |kind: &Kind| !matches!(kind, Kind::Bool | Kind::Int { .. } | Kind::Float | Kind::List(_));
    if node.row.kinds.iter().any(referable) && !node.row.helm {
        schema = json!({"anyOf": [schema, definition("reference")]});
    }
    schema
}

/// What a value may be, with every spelling that is converted; formats are checked where the words are better.
fn one_of_kinds(kinds: &[Kind]) -> Value {
    let mut types: Vec<&str> = kinds.iter().flat_map(json_types).chain(["null"]).collect();
    types.sort_unstable();
    types.dedup();
    match kinds {
        [Kind::Any] => json!({}),
        [Kind::Bool] => json!({"enum": [true, false, "true", "false", null]}),
        [Kind::Int { min, max }] => {
            json!({"type": types, "minimum": min, "maximum": max, "pattern": "^\\s*[+-]?[0-9]+(\\.0*)?\\s*$"})
        }
        [Kind::Enum { values, .. }] => {
            let mut all: Vec<Value> = Vec::new();
            for word in values
                .iter()
                .cloned()
                .chain(values.iter().map(|value| value.to_lowercase()))
            {
                if !all.contains(&Value::from(word.as_str())) {
                    all.push(word.into());
                }
            }
            all.push(Value::Null);
            json!({"enum": all})
        }
        [Kind::List(item)] => json!({"type": types, "items": one_of_kinds(std::slice::from_ref(item))}),
        _ => json!({"type": types}),
    }
}

fn json_types(kind: &Kind) -> Vec<&'static str> {
    match kind {
        Kind::Bool => vec!["boolean", "string"],
        Kind::Int { .. } | Kind::Float => vec!["number", "string"],
        Kind::Table => vec!["object"],
        Kind::List(_) => vec!["array", "string"],
        Kind::Text | Kind::Char | Kind::SecretName | Kind::SecretKey => vec!["string", "number", "boolean"],
        Kind::HostPort => vec!["string", "number"],
        _ => vec!["string"],
    }
}

fn reference_schema() -> Value {
    json!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": false,
        "properties": {
            "fromEnv": {"type": "string", "minLength": 1},
            "fromSecret": {
                "type": "object",
                "additionalProperties": false,
                "required": ["name", "key"],
                "properties": {"name": {"type": "string", "minLength": 1}, "key": {"type": "string", "minLength": 1}},
            },
        },
    })
}

fn description(row: &Row, component: Component) -> String {
    match default_text(row, component) {
        Some(default) => format!("{} Default: {default}", row.about),
        None => row.about.clone(),
    }
}

/// The default as a person reads it.
pub(super) fn default_text(row: &Row, component: Component) -> Option<String> {
    let default = row.default_for(component)?;
    Some(match default.get("fromEnv").and_then(Value::as_str) {
        Some(variable) => format!("the variable {variable}"),
        None => default.to_string(),
    })
}

/// What each plugin asks of its pod, for the charts (`files/needs.json`).
pub fn needs() -> Value {
    let plugins: Map<String, Value> = catalogue()
        .plugins
        .iter()
        .map(|plugin| (plugin.name.clone(), plugin_needs(plugin)))
        .collect();
    json!({"plugins": plugins, "always": {"capabilities": ["SYS_NICE", "PERFMON", "SYS_PTRACE"]}})
}

fn plugin_needs(plugin: &Plugin) -> Value {
    let privileges = &plugin.privileges;
    let paths: Vec<Value> = privileges
        .host_paths
        .iter()
        .map(|host| json!({"path": host.path, "readOnly": host.read_only}))
        .collect();
    let mut secrets = Vec::new();
    collect_secrets(&plugin.root, &[], &mut secrets);
    json!({
        "aliases": plugin.spellings,
        "capabilities": privileges.capabilities,
        "hostPID": privileges.host_pid,
        "hostPaths": paths,
        "gpu": privileges.gpu,
        "apiAccess": privileges.api_access,
        "secrets": secrets,
    })
}

/// One row for each way to spell the path of a secret.
fn collect_secrets(node: &Node, path: &[String], secrets: &mut Vec<Value>) {
    for child in &node.children {
        for spelling in &child.row.spellings {
            let path: Vec<String> = path.iter().cloned().chain([spelling.clone()]).collect();
            if let Some(secret) = &child.row.secret {
                let encoding = match secret.encoding {
                    Encoding::None => "none",
                    Encoding::Percent => "percent",
                };
                secrets.push(json!({"path": path, "key": secret.key, "encoding": encoding}));
            }
            collect_secrets(child, &path, secrets);
        }
    }
}
