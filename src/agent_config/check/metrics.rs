//! Which metrics the enabled plugins register, and which ones somebody needs.

use std::collections::BTreeSet;

use toml_edit::{Item, TableLike};

use super::{Checker, Enabled, lookup, path::Path};
use crate::agent_config::{
    catalog::{Kind, Node},
    codes,
    variables::is_opaque,
    version::Version,
};

/// Finds metrics that somebody needs and nobody registers.
pub(super) fn check(checker: &mut Checker<'_>) {
    let registered = registered(checker);
    for index in 0..checker.enabled.len() {
        let section = &checker.enabled[index];
        let plugin = section.plugin;
        for need in plugin
            .needs
            .iter()
            .filter(|need| checker.profile.within(need.accepted))
        {
            if !registered.contains(&need.metric) {
                let message = format!("it needs the metric `{}`", need.metric);
                let mend = format!("switch on `plugins.{}` with `{} = true`", need.plugin, need.key);
                let path = format!("plugins.{}", plugin.name);
                checker.findings.error(codes::NEEDS_PLUGIN, &path, message, mend);
            }
        }
        let mut named = Vec::new();
        let root = Path::root("plugins");
        consumed(&plugin.root, section.table, &root.below(&plugin.name), &mut named);
        for (path, metric) in named {
            if !registered.contains(&metric) {
                complain(checker, &path, &metric);
            }
        }
    }
}

/// An error where the catalogue knows all metrics, else a warning.
fn complain(checker: &mut Checker<'_>, path: &str, metric: &str) {
    let open = checker.enabled.iter().any(|section| section.plugin.open);
    let newer = checker.profile.supposed || checker.profile.version >= Version::NEXT;
    let providers = providers(checker, metric);
    let mend = if providers.is_empty() {
        "look for the name of the metric in the reference of all plugins".to_owned()
    } else {
        format!("switch on one of `{}`", providers.join("`, `"))
    };
    let message = format!("no enabled plugin registers the metric `{metric}`");
    if open || newer {
        checker
            .findings
            .warning(codes::UNKNOWN_METRIC, path, message, mend);
    } else {
        checker.findings.error(codes::UNKNOWN_METRIC, path, message, mend);
    }
}

fn providers(checker: &Checker<'_>, metric: &str) -> Vec<String> {
    let has = |metrics: &[String]| metrics.iter().any(|known| known == metric);
    let plugins = checker.catalogue.plugins.iter();
    plugins
        .filter(|plugin| plugin.provides.iter().any(|provides| has(&provides.metrics)))
        .map(|plugin| plugin.name.clone())
        .collect()
}

fn registered(checker: &Checker<'_>) -> BTreeSet<String> {
    let mut metrics = BTreeSet::new();
    for section in &checker.enabled {
        for provides in &section.plugin.provides {
            let holds = provides
                .when
                .iter()
                .all(|(path, wanted)| setting_is(section, path, wanted));
            if holds && checker.profile.within(provides.accepted) {
                metrics.extend(provides.metrics.iter().cloned());
            }
        }
        metrics.extend(made_at_run_time(section));
    }
    metrics
}

/// Whether a setting has a value, by itself or because the agent supposes it.
fn setting_is(section: &Enabled<'_>, path: &str, wanted: &serde_json::Value) -> bool {
    match lookup(section.table, path).and_then(Item::as_value) {
        Some(value) if is_opaque(value) => true,
        Some(value) => match wanted {
            serde_json::Value::Bool(on) => value.as_bool() == Some(*on),
            _ => value.as_str() == wanted.as_str(),
        },
        None => {
            section
                .plugin
                .root
                .at(path)
                .and_then(|node| node.row.agent_default.as_ref())
                == Some(wanted)
        }
    }
}

/// Metrics whose names follow from settings.
fn made_at_run_time(section: &Enabled<'_>) -> Vec<String> {
    let table = section.table;
    match section.plugin.name.as_str() {
        "aggregation" => {
            let suffix = match lookup(table, "function").and_then(Item::as_str) {
                Some("Mean") => "mean",
                _ => "sum",
            };
            texts(lookup(table, "metrics"))
                .into_iter()
                .map(|metric| format!("{metric}_{suffix}"))
                .collect()
        }
        "energy-attribution" => {
            let formulas = lookup(table, "formulas").and_then(Item::as_table_like);
            formulas
                .map(|table| table.iter().map(|(name, _)| name.to_owned()).collect())
                .unwrap_or_default()
        }
        "procfs" => texts(lookup(table, "memory.metrics"))
            .iter()
            .map(|name| snake_case(name))
            .collect(),
        _ => Vec::new(),
    }
}

fn texts(item: Option<&Item>) -> Vec<String> {
    let items = item.and_then(Item::as_array);
    items
        .map(|items| {
            items
                .iter()
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect()
        })
        .unwrap_or_default()
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// Each metric that the section names, and where.
fn consumed(node: &Node, table: &dyn TableLike, path: &Path<'_>, named: &mut Vec<(String, String)>) {
    for (key, item) in table.iter() {
        let Some(child) = node.child(key) else { continue };
        let path = path.below(key);
        if let Some(table) = item.as_table_like() {
            consumed(child, table, &path, named);
            continue;
        }
        let Some(value) = item.as_value().filter(|value| !is_opaque(value)) else {
            continue;
        };
        match child.row.kinds.as_slice() {
            [Kind::Metric] => {
                named.extend(value.as_str().map(|metric| (path.to_string(), metric.to_owned())));
            }
            [Kind::List(kind)] if **kind == Kind::Metric => {
                let values = value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter(|value| !is_opaque(value));
                named.extend(values.filter_map(|value| Some((path.to_string(), value.as_str()?.to_owned()))));
            }
            _ => {}
        }
    }
}
