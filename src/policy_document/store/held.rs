//! One policy of the cluster: its last good form, and what is to be said of the newest one.

use std::sync::Arc;

use serde_json::Value;

use super::{Condition, ConditionReason, PolicyObject, condition};
use crate::{
    finding::{Finding, any_error},
    policy::model::Policy,
    policy_document::policy,
};

/// A policy as it is held.
#[derive(Debug)]
pub(super) struct Held {
    /// The newest form that could be read.
    pub(super) good: Option<Arc<Policy>>,
    /// What is wrong with the newest form, or worth a warning.
    findings: Vec<Finding>,
    pub(super) uid: Option<String>,
    generation: Option<i64>,
    /// Of the newest form.
    pub(super) resource_version: Option<String>,
    /// What the cluster says of it by now.
    pub(super) conditions: Vec<Value>,
}

impl Held {
    /// The first form that is seen.
    pub(super) fn new(object: PolicyObject) -> Self {
        let (read, findings) = policy(&object.document);
        Self {
            good: read.map(Arc::new),
            findings,
            uid: object.uid,
            generation: object.generation,
            resource_version: object.resource_version,
            conditions: conditions(&object.document),
        }
    }

    /// Takes the next form. One that cannot be read leaves the last good one, unless that was another object of the same
    /// name. Says whether what is in force changed.
    pub(super) fn replace(&mut self, object: PolicyObject) -> bool {
        let is_another = object.uid != self.uid;
        let former = std::mem::replace(self, Self::new(object));
        if self.good.is_none() && !is_another {
            self.good = former.good;
            return false;
        }
        if self.good == former.good {
            // One copy is enough, and the index has that one.
            self.good = former.good;
            return false;
        }
        true
    }

    /// What is to be said of the newest form.
    pub(super) fn condition(&self, is_in_file: impl FnOnce() -> bool) -> Condition {
        let (reason, message) = if any_error(&self.findings) {
            (ConditionReason::Invalid, condition::refused(&self.findings))
        } else if is_in_file() {
            (ConditionReason::InFile, condition::IN_FILE.to_owned())
        } else {
            (ConditionReason::Accepted, condition::accepted(&self.findings))
        };
        Condition {
            reason,
            message,
            observed_generation: self.generation,
        }
    }
}

fn conditions(document: &Value) -> Vec<Value> {
    let conditions = document.pointer("/status/conditions").and_then(Value::as_array);
    conditions.cloned().unwrap_or_default()
}
