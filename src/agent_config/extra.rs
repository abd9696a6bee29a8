//! `extraConfig`: TOML of the user's own, merged last, for what the catalogue does not know.

use serde_json::Value as Json;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};
use toml_writer::{ToTomlValue as _, TomlStringBuilder};

use super::{
    Setting,
    codes::{self, Findings},
    variables,
};
use crate::source::{LostAll, Source};

const PATH: &str = "extraConfig";

/// Merges the extra configuration into the document, over what stands there.
pub(super) fn merge(
    extra: &Json,
    document: &mut DocumentMut,
    settings: &mut Vec<Setting>,
    findings: &mut Findings,
) {
    let table = match extra {
        Json::Object(map) => Some(table_of(map)),
        Json::String(text) => parsed(text, findings),
        _ => {
            let message = "expected a table or TOML text".to_owned();
            findings.error(codes::EXTRA_CONFIG, PATH, message, "");
            None
        }
    };
    if let Some(table) = table {
        merge_into(document.as_table_mut(), &table, "", settings);
    }
}

/// Variables may stand outside of quotes, where only the agent can read them; such a text cannot be merged.
fn parsed(text: &str, findings: &mut Findings) -> Option<Table> {
    match text.parse::<DocumentMut>() {
        Ok(document) => Some(document.into_table()),
        Err(error) => {
            let message = format!("not TOML: {}", error.message().trim().replace('\n', ", "));
            findings.error(
                codes::EXTRA_CONFIG,
                PATH,
                message,
                "variables have to stand inside of quotes",
            );
            None
        }
    }
}

fn merge_into(under: &mut dyn TableLike, over: &dyn TableLike, path: &str, settings: &mut Vec<Setting>) {
    for (key, item) in over.iter() {
        let path = if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        };
        let inner = under.get_mut(key).and_then(Item::as_table_like_mut);
        if let (Some(inner), Some(over)) = (inner, item.as_table_like()) {
            merge_into(inner, over, &path, settings);
            continue;
        }
        if under.contains_key(key) {
            let below = format!("{path}.");
            settings.retain(|setting| setting.path != path && !setting.path.starts_with(&below));
        }
        record(item, &path, settings);
        under.insert(key, at_the_end(item));
    }
}

/// A table of another document keeps its place in that document, which would mix up the order of this one.
fn at_the_end(item: &Item) -> Item {
    let mut item = item.clone();
    if let Item::Table(table) = &mut item {
        *table = renewed(table);
    }
    item
}

fn renewed(table: &Table) -> Table {
    let mut new = Table::new();
    new.set_implicit(table.is_implicit());
    for (key, item) in table {
        new.insert(key, at_the_end(item));
    }
    new
}

fn record(item: &Item, path: &str, settings: &mut Vec<Setting>) {
    if let Some(table) = item.as_table_like() {
        for (key, item) in table.iter() {
            record(item, &format!("{path}.{key}"), settings);
        }
        return;
    }
    let value = item.to_string().trim().to_owned();
    settings.push(Setting {
        path: path.to_owned(),
        value,
        source: Source::Values(PATH.to_owned()),
        lost: LostAll::default(),
    });
}

fn table_of(map: &serde_json::Map<String, Json>) -> Table {
    let mut table = Table::new();
    for (key, value) in map {
        let item = match value {
            Json::Object(inner) => Some(Item::Table(table_of(inner))),
            other => value_of(other).map(Item::Value),
        };
        if let Some(item) = item {
            table.insert(key, item);
        }
    }
    table
}

/// `null` has no counterpart in TOML and reads as absent.
fn value_of(value: &Json) -> Option<Value> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(on) => (*on).into(),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64()?.into(),
        },
        Json::String(text) => text_of(text),
        Json::Array(items) => Value::Array(items.iter().filter_map(value_of).collect::<Array>()),
        Json::Object(map) => {
            let pairs = map
                .iter()
                .filter_map(|(key, value)| Some((key.as_str(), value_of(value)?)));
            Value::InlineTable(pairs.collect::<InlineTable>())
        }
    })
}

/// A text with a variable stands in single quotes, since the agent pastes the variable's value as it is.
fn text_of(text: &str) -> Value {
    let literal = TomlStringBuilder::new(text)
        .as_literal()
        .filter(|_| text.contains("${"));
    let literal = literal.and_then(|literal| literal.to_toml_value().parse::<Value>().ok());
    literal.map_or_else(
        || text.into(),
        |mut value| {
            value.decor_mut().clear();
            value
        },
    )
}

/// Variables of the finished text that neither the configuration nor the pod is known to have.
pub(super) fn check_variables(text: &str, declared: &[String], findings: &mut Findings) {
    let mut elsewhere = Findings::default();
    for name in variables::substitute(text, &mut elsewhere).names {
        if !declared.contains(&name) {
            let message =
                format!("nothing is known to declare the variable `{name}`; without it the agent ends");
            findings.warning(codes::UNKNOWN_ENV, PATH, message, "add it to the env of the pod");
        }
    }
}
