//! `check --cluster`: what is wrong with the installation of the injector in a cluster.

use serde_json::{Value, json};

use super::plural;
use crate::{
    cli::{Check, Output},
    cluster::installation::{self, CHECKS, Outcome, Scope, Verdict},
    commands::{
        cluster::with_client,
        exit::{Exit, Failure},
        io, now, print,
    },
    text::printable,
};

pub(super) fn run(args: Check) -> Result<Exit, Failure> {
    let scope = Scope {
        webhook: args.cluster.webhook,
        namespace: args.facts.namespace,
    };
    let installation = with_client(&args.cluster.of, async |client| {
        Ok(installation::read(client, scope).await?)
    })?;
    let verdicts = installation::verdicts(&installation, now());
    io::print_text(&match args.output {
        Output::Json => print::pretty(&Value::Array(verdicts.iter().map(as_json).collect())),
        Output::Text => {
            let lines = verdicts
                .iter()
                .map(|verdict| printable(&verdict.to_string()) + "\n");
            format!("{}{}\n", lines.collect::<String>(), summary(&verdicts))
        }
    })?;
    let has = |outcome| verdicts.iter().any(|verdict| verdict.outcome == outcome);
    Ok(if has(Outcome::Error) || (args.strict && has(Outcome::Warning)) {
        Exit::Refused
    } else {
        Exit::Done
    })
}

fn as_json(verdict: &Verdict) -> Value {
    json!({
        "code": verdict.code,
        "outcome": verdict.outcome.as_str(),
        "place": verdict.place,
        "message": verdict.message,
        "mend": verdict.mend,
    })
}

fn summary(verdicts: &[Verdict]) -> String {
    let count = |outcome| {
        verdicts
            .iter()
            .filter(|verdict| verdict.outcome == outcome)
            .count()
    };
    format!(
        "{}: {}, {}, {} skipped",
        plural(CHECKS.len(), "check"),
        plural(count(Outcome::Error), "error"),
        plural(count(Outcome::Warning), "warning"),
        count(Outcome::Skipped)
    )
}
