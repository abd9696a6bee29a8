//! The objects of a `kind: List`, each with its place.

use alumet_injector::manifest::list::objects;
use serde_json::{Value, json};

fn places(document: &Value) -> Vec<(String, Value)> {
    objects(document)
        .into_iter()
        .map(|item| (item.pointer, item.object["metadata"]["name"].clone()))
        .collect()
}

#[test]
fn an_object_is_its_own_only_item() {
    let document = json!({"kind": "ConfigMap", "metadata": {"name": "a"}});
    assert_eq!(places(&document), [(String::new(), json!("a"))]);
}

#[test]
fn a_list_gives_its_items_and_those_of_lists_in_it() {
    let pod = |name: &str| json!({"kind": "Pod", "metadata": {"name": name}});
    let inner = json!({"apiVersion": "v1", "kind": "PodList", "items": [pod("b"), pod("c")]});
    let document = json!({"apiVersion": "v1", "kind": "List", "items": [pod("a"), inner, pod("d")]});
    let expected = ["/items/0", "/items/1/items/0", "/items/1/items/1", "/items/2"];
    let names = [json!("a"), json!("b"), json!("c"), json!("d")];
    assert_eq!(
        places(&document),
        expected
            .map(String::from)
            .into_iter()
            .zip(names)
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_pointer_leads_back_to_its_object() {
    let mut document = json!({"kind": "List", "items": [{"kind": "Pod"}, {"kind": "Secret"}]});
    let pointer = objects(&document)[1].pointer.clone();
    assert_eq!(
        document.pointer_mut(&pointer),
        Some(&mut json!({"kind": "Secret"}))
    );
}

#[test]
fn a_kind_that_only_ends_in_list_is_an_object() {
    let document = json!({"kind": "AllowList", "metadata": {"name": "a"}, "spec": {"items": []}});
    assert_eq!(places(&document), [(String::new(), json!("a"))]);
    assert_eq!(places(&json!({"kind": "List", "items": {}})).len(), 1);
    assert_eq!(places(&json!({"kind": "List", "items": []})), []);
    assert_eq!(places(&json!([1])).len(), 1);
}
