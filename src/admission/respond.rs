//! From the bytes of a review to the bytes of its answer.

use super::{
    about::About,
    answer::{Refusal, Response},
    audit::Audit,
    failure::verdict,
    outcome::{Outcome, Skip},
    review::{self, BadReview, Operation, Question},
    warnings::warnings,
};
use crate::{
    engine::{
        self, Plan,
        facts::{self, Facts, Known},
        report::Report,
        setup::{Setups, Snapshot},
    },
    finding::Finding,
    names::Component,
    text::one_line,
};

/// How many characters of a name the decision holds at most. Names are checked by the API server, but after admission.
const MAX_NAME: usize = 253;

/// The answer to one review.
#[derive(Debug)]
pub struct Answer {
    /// The `AdmissionReview` to send, as JSON.
    pub body: Vec<u8>,
    /// What was decided, for logs and metrics.
    pub decision: Decision,
}

/// What was decided about one request. It holds nothing of the object's body.
#[derive(Debug)]
pub struct Decision {
    /// `uid` of the request.
    pub uid: String,
    /// What is being done with the object.
    pub operation: Operation,
    /// Whether nothing is going to be stored. The answer is the same; whoever acts on a decision must not.
    pub dry_run: bool,
    /// Kind of the object, empty where the review says none.
    pub kind: String,
    /// Namespace of the object, where it has one.
    pub namespace: Option<String>,
    /// Name of the object, or the prefix of a name that the API server completes.
    pub name: String,
    /// What became of the request.
    pub outcome: Outcome,
    /// Whether the request goes through.
    pub allowed: bool,
    /// How many operations the patch has.
    pub operations: usize,
    /// What the engine says; `None` where it was not asked. Texts in it are as long as the object has them.
    pub report: Option<Report>,
    /// What is wrong with the object, where it is a policy.
    pub of_policy: Vec<Finding>,
    /// Whom to tell of it, where there is something to tell.
    pub about: Option<About>,
}

impl Decision {
    pub(super) fn new(question: &Question<'_>, outcome: Outcome, allowed: bool) -> Self {
        let short = |text: Option<&str>| one_line(text.unwrap_or_default(), MAX_NAME);
        Self {
            uid: question.uid.as_ref().to_owned(),
            operation: question.operation,
            dry_run: question.dry_run,
            kind: short(question.kind.as_deref()),
            namespace: question.namespace.as_deref().map(|text| short(Some(text))),
            name: short(question.name.as_deref()),
            outcome,
            allowed,
            operations: 0,
            report: None,
            of_policy: Vec::new(),
            about: None,
        }
    }

    /// Component of the object, where its label says one.
    pub fn component(&self) -> Option<Component> {
        self.report.as_ref()?.component
    }

    /// Errors and warnings.
    pub fn findings(&self) -> &[Finding] {
        self.report
            .as_ref()
            .map_or(&self.of_policy, |report| &report.findings)
    }
}

/// Answers a review.
///
/// # Errors
/// Only when the body is no review that is understood. An error in the object or its values is an answer.
pub fn respond(snapshot: &Snapshot, setups: &dyn Setups, body: &[u8]) -> Result<Answer, BadReview> {
    let question = review::read(body)?;
    let (outcome, plan) = match plan(&question, snapshot, setups) {
        Ok(plan) => (Outcome::Planned(plan.report.outcome), Some(plan)),
        Err(skip) => (Outcome::Skipped(skip), None),
    };
    let (patch, report) = plan.map(|plan| (plan.patch, plan.report)).unzip();
    let verdict = verdict(outcome, report.as_ref());
    let findings = report.as_ref().map_or(&[][..], |report| &report.findings);
    let response = Response::new(
        &question.uid,
        verdict.refused.as_deref().map(Refusal::forbidden),
        patch.as_ref(),
        warnings(verdict.lead, findings, "explain"),
        Audit::new(outcome, report.as_ref(), findings),
    );
    let body = response.to_review();
    let mut decision = Decision::new(&question, outcome, verdict.refused.is_none());
    if question.name.is_none() {
        decision.name = report
            .as_ref()
            .map_or_else(String::new, |report| one_line(&report.name, MAX_NAME));
    }
    decision.about = report.as_ref().and_then(|report| About::of(&question, report));
    decision.operations = patch.map_or(0, |patch| patch.0.len());
    decision.report = report;
    Ok(Answer { body, decision })
}

/// What the engine makes of the object, or why it is not asked.
fn plan(question: &Question<'_>, snapshot: &Snapshot, setups: &dyn Setups) -> Result<Plan, Skip> {
    let operation = match question.operation {
        Operation::Create => facts::Operation::Create,
        Operation::Update => facts::Operation::Update,
        Operation::Delete | Operation::Connect => return Err(Skip::OtherOperation),
    };
    if question.is_for_subresource {
        return Err(Skip::Subresource);
    }
    let object = question.object.as_ref().ok_or(Skip::NoObject)?;
    let facts = Facts {
        operation,
        namespace: question.namespace.as_deref().map_or(Known::Unknown, Known::Known),
        release: Known::Unknown,
        agent_version: Known::Unknown,
    };
    Ok(engine::plan(object, &facts, snapshot, setups))
}
