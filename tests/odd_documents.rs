//! One document made odd in many ways; part of the test programs that read documents, and of those that have an API server.

use serde_json::{Value, json};

/// A document in which something odd stands at one place.
#[derive(Debug)]
pub(crate) struct Odd {
    /// The place, as a JSON pointer.
    pub(crate) place: String,
    /// What stands there.
    pub(crate) value: Value,
    /// All of it.
    pub(crate) document: Value,
}

/// Each odd value at each place of a document.
pub(crate) fn odd_documents(whole: &Value) -> Vec<Odd> {
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!("two words \u{0}"),
        json!([]),
        json!({}),
        json!([null, "two words", {"name": null}]),
        json!({"two words": "two words", "name": ["x"]}),
    ];
    let mut all = Vec::new();
    places(whole, "", &mut all);
    let mut odd = Vec::new();
    for place in &all {
        for value in &values {
            let mut document = whole.clone();
            *document
                .pointer_mut(place)
                .expect("it is a place of the document") = value.clone();
            odd.push(Odd {
                place: place.clone(),
                value: value.clone(),
                document,
            });
        }
    }
    odd
}

/// Every place below a value.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                places(member, &format!("{at}/{}", escaped(key)), found);
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                places(element, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}
