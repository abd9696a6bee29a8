//! The mutations: each brings one part of an object from what it is to what it should be.
//!
//! A mutation sees three things: the object, the record of what was ours on it, and the setup. It works out the
//! object as it would be without us and with the setup put in, and writes the operations for the difference. With an
//! empty setup that is to take everything of ours out again, so that injecting and taking out are one piece of code.

pub(super) mod annotations;
pub(super) mod config;
pub(super) mod container;
pub(super) mod env;
pub(super) mod fields;
pub(super) mod image;
mod list;
pub(super) mod pull_secrets;
pub(super) mod tolerations;

use super::{
    patch::PatchBuilder,
    record::Record,
    report::{Fate, Note, Row},
};
use crate::{
    finding::{Finding, Severity},
    source::{LostAll, Source},
};

/// What a list is that can be worked on.
const A_LIST: &str = "a list of at most 4096 elements";

/// Findings beyond this number help nobody, and a hostile object could have thousands.
const MOST_FINDINGS: usize = 100;

/// What the mutations of one object have come to so far.
#[derive(Debug)]
pub(super) struct Draft {
    /// The operations.
    pub(super) patch: PatchBuilder,
    /// The record that the object is to carry.
    pub(super) record: Record,
    /// The report's rows.
    pub(super) rows: Vec<Row>,
    /// The report's findings.
    pub(super) findings: Vec<Finding>,
}

impl Draft {
    pub(super) fn new(record: Record) -> Self {
        Self {
            patch: PatchBuilder::default(),
            record,
            rows: Vec::new(),
            findings: Vec::new(),
        }
    }

    fn row(&mut self, what: String, value: &str, (source, lost): (&Source, &LostAll), fate: Fate) {
        // Whose value stands there is who is named.
        let source = if fate == Fate::UserWins {
            &Source::Object
        } else {
            source
        };
        self.rows.push(Row {
            what,
            value: value.to_owned(),
            source: source.clone(),
            fate,
            lost: lost.clone(),
        });
    }

    /// What was ours, and is wanted no longer.
    fn removed(&mut self, what: String) {
        self.rows.push(Row {
            what,
            value: String::new(),
            source: Source::Derived("recorded, and no longer wanted"),
            fate: Fate::Removed,
            lost: LostAll::default(),
        });
    }

    pub(super) fn warn(&mut self, note: Note, path: String, message: String, mend: &str) {
        // Whoever follows the mend gets what is missing now.
        self.record.incomplete |= matches!(note, Note::UserWins | Note::WrongType | Note::NoAgentContainer);
        if self.findings.len() < MOST_FINDINGS {
            self.findings
                .push(note.finding(Severity::Warning, path, message, mend.to_owned()));
        }
    }

    /// A field whose type is not what Kubernetes has for it: told, and left as it is.
    pub(super) fn wrong_type(&mut self, path: &str, expected: &str) {
        self.warn(
            Note::WrongType,
            path.to_owned(),
            format!("{path} is not {expected}, so nothing is injected there"),
            "write it as the Kubernetes API has it",
        );
    }
}
