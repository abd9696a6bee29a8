//! References to Secrets and variables in place of a text: `{fromSecret: {name, key}}`, `{fromEnv: NAME}`.

use serde_json::Value;

use super::{catalog::Plugin, coerce, settings::Val};
use crate::kubernetes::{SECRET_KEY, SECRET_NAME, is_data_key, is_object_name};

/// `{fromSecret: {name, key}}` or `{fromEnv: NAME}`.
pub(super) enum Reference {
    /// A key of a Secret.
    Secret {
        /// Name of the Secret.
        name: String,
        /// Key in it.
        key: String,
    },
    /// A variable of the pod.
    Env(String),
}

impl Reference {
    /// The reference that a value is, or what is wrong with it; none if it is something else.
    pub(super) fn of(value: &Value) -> Option<Result<Self, String>> {
        let map = value.as_object()?;
        if !map.contains_key("fromSecret") && !map.contains_key("fromEnv") {
            return None;
        }
        let one = map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .collect::<Vec<_>>();
        Some(match one.as_slice() {
            [(key, Value::String(name))] if *key == "fromEnv" => {
                if is_variable(name) {
                    Ok(Self::Env(name.clone()))
                } else {
                    Err("no name of a variable".to_owned())
                }
            }
            [(key, Value::Object(secret))] if *key == "fromSecret" => {
                let text = |key: &str| {
                    secret
                        .get(key)
                        .and_then(Value::as_str)
                        .filter(|text| !text.is_empty())
                };
                match (text("name"), text("key"), secret.len()) {
                    (Some(name), Some(_), 2) if !is_object_name(name) => {
                        Err(format!("`name` is not {SECRET_NAME}"))
                    }
                    (Some(_), Some(key), 2) if !is_data_key(key) => Err(format!("`key` is not {SECRET_KEY}")),
                    (Some(name), Some(key), 2) => Ok(Self::Secret {
                        name: name.to_owned(),
                        key: key.to_owned(),
                    }),
                    _ => Err("a reference to a Secret has exactly `name` and `key`".to_owned()),
                }
            }
            _ => Err("a reference is either `fromSecret` or `fromEnv`".to_owned()),
        })
    }
}

/// Whether Kubernetes takes the text as the name of a variable; none of its characters ends `${...}`.
pub fn is_variable(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(fits)
}

/// A name of our own for a secret at a key that needs none.
pub(super) fn variable_for(plugin: &Plugin, path: &str) -> String {
    let below = path.splitn(3, '.').nth(2).unwrap_or_default();
    let upper = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    format!("ALUMET_{}_{}", plugin.name, below)
        .chars()
        .map(upper)
        .collect()
}

/// A default of the catalogue as a value.
pub(super) fn default_value(default: &Value) -> Option<Val> {
    match Reference::of(default) {
        Some(Ok(Reference::Env(name))) => Some(Val::Env(name, None)),
        Some(_) => None,
        None => coerce::any(default),
    }
}
