//! The post-renderer: a whole manifest stream in, the same stream with our objects completed out.
//!
//! Nothing comes out unless all of it can. What does not carry the mark is handed back as a slice of the input.

mod objects;
mod preview;

use std::borrow::Cow;

use json_patch::{Patch, PatchErrorKind};
use serde_json::Value;

pub use objects::objects;
pub use preview::{Change, Preview, preview};

use crate::{
    agent_config::codes::CODES,
    engine::{Plan, object::ObjectView, report::Report},
    finding::{Finding, Severity},
    manifest::{
        document::Document,
        emit,
        error::LoadError,
        list::{self, Item},
        load::{self, Loaded},
        stream::{self, Piece},
    },
    names::Component,
};

/// Where a document stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file that holds the stream, where there are several.
    pub file: Option<String>,
    /// Number of the document, from 1, empty documents not counted.
    pub number: usize,
    /// The template that it came from, where Helm says so.
    pub source: Option<String>,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}: ")?;
        }
        match &self.source {
            Some(source) => write!(f, "document {} ({})", self.number, source),
            None => write!(f, "document {}", self.number),
        }
    }
}

/// The report on one object, and where the object stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Its document.
    pub origin: Origin,
    /// What was decided about it.
    pub report: Report,
}

/// A stream that went through.
#[derive(Debug)]
pub struct Rendered<'a> {
    /// The parts of the result, in order: slices of the input, and documents that were written anew.
    pub parts: Vec<Cow<'a, [u8]>>,
    /// A report for each object of each marked document.
    pub planned: Vec<Planned>,
}

/// Why a stream does not go through.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A marked document cannot be read.
    #[error("{origin}: {problem}")]
    Unreadable {
        /// The document.
        origin: Origin,
        /// What is wrong with it.
        problem: LoadError,
    },
    /// A marked object is no object.
    #[error("{origin}: an item of the list is {found}, and no object; take it out or write an object")]
    NotAnObject {
        /// The document.
        origin: Origin,
        /// What stands there.
        found: &'static str,
    },
    /// Objects have errors.
    #[error("{}", sentences(.0, &[Severity::Error, Severity::Warning]).join("\n"))]
    Errors(Vec<Planned>),
    /// A patch does not apply to the object that it was made for. The property tests hold that this cannot happen.
    #[error("{origin}: the patch for {object} does not apply")]
    Patch {
        /// The document.
        origin: Origin,
        /// The object.
        object: String,
        /// Why it does not apply.
        source: Box<PatchErrorKind>,
    },
}

/// Which findings stop a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// None does.
    Nothing,
    /// Errors do.
    Errors,
    /// Warnings do too.
    Warnings,
}

/// Plans every marked object of the stream with `planner` and applies the plans.
///
/// # Errors
/// When a marked document cannot be read, or an object has findings that stop the stream.
pub fn run<'a>(
    stream: &'a [u8],
    strictness: Strictness,
    planner: &dyn Fn(&ObjectView<'_>) -> Plan,
) -> Result<Rendered<'a>, Refused> {
    let mut rendered = Rendered {
        parts: Vec::new(),
        planned: Vec::new(),
    };
    for piece in parts(stream) {
        let part = match piece {
            Part::Foreign(bytes) => Cow::Borrowed(bytes),
            Part::Marked(document, origin) => one(&document, &origin, planner, &mut rendered.planned)?,
        };
        rendered.parts.push(part);
    }
    let stops = |finding: &Finding| stops(finding, strictness);
    if rendered
        .planned
        .iter()
        .any(|planned| planned.report.findings.iter().any(stops))
    {
        for planned in &mut rendered.planned {
            planned.report.findings.retain(stops);
        }
        rendered
            .planned
            .retain(|planned| !planned.report.findings.is_empty());
        return Err(Refused::Errors(rendered.planned));
    }
    Ok(rendered)
}

/// A part of a stream.
enum Part<'a> {
    /// Documents without the mark.
    Foreign(&'a [u8]),
    /// A document with the mark, and where it stands.
    Marked(Document<'a>, Origin),
}

fn parts(stream: &[u8]) -> impl Iterator<Item = Part<'_>> {
    // Counted on the way: `Document::number` would look at everything before the document each time.
    let mut number = 0;
    stream::pieces(stream).map(move |piece| match piece {
        Piece::Foreign(bytes) => {
            number += stream::count(bytes);
            Part::Foreign(bytes)
        }
        Piece::Marked(document) => {
            number += 1;
            let source = document.source().map(str::to_owned);
            let origin = Origin {
                file: None,
                number,
                source,
            };
            Part::Marked(document, origin)
        }
    })
}

