//! Values that merely repeat their default: found by leaving each one out and looking whether anything changes.

use serde_json::{Map, Value};

use super::{Configuration, Request, catalog::catalogue, configure::configure, values::AgentValues};
use crate::{finding::any_error, names::Component};

/// The agent's own defaults of the keys outside of plugins.
const MAX_UPDATE_INTERVAL: &str = "2s";
const SOURCE_CHANNEL_SIZE: u64 = 2048;

/// Paths of the values that could be left out together without any change.
pub fn equal_to_default(values: &AgentValues, component: Component) -> Vec<String> {
    shorten(values, component).1
}

/// The values without what merely repeats a default.
pub fn minimal(values: &AgentValues, component: Component) -> AgentValues {
    shorten(values, component).0
}

fn shorten(values: &AgentValues, component: Component) -> (AgentValues, Vec<String>) {
    let mut short = values.clone();
    let mut paths = Vec::new();
    let mut leaves = Vec::new();
    collect(
        &Value::Object(values.plugins.clone()),
        &mut Vec::new(),
        &mut leaves,
    );
    // A key of the charts alone tells them something even where the configuration stays the same.
    for path in leaves.into_iter().filter(|path| !is_of_charts(path)) {
        let mut without = short.clone();
        remove(&mut without.plugins, &path);
        if is_same(&short, &without, component, &path) {
            short = without;
            paths.push(format!("plugins.{}", path.join(".")));
        }
    }
    if short
        .max_update_interval
        .as_ref()
        .is_some_and(|value| value == MAX_UPDATE_INTERVAL)
    {
        short.max_update_interval = None;
        paths.push("maxUpdateInterval".to_owned());
    }
    if short
        .source_channel_size
        .as_ref()
        .is_some_and(|value| *value == SOURCE_CHANNEL_SIZE)
    {
        short.source_channel_size = None;
        paths.push("sourceChannelSize".to_owned());
    }
    (short, paths)
}

/// Every value that is no table, by its path; references count as one value.
fn collect(value: &Value, path: &mut Vec<String>, leaves: &mut Vec<Vec<String>>) {
    match value.as_object() {
        Some(map) if !map.is_empty() && !map.contains_key("fromEnv") && !map.contains_key("fromSecret") => {
            for (key, value) in map {
                path.push(key.clone());
                collect(value, path, leaves);
                path.pop();
            }
        }
        _ if path.is_empty() => {}
        _ => leaves.push(path.clone()),
    }
}

/// Whether the catalogue has the key for the charts alone.
fn is_of_charts(path: &[String]) -> bool {
    let Some((plugin, keys)) = path.split_first() else {
        return false;
    };
    let Some(plugin) = catalogue().plugin(plugin) else {
        return false;
    };
    let node = keys.iter().try_fold(&plugin.root, |node, key| node.spelled(key));
    node.is_some_and(|node| node.row.helm)
}

/// Takes out a value, and the tables that become empty.
fn remove(map: &mut Map<String, Value>, path: &[String]) {
    match path {
        [] => {}
        [key] => drop(map.remove(key)),
        [key, rest @ ..] => {
            let Some(Value::Object(inner)) = map.get_mut(key) else {
                return;
            };
            remove(inner, rest);
            if inner.is_empty() {
                map.remove(key);
            }
        }
    }
}

/// Whether both give the same. A key of a plugin that is off is judged as if it were on: it has no effect now, but is
/// no default either.
fn is_same(one: &AgentValues, other: &AgentValues, component: Component, path: &[String]) -> bool {
    let is_switch = matches!(path, [_, key] if key == "enable" || key == "enabled");
    let (mut one, mut other) = (one.clone(), other.clone());
    // A configuration of the user's own would hide every difference.
    one.own_config_map = None;
    other.own_config_map = None;
    if !is_switch && let Some(spelling) = path.first() {
        switch_on(&mut one.plugins, spelling);
        switch_on(&mut other.plugins, spelling);
    }
    let (one, other) = (outcome(&one, component), outcome(&other, component));
    !any_error(&one.findings)
        && !any_error(&other.findings)
        && one.toml == other.toml
        && one.env_without_sources() == other.env_without_sources()
}

/// Switches a plugin on, whatever its spellings say.
fn switch_on(plugins: &mut Map<String, Value>, spelling: &str) {
    let Some(index) = catalogue().index(spelling) else {
        return;
    };
    for spelling in &catalogue().plugins[index].spellings {
        if let Some(Value::Object(map)) = plugins.get_mut(spelling) {
            map.remove("enable");
            map.remove("enabled");
        }
    }
    let section = plugins
        .entry(spelling)
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(map) = section {
        map.insert("enable".to_owned(), Value::Bool(true));
    }
}

fn outcome(values: &AgentValues, component: Component) -> Configuration {
    configure(&Request {
        component,
        values,
        layers: &[],
        release: None,
        namespace: None,
    })
}

impl Configuration {
    fn env_without_sources(&self) -> Vec<(&str, &super::EnvFrom)> {
        self.env
            .iter()
            .map(|variable| (variable.name.as_str(), &variable.from))
            .collect()
    }
}
