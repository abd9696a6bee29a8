//! Whether a document has the form that the table says: each field is known, and of its type.

use serde_json::{Map, Value};

use super::{
    Code,
    fields::{Field, LONGEST_TEXT, MOST_ENTRIES, PRIVILEGES, Shape},
};
use crate::{
    agent_config::codes::did_you_mean,
    finding::{Finding, Severity},
};

/// More errors of one document help nobody.
const MOST: usize = 100;

/// What is wrong with one document.
#[derive(Debug, Default)]
pub(super) struct Problems(pub(super) Vec<Finding>);

impl Problems {
    pub(super) fn error(
        &mut self,
        code: Code,
        path: &str,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) {
        if !self.is_full() {
            self.0.push(Finding {
                code: code.code(),
                severity: Severity::Error,
                path: path.to_owned(),
                message: message.into(),
                mend: mend.into(),
            });
        }
    }

    /// Whether there are so many errors that no more are taken. Warnings take no error's place.
    fn is_full(&self) -> bool {
        let is_error = |finding: &&Finding| finding.severity == Severity::Error;
        self.0.iter().filter(is_error).count() >= MOST
    }

    pub(super) fn bad(&mut self, path: &str, message: &str, mend: impl Into<String>) {
        self.error(Code::BadValue, path, message, mend);
    }

    pub(super) fn missing(&mut self, path: &str, mend: &str) {
        self.error(
            Code::Missing,
            path,
            "it is not there, and a policy needs it",
            mend,
        );
    }

    /// Complains of each field of the table that is none, or of another type.
    pub(super) fn check(&mut self, fields: &[Field], table: &Map<String, Value>, path: &str) {
        for (key, value) in table {
            // To find the nearest name costs more than to find that there is none.
            if self.is_full() {
                return;
            }
            let path = below(path, key);
            match fields.iter().find(|field| field.name == key) {
                Some(_) if value.is_null() => {}
                Some(field) => self.shape(&field.shape, value, &path),
                None if PRIVILEGES.contains(&key.as_str()) => self.error(
                    Code::Privilege,
                    &path,
                    format!("`{key}` is a privilege, and a policy can give none"),
                    "take it out: the chart gives the pods what their plugins need",
                ),
                None => {
                    let known = fields.iter().map(|field| field.name);
                    self.error(
                        Code::UnknownField,
                        &path,
                        format!("a policy has no field `{key}` here"),
                        did_you_mean(key, known),
                    );
                }
            }
        }
    }

    fn shape(&mut self, shape: &Shape, value: &Value, path: &str) {
        let (size, most, unit) = match value {
            Value::String(text) => (text.chars().count(), LONGEST_TEXT, "characters"),
            Value::Array(items) => (items.len(), MOST_ENTRIES, "entries"),
            Value::Object(map) => (map.len(), MOST_ENTRIES, "entries"),
            _ => (0, 0, ""),
        };
        // What is not the policy's to know is not its to limit.
        if size > most && !matches!(shape, Shape::Open | Shape::Table(_)) {
            let message = format!("it has {size} {unit}, and a policy can have {most} there");
            return self.error(
                Code::BadValue,
                path,
                message,
                "make it shorter, or write several policies",
            );
        }
        match (shape, value) {
            (Shape::Text, Value::String(_)) | (Shape::Open | Shape::OpenTables, Value::Object(_)) => {}
            (Shape::Number, value) if number(value).is_some() => {}
            (Shape::Texts, Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.shape(&Shape::Text, item, &format!("{path}[{index}]"));
                }
            }
            (Shape::TextMap, Value::Object(map)) => {
                // Without its value a selector would select more than was meant.
                for (key, value) in map {
                    self.shape(&Shape::Text, value, &below(path, key));
                }
            }
            (Shape::Quantities, Value::Object(map)) => {
                for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
                    // Custom resources can have no other numbers beside texts.
                    if !value.is_i64() && !value.is_u64() {
                        self.shape(&Shape::Text, value, &below(path, key));
                    }
                }
            }
            (Shape::Table(fields), Value::Object(table)) => self.check(fields, table, path),
            (Shape::Tables(fields), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.shape(&Shape::Table(fields), item, &format!("{path}[{index}]"));
                }
            }
            (Shape::TableMap(fields), Value::Object(map)) => {
                for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
                    self.shape(&Shape::Table(fields), value, &below(path, key));
                }
            }
            // What stands there is not shown: it might be a secret at the wrong place.
            _ => {
                let mend = match (shape, value) {
                    (Shape::Text, Value::Bool(_) | Value::Number(_)) => "put quotes around it",
                    _ => "",
                };
                let message = format!("expected {}, found {}", expected(shape), found(value));
                self.error(Code::WrongType, path, message, mend);
            }
        }
    }
}

/// A path and a name below it.
pub(super) fn below(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// A whole number as Kubernetes has them: `1.0` is none.
pub(super) fn number(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|number| i32::try_from(number).ok())
}

/// What stands at a key; `null` reads as absent.
pub(super) fn present<'t>(table: &'t Map<String, Value>, key: &str) -> Option<&'t Value> {
    table.get(key).filter(|value| !value.is_null())
}

pub(super) fn part<'t>(table: &'t Map<String, Value>, key: &str) -> Option<&'t Map<String, Value>> {
    table.get(key)?.as_object()
}

pub(super) fn text<'t>(table: &'t Map<String, Value>, key: &str) -> Option<&'t str> {
    table.get(key)?.as_str()
}

pub(super) fn texts<'t>(table: &'t Map<String, Value>, key: &str) -> impl Iterator<Item = &'t str> {
    let list = table.get(key).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}

pub(super) fn tables<'t>(
    table: &'t Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = &'t Map<String, Value>> {
    let list = table.get(key).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_object)
}

fn expected(shape: &Shape) -> &'static str {
    match shape {
        Shape::Text => "a text",
        Shape::Number => "a whole number of at most 32 bits",
        Shape::Texts => "a list of texts",
        Shape::TextMap => "a map of texts",
        Shape::Quantities => "a map of quantities",
        Shape::Tables(_) => "a list of tables",
        Shape::Table(_) | Shape::TableMap(_) | Shape::Open | Shape::OpenTables => "a table",
    }
}

fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}
