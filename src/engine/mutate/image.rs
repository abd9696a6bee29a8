//! The registry part of the agent's image.
//!
//! It is the one thing on an object that is replaced although somebody wrote it: an image directly under the registry
//! of the Alumet project, which a chart renders where nobody chose another.

use serde_json::Value;

use super::{Draft, container::containers};
use crate::{
    engine::{
        content::hash_of_text,
        kind::PodPart,
        object::Container,
        patch::Place,
        record::{Record, hex8},
        report::Fate,
        setup::Setup,
    },
    names::DEFAULT_REGISTRY,
};

/// Brings the image of every container to what it should be; only the agent's is given another registry.
pub(in crate::engine) fn bring(
    pod: &PodPart<'_, '_>,
    agent: Option<usize>,
    old: Option<&Record>,
    setup: &Setup,
    draft: &mut Draft,
) {
    for (index, container) in containers(pod) {
        let Some(image) = container.image.text() else {
            continue;
        };
        let name = container.name.text().unwrap_or_default();
        let original = original_of(image, name, old);
        let base = original.as_deref().unwrap_or(image);
        let what = || format!("image of container {name}");
        let replaced = setup
            .registry
            .as_ref()
            .filter(|_| agent == Some(index))
            .and_then(|registry| {
                let rest = base.strip_prefix(DEFAULT_REGISTRY)?.strip_prefix('/')?;
                // Taking it out again needs the part behind the registry to be one segment.
                let is_ours_to_replace = !rest.contains('/') && registry.name != DEFAULT_REGISTRY;
                is_ours_to_replace.then(|| (format!("{}/{rest}", registry.name), registry))
            });
        match replaced {
            Some((wanted, registry)) => {
                let fate = if wanted == image { Fate::Kept } else { Fate::Set };
                draft.row(what(), &wanted, (&registry.source, &registry.lost), fate);
                let hash = hex8(hash_of_text(&wanted));
                draft
                    .record
                    .image
                    .insert(name.to_owned(), (DEFAULT_REGISTRY.to_owned(), hash));
                if fate == Fate::Set {
                    draft.patch.replace(place_of(pod, index), Value::String(wanted));
                }
            }
            None if original.is_some() => {
                draft.removed(what());
                draft
                    .patch
                    .replace(place_of(pod, index), Value::String(base.to_owned()));
            }
            None => {}
        }
    }
}

/// Whether every recorded image is still there.
pub(in crate::engine) fn is_there(pod: &PodPart<'_, '_>, record: &Record) -> bool {
    record.image.iter().all(|(name, (_, hash))| {
        containers(pod)
            .any(|(_, container)| container.name.text() == Some(name) && has_image(container, hash))
    })
}

/// The image that was there before ours, where the one that is there is still ours.
fn original_of(image: &str, container: &str, old: Option<&Record>) -> Option<String> {
    let (registry, hash) = old?.image.get(container)?;
    let (_, rest) = image.rsplit_once('/')?;
    (hex8(hash_of_text(image)) == *hash).then(|| format!("{registry}/{rest}"))
}

fn has_image(container: &Container<'_>, hash: &str) -> bool {
    container
        .image
        .text()
        .is_some_and(|image| hex8(hash_of_text(image)) == *hash)
}

fn place_of(pod: &PodPart<'_, '_>, index: usize) -> Place {
    pod.place
        .member("spec")
        .member("containers")
        .element(index)
        .member("image")
}
