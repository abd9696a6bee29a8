//! What completing a stream would change, object by object, each as it was and as it would be.

use json_patch::Patch;

use super::{Marked, Part, Planned, Refused, apply, parts};
use crate::{
    engine::{Plan, object::ObjectView},
    manifest::emit,
};

/// What would become of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// Where the object stands, and what was decided about it.
    pub planned: Planned,
    /// What would change; `None` for an object that would stay as it is.
    pub change: Option<Change>,
}

/// How an object would change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What is to be changed (RFC 6902).
    pub patch: Patch,
    /// The object as YAML, as it is. Both texts are written by us: a difference is one of content, never of quotes.
    pub before: String,
    /// The object as YAML, as it would be.
    pub after: String,
}

/// Plans every object of each marked document of the stream. Findings stop nothing: an object with errors would not
/// change.
///
/// # Errors
/// When a marked document cannot be read.
pub fn preview(stream: &[u8], planner: &dyn Fn(&ObjectView<'_>) -> Plan) -> Result<Vec<Preview>, Refused> {
    let mut previews = Vec::new();
    for part in parts(stream) {
        let Part::Marked(document, origin) = part else {
            continue;
        };
        let Some(marked) = Marked::read(&document, &origin, planner)? else {
            continue;
        };
        let Marked {
            mut value,
            planned,
            changes,
        } = marked;
        for (planned, (pointer, patch)) in planned.into_iter().zip(changes) {
            let mut change = None;
            if let Some(object) = value.pointer_mut(&pointer)
                && !patch.0.is_empty()
            {
                let before = emit::to_yaml(object);
                apply(&planned, &patch, object)?;
                let after = emit::to_yaml(object);
                change = Some(Change { patch, before, after });
            }
            previews.push(Preview { planned, change });
        }
    }
    Ok(previews)
}
