//! Reading documents: the spellings of both Helms, block scalars, merges, aliases, duplicates.

use alumet_injector::manifest::{
    load,
    stream::{Piece, pieces},
};
use serde_json::{Value, json};

fn value(text: &str) -> Value {
    load::parse(text).expect(text).value
}

/// Texts and the JSON that `sigs.k8s.io/yaml` v1.6.0 makes of them; it was asked for each row.
const TEXTS: [(&str, &str); 34] = [
    ("a: |\n  x\n  y\n\n\n", r#"{"a":"x\ny\n"}"#),
    ("a: |-\n  x\n\n", r#"{"a":"x"}"#),
    ("a: |+\n  x\n\n\nb: 1\n", r#"{"a":"x\n\n\n","b":1}"#),
    ("a: |2\n    x\n   y\n", r#"{"a":"  x\n y\n"}"#),
    ("a: |\n\n  x\n", r#"{"a":"\nx\n"}"#),
    ("a: >\n  x\n  y\n\n  z\n   w\n", r#"{"a":"x y\nz\n w\n"}"#),
    ("a: >-\n  x\n  y\n", r#"{"a":"x y"}"#),
    ("a: >+\n  x\n\n", r#"{"a":"x\n\n"}"#),
    ("a: |\n  x", r#"{"a":"x"}"#),
    ("a: |+\n  x", r#"{"a":"x"}"#),
    ("a: |\n  x\n  ", r#"{"a":"x\n"}"#),
    ("a: |\n  x\n   ", r#"{"a":"x\n "}"#),
    ("a: >\n  x", r#"{"a":"x"}"#),
    ("a: |", r#"{"a":""}"#),
    ("a: |\r\n  x\r\n  y\r\n", r#"{"a":"x\ny\n"}"#),
    ("a: x\n  y\n\n  z\n", r#"{"a":"x y\nz"}"#),
    ("a: \"x\n  y\\\n  z\"\n", r#"{"a":"x yz"}"#),
    ("a:\n- b\n- c\n", r#"{"a":["b","c"]}"#),
    (
        "a:\n  - b: 1\n    c: 2\n  -\n    d: 3\n",
        r#"{"a":[{"b":1,"c":2},{"d":3}]}"#,
    ),
    ("a: [b, {c: d}, e: f]\n", r#"{"a":["b",{"c":"d"},{"e":"f"}]}"#),
    (
        "{\"a\":\"b\",\"c\":[1,true,null]}\n",
        r#"{"a":"b","c":[1,true,null]}"#,
    ),
    ("{\n\t\"a\": \"b\"\n}\n", r#"{"a":"b"}"#),
    ("a: http://b:80/c#d\n", r#"{"a":"http://b:80/c#d"}"#),
    ("a: b # c\n", r#"{"a":"b"}"#),
    ("# c\n\na: b\n# d\n", r#"{"a":"b"}"#),
    ("a:\nb:\n", r#"{"a":null,"b":null}"#),
    ("? a\n: b\n", r#"{"a":"b"}"#),
    ("a: 'it''s'\n", r#"{"a":"it's"}"#),
    (
        "a: &x {b: 1}\nc: {<<: *x, b: 2}\n",
        r#"{"a":{"b":1},"c":{"b":2}}"#,
    ),
    (
        "a: &x {b: 1}\nc: {b: 2, <<: *x}\n",
        r#"{"a":{"b":1},"c":{"b":1}}"#,
    ),
    (
        "a: {<<: [{b: 1, c: 1}, {b: 2, d: 2}]}\n",
        r#"{"a":{"b":1,"c":1,"d":2}}"#,
    ),
    ("a: {\"<<\": {b: 1}}\n", r#"{"a":{"<<":{"b":1}}}"#),
    ("a: &x 1\nb: &x 2\nc: *x\n", r#"{"a":1,"b":2,"c":2}"#),
    ("&k a: 1\nb: {*k : 2}\n", r#"{"a":1,"b":{"a":2}}"#),
];

#[test]
fn each_text_reads_as_the_reader_of_kubernetes_reads_it() {
    for (text, expected) in TEXTS {
        assert_eq!(
            value(text),
            serde_json::from_str::<Value>(expected).unwrap(),
            "{text:?}"
        );
    }
}

/// How Helm 4 spells what it hands to a post-renderer.
#[test]
fn the_spellings_of_helm_4_are_read() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: {postrenderer.helm.sh/postrender-filename: \
                'c/templates/a.yaml'}}\nbase: &b\n  x: 0744\n  v: yes\n  z: ~\nmore:\n  !!merge <<: *b\n  w: 1e+06\n  \
                s: \"a \\nb\\n\"\n";
    let base = json!({"x": 484, "v": true, "z": null});
    let expected = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "annotations": {"postrenderer.helm.sh/postrender-filename": "c/templates/a.yaml"}},
        "base": base,
        "more": {"x": 484, "v": true, "z": null, "w": 1_000_000, "s": "a \nb\n"},
    });
    assert_eq!(value(text), expected);
}

#[test]
fn the_order_of_keys_is_kept() {
    let keys: Vec<String> = value("b: 1\na: 2\nc: 3\nb: 4\n")
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(keys, ["b", "a", "c"]);
}

#[test]
fn of_a_key_that_is_there_twice_the_last_one_counts_and_is_told() {
    let loaded = load::parse("metadata:\n  labels:\n    a: 1\n    b: 2\n    a: 3\n").unwrap();
    assert_eq!(loaded.value["metadata"]["labels"]["a"], 3);
    let told: Vec<String> = loaded.findings.iter().map(ToString::to_string).collect();
    let expected = "warning[duplicate-key]: metadata.labels.a: the key is there more than once (again at line 5, \
                    column 5), and the last one counts; remove the others";
    assert_eq!(told, [expected]);
}

#[test]
fn the_place_of_a_duplicate_is_counted_in_the_stream() {
    let stream = b"a: 1\n---\n# injector.alumet.dev/component\nb: 1\nb: 2\n";
    let Some(Piece::Marked(document)) = pieces(stream).last() else {
        panic!("the second document is marked")
    };
    let findings = load::read(&document).unwrap().findings;
    assert!(
        findings[0].message.contains("line 5, column 1"),
        "{}",
        findings[0]
    );
}

#[test]
fn a_key_that_overrides_a_merged_one_is_no_duplicate() {
    assert_eq!(
        load::parse("a: &x {b: 1}\nc:\n  <<: *x\n  b: 2\n")
            .unwrap()
            .findings,
        []
    );
}

#[test]
fn json_that_is_no_yaml_is_read() {
    let key = "k".repeat(2_000);
    let expected = json!({ key.clone(): "\u{1f600}/" });
    assert_eq!(value(&format!(r#"{{"{key}": "\ud83d\ude00\/"}}"#)), expected);
}

#[test]
fn words_with_an_exclamation_mark_before_a_comma_stay_as_they_are() {
    let text = "a: hello !world, all\nb: \"!x,\"\nc: |\n  # !important, this\nd: ['!y,', 1]\n";
    let expected =
        json!({"a": "hello !world, all", "b": "!x,", "c": "# !important, this\n", "d": ["!y,", 1]});
    assert_eq!(value(text), expected);
}
