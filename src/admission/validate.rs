//! Policies as they are written to the API server: a policy that would not be in force is refused at once.
//!
//! The schema of the custom resource has refused what it can say, before anybody is asked. The rest is what a file with
//! policies is held to, in the same sentences.

use serde_json::Value;

use super::{
    answer::{Cause, Refusal, Response},
    audit::Audit,
    failure::verdict_on_policy,
    outcome::{Judged, Outcome, Skip},
    respond::{Answer, Decision},
    review::{self, BadReview, Operation, Question},
    warnings::warnings,
};
use crate::{
    engine::report::{self, Reason},
    finding::{Finding, Severity},
    policy_document::{GROUP, policy},
    text::one_line,
};

/// How many errors a user is told one by one. The rest is counted.
const MOST_CAUSES: usize = 16;

/// How many characters of one error a user is told at most, and of the path to it.
const MAX_CHARS: usize = 512;

/// How many characters of all errors together go into the one sentence that every client shows.
const MAX_REASON: usize = 4_096;

/// Answers the review of a policy.
///
/// # Errors
/// Only when the body is no review that is understood. An error in the policy is an answer.
pub fn validate(body: &[u8]) -> Result<Answer, BadReview> {
    let question = review::read(body)?;
    let object = review::object(body)?;
    let (outcome, findings) = match judge(&question, &object) {
        Ok((judged, findings)) => (Outcome::Judged(judged), findings),
        Err(outcome) => (outcome, Vec::new()),
    };
    let mut decision = Decision::new(&question, outcome, outcome != Outcome::Judged(Judged::Refused));
    let (errors, others): (Vec<Finding>, Vec<Finding>) = findings
        .iter()
        .cloned()
        .partition(|finding| finding.severity == Severity::Error);
    let causes = causes(&errors);
    let message = message(&causes);
    let refusal = (!decision.allowed)
        .then(|| Refusal::invalid(&message, GROUP, &decision.kind, &decision.name, &causes));
    let response = Response::new(
        &question.uid,
        refusal,
        None,
        warnings(None, &others, "check"),
        Audit::new(outcome, None, &findings),
    );
    let body = response.to_review();
    decision.of_policy = findings;
    Ok(Answer { body, decision })
}

/// What is wrong with the policy, or why it is let through without a look.
fn judge(question: &Question<'_>, object: &Value) -> Result<(Judged, Vec<Finding>), Outcome> {
    if !matches!(question.operation, Operation::Create | Operation::Update) {
        return Err(Outcome::Skipped(Skip::OtherOperation));
    }
    if question.is_for_subresource {
        return Err(Outcome::Skipped(Skip::Subresource));
    }
    if object.is_null() {
        return Err(Outcome::Skipped(Skip::NoObject));
    }
    let left_alone = |reason| Err(Outcome::Planned(report::Outcome::LeftAlone(reason)));
    let group = object["apiVersion"]
        .as_str()
        .and_then(|version| version.split_once('/'));
    if group.is_none_or(|(group, _)| group != GROUP) {
        return left_alone(Reason::NotOurs);
    }
    // One that was written while nobody looked must be able to go.
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return left_alone(Reason::BeingDeleted);
    }
    let (_, findings) = policy(object);
    Ok((verdict_on_policy(&findings), findings))
}

/// The errors as kubectl lists them.
fn causes(errors: &[Finding]) -> Vec<Cause> {
    let shown = if errors.len() > MOST_CAUSES {
        MOST_CAUSES - 1
    } else {
        errors.len()
    };
    let (shown, rest) = errors.split_at(shown);
    let one = |error: &Finding| {
        let without_path = Finding {
            path: String::new(),
            ..error.clone()
        };
        Cause {
            reason: "FieldValueInvalid",
            message: one_line(&without_path.to_string(), MAX_CHARS),
            field: one_line(&error.path, MAX_CHARS),
        }
    };
    let rest = (!rest.is_empty()).then(|| Cause {
        reason: "FieldValueInvalid",
        message: format!(
            "{} more; `alumet-injector check` on the manifest shows all of them",
            rest.len()
        ),
        field: "spec".to_owned(),
    });
    shown.iter().map(one).chain(rest).collect()
}

/// The same in one line, for clients that show nothing else.
fn message(causes: &[Cause]) -> String {
    let all: Vec<String> = causes
        .iter()
        .map(|cause| format!("{}: {}", cause.field, cause.message))
        .collect();
    one_line(&all.join("; "), MAX_REASON)
}
