//! Fields that are given where there is nothing, and left where there is something.

use super::{Draft, container::containers};
use crate::engine::{
    content::hash_of,
    field::{Field, Text},
    kind::PodPart,
    object::{Container, Spec, meta_or_empty},
    patch::Place,
    record::{Record, hex8},
    report::Fate,
    setup::{PodField, Setup, Wanted},
};

/// A field of a pod as it is.
struct Current {
    /// Where it stands.
    place: Place,
    /// The name that the record has for it.
    key: String,
    /// The field in words.
    shown: String,
    /// Hash of what is there; 0 for nothing.
    hash: Field<u64>,
}

/// Brings each field to what it should be; of the containers only the agent's is given anything.
pub(in crate::engine) fn bring(
    pod: &PodPart<'_, '_>,
    agent: Option<usize>,
    old: Option<&Record>,
    setup: &Setup,
    draft: &mut Draft,
) {
    if setup.fields.is_empty() && old.is_none_or(|old| old.fields.is_empty()) {
        return;
    }
    let Some(spec) = pod.spec.get() else { return };
    let has_its_node = has_its_node(pod, spec);
    for field in [PodField::NodeSelector, PodField::RuntimeClassName] {
        let want = wanted(setup, field).filter(|_| field != PodField::NodeSelector || !has_its_node);
        bring_one(&of_pod(pod, spec, field), old, want, draft);
    }
    // The API server refuses a container that asks for more than its pod.
    let shared = hash_of_field(&spec.resources, |map| map.0).get() != Some(&0);
    for (index, container) in containers(pod) {
        let current = of_container(pod, (index, container));
        let want = wanted(setup, PodField::Resources).filter(|_| agent == Some(index));
        if let Some(want) = want.filter(|_| shared) {
            draft.row(
                current.shown.clone(),
                &want.shown,
                (&want.source, &want.lost),
                Fate::UserWins,
            );
        }
        bring_one(&current, old, want.filter(|_| !shared), draft);
    }
}

/// Whether the node of the pod is chosen already: by its name, or by the controller of a `DaemonSet`, which makes each pod
/// for one node. A selector that this node does not meet would keep the pod waiting for ever.
fn has_its_node(pod: &PodPart<'_, '_>, spec: &Spec<'_>) -> bool {
    let owners = &meta_or_empty(pod.metadata).owner_references;
    spec.node_name.text().is_some_and(|name| !name.is_empty())
        || owners
            .present()
            .any(|owner| owner.kind.text() == Some("DaemonSet"))
}

/// Whether every recorded field is still there as it was recorded.
pub(in crate::engine) fn is_there(pod: &PodPart<'_, '_>, record: &Record) -> bool {
    if record.fields.is_empty() {
        return true;
    }
    let Some(spec) = pod.spec.get() else { return false };
    let of_pod = [PodField::NodeSelector, PodField::RuntimeClassName].map(|field| of_pod(pod, spec, field));
    let ours = of_pod
        .into_iter()
        .chain(containers(pod).map(|container| of_container(pod, container)))
        .filter(|current| is_ours(current, Some(record)));
    ours.count() == record.fields.len()
}

fn wanted(setup: &Setup, field: PodField) -> Option<&Wanted<PodField>> {
    setup.fields.iter().find(|want| want.key == field)
}

fn of_pod(pod: &PodPart<'_, '_>, spec: &Spec<'_>, field: PodField) -> Current {
    let hash = match field {
        PodField::RuntimeClassName => hash_of_field(&spec.runtime_class_name, |name: &Text<'_>| {
            hash_of(&name.as_ref().into())
        }),
        PodField::NodeSelector | PodField::Resources => hash_of_field(&spec.node_selector, |map| map.0),
    };
    Current {
        place: pod.place.member("spec").member(field.as_str()),
        key: field.as_str().to_owned(),
        shown: field.as_str().to_owned(),
        hash,
    }
}

fn of_container(pod: &PodPart<'_, '_>, (index, container): (usize, &Container<'_>)) -> Current {
    let name = container.name.text().unwrap_or_default();
    let field = PodField::Resources.as_str();
    Current {
        place: pod
            .place
            .member("spec")
            .member("containers")
            .element(index)
            .member(field),
        key: format!("{name}/{field}"),
        shown: format!("{field} of container {name}"),
        hash: hash_of_field(&container.resources, |map| map.0),
    }
}

fn hash_of_field<T>(field: &Field<T>, hash: impl Fn(&T) -> u64) -> Field<u64> {
    match field {
        Field::Absent => Field::Is(0),
        Field::Wrong => Field::Wrong,
        Field::Is(value) => Field::Is(hash(value)),
    }
}

fn is_ours(current: &Current, old: Option<&Record>) -> bool {
    let recorded = old.and_then(|old| old.fields.get(&current.key));
    let there = current.hash.get().filter(|hash| **hash != 0);
    recorded
        .zip(there)
        .is_some_and(|(recorded, hash)| *recorded == hex8(*hash))
}

fn bring_one(current: &Current, old: Option<&Record>, want: Option<&Wanted<PodField>>, draft: &mut Draft) {
    let Current {
        place,
        key,
        shown,
        hash,
    } = current;
    let is_ours = is_ours(current, old);
    let Some(want) = want else {
        if is_ours {
            draft.removed(shown.clone());
            draft.patch.remove(place.clone());
        }
        return;
    };
    let fate = match hash.get() {
        None => return draft.wrong_type(shown, want.key.expected()),
        Some(0) => Fate::Set,
        Some(hash) if is_ours && *hash == want.hash => Fate::Kept,
        Some(_) if is_ours => Fate::Set,
        Some(_) => Fate::UserWins,
    };
    draft.row(shown.clone(), &want.shown, (&want.source, &want.lost), fate);
    if fate == Fate::UserWins {
        return;
    }
    draft.record.fields.insert(key.clone(), hex8(want.hash));
    if fate == Fate::Set {
        draft.patch.add(place.clone(), want.entry.clone());
    }
}
