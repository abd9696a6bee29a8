//! Whom a decision is about, for those who tell of it beside the answer: the object, or the controller that made it.

use super::review::Question;
use crate::{
    engine::{
        object::ObjectView,
        report::{Outcome, Report},
    },
    text::one_line,
};

/// How many characters of a name are kept. The API server checks names, but after admission.
const MAX_NAME: usize = 253;

/// An object that somebody can look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid; an object that is being created has none yet.
    pub uid: Option<String>,
    /// Whether it is the object of the request.
    pub whose: Whose,
}

/// Whether the object of a request is spoken of, or what made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The object of the request.
    Own,
    /// The controller of that object, which is a pod.
    Controller,
}

impl About {
    /// Whom this is about, where there is something to tell: an object that opted in has errors, or was injected with
    /// warnings, and the request is more than a dry run.
    pub(super) fn of(question: &Question<'_>, report: &Report) -> Option<Self> {
        let with_warnings = report.outcome == Outcome::Injected && !report.findings.is_empty();
        let is_told = report.outcome == Outcome::Failed || report.has_errors() || with_warnings;
        if question.dry_run || !is_told {
            return None;
        }
        let object = question.object.as_ref()?;
        let namespace = short(question.namespace.as_deref()?);
        controller(object, &namespace).or_else(|| own(question, object, namespace))
    }
}

fn own(question: &Question<'_>, object: &ObjectView<'_>, namespace: String) -> Option<About> {
    let meta = object.meta();
    let name = question.name.as_deref().filter(|name| !name.is_empty());
    // The API server may still have to make a name, and then there is nothing yet to look at.
    let name = short(name.or_else(|| meta.name.text())?);
    (!name.is_empty()).then(|| About {
        api_version: short(object.api_version.text().unwrap_or_default()),
        kind: short(object.kind.text().unwrap_or_default()),
        namespace,
        name,
        uid: meta.uid.text().map(short),
        whose: Whose::Own,
    })
}

/// What made the object, if that is a pod: pods come and go, and their controller stays.
fn controller(object: &ObjectView<'_>, namespace: &str) -> Option<About> {
    if object.kind.text() != Some("Pod") {
        return None;
    }
    let mut owners = object.meta().owner_references.present();
    let owner = owners.find(|owner| owner.controller.get() == Some(&true))?;
    Some(About {
        api_version: short(owner.api_version.text()?),
        kind: short(owner.kind.text()?),
        namespace: namespace.to_owned(),
        name: short(owner.name.text()?),
        uid: Some(short(owner.uid.text()?)),
        whose: Whose::Controller,
    })
}

fn short(text: &str) -> String {
    one_line(text, MAX_NAME)
}
