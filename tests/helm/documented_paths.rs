//! Every value path that the charts' documentation names does what it says, through both Helms. The paths stand in
//! `documented_paths.txt`.

use std::collections::BTreeMap;

use alumet_injector::names::Component;
use serde_json::Value;

use crate::{
    release::Release,
    support::{Helm, Major},
};

const TABLE: &str = include_str!("documented_paths.txt");

/// What a line of the table says about the objects.
#[derive(Clone)]
pub(crate) struct Line {
    place: String,
    pointer: String,
    expected: Expected,
    /// Whether it holds without the flags under test too.
    still: bool,
}

#[derive(Clone, PartialEq)]
enum Expected {
    Something,
    Is(Value),
}

/// A row of the table: the flags under test, those that go with them, and what they show.
pub(crate) struct Row {
    id: String,
    pub(crate) flags: Vec<String>,
    context: Vec<String>,
    lines: Vec<Line>,
}

impl Line {
    pub(crate) fn read(text: &str) -> Self {
        let (still, text) = text
            .strip_prefix("still ")
            .map_or((false, text), |rest| (true, rest));
        let parts: Vec<&str> = text.splitn(3, ' ').collect();
        let [place, pointer, json] = parts[..] else {
            panic!("{text:?} is no place, pointer and JSON")
        };
        let expected = match json {
            "*" => Expected::Something,
            json => Expected::Is(serde_json::from_str(json).unwrap_or_else(|e| panic!("{text}: {e}"))),
        };
        Self {
            place: place.to_owned(),
            pointer: pointer.to_owned(),
            expected,
            still,
        }
    }

    pub(crate) fn holds(&self, release: &Release) -> Result<(), String> {
        let found: Vec<Value> = places(&self.place, release)
            .into_iter()
            .map(|place| place.pointer(&self.pointer).cloned().unwrap_or_default())
            .collect();
        let fits = |value: &Value| match &self.expected {
            Expected::Something => !value.is_null(),
            Expected::Is(expected) => value == expected,
        };
        if !found.is_empty() && found.iter().all(fits) {
            return Ok(());
        }
        Err(format!("{} {}: {found:?}", self.place, self.pointer))
    }
}

/// What a place of the table means: one value each, `null` where there is none.
fn places(place: &str, release: &Release) -> Vec<Value> {
    if place == "every" {
        let pods: Vec<Value> = release.pods().into_iter().cloned().collect();
        assert!(
            pods.len() >= 4,
            "two agents and two pods of `helm test`: {}",
            pods.len()
        );
        return pods;
    }
    if let Some((kind, name)) = place.split_once('/') {
        return vec![release.object(kind, name).cloned().unwrap_or_default()];
    }
    let (component, part) = place.split_once('.').unwrap_or((place, "template"));
    let component = Component::parse(component).unwrap_or_else(|| panic!("{component} is a component"));
    let template = release.template(component).cloned().unwrap_or_default();
    let last = |list: &str| {
        let list = template.pointer(list).and_then(Value::as_array);
        list.and_then(|list| list.last().cloned()).unwrap_or_default()
    };
    vec![match part {
        "template" => template,
        "workload" => release.workload(component).cloned().unwrap_or_default(),
        "toml" => release.toml(component).unwrap_or_default(),
        "volume" => last("/spec/volumes"),
        "mount" => last("/spec/containers/0/volumeMounts"),
        "env" => environment(&template),
        part => panic!("{part} is no part of an agent"),
    }]
}

/// The environment of the first container, by name.
fn environment(template: &Value) -> Value {
    let env = template["spec"]["containers"][0]["env"].as_array();
    env.into_iter()
        .flatten()
        .map(|entry| (entry["name"].as_str().unwrap().to_owned(), entry.clone()))
        .collect()
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for block in blocks() {
        let mut lines = block.lines();
        let head = lines.next().unwrap();
        let (head, context) = head.split_once(" (").unwrap_or((head, ")"));
        let mut words = head.split(' ').map(str::to_owned);
        let context = context.trim_end_matches(')').split_whitespace();
        rows.push(Row {
            id: words.next().unwrap(),
            flags: words.collect(),
            context: context.map(str::to_owned).collect(),
            lines: lines.map(|line| Line::read(line.trim())).collect(),
        });
    }
    rows
}

/// The rows as text, those about both agents twice.
fn blocks() -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    for line in TABLE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if line.starts_with(' ') {
            let block = blocks.last_mut().expect("a row begins with its id");
            block.push('\n');
            block.push_str(line);
        } else {
            blocks.push(line.to_owned());
        }
    }
    let both = |block: String| {
        if block.contains("relay-*") {
            let of = |agent| {
                block
                    .replace("relay-*", &format!("relay-{agent}"))
                    .replace("alumet.*", &format!("alumet.{agent}"))
            };
            vec![of("client"), of("server")]
        } else {
            vec![block]
        }
    };
    blocks.into_iter().flat_map(both).collect()
}

/// Rows that are rendered together.
struct Batch<'a> {
    context: &'a [String],
    rows: Vec<&'a Row>,
}

impl Batch<'_> {
    fn flags(&self) -> Vec<&str> {
        let flags = self.rows.iter().flat_map(|row| &row.flags);
        self.context.iter().chain(flags).map(String::as_str).collect()
    }
}

fn batches(rows: &[Row]) -> Vec<Batch<'_>> {
    let mut batches: Vec<Batch<'_>> = Vec::new();
    for row in rows {
        let shares = |batch: &&mut Batch<'_>| batch.context == row.context && batch.rows[0].id == "old";
        match batches.iter_mut().find(shares).filter(|_| row.id == "old") {
            Some(batch) => batch.rows.push(row),
            None => batches.push(Batch {
                context: &row.context,
                rows: vec![row],
            }),
        }
    }
    batches
}

fn show(major: Major) {
    let helm = Helm::new(major);
    let render = |flags: &[&str]| {
        Release::of(&helm, &[], flags).unwrap_or_else(|failure| panic!("{flags:?}: {failure}"))
    };
    let rows = rows();
    let mut without: BTreeMap<&[String], Release> = BTreeMap::new();
    let mut faults = Vec::new();
    for batch in batches(&rows) {
        let with = render(&batch.flags());
        let without = without.entry(batch.context).or_insert_with(|| {
            let context: Vec<&str> = batch.context.iter().map(String::as_str).collect();
            render(&context)
        });
        for row in batch.rows {
            assert!(
                !row.lines.is_empty(),
                "{} {:?} shows something",
                row.id,
                row.flags
            );
            for line in &row.lines {
                let told = |fault: String| format!("{} {:?}: {fault}", row.id, row.flags);
                faults.extend(line.holds(&with).err().map(told));
                if line.holds(without).is_ok() != (line.still || row.flags.is_empty()) {
                    let fault = format!("{} {} without the flags", line.place, line.pointer);
                    faults.push(told(fault));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// What the table holds; a row that is lost is noticed.
const ROWS: usize = 166;
const LINES: usize = 234;

#[test]
fn the_table_has_all_its_rows() {
    let rows = rows();
    assert_eq!(rows.len(), ROWS);
    assert_eq!(rows.iter().map(|row| row.lines.len()).sum::<usize>(), LINES);
}

#[test]
fn every_documented_path_has_its_effect_with_helm_3() {
    show(Major::Three);
}

#[test]
fn every_documented_path_has_its_effect_with_helm_4() {
    show(Major::Four);
}
