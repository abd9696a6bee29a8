//! What a policy gives: each default read, and checked as Kubernetes and the catalogue would.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    Code, resources,
    shape::{Problems, below, part, present, text},
};
use crate::{
    agent_config::{
        carries_secret, catalog::catalogue, check_plugins, codes, has_password, is_variable,
        values::AgentValues,
    },
    finding::{Finding, Severity},
    kubernetes::{is_data_key, is_label_key, is_label_value, is_object_name},
    policy::model::{Defaults, EnvValue, InfluxDb},
};

const DEFAULTS: &str = "spec.defaults";

/// Settings of the plugin that say which database it is, by the agent's names.
const DATABASE: [&str; 6] = ["host", "token", "existingSecret", "secretKey", "org", "bucket"];

/// Why host and Secret are asked for together.
const ONE_SOURCE: &str = "host and Secret come from one source: write both";

/// Reads the defaults.
pub(super) fn read(problems: &mut Problems, table: &Map<String, Value>) -> Defaults {
    let values = as_values(problems, table);
    let plugins = part(table, "plugins").cloned().unwrap_or_default();
    check_settings(problems, &plugins, "plugins");
    whole_database(problems, &plugins);
    let influxdb = part(table, "influxdb").map(|group| influxdb(problems, group, &plugins));
    let resources = part(table, "resources")
        .map(|part| resources::read(part, &below(DEFAULTS, "resources"), problems))
        .unwrap_or_default();
    let runtime_class_name = text(table, "runtimeClassName").map(str::to_owned);
    if runtime_class_name
        .as_deref()
        .is_some_and(|name| !is_object_name(name))
    {
        let path = below(DEFAULTS, "runtimeClassName");
        problems.bad(
            &path,
            "no RuntimeClass has such a name",
            "use small letters, digits and `-`",
        );
    }
    Defaults {
        image_registry: values.image_registry,
        image_pull_secrets: values.image_pull_secrets,
        tolerations: values.tolerations.into_iter().map(without_nulls).collect(),
        influxdb,
        plugins,
        env: env(problems, table),
        node_selector: node_selector(problems, table),
        resources,
        runtime_class_name,
    }
}

/// What a policy and the agent values have in common is read in one way.
fn as_values(problems: &mut Problems, table: &Map<String, Value>) -> AgentValues {
    let common: Map<String, Value> = ["image", "imagePullSecrets", "tolerations"]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), present(table, key)?.clone())))
        .collect();
    let (values, findings) = AgentValues::from_value(&Value::Object(common));
    problems.0.extend(findings.into_iter().map(|finding| Finding {
        path: below(DEFAULTS, &finding.path),
        ..finding
    }));
    values
}

/// As the API server gives it back, so that the same policy is the same from both homes.
fn without_nulls(mut toleration: Value) -> Value {
    if let Some(members) = toleration.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    toleration
}

/// Complains of plugin settings, which stand in the field `field`.
fn check_settings(problems: &mut Problems, plugins: &Map<String, Value>, field: &str) {
    problems
        .0
        .extend(check_plugins(plugins).into_iter().map(|finding| {
            let path = finding.path.strip_prefix("plugins").unwrap_or_default();
            let path = path.strip_prefix(&format!(".{field}")).unwrap_or(path);
            Finding {
                path: format!("{DEFAULTS}.{field}{path}"),
                ..finding
            }
        }));
}

/// Complains of half a database among the plugin settings: in a policy it would stand before the other half.
fn whole_database(problems: &mut Problems, plugins: &Map<String, Value>) {
    let Some(plugin) = catalogue().plugin("influxdb") else {
        return;
    };
    let of_it = plugins.iter().filter(|(name, _)| plugin.spellings.contains(name));
    for (spelling, settings) in of_it.filter_map(|(name, settings)| Some((name, settings.as_object()?))) {
        let has = |wanted: &[&str]| {
            let mut said = settings
                .iter()
                .filter(|(_, value)| !value.is_null() && value.as_str() != Some(""));
            said.any(|(key, _)| {
                let node = plugin.root.spelled(key);
                node.is_some_and(|node| wanted.contains(&node.row.name.as_str()))
            })
        };
        let missing = match (has(&["host"]), has(&["token", "existingSecret"])) {
            (true, false) => "existingSecret",
            (false, true) => "host",
            _ => continue,
        };
        problems.missing(&format!("{DEFAULTS}.plugins.{spelling}.{missing}"), ONE_SOURCE);
    }
}

