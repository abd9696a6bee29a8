//! The configuration in a `ConfigMap`, under the key `config`.

use serde_json::{Value, json};

use super::Draft;
use crate::{
    agent_config,
    engine::{
        content::hash_of_text,
        field::Field,
        object::{ObjectView, Texts},
        patch::Place,
        record::{Record, hex16},
        report::{Fate, Note, Row},
        setup::Setup,
    },
    finding::{Finding, Severity},
    names::{CONFIG_KEY, Component},
    source::{LostAll, Source},
};

/// Longest configuration that is checked, in bytes: the API server takes no longer `ConfigMap`.
const MAX_CHECKED: usize = 1 << 20;

/// Whose configuration a `ConfigMap` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Holder {
    /// It holds none.
    Nobody,
    /// It is ours: recorded, and still what was recorded.
    Ours,
    /// Somebody else wrote it, or changed ours.
    User,
}

/// Whose configuration it is.
pub(in crate::engine) fn holder(object: &ObjectView<'_>, old: Option<&Record>) -> Holder {
    // The API server refuses a key that stands in both.
    if object
        .binary_data
        .get()
        .is_some_and(|data| data.entry(CONFIG_KEY).is_some())
    {
        return Holder::User;
    }
    let Some(entry) = object.data.get().and_then(|data| data.entry(CONFIG_KEY)) else {
        return Holder::Nobody;
    };
    if *entry == Field::Absent {
        return Holder::Nobody;
    }
    let recorded = old.and_then(|old| old.config.as_ref());
    let is_ours = entry
        .text()
        .zip(recorded)
        .is_some_and(|(text, hash)| hex16(hash_of_text(text)) == *hash);
    if is_ours { Holder::Ours } else { Holder::User }
}

/// Brings `data.config` to what it should be.
pub(in crate::engine) fn bring(
    object: &ObjectView<'_>,
    old: Option<&Record>,
    setup: &Setup,
    draft: &mut Draft,
) {
    if object.data.is_wrong() {
        return draft.wrong_type("data", "a map of texts");
    }
    let data_place = Place::root().member("data");
    let place = data_place.member(CONFIG_KEY);
    let holder = holder(object, old);
    match (&setup.config, holder) {
        (_, Holder::User) | (None, Holder::Nobody) => {}
        (Some(config), Holder::Ours | Holder::Nobody) => {
            draft.record.config = Some(config.bytes.clone());
            let is_there =
                holder == Holder::Ours && old.is_some_and(|old| old.config.as_ref() == Some(&config.bytes));
            if !is_there {
                if object.data.get().is_none() {
                    draft.patch.add(data_place, json!({ CONFIG_KEY: config.text }));
                } else {
                    draft.patch.add(place, Value::String(config.text.clone()));
                }
            }
            let fate = if is_there { Fate::Kept } else { Fate::Set };
            draft.rows.push(Row {
                what: "data.config".to_owned(),
                value: format!("TOML, {} lines", config.text.lines().count()),
                source: Source::Derived("from the settings below"),
                fate,
                lost: LostAll::default(),
            });
            for setting in &setup.settings {
                draft.row(
                    format!("data.config {}", setting.path),
                    &setting.value,
                    (&setting.source, &setting.lost),
                    fate,
                );
            }
        }
        (None, Holder::Ours) => {
            draft.removed("data.config".to_owned());
            let is_last = object.data.get().is_some_and(|data: &Texts<'_>| data.total == 1);
            draft.patch.remove(if is_last { data_place } else { place });
        }
    }
}

/// What there is to say about a configuration that is not ours.
pub(in crate::engine) fn check_users(
    object: &ObjectView<'_>,
    component: Component,
    old: Option<&Record>,
    agent_version: Option<&str>,
    draft: &mut Draft,
) {
    let Some(text) = object.data.get().and_then(|data| data.text(CONFIG_KEY)) else {
        if object
            .data
            .get()
            .is_some_and(|data| data.entry(CONFIG_KEY).is_some())
        {
            draft.wrong_type("data.config", "a text");
        }
        return;
    };
    if old.is_some_and(|old| old.config.is_some()) {
        draft.warn(
            Note::EditedConfig,
            format!("data.{CONFIG_KEY}"),
            "the configuration was changed by hand after it was generated, and stays as it is".to_owned(),
            "delete the key `config` to have it generated again",
        );
    }
    if text.len() > MAX_CHECKED {
        return;
    }
    // What the agent would reject is told as a warning: the text is the user's, and nothing here depends on it.
    draft.findings.extend(
        agent_config::check_toml(text, Some(component), agent_version)
            .into_iter()
            .map(|finding| Finding {
                severity: Severity::Warning,
                path: format!("data.{CONFIG_KEY} {}", finding.path)
                    .trim_end()
                    .to_owned(),
                ..finding
            }),
    );
}
