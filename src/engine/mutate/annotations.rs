//! Annotations: the record, what tells Prometheus to scrape, and the request to plan anew.

use serde_json::{Value, json};

use super::Draft;
use crate::{
    engine::{
        content::hash_of_text,
        field::Field,
        object::{Meta, meta_or_empty},
        patch::Place,
        record::{Record, hex8},
        report::Fate,
        setup::Setup,
    },
    names,
    source::LostAll,
};

/// What is to become of an annotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum Change {
    /// It gets this text.
    Set(String),
    /// It goes.
    Remove,
}

/// Decides about the annotations that the setup wants, and those that were ours.
pub(in crate::engine) fn changes(
    meta: &Meta<'_>,
    old: Option<&Record>,
    setup: &Setup,
    draft: &mut Draft,
) -> Vec<(&'static str, Change)> {
    let mut changes = Vec::new();
    // No policy gives these.
    let nothing = LostAll::default();
    for name in names::POD_ANNOTATIONS {
        let what = || format!("annotation {name}");
        let is_ours = old
            .and_then(|old| old.ann.get(name))
            .is_some_and(|hash| has(meta, name, hash));
        let is_there = meta
            .annotations
            .get()
            .and_then(|annotations| annotations.entry(name))
            .is_some_and(|entry| *entry != Field::Absent);
        match setup.annotations.iter().find(|want| want.name == name) {
            Some(want) if is_there && !is_ours => {
                draft.row(what(), &want.text, (&want.source, &nothing), Fate::UserWins);
            }
            Some(want) => {
                let is_kept = is_ours && meta.annotation(name) == Some(&want.text);
                draft.row(
                    what(),
                    &want.text,
                    (&want.source, &nothing),
                    if is_kept { Fate::Kept } else { Fate::Set },
                );
                draft
                    .record
                    .ann
                    .insert(name.to_owned(), hex8(hash_of_text(&want.text)));
                changes.push((name, Change::Set(want.text.clone())));
            }
            None if is_ours => {
                draft.removed(what());
                changes.push((name, Change::Remove));
            }
            None => {}
        }
    }
    changes
}

/// Whether every recorded annotation is still there as it was recorded.
pub(in crate::engine) fn is_there(meta: &Meta<'_>, record: &Record) -> bool {
    record.ann.iter().all(|(name, hash)| has(meta, name, hash))
}

fn has(meta: &Meta<'_>, name: &str, hash: &str) -> bool {
    meta.annotation(name)
        .is_some_and(|text| hex8(hash_of_text(text)) == *hash)
}

/// Whether the annotations have a type that nothing can be written into.
pub(in crate::engine) fn cannot_be_written(metadata: &Field<Meta<'_>>) -> bool {
    metadata.is_wrong() || meta_or_empty(metadata).annotations.is_wrong()
}

/// Writes the operations for changes of the annotations in the metadata at `place`.
pub(in crate::engine) fn bring(
    place: &Place,
    metadata: &Field<Meta<'_>>,
    changes: &[(&'static str, Change)],
    draft: &mut Draft,
) {
    let meta = meta_or_empty(metadata);
    if cannot_be_written(metadata) {
        return draft.wrong_type("metadata.annotations", "a map of texts");
    }
    let annotations = meta.annotations.get();
    let total = annotations.map_or(0, |annotations| annotations.total);
    let has = |name: &str| annotations.is_some_and(|annotations| annotations.entry(name).is_some());
    let sets: Vec<_> = changes
        .iter()
        .filter_map(|(name, change)| match change {
            Change::Set(text) if meta.annotation(name) != Some(text) => Some((*name, text)),
            _ => None,
        })
        .collect();
    let removes: Vec<_> = changes
        .iter()
        .filter(|(name, change)| *change == Change::Remove && has(name))
        .map(|(name, _)| *name)
        .collect();
    let keeps = changes.iter().any(|(_, change)| matches!(change, Change::Set(_)));

    let metadata_place = place.member("metadata");
    let annotations_place = metadata_place.member("annotations");
    if !removes.is_empty() && removes.len() == total && !keeps {
        return draft.patch.remove(annotations_place);
    }
    if !sets.is_empty() && annotations.is_none() {
        if metadata.get().is_none() {
            draft.patch.add(metadata_place, json!({}));
        }
        draft.patch.add(annotations_place.clone(), json!({}));
    }
    for name in removes {
        draft.patch.remove(annotations_place.member(name));
    }
    for (name, text) in sets {
        draft
            .patch
            .add(annotations_place.member(name), Value::String(text.clone()));
    }
}
