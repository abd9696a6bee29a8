//! `check`: what is wrong with values, agent configurations or manifests, as the agent would read them. And what is wrong with
//! an installation in a cluster.

#[cfg(feature = "server")]
mod cluster;
mod nodes;

use std::path::Path;

use serde_json::{Value, json};

use super::{
    exit::{Exit, Failure},
    helm_values::{agent_values, components_of, read_values},
    io, policies,
    post_render::{in_file, known},
    print,
};
use crate::{
    agent_config::{check_toml, equal_to_default, values::AgentValues},
    cli::{Check, FactsArgs, Output},
    engine::{
        self,
        setup::{Fresh, Snapshot},
    },
    finding::{Finding, Severity},
    names::Component,
    policy_document::{GROUP, PolicyReader, Problem},
    post_render::{self, Planned, Strictness},
};

/// A finding and the place that the path in it is counted from.
struct Found {
    place: String,
    finding: Finding,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Toml,
    Policies,
    Manifests,
    Values,
}

pub(super) fn run(args: Check) -> Result<Exit, Failure> {
    #[cfg(feature = "server")]
    if args.cluster.cluster {
        return cluster::run(args);
    }
    #[cfg(feature = "server")]
    if let Some(option) = args.cluster.without_it() {
        return Err(Failure::Usage(format!(
            "{option} is for --cluster; add that, or leave {option} out"
        )));
    }
    let Check {
        files,
        component,
        facts,
        strict,
        output,
        ..
    } = args;
    let snapshot = policies::snapshot(&facts)?;
    let (mut found, mut reader) = (Vec::new(), PolicyReader::default());
    for file in &files {
        let bytes = io::read(file)?;
        let place = file.display().to_string();
        match content_of(file, &bytes) {
            Content::Policies => {
                reader.read_among_others(&place, &bytes);
                found.extend(manifests(&place, &bytes, &facts, &snapshot)?);
            }
            Content::Manifests => found.extend(manifests(&place, &bytes, &facts, &snapshot)?),
            Content::Toml => {
                let findings = check_toml(io::text(file, &bytes)?, component, facts.agent_version.as_deref());
                found.extend(findings.into_iter().map(|finding| Found {
                    place: place.clone(),
                    finding,
                }));
            }
            Content::Values => found.extend(values(
                &place,
                io::text(file, &bytes)?,
                component,
                &facts,
                &snapshot,
            )?),
        }
    }
    let (_, problems) = reader.finish();
    found.extend(
        problems
            .into_iter()
            .map(|Problem { place, finding }| Found { place, finding }),
    );
    let count = |severity| {
        found
            .iter()
            .filter(|found| found.finding.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    io::print_text(&match output {
        Output::Json => print::pretty(&Value::Array(found.iter().map(as_json).collect())),
        Output::Text => {
            let lines: String = found
                .iter()
                .map(|Found { place, finding }| format!("{place}: {finding}\n"))
                .collect();
            format!("{lines}{}\n", summary(files.len(), errors, warnings))
        }
    })?;
    Ok(if errors > 0 || (strict && warnings > 0) {
        Exit::Refused
    } else {
        Exit::Done
    })
}

/// A file's content, by its name or else by what stands in it.
fn content_of(file: &Path, bytes: &[u8]) -> Content {
    if file.extension().is_some_and(|extension| extension == "toml") {
        return Content::Toml;
    }
    let starts = |prefix: &[u8]| {
        bytes
            .split(|&byte| byte == b'\n')
            .any(|line| line.starts_with(prefix))
    };
    let is_json_object =
        || serde_json::from_slice::<Value>(bytes).is_ok_and(|value| value.get("kind").is_some());
    if holds_policies(bytes) {
        Content::Policies
    } else if starts(b"apiVersion:") || starts(b"kind:") || is_json_object() {
        Content::Manifests
    } else if starts(b"[plugins") {
        Content::Toml
    } else {
        Content::Values
    }
}

/// Whether a document says that it is a policy.
fn holds_policies(bytes: &[u8]) -> bool {
    let before = |at: usize| {
        let punctuation = |byte: &u8| matches!(*byte, b' ' | b':' | b'"' | b'\'');
        let end = bytes[..at].iter().rposition(|byte| !punctuation(byte));
        end.is_some_and(|end| bytes[..=end].ends_with(b"apiVersion"))
    };
    memchr::memmem::find_iter(bytes, GROUP).any(before)
}

fn manifests(
    place: &str,
    stream: &[u8],
    facts: &FactsArgs,
    snapshot: &Snapshot,
) -> Result<Vec<Found>, Failure> {
    let of_object = |Planned { origin, report }: Planned| {
        let place = format!("{place}: {origin}: {}", report.object());
        report.findings.into_iter().map(move |finding| Found {
            place: place.clone(),
            finding,
        })
    };
    let facts = known(facts);
    let rendered = post_render::run(stream, Strictness::Nothing, &|object| {
        let mut plan = engine::explain(object, &facts, snapshot, &Fresh);
        let of_nodes = nodes::without_gpu(object, &plan.report, &facts, snapshot);
        plan.report.findings.extend(of_nodes);
        plan
    });
    let rendered = rendered.map_err(|refused| in_file(&place, &refused))?;
    Ok(rendered.planned.into_iter().flat_map(of_object).collect())
}

fn values(
    place: &str,
    text: &str,
    component: Option<Component>,
    facts: &FactsArgs,
    snapshot: &Snapshot,
) -> Result<Vec<Found>, Failure> {
    let file = read_values(text).map_err(|error| Failure::Refused(format!("{place}: {error}")))?;
    let components = match component {
        Some(component) => vec![component],
        None => components_of(&file),
    };
    if components.is_empty() {
        return Err(Failure::Usage(format!(
            "{place}: it cannot be told whose values these are; say --component relay-client, relay-server or agent"
        )));
    }
    let mut found = Vec::new();
    for component in components {
        let annotation = agent_values(&file, component, facts);
        let mut findings =
            engine::configure(component, &annotation.to_string(), &known(facts), snapshot).findings;
        findings.extend(repeated(&AgentValues::from_value(&annotation).0, component));
        let place = format!("{place}: {component}");
        found.extend(findings.into_iter().map(|finding| Found {
            place: place.clone(),
            finding,
        }));
    }
    Ok(found)
}

/// Values that say what is the default anyway: each of them stays as it is when a later default would be better.
fn repeated(values: &AgentValues, component: Component) -> Option<Finding> {
    let repeated = equal_to_default(values, component);
    let first = repeated.first()?;
    Some(Finding {
        code: "repeats-defaults",
        severity: Severity::Warning,
        path: first.clone(),
        message: format!(
            "{} of the values are equal to their defaults, and no longer follow them",
            repeated.len()
        ),
        mend: "leave them out; `alumet-injector config --minimal-values` prints the values without them"
            .to_owned(),
    })
}

fn as_json(Found { place, finding }: &Found) -> Value {
    let mut value = print::finding(finding);
    value["place"] = json!(place);
    value
}

/// A number and what is counted: `1 file`, `2 files`.
fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn summary(files: usize, errors: usize, warnings: usize) -> String {
    format!(
        "{} checked: {}, {}",
        plural(files, "file"),
        plural(errors, "error"),
        plural(warnings, "warning")
    )
}
