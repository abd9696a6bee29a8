//! A configuration as the agent would read it: what it would refuse, what it would ignore without a word.

mod metrics;
mod path;
mod rules;
mod secrets;

use toml_edit::{DocumentMut, Item, TableLike, Value};

use self::path::Path;
use super::{
    catalog::{Catalogue, Constraint, Kind, Node, Plugin, catalogue},
    codes::{self, Findings, did_you_mean},
    coerce,
    variables::{self, is_opaque},
    version::{Profile, Version, profile_of},
};
use crate::{
    finding::{Finding, Severity},
    names::Component,
};

/// Checks the text of a configuration for a version of the agent, which is given by its image tag; without one, for the
/// newest release that the catalogue describes.
pub fn check_toml(text: &str, component: Option<Component>, agent_version: Option<&str>) -> Vec<Finding> {
    let mut findings = Findings::default();
    let profile = match agent_version {
        Some(tag) => profile_of(Some(tag), &mut findings),
        None => Profile::of(None),
    };
    let substituted = variables::substitute(text, &mut findings);
    match substituted.text.parse::<DocumentMut>() {
        Ok(document) => check_document(document.as_table(), component, profile, &mut findings),
        Err(error) => {
            let place = error.span().map(|span| line_of(&substituted.text, span.start));
            let place = place.map_or_else(String::new, |line| format!("line {line}: "));
            let message = format!("{place}{}", error.message().trim().replace('\n', ", "));
            findings.error(codes::TOML_SYNTAX, "", message, "");
        }
    }
    findings.into_vec()
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()
        .iter()
        .take(offset)
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

/// A section that the agent would read.
pub(super) struct Enabled<'a> {
    /// Which plugin.
    pub(super) plugin: &'static Plugin,
    /// Its section.
    pub(super) table: &'a dyn TableLike,
}

/// Looks at one document.
pub(super) struct Checker<'a> {
    /// What the agent knows.
    pub(super) catalogue: &'static Catalogue,
    /// In which version.
    pub(super) profile: Profile,
    /// Whose configuration it is, if that is known.
    pub(super) component: Option<Component>,
    /// The sections that are on, in the order in which the agent starts them.
    pub(super) enabled: Vec<Enabled<'a>>,
    /// Where findings go.
    pub(super) findings: &'a mut Findings,
}

/// Checks a document that is already read.
pub(super) fn check_document(
    document: &toml_edit::Table,
    component: Option<Component>,
    profile: Profile,
    findings: &mut Findings,
) {
    let mut checker = Checker {
        catalogue: catalogue(),
        profile,
        component,
        enabled: Vec::new(),
        findings,
    };
    checker.general(document);
    if let Some(item) = document.get("plugins") {
        match item.as_table_like() {
            Some(plugins) => checker.plugins(plugins),
            None => checker.wrong_type(&Path::root("plugins"), "a table", item, true),
        }
    }
    metrics::check(&mut checker);
    rules::check(&mut checker);
}

