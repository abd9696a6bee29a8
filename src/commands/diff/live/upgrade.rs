//! What an upgrade of a release to other manifests would change, asked of the API server by dry runs.

use std::{fmt::Write as _, path::PathBuf};

use kube::Client;
use serde_json::{Value, json};

use super::{
    Release, Told,
    outlook::{Fate, Outlook, readable, rolls, summary, yaml},
};
use crate::{
    cluster::upgrade::{Upgrade, Upgraded},
    commands::{exit::Failure, io, post_render::in_file},
    engine::{
        self,
        object::ObjectView,
        setup::{Fresh, Snapshot},
        survey::{Surveyed, survey},
    },
    manifest::emit,
    names::RELEASE_ANNOTATION,
    post_render::{Change, objects},
};

/// What makes an object part of no release: Helm runs it at its time.
const HOOK_ANNOTATION: &str = "helm.sh/hook";

/// With the value `keep`, Helm leaves the object in the cluster.
const RESOURCE_POLICY_ANNOTATION: &str = "helm.sh/resource-policy";

/// The objects of all files, but for hooks; `None` without a file.
pub(super) fn rendered(files: &[PathBuf]) -> Result<Option<Vec<Value>>, Failure> {
    if files.is_empty() {
        return Ok(None);
    }
    let mut rendered = Vec::new();
    for file in files {
        let of_file = objects(&io::read(file)?).map_err(|refused| in_file(&file.display(), &refused))?;
        let objects = of_file.into_iter().map(|(_, object)| object);
        rendered.extend(objects.filter(|object| annotation(object, HOOK_ANNOTATION).is_none()));
    }
    Ok(Some(rendered))
}

/// What becomes of the objects that the cluster holds, and of those that are new.
pub(super) async fn told(
    client: Client,
    release: &Release<'_>,
    held: &[Value],
    mut rendered: Vec<Value>,
    snapshot: &Snapshot,
) -> Result<Told, Failure> {
    // Neither read nor shown: a value of a Secret passes through nobody.
    let all = rendered.len();
    rendered.retain(|object| !is_secret(object));
    let secrets = all - rendered.len();

    let mut upgrade = Upgrade::of(client, release.name, release.namespace);
    let mut becoming = Vec::new();
    for object in rendered {
        let upgraded = upgrade.object(&object, &without_ours).await?;
        becoming.push(Becoming::of(upgraded));
    }
    let is_rendered = |object: &Value| {
        becoming
            .iter()
            .any(|one| id(one.object(), release) == id(object, release))
    };
    let is_kept = |object: &Value| annotation(object, RESOURCE_POLICY_ANNOTATION) == Some("keep");
    let gone = held.iter().filter(|object| {
        annotation(object, RELEASE_ANNOTATION) == Some(release.name)
            && !is_rendered(object)
            && !is_kept(object)
    });
    let gone: Vec<Becoming> = gone.cloned().map(Becoming::Gone).collect();
    becoming.extend(gone);

    let views = becoming.iter().map(|one| ObjectView::read(one.object()));
    let views: Vec<ObjectView<'_>> = views
        .collect::<Result<_, _>>()
        .map_err(|_| Failure::Refused("an object has a key twice; give each key once".to_owned()))?;
    let surveyed = survey(&views, snapshot, &Fresh);
    let outlooks: Vec<Outlook> = becoming
        .iter()
        .zip(surveyed)
        .map(|(one, surveyed)| one.outlook(surveyed))
        .collect();
    let mut summary = summary(release.name, &outlooks);
    if secrets > 0 {
        // Writing to a `String` cannot fail.
        let _ = writeln!(summary, "Secrets are not compared: {secrets}");
    }
    Ok(Told {
        summary,
        outlooks,
        done: "upgraded",
    })
}

/// What becomes of an object.
enum Becoming {
    /// It is there then.
    There { before: Option<Value>, after: Value },
    /// The manifests no longer have it.
    Gone(Value),
    /// The upgrade would fail at it.
    Refused { object: Value, why: String },
}

impl Becoming {
    fn of(Upgraded { sent, before, after }: Upgraded) -> Self {
        match after {
            Ok(after) => Self::There { before, after },
            Err(why) => Self::Refused { object: sent, why },
        }
    }

    /// What is judged: the object as it would be, or else as it is.
    fn object(&self) -> &Value {
        match self {
            Self::There { after: object, .. } | Self::Gone(object) | Self::Refused { object, .. } => object,
        }
    }

    fn outlook(&self, surveyed: Surveyed) -> Outlook {
        let nothing_rolls = (None, None);
        let (fate, (rolls, of_pods)) = match self {
            Self::Gone(_) => (Fate::Deleted, nothing_rolls),
            Self::Refused { why, .. } => (Fate::Refused(why.clone()), nothing_rolls),
            Self::There { before: None, after } => (Fate::Created(created(after)), nothing_rolls),
            Self::There {
                before: Some(before),
                after,
            } => match changed(before, after) {
                Some(change) => (Fate::Changed(change), rolls(before, after)),
                None => (Fate::Unchanged, nothing_rolls),
            },
        };
        let standing = surveyed.standing;
        let is_wrong = matches!(self, Self::There { .. }) && !standing.is_right();
        let of_standing =
            is_wrong.then(|| format!("it would be {}: {}", standing.code(), standing.sentence()));
        Outlook {
            surveyed,
            fate,
            rolls,
            notes: of_pods
                .map(str::to_owned)
                .into_iter()
                .chain(of_standing)
                .collect(),
        }
    }
}

fn created(after: &Value) -> Change {
    Change {
        patch: json_patch::Patch::default(),
        before: String::new(),
        after: yaml(after),
    }
}

/// How the object changes, if it does.
fn changed(before: &Value, after: &Value) -> Option<Change> {
    let [before, after] = [before, after].map(readable);
    let patch = json_patch::diff(&before, &after);
    (!patch.0.is_empty()).then(|| Change {
        patch,
        before: emit::to_yaml(&before),
        after: emit::to_yaml(&after),
    })
}

/// The object as its user made it.
fn without_ours(object: &Value) -> Value {
    let mut without = object.clone();
    if let Ok(view) = ObjectView::read(object) {
        // A record that does not fit the object leaves it as it is.
        let _is_taken_out = json_patch::patch(&mut without, &engine::unplan(&view).patch);
    }
    without
}

fn is_secret(object: &Value) -> bool {
    object["apiVersion"] == json!("v1") && object["kind"] == json!("Secret")
}

/// API group, kind, namespace and name.
fn id<'v>(object: &'v Value, release: &Release<'v>) -> (&'v str, Option<&'v str>, &'v str, Option<&'v str>) {
    let metadata = &object["metadata"];
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let namespace = metadata["namespace"].as_str().unwrap_or(release.namespace);
    (
        group,
        object["kind"].as_str(),
        namespace,
        metadata["name"].as_str(),
    )
}

fn annotation<'v>(object: &'v Value, key: &str) -> Option<&'v str> {
    object["metadata"]["annotations"][key].as_str()
}
