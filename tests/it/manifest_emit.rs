//! Writing documents: read again they are the same, and no reader takes a string for anything else.

use alumet_injector::manifest::{
    emit::{rewrite, to_yaml},
    load,
    stream::documents,
};
use proptest::prelude::*;
use serde_json::{Map, Number, Value, json};

fn read(text: &str) -> Value {
    load::parse_any(text).expect(text).value
}

/// Strings and how they are written as the value of a key.
const STRINGS: [(&str, &str); 60] = [
    ("", r#""""#),
    ("yes", r#""yes""#),
    ("No", r#""No""#),
    ("y", r#""y""#),
    ("on", r#""on""#),
    ("OFF", r#""OFF""#),
    ("true", r#""true""#),
    ("null", r#""null""#),
    ("~", r#""~""#),
    ("=", r#""=""#),
    ("<<", r#""<<""#),
    ("0", r#""0""#),
    ("0744", r#""0744""#),
    ("0o17", r#""0o17""#),
    ("1_000", r#""1_000""#),
    ("1e3", r#""1e3""#),
    (".5", r#"".5""#),
    (".inf", r#"".inf""#),
    ("nan", r#""nan""#),
    ("-1", r#""-1""#),
    ("12:30:45", r#""12:30:45""#),
    ("2001-01-01", r#""2001-01-01""#),
    ("0.9.5", r#""0.9.5""#),
    ("-", r#""-""#),
    ("- a", r#""- a""#),
    ("---", r#""---""#),
    ("?", r#""?""#),
    ("a: b", r#""a: b""#),
    ("a:", r#""a:""#),
    ("a #b", r#""a #b""#),
    ("#a", r##""#a""##),
    ("&a", r#""&a""#),
    ("*a", r#""*a""#),
    ("!a", r#""!a""#),
    ("|", r#""|""#),
    (">", r#"">""#),
    ("%a", r#""%a""#),
    ("@a", r#""@a""#),
    ("`a", r#""`a""#),
    ("'", r#""'""#),
    ("\"", r#""\"""#),
    ("{a", r#""{a""#),
    ("[a", r#""[a""#),
    (" a", r#"" a""#),
    ("a ", r#""a ""#),
    ("a\tb", r#""a\tb""#),
    ("a\r\nb", r#""a\r\nb""#),
    ("\0", r#""\u0000""#),
    ("\u{7f}", r#""\u007f""#),
    ("\u{85}", r#""\u0085""#),
    ("\u{2028}", r#""\u2028""#),
    ("\u{feff}", r#""\ufeff""#),
    ("é", "\"é\""),
    ("a", "a"),
    ("relay-client", "relay-client"),
    ("ghcr.io/a/b:0.9.5", "ghcr.io/a/b:0.9.5"),
    ("/sys", "/sys"),
    ("http://a:80/b", "http://a:80/b"),
    ("apps/v1", "apps/v1"),
    ("two words", "two words"),
];

#[test]
fn a_string_that_any_reader_could_take_for_something_else_is_quoted() {
    for (text, expected) in STRINGS {
        assert_eq!(to_yaml(&json!({ "a": text })), format!("a: {expected}\n"));
        if !text.is_empty() {
            assert_eq!(to_yaml(&json!({ text: 1 })), format!("{expected}: 1\n"));
        }
    }
}

/// Texts of several lines and how they are written.
const LINES: [(&str, &str); 12] = [
    ("a\nb", "a: |-\n  a\n  b\n"),
    ("a\nb\n", "a: |\n  a\n  b\n# end\n"),
    ("a\n\nb\n", "a: |\n  a\n\n  b\n# end\n"),
    (
        "[a]\n  b = 1\n\tc = 2\n",
        "a: |\n  [a]\n    b = 1\n  \tc = 2\n# end\n",
    ),
    ("---\n...\n# x\n", "a: |\n  ---\n  ...\n  # x\n# end\n"),
    ("a\n\n", "a: \"a\\n\\n\"\n"),
    ("\na\n", "a: \"\\na\\n\"\n"),
    (" a\nb\n", "a: \" a\\nb\\n\"\n"),
    ("a \nb\n", "a: \"a \\nb\\n\"\n"),
    ("a\r\nb\n", "a: \"a\\r\\nb\\n\"\n"),
    ("\n", "a: \"\\n\"\n"),
    ("a\u{2028}\nb\n", "a: \"a\\u2028\\nb\\n\"\n"),
];

#[test]
fn a_text_of_lines_is_a_literal_block_where_it_survives_as_one() {
    for (text, expected) in LINES {
        assert_eq!(to_yaml(&json!({ "a": text })), expected);
        assert_eq!(read(expected), json!({ "a": text }));
    }
}

#[test]
fn a_literal_block_at_the_end_keeps_its_line_break_where_helm_cuts_the_white_space_before_a_separator() {
    let yaml = to_yaml(&json!({"data": {"config": "a = 1\n"}}));
    assert_eq!(read(yaml.trim_end()), json!({"data": {"config": "a = 1\n"}}));
}

#[test]
fn maps_and_lists_are_blocks_in_their_order() {
    let value = json!({
        "kind": "A", "b": [], "a": {}, "list": [1, [2, [3]], {"x": null, "y": [true]}, {"z": "l\nm\n"}, "n\no\n"],
        "map": {"deep": {"deeper": 1.5}},
    });
    let expected = "kind: A\nb: []\na: {}\nlist:\n- 1\n- - 2\n  - - 3\n- x: null\n  \"y\":\n  - true\n- z: |\n    l\n    m\n\
                    - |\n  n\n  o\nmap:\n  deep:\n    deeper: 1.5\n";
    assert_eq!(to_yaml(&value), expected);
    assert_eq!(read(expected), value);
}

#[test]
fn numbers_keep_their_value_and_their_kind() {
    let numbers = [
        (json!(0), "0"),
        (json!(-5), "-5"),
        (json!(1_000_000), "1000000"),
        (json!(u64::MAX), "18446744073709551615"),
        (json!(i64::MIN), "-9223372036854775808"),
        (json!(1.5), "1.5"),
        (json!(1e21), "1.0e+21"),
        (json!(1.5e300), "1.5e+300"),
        (json!(1e-7), "1.0e-7"),
        (json!(0.1), "0.1"),
    ];
    for (number, expected) in numbers {
        assert_eq!(to_yaml(&number), format!("{expected}\n"));
        assert_eq!(read(expected), number);
    }
}

#[test]
fn a_long_line_is_not_folded_and_a_long_key_is_read_again() {
    let (word, key) = ("word ".repeat(500) + "end", "k".repeat(2_000));
    let value = json!({ key: {"a": word.clone()}, "b": [{ "l".repeat(600): 1 }] });
    let yaml = to_yaml(&value);
    assert!(yaml.contains(&word));
    assert_eq!(read(&yaml), value);
}

/// Documents, and what becomes of them when they are written anew with the value `{a: 1}`.
const REWRITES: [(&str, &str); 11] = [
    ("---\n# x\rb: 2\n", "---\na: 1\n"),
    ("---\n# x\u{2028}b: 2\n", "---\na: 1\n"),
    ("b: 2\n", "a: 1\n"),
    ("b: 2", "a: 1\n"),
    ("---\nb: 2\n", "---\na: 1\n"),
    (
        "--- # x\n# Source: y\n\n  # z\nb: 2 # w\n# v\n",
        "--- # x\n# Source: y\n\n  # z\na: 1\n",
    ),
    ("---\r\n# Source: y\r\nb: 2\r\n", "---\r\n# Source: y\r\na: 1\r\n"),
    ("b: 2\r\n", "a: 1\r\n"),
    ("\u{feff}---\nb: 2\n", "\u{feff}---\na: 1\n"),
    ("\u{feff}b: 2\n", "\u{feff}a: 1\n"),
    ("...\nb: 2\n", "...\na: 1\n"),
];

#[test]
fn a_rewritten_document_keeps_its_separator_its_head_and_its_line_ends() {
    for (text, expected) in REWRITES {
        let document = documents(text.as_bytes()).next().expect("there is a document");
        assert_eq!(
            String::from_utf8(rewrite(&document, &json!({"a": 1}))).unwrap(),
            expected,
            "{text:?}"
        );
    }
}

fn string() -> impl Strategy<Value = String> {
    let words = [
        "y", "no", "~", "null", "0744", "1e3", "-", "---", "a: b", "a #b", "\n", "\n\n", "  ", "\t", "a\n",
        "\ra", "\u{feff}", "\u{85}", "\u{2028}", "\u{0}", "😀", "!a,", "|", "'", "\"", "\\", "x y", "é", "#",
        "? ", "%",
    ];
    prop_oneof![
        prop::collection::vec(prop::sample::select(words.to_vec()), 0..5).prop_map(|words| words.concat()),
        "[a-z0-9:#\\-\\[\\]{}!&*|>'\"%@`~ \\t\\n,?.=<\\\\]{0,12}",
        any::<String>(),
    ]
}

fn number() -> impl Strategy<Value = Number> {
    // A whole number is an integer to a reader, however it is written.
    let float = any::<f64>().prop_filter("a float that is no whole number", |float| {
        float.is_finite() && float.fract() != 0.0
    });
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        float.prop_filter_map("finite", Number::from_f64),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => string().prop_map(Value::String),
        1 => number().prop_map(Value::Number),
        1 => prop::sample::select(vec![json!(null), json!(true), json!(false), json!([]), json!({})]),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec((string(), inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_as_the_same_json(value in value()) {
        let yaml = to_yaml(&value);
        let loaded = load::parse_any(&yaml);
        prop_assert_eq!(loaded.map(|loaded| (loaded.value, loaded.findings)), Ok((value, Vec::new())), "{}", yaml);
    }

    #[test]
    fn what_is_written_is_one_document_that_ends_its_last_line(value in value()) {
        let yaml = to_yaml(&value);
        prop_assert!(yaml.ends_with('\n'));
        prop_assert_eq!(documents(yaml.as_bytes()).count(), 1);
    }
}
