//! What completing a stream would change, object by object, each as it was and as it would be.

use json_patch::Patch;

use super::{Marked, Part, Planned, Refused, apply, parts};
use crate::{
    engine::{Plan, object::ObjectView},
    manifest::emit,
};

/// What would become of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where the object stands, and what was decided about it.
    pub planned: Planned,
    /// What is to be changed (RFC 6902).
    pub patch: Patch,
    /// The object as YAML, as it is. Both texts are written by us: a difference is one of content, never of quotes.
    pub before: String,
    /// The object as YAML, as it would be.
    pub after: String,
}

/// Plans every marked object of the stream, and gives those that would change.
///
/// Findings stop nothing: an object with errors would not change, and is not among them.
///
/// # Errors
/// When a marked document cannot be read.
pub fn changes(
    stream: &[u8],
    planner: &dyn Fn(&ObjectView<'_>) -> Plan,
) -> Result<(Vec<Change>, Vec<Planned>), Refused> {
    let (mut changes, mut all) = (Vec::new(), Vec::new());
    for part in parts(stream) {
        let Part::Marked(document, origin) = part else {
            continue;
        };
        let Some(mut marked) = Marked::read(&document, &origin, planner)? else {
            continue;
        };
        marked.each_change(|planned, patch, object| {
            let before = emit::to_yaml(object);
            apply(planned, patch, object)?;
            changes.push(Change {
                planned: planned.clone(),
                patch: patch.clone(),
                before,
                after: emit::to_yaml(object),
            });
            Ok(())
        })?;
        all.append(&mut marked.planned);
    }
    Ok((changes, all))
}
