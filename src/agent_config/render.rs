//! From settings to TOML: the structure, the list of settings with their sources, and the variables it names.

use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Value};
use toml_writer::{ToTomlValue as _, TomlStringBuilder};

use super::{
    EnvFrom, EnvVar, Setting,
    catalog::{Catalogue, Node},
    settings::{Leaf, Section, Slot, Table, Val},
};
use crate::source::{Lost, Source, shared};

/// A configuration as structure, and what belongs to it.
pub(super) struct Rendered {
    /// The TOML.
    pub(super) document: DocumentMut,
    /// Its settings, in its order.
    pub(super) settings: Vec<Setting>,
    /// The variables that it names and that we know how to fill.
    pub(super) env: Vec<EnvVar>,
    /// All variables that it names.
    pub(super) declared: Vec<String>,
}

/// Writes the agent's own keys, then one section for each plugin.
pub(super) fn render(catalogue: &Catalogue, general: &Table, sections: &[&Section]) -> Rendered {
    let mut writer = Writer {
        catalogue,
        settings: Vec::new(),
        env: Vec::new(),
        declared: Vec::new(),
    };
    let mut document = DocumentMut::new();
    for node in &catalogue.general {
        if let Some(leaf) = general.leaf(&node.row.name) {
            let value = writer.leaf(leaf, &node.row.name);
            document.insert(&node.row.name, Item::Value(value));
        }
    }
    let mut plugins = toml_edit::Table::new();
    plugins.set_implicit(true);
    for section in sections {
        let path = format!("plugins.{}", section.plugin.name);
        let mut table = writer.table(&section.table, &section.plugin.root, &path);
        table.set_implicit(false);
        plugins.insert(&section.plugin.name, Item::Table(table));
    }
    document.insert("plugins", Item::Table(plugins));
    Rendered {
        document,
        settings: writer.settings,
        env: writer.env,
        declared: writer.declared,
    }
}

struct Writer<'a> {
    catalogue: &'a Catalogue,
    settings: Vec<Setting>,
    env: Vec<EnvVar>,
    declared: Vec<String>,
}

impl Writer<'_> {
    /// Values first, then tables, each in the order of the catalogue: the order in which TOML is printed.
    fn table(&mut self, table: &Table, node: &Node, path: &str) -> toml_edit::Table {
        let mut written = toml_edit::Table::new();
        let entries = ordered(table, node);
        for (name, slot, _) in &entries {
            if let Slot::Leaf(leaf) = slot {
                let item = self.item(leaf, &join(path, name));
                written.insert(name, item);
            }
        }
        written.set_implicit(written.is_empty());
        for (name, slot, node) in &entries {
            if let Slot::Table(inner) = slot {
                written.insert(name, Item::Table(self.table(inner, node, &join(path, name))));
            }
        }
        if written.is_empty() {
            written.set_implicit(false);
        }
        written
    }

    fn item(&mut self, leaf: &Leaf, path: &str) -> Item {
        let tables = match &leaf.value {
            Val::List(items) if !items.is_empty() => items.iter().map(as_table).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let Some(tables) = tables else {
            return Item::Value(self.leaf(leaf, path));
        };
        self.remember(leaf, path, &value(&leaf.value));
        Item::ArrayOfTables(tables.into_iter().collect::<ArrayOfTables>())
    }

    fn leaf(&mut self, leaf: &Leaf, path: &str) -> Value {
        let value = value(&leaf.value);
        self.remember(leaf, path, &value);
        value
    }

    fn remember(&mut self, leaf: &Leaf, path: &str, value: &Value) {
        let text = value.to_string().trim().to_owned();
        self.settings.push(Setting {
            path: path.to_owned(),
            value: text,
            source: leaf.source.clone(),
            lost: shared(leaf.lost.iter().map(lost).collect()),
        });
        self.variables(&leaf.value, &leaf.source);
    }

    fn variables(&mut self, value: &Val, source: &Source) {
        match value {
            Val::Env(name, from) => {
                if !self.declared.contains(name) {
                    self.declared.push(name.clone());
                }
                let from = from.clone().or_else(|| pod_variable(self.catalogue, name));
                if let Some(from) = from
                    && !self.env.iter().any(|known| known.name == *name)
                {
                    self.env.push(EnvVar {
                        name: name.clone(),
                        from,
                        source: source.clone(),
                    });
                }
            }
            Val::List(items) => items.iter().for_each(|item| self.variables(item, source)),
            Val::Table(entries) => entries.iter().for_each(|(_, item)| self.variables(item, source)),
            _ => {}
        }
    }
}

/// A value that another one kept out, as TOML has it.
fn lost(leaf: &Leaf) -> Lost {
    let text = value(&leaf.value).to_string().trim().to_owned();
    Lost::of(leaf.source.clone(), text)
}

/// Where a variable that every agent pod can have comes from.
pub(super) fn pod_variable(catalogue: &Catalogue, name: &str) -> Option<EnvFrom> {
    catalogue
        .env
        .iter()
        .find(|variable| variable.name == name)
        .map(|variable| EnvFrom::Field(variable.field))
}

/// Names of the catalogue in its order, then names that stand for themselves in theirs.
fn ordered<'t, 'n>(table: &'t Table, node: &'n Node) -> Vec<(&'t str, &'t Slot, &'n Node)> {
    let place = |name: &str| node.children.iter().position(|child| child.row.name == name);
    let mut entries: Vec<_> = table
        .0
        .iter()
        .map(|(name, slot)| (name.as_str(), slot, node.child(name).unwrap_or(node)))
        .collect();
    entries.sort_by_key(|(name, _, _)| (place(name).unwrap_or(usize::MAX), *name));
    entries
}

fn join(path: &str, name: &str) -> String {
    format!("{path}.{name}")
}

fn as_table(value: &Val) -> Option<toml_edit::Table> {
    let Val::Table(entries) = value else { return None };
    Some(
        entries
            .iter()
            .map(|(name, item)| (name.as_str(), Item::Value(self::value(item))))
            .collect(),
    )
}

fn value(value: &Val) -> Value {
    match value {
        Val::Bool(on) => (*on).into(),
        Val::Int(number) => (*number).into(),
        Val::Float(number) => (*number).into(),
        Val::Text(text) => plain_text(text),
        Val::Env(name, _) => raw(&format!("'${{{name}}}'")),
        Val::List(items) => Value::Array(items.iter().map(self::value).collect::<Array>()),
        Val::Table(entries) => {
            let pairs = entries
                .iter()
                .map(|(name, item)| (name.as_str(), self::value(item)));
            Value::InlineTable(pairs.collect::<InlineTable>())
        }
    }
}

/// The agent pastes variables into the raw text before it reads TOML: a `${` of the user's must not look like one,
/// and TOML gives `\u0024` back as `$`.
fn plain_text(text: &str) -> Value {
    if !text.contains("${") {
        return text.into();
    }
    let basic = TomlStringBuilder::new(text).as_basic().to_toml_value();
    raw(&basic.replace("${", "\\u0024{"))
}

/// A value that keeps the way it is written.
fn raw(text: &str) -> Value {
    let mut value: Value = text
        .parse()
        .expect("a quoted string without the quote inside is a TOML value");
    value.decor_mut().clear();
    value
}
