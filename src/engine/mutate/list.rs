//! Lists that are ours in part: the user's elements stay in their order, ours stand behind them.

use serde_json::Value;

use super::Draft;
use crate::engine::{
    field::{Field, List},
    patch::{PatchBuilder, Place},
    report::Fate,
    setup::Wanted,
};

/// One element as it is.
#[derive(Debug, Clone, Copy)]
struct Item {
    /// Whether it is ours: recorded, and still what was recorded.
    is_ours: bool,
    /// Hash of its content.
    hash: u64,
}

/// A list of the object as it is, and how its elements are told apart.
pub(super) struct Current<'c, T, K> {
    /// Where it stands.
    pub(super) place: Place,
    /// The list.
    pub(super) list: &'c Field<List<T>>,
    /// Hash of an element's content.
    pub(super) hash: fn(&T) -> u64,
    /// Whether an element is ours: recorded, and still what was recorded.
    pub(super) is_ours: &'c dyn Fn(&T) -> bool,
    /// Whether an element has the key of a wanted one.
    pub(super) is_same: fn(&T, &K) -> bool,
    /// An element in words, for the report.
    pub(super) shown: &'c dyn Fn(&K) -> String,
    /// What makes an element the same as another.
    pub(super) key: fn(&T) -> K,
}

/// What became of the wanted elements.
pub(super) struct Merged<'w, T, K> {
    /// Those that the list has now.
    pub(super) ours: Vec<&'w Wanted<K>>,
    /// Those that gave way to an element of the user's.
    pub(super) given_way: Vec<(&'w Wanted<K>, T)>,
}

/// Brings a list from what it is to the user's elements followed by the wanted ones, except those that the user has.
pub(super) fn merge<'w, 'c, T, K>(
    current: &Current<'c, T, K>,
    wanted: &'w [Wanted<K>],
    draft: &mut Draft,
) -> Merged<'w, &'c T, K> {
    let Current {
        place,
        list,
        hash,
        is_ours,
        is_same,
        shown,
        key,
    } = current;
    let elements = list.elements();
    // An element that is no object is the user's, and equal to nothing.
    let items: Vec<Item> = elements
        .iter()
        .map(|element| match element.get() {
            Some(element) => Item {
                is_ours: is_ours(element),
                hash: hash(element),
            },
            None => Item {
                is_ours: false,
                hash: 0,
            },
        })
        .collect();
    let present = || {
        elements
            .iter()
            .zip(&items)
            .filter_map(|(element, item)| Some((element.get()?, item)))
    };

    let mut merged = Merged {
        ours: Vec::new(),
        given_way: Vec::new(),
    };
    for want in wanted {
        let users = present().find(|(element, item)| !item.is_ours && is_same(element, &want.key));
        let fate = match users {
            Some(_) => Fate::UserWins,
            None if present().any(|(_, item)| item.is_ours && item.hash == want.hash) => Fate::Kept,
            None => Fate::Set,
        };
        draft.row(shown(&want.key), &want.shown, (&want.source, &want.lost), fate);
        match users {
            Some((element, _)) => merged.given_way.push((want, element)),
            None => merged.ours.push(want),
        }
    }
    for (element, _) in present().filter(|(_, item)| item.is_ours) {
        if !wanted.iter().any(|want| is_same(element, &want.key)) {
            draft.removed(shown(&key(element)));
        }
    }
    let puts: Vec<(u64, &Value)> = merged.ours.iter().map(|want| (want.hash, &want.entry)).collect();
    bring(
        &mut draft.patch,
        place,
        list.get().map(|_| items.as_slice()),
        &puts,
    );
    merged
}

/// Writes the operations that bring a list from `current` to the user's elements followed by `wanted`.
///
/// `current` is `None` where the object has no such list. A list that is ours alone goes away with its last element.
fn bring(patch: &mut PatchBuilder, place: &Place, current: Option<&[Item]>, wanted: &[(u64, &Value)]) {
    let Some(current) = current else {
        if !wanted.is_empty() {
            let all = wanted.iter().map(|(_, entry)| (*entry).clone()).collect();
            patch.add(place.clone(), Value::Array(all));
        }
        return;
    };
    // Behind the last element of the user's, ours may stand already as they should.
    let users = current
        .iter()
        .rposition(|item| !item.is_ours)
        .map_or(0, |last| last + 1);
    let kept = current[users..]
        .iter()
        .zip(wanted)
        .take_while(|(item, (hash, _))| item.hash == *hash)
        .count();
    let goes = |index: usize| current[index].is_ours && !(users..users + kept).contains(&index);
    let going = (0..current.len()).filter(|index| goes(*index)).count();
    if going > 0 && going == current.len() && wanted.is_empty() {
        patch.remove(place.clone());
        return;
    }
    for index in (0..current.len()).rev().filter(|index| goes(*index)) {
        patch.remove(place.element(index));
    }
    for (_, entry) in &wanted[kept..] {
        patch.append(place, (*entry).clone());
    }
}
