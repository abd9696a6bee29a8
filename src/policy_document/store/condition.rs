//! The condition `Accepted` of a policy: whether its newest form is in force, and if not, why.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::{
    finding::{Finding, Severity},
    text::one_line,
};

/// The type of the condition.
const TYPE: &str = "Accepted";

/// Findings that a message tells.
const MOST_TOLD: usize = 5;

/// Longest sentence of one finding, in characters.
const MOST_CHARACTERS: usize = 500;

/// What is said of a policy that gives way to a file.
pub(super) const IN_FILE: &str = "a file of --policy has a policy of the same kind, namespace and name, and that one is in force; \
                                  rename or remove one of the two";

/// Why a policy is in force, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionReason {
    /// It is in force.
    Accepted,
    /// It has errors.
    Invalid,
    /// A file has a policy of the same kind, namespace and name.
    InFile,
}

impl ConditionReason {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Accepted, Self::Invalid, Self::InFile];

    /// As `reason` of the condition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Invalid => "Invalid",
            Self::InFile => "InFile",
        }
    }

    /// As `status` of the condition.
    fn status(self) -> &'static str {
        match self {
            Self::Accepted => "True",
            Self::Invalid | Self::InFile => "False",
        }
    }
}

/// What is said of a policy. It follows from the policy and the files alone, so that all replicas say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Why.
    pub reason: ConditionReason,
    /// In sentences.
    pub message: String,
    /// Of which form.
    pub observed_generation: Option<i64>,
}

impl Condition {
    /// Whether it stands among these already.
    pub(super) fn is_among(&self, conditions: &[Value]) -> bool {
        ours(conditions).is_some_and(|seen| {
            seen["status"] == self.reason.status()
                && seen["reason"] == self.reason.as_str()
                && seen["message"] == *self.message
                && seen["observedGeneration"].as_i64() == self.observed_generation
        })
    }

    /// The conditions of the object with this one: those of others stay. The time of the last transition is that of the
    /// last change of `status`.
    pub fn joined(&self, seen: &[Value], now: SystemTime) -> Vec<Value> {
        let since = ours(seen)
            .filter(|former| former["status"] == self.reason.status())
            .and_then(|former| former["lastTransitionTime"].as_str())
            .map_or_else(
                || humantime::format_rfc3339_seconds(now).to_string(),
                str::to_owned,
            );
        let mut ours = json!({
            "type": TYPE,
            "status": self.reason.status(),
            "reason": self.reason.as_str(),
            "message": self.message,
            "lastTransitionTime": since,
        });
        if let Some(generation) = self.observed_generation {
            ours["observedGeneration"] = json!(generation);
        }
        let others = seen.iter().filter(|condition| condition["type"] != TYPE);
        others.cloned().chain([ours]).collect()
    }
}

fn ours(conditions: &[Value]) -> Option<&Value> {
    conditions.iter().find(|condition| condition["type"] == TYPE)
}

/// The message for a form with errors. Keys in it are what somebody wrote.
pub(super) fn refused(findings: &[Finding]) -> String {
    let errors = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    let mut sentences = told(errors);
    sentences
        .push("an earlier form, if one was accepted, stays in force until the injector restarts".to_owned());
    sentences.join("\n")
}

/// The message for a form without errors.
pub(super) fn accepted(findings: &[Finding]) -> String {
    let mut sentences = vec!["in force".to_owned()];
    sentences.extend(told(findings.iter()));
    sentences.join("\n")
}

fn told<'f>(findings: impl Iterator<Item = &'f Finding> + Clone) -> Vec<String> {
    let shown = findings.clone().take(MOST_TOLD);
    let mut sentences: Vec<String> = shown
        .map(|finding| one_line(&finding.to_string(), MOST_CHARACTERS))
        .collect();
    let more = findings.count().saturating_sub(MOST_TOLD);
    if more > 0 {
        sentences.push(format!("and {more} more"));
    }
    sentences
}
