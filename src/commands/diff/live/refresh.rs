//! What a refresh of a release would change: its objects, completed anew by the policies of today.

use serde_json::Value;

use super::{
    Release, Told,
    outlook::{Fate, Outlook, rolls, summary, yaml},
};
use crate::{
    commands::exit::Failure,
    engine::{
        setup::{Fresh, Snapshot},
        survey::{Surveyed, survey, views},
    },
    post_render::Change,
};

/// Of these objects, which the cluster holds.
pub(super) fn told(release: &Release<'_>, held: &[Value], snapshot: &Snapshot) -> Result<Told, Failure> {
    let (objects, views) = views(held);
    let surveyed = survey(&views, snapshot, &Fresh);
    let outlooks: Vec<Outlook> = objects
        .into_iter()
        .zip(surveyed)
        .map(|(object, surveyed)| outlook(object, surveyed))
        .collect::<Result<_, Failure>>()?;
    let summary = summary(release.name, &outlooks);
    Ok(Told {
        outlooks,
        done: "completed",
        summary,
    })
}

fn outlook(object: &Value, surveyed: Surveyed) -> Result<Outlook, Failure> {
    let patch = surveyed.plan.patch.clone();
    if patch.0.is_empty() || surveyed.standing.is_right() {
        return Ok(Outlook {
            surveyed,
            fate: Fate::Unchanged,
            rolls: None,
            notes: Vec::new(),
        });
    }
    let mut completed = object.clone();
    json_patch::patch(&mut completed, &patch).map_err(|error| {
        let object = surveyed.plan.report.object();
        Failure::Refused(format!("{object}: the patch for it does not apply: {error}"))
    })?;
    let (rolls, note) = rolls(object, &completed);
    Ok(Outlook {
        surveyed,
        fate: Fate::Changed(Change {
            patch,
            before: yaml(object),
            after: yaml(&completed),
        }),
        rolls,
        notes: note.map(str::to_owned).into_iter().collect(),
    })
}