/// The marked document as it leaves: its own bytes, or written anew where an object in it was changed.
fn one<'a>(
    document: &Document<'a>,
    origin: &Origin,
    planner: &dyn Fn(&ObjectView<'_>) -> Plan,
    reports: &mut Vec<Planned>,
) -> Result<Cow<'a, [u8]>, Refused> {
    let Some(mut marked) = Marked::read(document, origin, planner)? else {
        return Ok(Cow::Borrowed(document.bytes()));
    };
    let is_changed = marked.apply()?;
    reports.append(&mut marked.planned);
    Ok(if is_changed {
        Cow::Owned(emit::rewrite(document, &marked.value))
    } else {
        Cow::Borrowed(document.bytes())
    })
}

/// A marked document, read and planned.
struct Marked {
    value: Value,
    /// A report for each of its objects.
    planned: Vec<Planned>,
    /// Where each of these objects stands in the value, and what is to be changed there.
    changes: Vec<(String, Patch)>,
}

impl Marked {
    /// `None` where the document holds nothing but comments: a template that renders nothing leaves them, whatever
    /// they speak of.
    fn read(
        document: &Document<'_>,
        origin: &Origin,
        planner: &dyn Fn(&ObjectView<'_>) -> Plan,
    ) -> Result<Option<Self>, Refused> {
        if document.head().len() == document.body().len() {
            return Ok(None);
        }
        let Loaded { value, findings } = load::read(document).map_err(|problem| Refused::Unreadable {
            origin: origin.clone(),
            problem,
        })?;
        let (mut all, mut changes) = (Vec::new(), Vec::new());
        for Item { pointer, object } in list::objects(&value) {
            let view = ObjectView::read(object).map_err(|_| Refused::NotAnObject {
                origin: origin.clone(),
                found: kind_of(object),
            })?;
            let Plan { patch, report } = planner(&view);
            changes.push((pointer, patch));
            all.push(Planned {
                origin: origin.clone(),
                report,
            });
        }
        // What is to be said of the document is said with the first object of it that is ours.
        if let Some(ours) = all.iter_mut().find(|one| one.report.component.is_some()) {
            ours.report.findings.extend(findings);
        }
        Ok(Some(Self {
            value,
            planned: all,
            changes,
        }))
    }

    /// Makes the changes, and says whether there were any.
    fn apply(&mut self) -> Result<bool, Refused> {
        let mut is_changed = false;
        for ((pointer, patch), planned) in self.changes.iter().zip(&self.planned) {
            // `list::objects` gave the pointer, and a patch changes nothing but its own object.
            if let Some(object) = self.value.pointer_mut(pointer)
                && !patch.0.is_empty()
            {
                apply(planned, patch, object)?;
                is_changed = true;
            }
        }
        Ok(is_changed)
    }
}

fn apply(planned: &Planned, patch: &Patch, object: &mut Value) -> Result<(), Refused> {
    json_patch::patch(object, patch).map_err(|error| Refused::Patch {
        origin: planned.origin.clone(),
        object: planned.report.object(),
        source: Box::new(error.kind),
    })
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map with a key twice",
    }
}

fn stops(finding: &Finding, strictness: Strictness) -> bool {
    match strictness {
        Strictness::Nothing => false,
        Strictness::Errors => finding.severity == Severity::Error,
        Strictness::Warnings => true,
    }
}

/// One line for each finding, with the document and the object that it belongs to. The objects of one component share
/// their values, and with them what is wrong there: that is said once, with the first of them.
pub fn sentences<'a>(planned: impl IntoIterator<Item = &'a Planned>, severities: &[Severity]) -> Vec<String> {
    let mut of_values: Vec<(Option<Component>, &Finding)> = Vec::new();
    let mut lines = Vec::new();
    for Planned { origin, report } in planned {
        for finding in report
            .findings
            .iter()
            .filter(|finding| severities.contains(&finding.severity))
        {
            let said = (report.component, finding);
            let is_of_values = CODES.iter().any(|(code, _)| *code == finding.code);
            if is_of_values && of_values.contains(&said) {
                continue;
            }
            of_values.push(said);
            lines.push(format!("{origin}: {}: {finding}", report.object()));
        }
    }
    lines
}