impl<'a> Checker<'a> {
    /// The section of a plugin that is on.
    pub(super) fn on(&self, name: &str) -> Option<&'a dyn TableLike> {
        self.enabled
            .iter()
            .find(|section| section.plugin.name == name)
            .map(|section| section.table)
    }

    fn general(&mut self, document: &toml_edit::Table) {
        let known = || {
            catalogue()
                .general
                .iter()
                .map(|node| node.row.name.as_str())
                .chain(["plugins"])
        };
        for (key, item) in document {
            match self.catalogue.general.iter().find(|node| node.row.name == key) {
                Some(node) => self.leaf(node, item, &Path::root(key)),
                None if key == "plugins" => {}
                None => {
                    let message = format!("the agent ignores `{key}` without a word");
                    self.findings
                        .warning(codes::UNKNOWN_KEY, key, message, did_you_mean(key, known()));
                }
            }
        }
    }

    fn plugins(&mut self, plugins: &'a dyn TableLike) {
        for (name, item) in plugins.iter() {
            let root = Path::root("plugins");
            let path = root.below(name);
            let Some(plugin) = self.catalogue.plugin(name) else {
                let names = self.catalogue.plugins.iter().map(|plugin| plugin.name.as_str());
                let message =
                    format!("the agent has no plugin `{name}`, and refuses the name even when it is off");
                self.findings.error(
                    codes::UNKNOWN_PLUGIN,
                    &path.to_string(),
                    message,
                    did_you_mean(name, names),
                );
                continue;
            };
            if !self.profile.within(plugin.accepted) {
                let message = format!("{} of the agent has no plugin `{name}`", self.profile.version);
                let mend = format!("it exists {}", plugin.accepted);
                self.findings
                    .error(codes::NOT_IN_VERSION, &path.to_string(), message, mend);
                continue;
            }
            let Some(table) = item.as_table_like() else {
                self.wrong_type(&path, "a table", item, true);
                continue;
            };
            if self.is_enabled(plugin, table, &path) {
                self.table(&plugin.root, table, &path, plugin);
                self.constraints(plugin, table, &path);
                self.enabled.push(Enabled { plugin, table });
            } else {
                self.secrets(&plugin.root, table, &path);
            }
        }
        if self.profile.version < FILE_ORDER {
            self.enabled
                .sort_by(|one, other| one.plugin.name.cmp(&other.plugin.name));
        }
    }

    /// `enabled` counts before `enable`, and what is left over goes to the plugin.
    fn is_enabled(&mut self, plugin: &Plugin, table: &dyn TableLike, path: &Path<'_>) -> bool {
        let (enabled, enable) = (table.get("enabled"), table.get("enable"));
        if enabled.is_some() && enable.is_some() {
            let message = "`enabled` counts, and `enable` goes on to the plugin".to_owned();
            let mend = "keep one of the two";
            if plugin.root.row.deny {
                self.findings
                    .error(codes::ENABLE_TWICE, &path.to_string(), message, mend);
            } else {
                self.findings
                    .warning(codes::ENABLE_TWICE, &path.to_string(), message, mend);
            }
        }
        let Some(item) = enabled.or(enable) else {
            return true;
        };
        if item.as_value().is_some_and(is_opaque) {
            return true;
        }
        if item.as_bool().is_none() {
            self.wrong_type(&path.below("enabled"), "true or false", item, true);
        }
        item.as_bool().unwrap_or(true)
    }

    fn table(&mut self, node: &Node, table: &dyn TableLike, path: &Path<'_>, plugin: &Plugin) {
        let is_section = node.row.path.is_empty();
        for (key, item) in table.iter() {
            if is_section && matches!(key, "enable" | "enabled") {
                continue;
            }
            let path = path.below(key);
            match node.child(key).filter(|child| !child.row.helm) {
                Some(child) => {
                    self.version(child, node, &path);
                    self.value(child, item, &path, plugin);
                }
                None => self.unknown(node, key, &path, plugin),
            }
        }
        for child in node
            .children
            .iter()
            .filter(|child| child.row.is_required(self.profile))
        {
            if !table.contains_key(&child.row.name) {
                let path = path.below(&child.row.name);
                let message = "the agent insists on this key as soon as the section exists".to_owned();
                self.findings
                    .error(codes::MISSING_VALUE, &path.to_string(), message, "add it");
            }
        }
    }

    fn version(&mut self, child: &Node, parent: &Node, path: &Path<'_>) {
        let next = Profile {
            version: Version::NEXT,
            supposed: false,
        };
        if child.row.is_accepted(self.profile) || (!parent.row.deny && child.row.is_required(next)) {
            return;
        }
        let message = format!("{} of the agent has no such key", self.profile.version);
        let mend = format!("it exists {}", child.row.accepted);
        if parent.row.deny {
            self.findings
                .error(codes::NOT_IN_VERSION, &path.to_string(), message, mend);
        } else {
            self.findings
                .warning(codes::NOT_IN_VERSION, &path.to_string(), message, mend);
        }
    }

    fn unknown(&mut self, node: &Node, key: &str, path: &Path<'_>, plugin: &Plugin) {
        let severity = if node.row.deny {
            Severity::Error
        } else {
            Severity::Warning
        };
        if self.findings.is_full(severity) {
            return;
        }
        let known = node.children.iter().filter(|child| !child.row.helm);
        let mend = did_you_mean(key, known.map(|child| child.row.name.as_str()));
        if node.row.deny {
            let message = format!("`{}` refuses the unknown key `{key}`", plugin.name);
            self.findings
                .error(codes::UNKNOWN_KEY, &path.to_string(), message, mend);
        } else {
            let message = format!("`{}` ignores the unknown key `{key}` without a word", plugin.name);
            self.findings
                .warning(codes::UNKNOWN_KEY, &path.to_string(), message, mend);
        }
    }

    fn value(&mut self, node: &Node, item: &Item, path: &Path<'_>, plugin: &Plugin) {
        if let (true, Some(table)) = (node.holds_table(), item.as_table_like()) {
            return self.table(node, table, path, plugin);
        }
        let Some(element) = node.item.as_deref() else {
            return self.leaf(node, item, path);
        };
        for (index, table) in tables_of(item).into_iter().enumerate() {
            match table {
                Some(table) => self.table(element, table, &path.element(index), plugin),
                None => self.wrong_type(&path.element(index), "a table", item, true),
            }
        }
        if !item.is_array() && !item.is_array_of_tables() {
            self.wrong_type(path, "a list", item, true);
        }
    }

    fn leaf(&mut self, node: &Node, item: &Item, path: &Path<'_>) {
        let Some(value) = item.as_value() else {
            return self.wrong_type(path, &words(&node.row.kinds), item, true);
        };
        if !is_opaque(value) && !node.row.kinds.iter().any(|kind| is_of(kind, value)) {
            self.wrong_type(path, &words(&node.row.kinds), item, node.may_hold_secret());
        }
        self.secret(&node.row, value, path);
        if node.row.not_empty && value.as_array().is_some_and(toml_edit::Array::is_empty) {
            let message = "the list must not be empty".to_owned();
            self.findings
                .error(codes::CONSTRAINT, &path.to_string(), message, "name at least one");
        }
    }

    fn wrong_type(&mut self, path: &Path<'_>, expected: &str, item: &Item, hidden: bool) {
        let found = match item.as_value() {
            Some(value) if !hidden && !value.is_array() && !value.is_inline_table() => {
                coerce::found(&serde_json::Value::from(value.to_string().trim()))
            }
            _ => item.type_name().to_owned(),
        };
        self.findings.error(
            codes::WRONG_TYPE,
            &path.to_string(),
            format!("expected {expected}, found {found}"),
            "",
        );
    }

    fn constraints(&mut self, plugin: &Plugin, table: &dyn TableLike, path: &Path<'_>) {
        let is_there = |key: &&String| lookup(table, key).is_some();
        for constraint in &plugin.constraints {
            let (keys, fits, rule) = match constraint {
                Constraint::OneOf(keys) => {
                    (keys, keys.iter().filter(is_there).count() == 1, "exactly one of")
                }
                Constraint::AllOrNone(keys) => {
                    let count = keys.iter().filter(is_there).count();
                    (keys, count == 0 || count == keys.len(), "all or none of")
                }
                Constraint::Excludes(keys) => {
                    (keys, keys.iter().filter(is_there).count() <= 1, "at most one of")
                }
            };
            if !fits {
                let message = format!("{rule} `{}` has to be there", keys.join("`, `"));
                self.findings
                    .error(codes::CONSTRAINT, &path.to_string(), message, "");
            }
        }
    }
}

