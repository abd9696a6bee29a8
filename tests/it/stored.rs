//! Objects as the API server compares them.

use serde_json::{Map, Value};

/// The value as the API server stores it: what is `null`, `""`, `{}` or `[]` is not there.
pub(crate) fn stored(value: &Value) -> Value {
    fn is_empty(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(elements) => elements.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        }
    }
    match value {
        Value::Object(members) => {
            let members: Map<String, Value> = members
                .iter()
                .map(|(key, member)| (key.clone(), stored(member)))
                .filter(|(_, member)| !is_empty(member))
                .collect();
            Value::Object(members)
        }
        Value::Array(elements) => Value::Array(elements.iter().map(stored).collect()),
        other => other.clone(),
    }
}
