//! What stands for a key that nobody set, and which keys then are still missing.

use super::{
    catalog::{Node, Plugin, Row},
    references::default_value,
    settings::{Leaf, Slot, Table, Val},
    version::{Profile, Version},
};
use crate::{names::Component, source::Source};

/// Adds the defaults of every key that the agent insists on or that has a default of ours.
pub(super) fn fill(table: &mut Table, node: &Node, plugin: &Plugin, component: Component, profile: Profile) {
    for child in node
        .children
        .iter()
        .filter(|child| is_written(&child.row, node, profile))
    {
        let row = &child.row;
        match table.slot_mut(&row.name) {
            Some(Slot::Table(inner)) => fill(inner, child, plugin, component, profile),
            Some(Slot::Leaf(leaf)) => keep_out_default(leaf, child, plugin, component),
            None if child.is_table() => {
                if row.required.is_some() {
                    let mut inner = Table::default();
                    fill(&mut inner, child, plugin, component, profile);
                    table.0.push((row.name.clone(), Slot::Table(inner)));
                }
            }
            None => {
                if let Some(mut value) = row.default_for(component).and_then(default_value) {
                    if let Some(item) = child.item.as_deref() {
                        drop_unknown(&mut value, item, profile);
                    }
                    let source = Source::Default(format!("{}.{}", plugin.name, row.path));
                    table
                        .0
                        .push((row.name.clone(), Slot::Leaf(Leaf::new(value, source))));
                }
            }
        }
    }
    if let Some(any) = node.any.as_deref() {
        for (name, slot) in &mut table.0 {
            if let Slot::Table(inner) = slot
                && !node.children.iter().any(|child| child.row.name == *name)
            {
                fill(inner, any, plugin, component, profile);
            }
        }
    }
}

/// Says of a value that somebody chose what it would be otherwise. Of a list of tables that is too long to be of help.
fn keep_out_default(leaf: &mut Leaf, node: &Node, plugin: &Plugin, component: Component) {
    if !matches!(leaf.source, Source::Values(_) | Source::Policy(_)) || node.item.is_some() {
        return;
    }
    let row = &node.row;
    if let Some(value) = row.default_for(component).and_then(default_value) {
        let source = Source::Default(format!("{}.{}", plugin.name, row.path));
        leaf.wins_over(Leaf::new(value, source));
    }
}

/// A default list of tables is the newest version's, and in the order of a map.
fn drop_unknown(list: &mut Val, item: &Node, profile: Profile) {
    let Val::List(tables) = list else { return };
    for table in tables {
        if let Val::Table(entries) = table {
            entries.sort_by_key(|(name, _)| item.children.iter().position(|child| child.row.name == *name));
            entries.retain(|(name, _)| {
                item.child(name)
                    .is_some_and(|child| is_written(&child.row, item, profile))
            });
        }
    }
}

/// Whether the key belongs into this version's section. For a supposed version also what the next release
/// insists on, where this one does not mind.
pub(super) fn is_written(row: &Row, parent: &Node, profile: Profile) -> bool {
    let next = Profile {
        version: Version::NEXT,
        supposed: false,
    };
    row.is_accepted(profile) || (profile.supposed && row.is_required(next) && !parent.row.deny)
}

/// Paths of the keys on which the agent insists and that nothing gave.
pub(super) fn missing(table: &Table, node: &Node, profile: Profile) -> Vec<String> {
    let mut paths = Vec::new();
    collect(table, node, profile, "", &mut paths);
    paths
}

fn collect(table: &Table, node: &Node, profile: Profile, path: &str, paths: &mut Vec<String>) {
    let join = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    for child in &node.children {
        match table.slot(&child.row.name) {
            None if child.row.is_required(profile) => paths.push(join(&child.row.name)),
            Some(Slot::Table(inner)) => collect(inner, child, profile, &join(&child.row.name), paths),
            _ => {}
        }
    }
    let Some(any) = node.any.as_deref() else { return };
    for (name, slot) in &table.0 {
        if let Slot::Table(inner) = slot
            && !node.children.iter().any(|child| child.row.name == *name)
        {
            collect(inner, any, profile, &join(name), paths);
        }
    }
}
