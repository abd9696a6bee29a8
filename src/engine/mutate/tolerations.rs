//! Tolerations of the pod. Two that agree on key, operator, value and effect are the same.

use std::collections::BTreeSet;

use super::{
    A_LIST, Draft,
    list::{Current, merge},
};
use crate::engine::{
    kind::PodPart,
    object::Toleration,
    record::{Record, hex8},
    setup::Setup,
};

/// Brings `tolerations` to what they should be.
pub(in crate::engine) fn bring(
    pod: &PodPart<'_, '_>,
    old: Option<&Record>,
    setup: &Setup,
    draft: &mut Draft,
) {
    let Some(spec) = pod.spec.get() else { return };
    if spec.tolerations.is_wrong() {
        return draft.wrong_type("tolerations", A_LIST);
    }
    let current = Current {
        place: pod.place.member("spec").member("tolerations"),
        list: &spec.tolerations,
        hash: |entry: &Toleration<'_>| entry.hash,
        is_ours: &|entry| old.is_some_and(|old| old.tol.contains(&hex8(entry.hash))),
        is_same: |entry, key: &[String; 4]| entry.identity == *key,
        shown: &|key| format!("toleration {}", in_words(key)),
        key: |entry| entry.identity.clone().map(std::borrow::Cow::into_owned),
    };
    let merged = merge(&current, &setup.tolerations, draft);
    draft.record.tol = merged.ours.iter().map(|want| hex8(want.hash)).collect();
}

/// Whether every recorded toleration is still there.
pub(in crate::engine) fn is_there(pod: &PodPart<'_, '_>, record: &Record) -> bool {
    let list = pod.spec.get().map(|spec| &spec.tolerations);
    let there: BTreeSet<String> = match list {
        Some(list) if !record.tol.is_empty() => list.present().map(|entry| hex8(entry.hash)).collect(),
        _ => BTreeSet::new(),
    };
    record.tol.iter().all(|hash| there.contains(hash))
}

/// A toleration's key as `kubectl describe` has it: `key=value:effect op=operator`.
fn in_words([key, operator, value, effect]: &[String; 4]) -> String {
    let mut words = if key.is_empty() {
        "any taint".to_owned()
    } else {
        key.clone()
    };
    if !value.is_empty() {
        words.push('=');
        words.push_str(value);
    }
    if !effect.is_empty() {
        words.push(':');
        words.push_str(effect);
    }
    if operator != "Equal" {
        words.push_str(" op=");
        words.push_str(operator);
    }
    words
}