/// Since this version the order of the file counts; before, the alphabet.
const FILE_ORDER: Version = Version(0, 9, 3);

/// What stands at a path of keys.
pub(super) fn lookup<'a>(table: &'a dyn TableLike, path: &str) -> Option<&'a Item> {
    match path.split_once('.') {
        None => table.get(path),
        Some((first, rest)) => lookup(table.get(first)?.as_table_like()?, rest),
    }
}

/// The tables of a list, however it is written; none for an element that is no table.
fn tables_of(item: &Item) -> Vec<Option<&dyn TableLike>> {
    match item {
        Item::ArrayOfTables(tables) => tables.iter().map(|table| Some(table as &dyn TableLike)).collect(),
        Item::Value(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_inline_table().map(|table| table as &dyn TableLike))
            .collect(),
        _ => Vec::new(),
    }
}

fn words(kinds: &[Kind]) -> String {
    kinds
        .iter()
        .map(coerce::expected)
        .collect::<Vec<_>>()
        .join(" or ")
}

/// Whether the agent would take the value as this kind; unlike values of a chart, nothing is converted.
fn is_of(kind: &Kind, value: &Value) -> bool {
    match (kind, value) {
        (Kind::Any, _)
        | (Kind::Bool, Value::Boolean(_))
        | (Kind::Float, Value::Float(_) | Value::Integer(_)) => true,
        (Kind::Int { min, max }, Value::Integer(number)) => (min..=max).contains(&number.value()),
        (Kind::List(item), Value::Array(items)) => {
            items.iter().all(|value| is_opaque(value) || is_of(item, value))
        }
        (_, Value::String(text)) => coerce::is_text_of(kind, text.value()),
        _ => false,
    }
}
