//! How planning ends: patch and report of an object that was planned, left alone, or stopped by errors.

use json_patch::Patch;

use super::{
    mutate::Draft,
    object::ObjectView,
    record::Record,
    report::{Outcome, Reason, Report},
};
use crate::{finding::Finding, names::Component};

/// Patch and report for one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What to change (RFC 6902); it applies to the object that was planned.
    pub patch: Patch,
    /// What was decided, and why.
    pub report: Report,
}

impl Plan {
    /// The same, with the policy that has the object refused.
    pub(super) fn denied_by(mut self, policy: Option<String>) -> Self {
        self.report.denied_by = policy;
        self
    }

    /// The same, telling of what the object's record says.
    pub(super) fn with(mut self, record: &Record) -> Self {
        self.report.config.clone_from(&record.config);
        self.report.policies.clone_from(&record.from);
        self
    }
}

pub(super) fn finish(object: &ObjectView<'_>, component: Option<Component>, draft: Draft) -> Plan {
    let Draft {
        patch,
        record,
        rows,
        findings,
    } = draft;
    let patch = patch.finish();
    let outcome = if patch.0.is_empty() {
        Outcome::Unchanged
    } else {
        Outcome::Injected
    };
    Plan {
        patch,
        report: Report {
            config: record.config,
            policies: record.from,
            rows,
            findings,
            ..report(object, component, outcome)
        },
    }
}

/// Errors stand in the way.
pub(super) fn failed(object: &ObjectView<'_>, component: Option<Component>, findings: Vec<Finding>) -> Plan {
    without_patch(object, component, Outcome::Failed, findings)
}

pub(super) fn left_alone(
    object: &ObjectView<'_>,
    component: Option<Component>,
    reason: Reason,
    findings: Vec<Finding>,
) -> Plan {
    without_patch(object, component, Outcome::LeftAlone(reason), findings)
}

fn without_patch(
    object: &ObjectView<'_>,
    component: Option<Component>,
    outcome: Outcome,
    findings: Vec<Finding>,
) -> Plan {
    let report = Report {
        findings,
        ..report(object, component, outcome)
    };
    Plan {
        patch: Patch::default(),
        report,
    }
}

fn report(object: &ObjectView<'_>, component: Option<Component>, outcome: Outcome) -> Report {
    let meta = object.meta();
    Report {
        kind: object.kind.text().unwrap_or_default().to_owned(),
        namespace: meta.namespace.text().map(str::to_owned),
        name: meta
            .name
            .text()
            .or_else(|| meta.generate_name.text())
            .unwrap_or_default()
            .to_owned(),
        component,
        outcome,
        config: None,
        policies: Vec::new(),
        denied_by: None,
        rows: Vec::new(),
        findings: Vec::new(),
    }
}
