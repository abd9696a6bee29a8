//! `imagePullSecrets` of the pod, merged by name.

use super::{
    A_LIST, Draft,
    list::{Current, merge},
};
use crate::engine::{kind::PodPart, object::Named, record::Record, setup::Setup};

/// Brings `imagePullSecrets` to what they should be.
pub(in crate::engine) fn bring(
    pod: &PodPart<'_, '_>,
    old: Option<&Record>,
    setup: &Setup,
    draft: &mut Draft,
) {
    let Some(spec) = pod.spec.get() else { return };
    if spec.image_pull_secrets.is_wrong() {
        return draft.wrong_type("imagePullSecrets", A_LIST);
    }
    let current = Current {
        place: pod.place.member("spec").member("imagePullSecrets"),
        list: &spec.image_pull_secrets,
        hash: |entry: &Named<'_>| entry.hash,
        is_ours: &|entry| old.is_some_and(|old| old.pull.iter().any(|name| *name == entry.name)),
        is_same: |entry, name: &String| entry.name == *name,
        shown: &|name| format!("imagePullSecret {name}"),
        key: |entry| entry.name.clone().into_owned(),
    };
    let merged = merge(&current, &setup.pull_secrets, draft);
    draft.record.pull = merged.ours.iter().map(|want| want.key.clone()).collect();
}

/// Whether every recorded pull secret is still there.
pub(in crate::engine) fn is_there(pod: &PodPart<'_, '_>, record: &Record) -> bool {
    let list = pod.spec.get().map(|spec| &spec.image_pull_secrets);
    let is_there = |name: &String| list.is_some_and(|list| list.present().any(|entry| entry.name == *name));
    record.pull.iter().all(is_there)
}
