//! What an upgrade takes away: the fields that its manager alone owned, and that it no longer writes.
//!
//! Fields are read from `managedFields`, in the form `FieldsV1`: a map whose keys are `f:<key>` for a field, `k:<keys>`
//! for the item of a list that has these keys, and `v:<value>` for an item that is this value.

use serde_json::{Map, Value, map::Entry};

/// A set of fields in the form `FieldsV1`.
pub(super) type Fields = Map<String, Value>;

/// Takes out of `object` what `owned` has and `kept` has not. What is not in `base` stays: nobody but the injector put
/// it there.
pub(super) fn take_away(object: &mut Value, base: &Value, owned: &Fields, kept: &Fields) {
    for (key, fields) in owned {
        let Some(base) = position(base, key).and_then(|at| at.get(base)) else {
            continue;
        };
        let Some(at) = position(object, key) else {
            continue;
        };
        match (kept.get(key).and_then(Value::as_object), fields.as_object()) {
            (Some(kept), Some(fields)) => {
                if let Some(child) = at.get_mut(object) {
                    take_away(child, base, fields, kept);
                }
            }
            _ => at.remove(object),
        }
    }
}

/// Both sets together.
pub(super) fn union(mut one: Fields, other: &Fields) -> Fields {
    for (key, fields) in other {
        match one.entry(key.clone()) {
            Entry::Vacant(free) => {
                free.insert(fields.clone());
            }
            Entry::Occupied(mut there) => {
                if let (Some(mine), Some(fields)) = (there.get().as_object(), fields.as_object()) {
                    let both = union(mine.clone(), fields);
                    there.insert(both.into());
                }
            }
        }
    }
    one
}

/// Where a part of a value is.
enum Position<'k> {
    Key(&'k str),
    Index(usize),
}

impl Position<'_> {
    fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        match self {
            Self::Key(key) => value.get(key),
            Self::Index(index) => value.get(index),
        }
    }

    fn get_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        match self {
            Self::Key(key) => value.get_mut(key),
            Self::Index(index) => value.get_mut(index),
        }
    }

    fn remove(&self, value: &mut Value) {
        match (self, value) {
            (Self::Key(key), Value::Object(fields)) => {
                fields.shift_remove(*key);
            }
            (Self::Index(index), Value::Array(items)) => {
                items.remove(*index);
            }
            _ => {}
        }
    }
}

/// Where in the value the part is that a key of `FieldsV1` names, if it is there.
fn position<'k>(value: &Value, key: &'k str) -> Option<Position<'k>> {
    let (form, name) = key.split_once(':')?;
    if form == "f" {
        return value.get(name).map(|_| Position::Key(name));
    }
    let wanted: Value = serde_json::from_str(name).ok()?;
    let is_it = |item: &Value| match form {
        "k" => wanted
            .as_object()
            .is_some_and(|keys| keys.iter().all(|(key, wanted)| item.get(key) == Some(wanted))),
        "v" => *item == wanted,
        _ => false,
    };
    value.as_array()?.iter().position(is_it).map(Position::Index)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: &Value) -> Fields {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn what_only_the_manager_owned_and_no_longer_writes_goes() {
        let container = r#"k:{"name":"agent"}"#;
        let (mine, theirs) = (r#"k:{"name":"MINE"}"#, r#"k:{"name":"THEIRS"}"#);
        let owned = json!({
            "f:metadata": {"f:labels": {".": {}, "f:gone": {}, "f:stays": {}, "f:shared": {}}},
            "f:spec": {
                "f:hostPID": {},
                "f:containers": {container: {".": {}, "f:name": {}, "f:env": {
                    ".": {}, mine: {".": {}, "f:name": {}, "f:value": {}}, theirs: {".": {}, "f:name": {}},
                    r#"k:{"name":"INJECTED"}"#: {".": {}},
                }}},
            },
        });
        let kept = union(
            fields(
                &json!({"f:metadata": {"f:labels": {"f:stays": {}}}, "f:spec": {"f:containers": {container: {
                    "f:name": {}, "f:env": {theirs: {"f:name": {}}},
                }}}}),
            ),
            &fields(&json!({"f:metadata": {"f:labels": {"f:shared": {}}}})),
        );
        let base = json!({
            "metadata": {"labels": {"gone": "1", "stays": "2", "shared": "3"}},
            "spec": {"hostPID": true, "containers": [
                {"name": "agent", "env": [{"name": "MINE", "value": "1"}, {"name": "THEIRS", "value": "2"}]},
            ]},
        });
        let mut object = base.clone();
        object["spec"]["containers"][0]["env"]
            .as_array_mut()
            .unwrap()
            .insert(0, json!({"name": "INJECTED", "value": "3"}));
        take_away(&mut object, &base, &fields(&owned), &kept);
        let expected = json!({
            "metadata": {"labels": {"stays": "2", "shared": "3"}},
            "spec": {"containers": [
                {"name": "agent", "env": [{"name": "INJECTED", "value": "3"}, {"name": "THEIRS", "value": "2"}]},
            ]},
        });
        assert_eq!(object, expected);
    }

    #[test]
    fn an_item_that_is_a_value_goes_too() {
        let owned = json!({"f:finalizers": {".": {}, r#"v:"a""#: {}, r#"v:"b""#: {}}});
        let kept = json!({"f:finalizers": {r#"v:"b""#: {}}});
        let mut object = json!({"finalizers": ["a", "b"]});
        let base = object.clone();
        take_away(&mut object, &base, &fields(&owned), &fields(&kept));
        assert_eq!(object, json!({"finalizers": ["b"]}));
    }

    #[test]
    fn a_field_that_is_not_there_or_cannot_be_read_is_passed_over() {
        let owned =
            json!({"f:a": {"f:b": {}}, "k:{": {}, "i:0": {}, "nothing": {}, "f:text": {"f:b": {}}, ".": {}});
        let mut object = json!({"text": "a", "list": [1]});
        let base = object.clone();
        take_away(
            &mut object,
            &base,
            &fields(&owned),
            &fields(&json!({"f:text": {}})),
        );
        assert_eq!(object, base);
    }
}
