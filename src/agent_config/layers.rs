//! Reading `plugins` of one source, values or a policy, into settings in the agent's spelling.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    EnvFrom,
    catalog::{Catalogue, Kind, Node, Plugin},
    codes::{self, Findings, did_you_mean},
    coerce::{coerce, found},
    references::{Reference, variable_for},
    settings::{Leaf, Section, Slot, Table, Val},
    version::Profile,
};
use crate::{finding::Severity, names::Component, source::Source};

/// Settings of plugins, by their place in the catalogue.
pub(super) type Sections = BTreeMap<usize, Section>;

/// Reads the settings of one source.
pub(super) struct LayerReader<'a> {
    /// What the agent knows.
    pub(super) catalogue: &'static Catalogue,
    /// For which version.
    pub(super) profile: Profile,
    /// For which component.
    pub(super) component: Component,
    /// The policy that is read, or none for the values.
    pub(super) policy: Option<&'a str>,
    /// Where findings go.
    pub(super) findings: &'a mut Findings,
}

/// A node of the catalogue together with the plugin that it belongs to.
#[derive(Clone, Copy)]
struct At<'p> {
    plugin: &'p Plugin,
    node: &'p Node,
}

impl LayerReader<'_> {
    /// Reads a whole `plugins` table.
    pub(super) fn read(&mut self, plugins: &Map<String, Value>) -> Sections {
        self.findings.blame(self.policy);
        let mut sections = Sections::new();
        for (spelling, value) in plugins.iter().filter(|(_, value)| !value.is_null()) {
            if self.findings.is_full(Severity::Error) {
                break;
            }
            let path = format!("plugins.{spelling}");
            let Some(index) = self.catalogue.index(spelling) else {
                let names = self.catalogue.plugins.iter().flat_map(|plugin| &plugin.spellings);
                let mend = did_you_mean(spelling, names.map(String::as_str));
                self.findings.error(
                    codes::UNKNOWN_PLUGIN,
                    &path,
                    format!("unknown plugin `{spelling}`"),
                    mend,
                );
                continue;
            };
            let Value::Object(map) = value else {
                let message = format!("expected a table, found {}", found(value));
                self.findings.error(
                    codes::WRONG_TYPE,
                    &path,
                    message,
                    format!("write `{spelling}: {{enable: true}}`"),
                );
                continue;
            };
            let section = self.section(&self.catalogue.plugins[index], spelling, map, &path);
            match sections.get_mut(&index) {
                None => {
                    sections.insert(index, section);
                }
                Some(first) => self.join(first, section, &path),
            }
        }
        self.findings.blame(None);
        sections
    }

    fn section(
        &mut self,
        plugin: &'static Plugin,
        spelling: &str,
        map: &Map<String, Value>,
        path: &str,
    ) -> Section {
        let mut section = Section::new(plugin);
        section.spelling = Some(spelling.to_owned());
        let mut rest = Map::new();
        for (key, value) in map {
            match key.as_str() {
                "enable" | "enabled" => self.switch(&mut section, value, &format!("{path}.{key}")),
                _ => drop(rest.insert(key.clone(), value.clone())),
            }
        }
        if section.is_on() && !self.profile.within(plugin.accepted) {
            let message = format!(
                "{} of the agent has no plugin `{}`",
                self.profile.version, plugin.name
            );
            let mend = format!("it exists {}", plugin.accepted);
            if self.policy.is_some() {
                // What a policy offers is no reason to give an agent of another version nothing at all.
                self.findings.warning(codes::NOT_IN_VERSION, path, message, mend);
                return Section::new(plugin);
            }
            self.findings.error(codes::NOT_IN_VERSION, path, message, mend);
        }
        for retired in &plugin.retired {
            if rest.remove(&retired.path).is_some_and(|value| !value.is_null()) {
                let path = format!("{path}.{}", retired.path);
                self.findings.warning(
                    codes::RETIRED_KEY,
                    &path,
                    format!("does nothing: {}", retired.why),
                    "remove it",
                );
            }
        }
        section.table = self.table(
            At {
                plugin,
                node: &plugin.root,
            },
            &rest,
            path,
        );
        section
    }

    fn switch(&mut self, section: &mut Section, value: &Value, path: &str) {
        if value.is_null() {
            return;
        }
        let Ok(Val::Bool(on)) = coerce(&[Kind::Bool], value) else {
            let message = format!("expected true or false, found {}", found(value));
            self.findings.error(codes::WRONG_TYPE, path, message, "");
            return;
        };
        if section.on.as_ref().is_some_and(|(other, _)| *other != on) {
            self.conflict(path);
        }
        section.on = Some((on, self.source(path)));
    }

    fn table(&mut self, at: At<'_>, map: &Map<String, Value>, path: &str) -> Table {
        let mut table = Table::default();
        for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            if self.findings.is_full(Severity::Error) {
                break;
            }
            let path = format!("{path}.{key}");
            let Some((name, node)) = self.resolve(at, key, &path) else {
                continue;
            };
            if !node.row.is_accepted(self.profile) {
                let message = format!(
                    "{} of the agent has no key `{}`",
                    self.profile.version, node.row.path
                );
                let mend = format!("remove it: it exists {}", node.row.accepted);
                self.findings.warning(codes::NOT_IN_VERSION, &path, message, mend);
                continue;
            }
            let Some(slot) = self.slot(At { node, ..at }, value, &path) else {
                continue;
            };
            match table.slot_mut(&name) {
                None => table.0.push((name, slot)),
                Some(first) => self.join_slot(first, slot, &path),
            }
        }
        table
    }

    /// The agent's name of a key and what is known of it.
    fn resolve<'p>(&mut self, at: At<'p>, key: &str, path: &str) -> Option<(String, &'p Node)> {
        if let Some(node) = at.node.spelled(key) {
            return Some((node.row.name.clone(), node));
        }
        if let Some(any) = at.node.any.as_deref() {
            if key.contains("${") {
                let message = "a name cannot contain a variable".to_owned();
                self.findings
                    .error(codes::REFERENCE, path, message, "choose a plain name");
                return None;
            }
            return Some((key.to_owned(), any));
        }
        let known = at.node.children.iter().map(|child| child.row.name.as_str());
        let mend = did_you_mean(key, known);
        let message = format!("`{}` has no key `{key}`", at.plugin.name);
        self.findings.error(codes::UNKNOWN_KEY, path, message, mend);
        None
    }

    fn slot(&mut self, at: At<'_>, value: &Value, path: &str) -> Option<Slot> {
        let node = at.node;
        if !node.is_table()
            && let Some(reference) = Reference::of(value)
        {
            return self.reference(at, &reference, path);
        }
        if let (true, Value::Object(map)) = (node.holds_table(), value) {
            return Some(Slot::Table(self.table(at, map, path)));
        }
        if is_absent(node, value) {
            return None;
        }
        if node.row.secret.is_some() {
            self.literal_secret(path);
            return None;
        }
        let value = match (&node.item, value) {
            (Some(item), Value::Array(items)) => Val::List(self.items(At { node: item, ..at }, items, path)),
            _ => match coerce(&node.row.kinds, value) {
                Ok(value) => value,
                Err(expected) => {
                    let found = if node.may_hold_secret() {
                        "something else".to_owned()
                    } else {
                        found(value)
                    };
                    let message = format!("expected {expected}, found {found}");
                    self.findings.error(codes::WRONG_TYPE, path, message, "");
                    return None;
                }
            },
        };
        self.warn_of_variables(&value, path);
        Some(Slot::Leaf(Leaf::new(value, self.source(path))))
    }

    fn literal_secret(&mut self, path: &str) {
        let message = "a secret stands here as plain text (not shown)".to_owned();
        let mend = "write {fromSecret: {name: <Secret>, key: <key>}}";
        self.findings.error(codes::LITERAL_SECRET, path, message, mend);
    }

    /// A text with `${` is kept as text; who wrote it probably meant the variable.
    fn warn_of_variables(&mut self, value: &Val, path: &str) {
        if matches!(value, Val::Text(text) if text.contains("${")) {
            let message = "`${` is taken as text, not as a variable".to_owned();
            self.findings.warning(
                codes::TEXT_VARIABLE,
                path,
                message,
                "write {fromEnv: <NAME>} for a variable",
            );
        }
    }

    fn items(&mut self, at: At<'_>, items: &[Value], path: &str) -> Vec<Val> {
        let mut list = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Value::Object(map) = item else {
                let message = format!("expected a table, found {}", found(item));
                self.findings.error(codes::WRONG_TYPE, &path, message, "");
                continue;
            };
            let mut table = self.table(at, map, &path);
            super::defaults::fill(&mut table, at.node, at.plugin, self.component, self.profile);
            list.push(as_value(at.node, table));
        }
        list
    }

    fn reference(&mut self, at: At<'_>, reference: &Result<Reference, String>, path: &str) -> Option<Slot> {
        let row = &at.node.row;
        let reference = match reference {
            Ok(reference) if row.kinds.iter().any(is_textual) && !row.helm => reference,
            Ok(_) => {
                let message = "a reference can stand only where a text can".to_owned();
                self.findings
                    .error(codes::REFERENCE, path, message, "write the value itself");
                return None;
            }
            Err(wrong) => {
                let mend = "write {fromSecret: {name: <Secret>, key: <key>}} or {fromEnv: <NAME>}";
                self.findings.error(codes::REFERENCE, path, wrong.clone(), mend);
                return None;
            }
        };
        let value = match reference {
            Reference::Env(name) => Val::Env(name.clone(), None),
            Reference::Secret { name, key } => {
                let variable = match &row.secret {
                    Some(secret) => secret.env.clone(),
                    None => variable_for(at.plugin, path),
                };
                Val::Env(
                    variable,
                    Some(EnvFrom::Secret {
                        name: name.clone(),
                        key: key.clone(),
                    }),
                )
            }
        };
        Some(Slot::Leaf(Leaf::new(value, self.source(path))))
    }

    fn join(&mut self, first: &mut Section, second: Section, path: &str) {
        match (&first.on, &second.on) {
            (Some((one, _)), Some((other, _))) if one != other => self.conflict(&format!("{path}.enable")),
            (None, Some(_)) => first.on = second.on,
            _ => {}
        }
        self.join_tables(&mut first.table, second.table, path);
    }

    fn join_tables(&mut self, first: &mut Table, second: Table, path: &str) {
        for (name, slot) in second.0 {
            let path = format!("{path}.{name}");
            match first.slot_mut(&name) {
                None => first.0.push((name, slot)),
                Some(mine) => self.join_slot(mine, slot, &path),
            }
        }
    }

    fn join_slot(&mut self, first: &mut Slot, second: Slot, path: &str) {
        match (first, second) {
            (Slot::Table(first), Slot::Table(second)) => self.join_tables(first, second, path),
            (Slot::Leaf(first), Slot::Leaf(second)) if first.value == second.value => {}
            _ => self.conflict(path),
        }
    }

    fn conflict(&mut self, path: &str) {
        let message = "another spelling of this key has another value".to_owned();
        self.findings
            .error(codes::ALIAS_CONFLICT, path, message, "keep one of the two");
    }

    fn source(&self, path: &str) -> Source {
        match self.policy {
            Some(policy) => Source::Policy(policy.to_owned()),
            None => Source::Values(path.to_owned()),
        }
    }
}

fn is_textual(kind: &Kind) -> bool {
    !matches!(
        kind,
        Kind::Bool | Kind::Int { .. } | Kind::Float | Kind::List(_) | Kind::Table
    )
}

/// The empty texts of the charts' values mean that nobody chose anything.
fn is_absent(node: &Node, value: &Value) -> bool {
    let row = &node.row;
    let telling = row.helm || row.must_set || row.secret.is_some() || row.kinds.iter().any(is_address);
    telling && value.as_str() == Some("")
}

fn is_address(kind: &Kind) -> bool {
    matches!(kind, Kind::Url | Kind::HostPort | Kind::Ip { .. })
}

/// A table inside a list, its keys in the order of the catalogue.
fn as_value(node: &Node, table: Table) -> Val {
    let place = |name: &str| node.children.iter().position(|child| child.row.name == name);
    let mut entries: Vec<(String, Val)> = table
        .0
        .into_iter()
        .map(|(name, slot)| match slot {
            Slot::Leaf(leaf) => (name, leaf.value),
            Slot::Table(inner) => (name, as_value(node, inner)),
        })
        .collect();
    entries.sort_by_key(|(name, _)| place(name));
    Val::Table(entries)
}
