//! The objects of one document: the object itself, or the items of a `kind: List`.

use serde_json::Value;

/// One object and where it stands in its document.
#[derive(Debug, Clone, PartialEq)]
pub struct Item<'a> {
    /// JSON pointer to the object: empty for the document itself, `/items/2` for an item of a list. To be put before
    /// the paths of a patch, and to be handed to [`Value::pointer_mut`].
    pub pointer: String,
    /// The object.
    pub object: &'a Value,
}

/// The objects in a document, in their order. A list in a list is entered too; the list itself is not an object.
pub fn objects(document: &Value) -> Vec<Item<'_>> {
    let mut found = Vec::new();
    collect(document, String::new(), &mut found);
    found
}

fn collect<'a>(value: &'a Value, pointer: String, found: &mut Vec<Item<'a>>) {
    let Some(items) = list_items(value) else {
        found.push(Item {
            pointer,
            object: value,
        });
        return;
    };
    for (index, item) in items.iter().enumerate() {
        collect(item, format!("{pointer}/items/{index}"), found);
    }
}

/// The items where the value is a list: `kind: List`, or a kind of its own such as `ConfigMapList`. A kind that only
/// ends in these letters has no `items` at its top.
fn list_items(value: &Value) -> Option<&Vec<Value>> {
    value
        .get("kind")?
        .as_str()
        .filter(|kind| kind.ends_with("List"))?;
    value.get("items")?.as_array()
}
