//! The faults of the charts that rendered TOML as text, in the words of `docs/upgrade.md`: what can come out right comes
//! out right, and the rest is told before a pod starts.

use std::fs;

use alumet_injector::{finding::Finding, names::Component};
use serde_json::{Value, json};

use crate::{
    agent_config::{configured, release},
    faults_later_rows::second_half,
    faults_rows::first_half,
    files::root,
};

/// What is expected of one configuration.
pub(crate) enum Expect {
    /// The value at a path of the TOML, written as TOML.
    Is(&'static str, &'static str),
    /// Nothing at this path.
    Absent(&'static str),
    /// This very text in the TOML.
    Text(&'static str),
    /// Not this text, neither in the TOML nor in a finding.
    NoText(&'static str),
    /// The first section stands before the second.
    Order(&'static str, &'static str),
    /// A finding with this code.
    Code(&'static str),
    /// No finding at all.
    Clean,
}

pub(crate) type Case = (Component, Value, Vec<Expect>);

/// Settings of `MongoDB` that are complete, and some more.
pub(crate) fn mongodb(more: &Value) -> Value {
    let mut mongodb = json!({"enable": true, "database": "energy", "collection": "points"});
    for (key, value) in more.as_object().unwrap() {
        mongodb[key] = value.clone();
    }
    json!({"mongodb": mongodb})
}

use Expect::{Absent, Clean, Code, Is, NoText, Order, Text};

/// Reads the TOML as the agent does after it has pasted its variables.
fn read(text: &str, path: &str) -> Option<toml::Value> {
    let mut value = toml::Value::Table(text.parse().unwrap());
    for key in path.split('.') {
        value = value.as_table_mut()?.remove(key)?;
    }
    Some(value)
}

fn holds(expect: &Expect, text: Option<&str>, findings: &[Finding]) -> Result<(), String> {
    let found = |path| text.and_then(|text| read(text, path));
    let position = |name: &str| text.and_then(|text| text.find(&format!("[plugins.{name}")));
    let fits = match expect {
        Is(path, value) => {
            let wanted = read(&format!("wanted = {value}"), "wanted");
            let found = found(path);
            return if found == wanted {
                Ok(())
            } else {
                Err(format!("{path} is {found:?}, not {wanted:?}"))
            };
        }
        Absent(path) => text.is_some() && found(path).is_none(),
        Text(wanted) => text.is_some_and(|text| text.contains(wanted)),
        NoText(unwanted) => {
            let told = findings
                .iter()
                .any(|finding| finding.to_string().contains(unwanted));
            !told && !text.is_some_and(|text| text.contains(unwanted))
        }
        Order(first, second) => position(first)
            .zip(position(second))
            .is_some_and(|(first, second)| first < second),
        Code(code) => findings.iter().any(|finding| finding.code == *code),
        Clean => findings.is_empty() && text.is_some(),
    };
    let what = match expect {
        Absent(path) => format!("{path} is there"),
        Text(text) | NoText(text) => format!("wrong about {text}"),
        Order(first, second) => format!("{first} is not before {second}"),
        Code(code) => format!("no {code}"),
        Clean | Is(..) => "not clean".to_owned(),
    };
    if fits { Ok(()) } else { Err(what) }
}

#[test]
fn each_fault_of_the_old_charts_comes_out_right_or_is_told() {
    let rows: Vec<_> = first_half().into_iter().chain(second_half()).collect();
    let mut wrong = Vec::new();
    for (fault, cases) in &rows {
        assert!(!cases.is_empty());
        for (component, plugins, expectations) in cases {
            let mut more = json!({"plugins": plugins});
            if *fault == "many keys could not be set" {
                more["maxUpdateInterval"] = json!("500ms");
                more["sourceChannelSize"] = json!("4096");
            }
            let configuration = configured(*component, &release(*component, &more));
            for expect in expectations {
                if let Err(what) = holds(expect, configuration.toml.as_deref(), &configuration.findings) {
                    let toml = configuration.toml.as_deref().unwrap_or("none");
                    wrong.push(format!(
                        "{fault}: {plugins}: {what}\n{:?}\n{toml}",
                        configuration.findings
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let names: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        documented(&fs::read_to_string(root("docs/upgrade.md")).unwrap())
    );
}

/// The first column of the table of faults.
fn documented(text: &str) -> Vec<&str> {
    let (_, table) = text.split_once("\n| fault | now |\n|---|---|\n").unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split(" | ").next().unwrap().trim_start_matches("| "))
        .collect()
}
