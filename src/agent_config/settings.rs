//! Settings on their way to TOML: a tree of values, each leaf with its source.

use super::{EnvFrom, catalog::Plugin};
use crate::source::Source;

/// One value, already of the type that its key wants.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Val {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text, which means itself.
    Text(String),
    /// A variable of the pod, and where its value comes from if that is our business.
    Env(String, Option<EnvFrom>),
    /// A list.
    List(Vec<Self>),
    /// A table inside a list.
    Table(Vec<(String, Self)>),
}

impl Val {
    /// A text that means itself.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// What stands at a name: a value or a table of further names.
#[derive(Debug, Clone)]
pub(super) enum Slot {
    /// A value.
    Leaf(Leaf),
    /// A table.
    Table(Table),
}

/// A value and where it came from.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    /// The value.
    pub(super) value: Val,
    /// Where it came from.
    pub(super) source: Source,
    /// What weaker sources say, strongest first.
    pub(super) lost: Vec<Self>,
}

impl Leaf {
    /// A value over which nobody disputes.
    pub(super) fn new(value: Val, source: Source) -> Self {
        Self {
            value,
            source,
            lost: Vec::new(),
        }
    }

    /// Puts what a weaker source says behind everything that lost before; one that says the same lost nothing.
    pub(super) fn wins_over(&mut self, weaker: Self) {
        if weaker.value != self.value {
            self.lost.push(weaker);
        }
    }
}

/// Names and what stands at them, in the agent's spelling.
#[derive(Debug, Clone, Default)]
pub(super) struct Table(pub(super) Vec<(String, Slot)>);

impl Table {
    /// What stands at a name.
    pub(super) fn slot(&self, name: &str) -> Option<&Slot> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, slot)| slot)
    }

    /// What stands at a name, to be changed.
    pub(super) fn slot_mut(&mut self, name: &str) -> Option<&mut Slot> {
        self.0
            .iter_mut()
            .find(|(known, _)| known == name)
            .map(|(_, slot)| slot)
    }

    /// The table at a path, made where it is missing; none where a value stands in the way.
    pub(super) fn table_mut(&mut self, path: &str) -> Option<&mut Self> {
        let mut table = self;
        for name in path.split('.').filter(|name| !name.is_empty()) {
            if table.slot(name).is_none() {
                table.0.push((name.to_owned(), Slot::Table(Self::default())));
            }
            let Some(Slot::Table(inner)) = table.slot_mut(name) else {
                return None;
            };
            table = inner;
        }
        Some(table)
    }

    /// The leaf at a path of names.
    pub(super) fn leaf(&self, path: &str) -> Option<&Leaf> {
        let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
        let mut table = self;
        for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
            let Some(Slot::Table(inner)) = table.slot(parent) else {
                return None;
            };
            table = inner;
        }
        match table.slot(name) {
            Some(Slot::Leaf(leaf)) => Some(leaf),
            _ => None,
        }
    }

    /// The value at a path of names.
    pub(super) fn value(&self, path: &str) -> Option<&Val> {
        self.leaf(path).map(|leaf| &leaf.value)
    }

    /// Takes out what stands at a name.
    pub(super) fn take(&mut self, name: &str) -> Option<Slot> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(index).1)
    }

    /// Takes out the value at a name.
    pub(super) fn take_leaf(&mut self, name: &str) -> Option<Leaf> {
        match self.take(name) {
            Some(Slot::Leaf(leaf)) => Some(leaf),
            _ => None,
        }
    }

    /// Puts a value at a path, over whatever stands there.
    pub(super) fn put(&mut self, path: &str, value: Val, source: Source) {
        let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
        let Some(table) = self.table_mut(parents) else {
            return;
        };
        let slot = Slot::Leaf(Leaf::new(value, source));
        match table.slot_mut(name) {
            Some(old) => *old = slot,
            None => table.0.push((name.to_owned(), slot)),
        }
    }

    /// Puts a derived value at a path, unless a person or a policy said something else.
    pub(super) fn derive(&mut self, path: &str, value: Val, rule: &'static str) {
        let chosen = self
            .leaf(path)
            .is_some_and(|leaf| !matches!(leaf.source, Source::Default(_)));
        if !chosen {
            self.put(path, value, Source::Derived(rule));
        }
    }

    /// Adds what the weaker table has and this one has not.
    pub(super) fn merge_under(&mut self, weaker: Self) {
        for (name, slot) in weaker.0 {
            match (self.slot_mut(&name), slot) {
                (None, slot) => self.0.push((name, slot)),
                (Some(Slot::Table(mine)), Slot::Table(theirs)) => mine.merge_under(theirs),
                (Some(Slot::Leaf(mine)), Slot::Leaf(theirs)) => mine.wins_over(theirs),
                (Some(_), _) => {}
            }
        }
    }
}

/// The settings of one plugin.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// Which plugin.
    pub(super) plugin: &'static Plugin,
    /// Whether it is on, if anybody said, and who.
    pub(super) on: Option<(bool, Source)>,
    /// Its keys.
    pub(super) table: Table,
    /// The spelling of the plugin that the values use, for messages.
    pub(super) spelling: Option<String>,
}

impl Section {
    /// No settings at all.
    pub(super) fn new(plugin: &'static Plugin) -> Self {
        Self {
            plugin,
            on: None,
            table: Table::default(),
            spelling: None,
        }
    }

    /// Whether the plugin is on.
    pub(super) fn is_on(&self) -> bool {
        self.on.as_ref().is_some_and(|(on, _)| *on)
    }

    /// Path of a key in the values, in the user's own spelling of the plugin.
    pub(super) fn place(&self, key: &str) -> String {
        format!(
            "plugins.{}.{key}",
            self.spelling.as_deref().unwrap_or(&self.plugin.name)
        )
    }

    /// The text at a path.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        match self.table.value(path) {
            Some(Val::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether the value at a path is `true`.
    pub(super) fn is_true(&self, path: &str) -> bool {
        self.table.value(path) == Some(&Val::Bool(true))
    }

    /// Adds what the weaker section has and this one has not.
    pub(super) fn merge_under(&mut self, weaker: Self) {
        self.on = self.on.take().or(weaker.on);
        self.spelling = self.spelling.take().or(weaker.spelling);
        self.table.merge_under(weaker.table);
    }
}