fn influxdb(problems: &mut Problems, group: &Map<String, Value>, plugins: &Map<String, Value>) -> InfluxDb {
    let as_plugin = json!({ "influxdb": group });
    check_settings(problems, as_plugin.as_object().unwrap_or(group), "influxdb");
    let plugin = catalogue().plugin("influxdb");
    let names_database = |settings: &Map<String, Value>| {
        let node = |key: &str| plugin.and_then(|plugin| plugin.root.spelled(key));
        settings
            .iter()
            .filter(|(_, value)| !value.is_null())
            .any(|(key, _)| node(key).is_some_and(|node| DATABASE.contains(&node.row.name.as_str())))
    };
    let said_twice = plugins
        .iter()
        .filter(|(name, _)| plugin.is_some_and(|plugin| plugin.spellings.contains(name)))
        .filter_map(|(_, settings)| settings.as_object())
        .any(names_database);
    if said_twice {
        problems.error(
            Code::Twice,
            &below(DEFAULTS, "influxdb"),
            "plugins.influxdb of the same policy names a database, too",
            "keep them in one of the two places",
        );
    }
    for key in ["host", "secretName"] {
        if text(group, key).is_none_or(str::is_empty) {
            problems.missing(&format!("{DEFAULTS}.influxdb.{key}"), ONE_SOURCE);
        }
    }
    let field = |key| text(group, key).map(str::to_owned);
    InfluxDb {
        host: field("host"),
        organization: field("organization"),
        bucket: field("bucket"),
        secret_name: field("secretName"),
        secret_key: field("secretKey"),
    }
}

fn env(problems: &mut Problems, table: &Map<String, Value>) -> BTreeMap<String, EnvValue> {
    let mut env = BTreeMap::new();
    for (name, value) in part(table, "env").into_iter().flatten() {
        let path = format!("{DEFAULTS}.env.{name}");
        let Some(text) = value.as_str() else { continue };
        for (is_secret, message) in [
            (
                carries_secret(name),
                "a secret stands here as plain text (not shown)",
            ),
            (has_password(text), "the address has a password in it (not shown)"),
        ] {
            if is_secret {
                problems.0.push(Finding {
                    code: codes::LITERAL_SECRET,
                    severity: Severity::Error,
                    path: path.clone(),
                    message: message.to_owned(),
                    mend: format!("write `secretEnv: {{{name}: {{name: <Secret>, key: <key>}}}}`"),
                });
            }
        }
        variable(problems, name, &path);
        env.insert(name.clone(), EnvValue::Text(text.to_owned()));
    }
    for (name, value) in part(table, "secretEnv").into_iter().flatten() {
        let path = format!("{DEFAULTS}.secretEnv.{name}");
        let Some(reference) = value.as_object() else {
            continue;
        };
        variable(problems, name, &path);
        let (secret, key) = (text(reference, "name"), text(reference, "key"));
        if secret.is_none_or(|name| !is_object_name(name)) {
            problems.bad(
                &below(&path, "name"),
                "no Secret has such a name",
                "name a Secret",
            );
        }
        if key.is_none_or(|key| !is_data_key(key)) {
            problems.bad(
                &below(&path, "key"),
                "no Secret has such a key",
                "name a key of the Secret",
            );
        }
        let value = EnvValue::Secret {
            name: secret.unwrap_or_default().to_owned(),
            key: key.unwrap_or_default().to_owned(),
        };
        if env.insert(name.clone(), value).is_some() {
            let message = "`env` of the same policy has this variable, too";
            problems.error(Code::Twice, &path, message, "keep one of the two");
        }
    }
    env
}

fn variable(problems: &mut Problems, name: &str, path: &str) {
    if !is_variable(name) {
        problems.bad(
            path,
            "no variable has such a name",
            "use letters, digits and `_`, no digit first",
        );
    }
}

fn node_selector(problems: &mut Problems, table: &Map<String, Value>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (key, value) in part(table, "nodeSelector").into_iter().flatten() {
        let Some(value) = value.as_str() else { continue };
        if !is_label_key(key) || !is_label_value(value) {
            let path = format!("{DEFAULTS}.nodeSelector.{key}");
            problems.bad(
                &path,
                "no node has such a label",
                "write key and value of a label",
            );
        }
        labels.insert(key.clone(), value.to_owned());
    }
    labels
}
