//! Scalars read as Kubernetes reads them: a table of the real reader's answers, and the traps one by one.

use alumet_injector::manifest::load;
use serde_json::{Value, json};

const TABLE: &str = include_str!("../fixtures/yaml-scalars.tsv");

/// What the real reader refuses and we read. It is JSON, and a document in JSON may hold it.
const LENIENT: [&str; 1] = [r#""\/""#];

/// What the real reader reads only the first half of, in silence; we refuse the other half.
const HALF_READ: [&str; 2] = ["[]", "{}"];

fn rows() -> impl Iterator<Item = [&'static str; 3]> {
    TABLE
        .lines()
        .skip_while(|line| line.starts_with("# ") || *line == "#")
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            columns.try_into().expect("a row has three columns")
        })
}

fn read(text: &str) -> Option<Value> {
    load::parse_any(text).ok().map(|loaded| loaded.value)
}

#[test]
fn each_scalar_reads_as_the_reader_of_kubernetes_reads_it() {
    let mut wrong = Vec::new();
    for [scalar, value, key] in rows().filter(|[scalar, ..]| !LENIENT.contains(scalar)) {
        let expected =
            (value != "error").then(|| json!({ "v": serde_json::from_str::<Value>(value).unwrap() }));
        let found = read(&format!("v: {scalar}\n"));
        if found != expected {
            wrong.push(format!(
                "v: {scalar}\n  expected {expected:?}\n  found    {found:?}"
            ));
        }
        if HALF_READ.contains(&scalar) {
            continue;
        }
        let expected = match key.strip_prefix("other ") {
            _ if key == "error" => None,
            Some(document) => Some(serde_json::from_str(document).unwrap()),
            None => Some(json!({ serde_json::from_str::<String>(key).unwrap(): "v" })),
        };
        let found = read(&format!("{scalar}: v\n"));
        if found != expected {
            wrong.push(format!(
                "{scalar}: v\n  expected {expected:?}\n  found    {found:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(rows().count(), 366);
}

/// What a round trip through other YAML libraries breaks, and what Helm reads.
const TRAPS: [(&str, &str); 25] = [
    (r#"["yes", "on", "n", "Off"]"#, r#"["yes", "on", "n", "Off"]"#),
    ("[yes, on]", "[true, true]"),
    ("0744", "484"),
    ("1_000", "1000"),
    (r#""1_000""#, r#""1_000""#),
    ("08", "8"),
    ("1e+06", "1000000"),
    ("1e3", "1000"),
    ("18446744073709551616", "18446744073709552000.0"),
    ("1\nv: 2", "2"),
    ("{<<: {a: 1}, b: 2}", r#"{"a": 1, "b": 2}"#),
    ("{!!merge <<: {a: 1}, b: 2}", r#"{"a": 1, "b": 2}"#),
    ("!!str 123", r#""123""#),
    ("!!binary aGVsbG8=", r#""hello""#),
    ("1 # a comment", "1"),
    ("[&a {b: c}, *a]", r#"[{"b": "c"}, {"b": "c"}]"#),
    (
        "|\n  trailing blanks  \n  and a tab\t\n",
        r#""trailing blanks  \nand a tab\t\n""#,
    ),
    ("~", "null"),
    ("1.10", "1.1"),
    ("12:30:45", r#""12:30:45""#),
    ("2001-01-01", r#""2001-01-01""#),
    ("0o17", "15"),
    ("0b101", "5"),
    ("0x1F", "31"),
    ("{1: a, yes: b, 1.5: c}", r#"{"1": "a", "true": "b", "1.5": "c"}"#),
];

#[test]
fn each_trap_of_a_round_trip_reads_as_helm_reads_it() {
    for (text, expected) in TRAPS {
        let expected: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(
            read(&format!("v: {text}\n")),
            Some(json!({ "v": expected })),
            "v: {text}"
        );
    }
}
