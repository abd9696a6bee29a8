//! Environment variables of the agent's container, merged by name.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    A_LIST, Draft,
    container::containers,
    list::{Current, merge},
};
use crate::engine::{
    content::hash_of,
    kind::PodPart,
    object::{Container, Named},
    record::{Record, hex8},
    report::Note,
    setup::{Need, Setup, Wanted},
};

/// Longest name of a container, in bytes.
const MAX_NAME: usize = 63;

/// Brings `env` of every container to what it should be; only the agent's is given anything.
pub(in crate::engine) fn bring(
    pod: &PodPart<'_, '_>,
    agent: Option<usize>,
    old: Option<&Record>,
    setup: &Setup,
    draft: &mut Draft,
) {
    for (index, container) in containers(pod).filter(|(_, container)| has_a_name(container)) {
        let is_agent = agent == Some(index);
        let wanted = if is_agent { setup.env.as_slice() } else { &[] };
        if container.env.is_wrong() {
            draft.wrong_type(&format!("env of container {}", name_of(container)), A_LIST);
        } else {
            bring_one(pod, (index, container), old, wanted, draft);
        }
        if is_agent {
            warn_of_duplicates(container, draft);
        }
    }
}

/// Whether every recorded variable is still there as it was recorded.
pub(in crate::engine) fn is_there(pod: &PodPart<'_, '_>, record: &Record) -> bool {
    if record.env.is_empty() {
        return true;
    }
    let mut there = BTreeSet::new();
    let mut key = String::new();
    for (_, container) in containers(pod).filter(|(_, container)| has_a_name(container)) {
        for entry in container.env.present() {
            key.clear();
            key.extend([name_of(container), "/", &entry.name]);
            if let Some((recorded, hash)) = record.env.get_key_value(&key)
                && *hash == hex8(entry.hash)
            {
                there.insert(recorded);
            }
        }
    }
    there.len() == record.env.len()
}

fn bring_one(
    pod: &PodPart<'_, '_>,
    (index, container): (usize, &Container<'_>),
    old: Option<&Record>,
    wanted: &[Wanted<String>],
    draft: &mut Draft,
) {
    let name = name_of(container);
    let recorded_as = |variable: &str| format!("{name}/{variable}");
    let recorded = old.map(|old| &old.env).filter(|env| !env.is_empty());
    let is_ours = |entry: &Named<'_>| {
        recorded
            .and_then(|env| env.get(&recorded_as(&entry.name)))
            .is_some_and(|hash| *hash == hex8(entry.hash))
    };
    let shown = |variable: &String| format!("env {variable} of container {name}");
    let current = Current {
        place: pod
            .place
            .member("spec")
            .member("containers")
            .element(index)
            .member("env"),
        list: &container.env,
        hash: |entry: &Named<'_>| entry.hash,
        is_ours: &is_ours,
        is_same: |entry, variable: &String| entry.name == *variable,
        shown: &shown,
        key: |entry| entry.name.clone().into_owned(),
    };
    let merged = merge(&current, wanted, draft);
    for want in merged.ours {
        draft.record.env.insert(recorded_as(&want.key), hex8(want.hash));
    }
    // The API server fills in `apiVersion`, so without it a field is the same field.
    let is_same_field = |want: &Wanted<String>, users: &Named<'_>| {
        let mut entry = want.entry.clone();
        let field = entry
            .pointer_mut("/valueFrom/fieldRef")
            .and_then(Value::as_object_mut);
        field.is_some_and(|field| field.remove("apiVersion").is_some()) && hash_of(&entry) == users.hash
    };
    for (want, _) in merged.given_way.iter().filter(|(want, users)| {
        want.need == Need::Needed && users.hash != want.hash && !is_same_field(want, users)
    }) {
        draft.warn(
            Note::UserWins,
            shown(&want.key),
            format!(
                "the object sets {} itself, so it does not get {}",
                want.key, want.shown
            ),
            "take the variable out of the object to have it injected",
        );
    }
}

fn warn_of_duplicates(container: &Container<'_>, draft: &mut Draft) {
    let mut names: Vec<&str> = container.env.present().map(|entry| entry.name.as_ref()).collect();
    names.sort_unstable();
    let mut twice: Vec<&str> = names
        .windows(2)
        .filter(|pair| pair[0] == pair[1])
        .map(|pair| pair[0])
        .collect();
    twice.dedup();
    for name in twice {
        draft.warn(
            Note::DuplicateEnv,
            format!("env {name} of container {}", name_of(container)),
            format!("the container has {name} more than once, and the last one counts"),
            "keep one of them",
        );
    }
}

/// Whether the container's name is none that the API server refuses for its length (a DNS label, RFC 1123): such a pod
/// is not worth the work on it.
fn has_a_name(container: &Container<'_>) -> bool {
    name_of(container).len() <= MAX_NAME
}

fn name_of<'v>(container: &'v Container<'_>) -> &'v str {
    container.name.text().unwrap_or_default()
}
