//! From a document to a policy of the model.

use serde_json::{Map, Value};

use super::{
    Code, GROUP, KINDS, VERSION, defaults,
    fields::DOCUMENT,
    shape::{Problems, below, number, part, present, tables, text, texts},
};
use crate::{
    agent_config::codes::did_you_mean,
    finding::{Finding, any_error},
    kubernetes::{is_label_value, is_namespace, is_object_name},
    names::Component,
    policy::{
        model::{Match, OnError, Policy, Scope},
        selector::{BadRequirement, Operator, Requirement, Selector},
    },
};

/// Reads one document. There is no policy where any finding is an error.
pub fn policy(document: &Value) -> (Option<Policy>, Vec<Finding>) {
    let mut problems = Problems::default();
    let policy = whole(&mut problems, document);
    let findings = problems.0;
    (policy.filter(|_| !any_error(&findings)), findings)
}

fn whole(problems: &mut Problems, document: &Value) -> Option<Policy> {
    let empty = Map::new();
    let table = document.as_object().unwrap_or(&empty);
    let kind = kind(problems, table)?;
    problems.check(DOCUMENT, table, "");
    // What follows from fields of a wrong type is not worth a sentence of its own.
    if problems
        .0
        .iter()
        .any(|finding| finding.code == Code::WrongType.code())
    {
        return None;
    }
    let metadata = part(table, "metadata").unwrap_or(&empty);
    let name = name_of(problems, metadata, "name", is_object_name)?;
    let is_of_cluster = kind == KINDS[0];
    let scope = if is_of_cluster {
        Scope::Cluster
    } else {
        Scope::Namespace(name_of(problems, metadata, "namespace", is_namespace)?)
    };
    let Some(spec) = part(table, "spec") else {
        problems.missing("spec", "write what the policy selects and gives");
        return None;
    };
    let selects = selects(problems, part(spec, "match").unwrap_or(&empty), is_of_cluster);
    let defaults = defaults::read(problems, part(spec, "defaults").unwrap_or(&empty));
    let configures = !defaults.plugins.is_empty() || defaults.influxdb.is_some();
    if configures && !selects.object_selector.is_everything() {
        problems.error(
            Code::OutOfReach,
            "spec.match.objectSelector",
            "plugins and influxdb are for all pods of a component, which share one configuration, and cannot be given to some of them",
            "leave it out, or give plugins and influxdb by a policy of their own",
        );
    }
    Some(Policy {
        scope,
        name,
        priority: spec.get("priority").and_then(number).unwrap_or_default(),
        selects,
        defaults,
        on_error: on_error(problems, spec),
    })
}

/// The kind, where it is a document of ours.
fn kind<'t>(problems: &mut Problems, table: &'t Map<String, Value>) -> Option<&'t str> {
    let kinds = KINDS.join("` or `");
    let word = |key| text(table, key).unwrap_or_default();
    let (api_version, kind) = (word("apiVersion"), word("kind"));
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    if group != GROUP {
        problems.error(
            Code::NoPolicy,
            "apiVersion",
            "the document is no policy",
            format!("write `apiVersion: {GROUP}/{VERSION}` and `kind: {kinds}`"),
        );
        return None;
    }
    if version != VERSION {
        // A version is a label's value, too; what is none may be long.
        let shown = Some(version)
            .filter(|version| is_label_value(version))
            .unwrap_or("another version");
        let message = format!("the document has the form of {shown}, and this injector reads {VERSION}");
        let mend = format!("write it as {GROUP}/{VERSION}, or use an injector that reads the other one");
        problems.error(Code::OtherVersion, "apiVersion", message, mend);
        return None;
    }
    if !KINDS.contains(&kind) {
        let mend = did_you_mean(kind, KINDS);
        problems.error(Code::NoPolicy, "kind", "the document is no policy", mend);
        return None;
    }
    Some(kind)
}

fn name_of(
    problems: &mut Problems,
    metadata: &Map<String, Value>,
    key: &str,
    fits: fn(&str) -> bool,
) -> Option<String> {
    let path = below("metadata", key);
    match text(metadata, key) {
        None => problems.missing(&path, "write it"),
        Some(name) if fits(name) => return Some(name.to_owned()),
        Some(_) => problems.bad(
            &path,
            "no object has such a name",
            "use small letters, digits and `-`",
        ),
    }
    None
}

fn on_error(problems: &mut Problems, spec: &Map<String, Value>) -> Option<OnError> {
    match text(spec, "onError")? {
        "Allow" => Some(OnError::Allow),
        "Deny" => Some(OnError::Deny),
        _ => {
            problems.bad(
                "spec.onError",
                "there is no such answer",
                "write `Allow` or `Deny`",
            );
            None
        }
    }
}

fn selects(problems: &mut Problems, table: &Map<String, Value>, is_of_cluster: bool) -> Match {
    let path = "spec.match";
    if !is_of_cluster {
        for key in ["namespaces", "namespaceSelector"] {
            if present(table, key).is_some() {
                problems.error(
                    Code::OutOfReach,
                    &below(path, key),
                    "an InjectionPolicy reaches the namespace that it stands in, and no other",
                    "take it out, or write a ClusterInjectionPolicy",
                );
            }
        }
    }
    for key in ["components", "namespaces"] {
        if present(table, key)
            .and_then(Value::as_array)
            .is_some_and(Vec::is_empty)
        {
            problems.bad(
                &below(path, key),
                "an empty list would select nothing",
                "leave it out to select all of them",
            );
        }
    }
    let mut components = Vec::new();
    for (index, word) in texts(table, "components").enumerate() {
        if let Some(component) = Component::parse(word) {
            components.push(component);
        } else {
            let mend = did_you_mean(word, Component::ALL.map(Component::as_str));
            problems.bad(
                &format!("{path}.components[{index}]"),
                "there is no such component",
                mend,
            );
        }
    }
    for (index, name) in texts(table, "namespaces").enumerate() {
        if !is_namespace(name) {
            let path = format!("{path}.namespaces[{index}]");
            problems.bad(
                &path,
                "no namespace has such a name",
                "name it, or use namespaceSelector",
            );
        }
    }
    Match {
        components,
        namespaces: texts(table, "namespaces").map(str::to_owned).collect(),
        namespace_selector: selector(problems, table, "namespaceSelector"),
        object_selector: selector(problems, table, "objectSelector"),
    }
}

fn selector(problems: &mut Problems, table: &Map<String, Value>, key: &str) -> Selector {
    let Some(selector) = part(table, key) else {
        return Selector::default();
    };
    let path = format!("spec.match.{key}");
    let mut requirements = Vec::new();
    for (label, value) in part(selector, "matchLabels").into_iter().flatten() {
        let values = vec![value.as_str().unwrap_or_default().to_owned()];
        let path = format!("{path}.matchLabels.{label}");
        requirements.extend(requirement(problems, &path, label, Operator::In, values));
    }
    for (index, expression) in tables(selector, "matchExpressions").enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        let word = text(expression, "operator").unwrap_or_default();
        let Some(operator) = Operator::parse(word) else {
            let mend = did_you_mean(word, Operator::ALL.map(Operator::as_str));
            problems.bad(&below(&path, "operator"), "there is no such operator", mend);
            continue;
        };
        let values = texts(expression, "values").map(str::to_owned).collect();
        let label = text(expression, "key").unwrap_or_default();
        requirements.extend(requirement(problems, &path, label, operator, values));
    }
    Selector::new(requirements)
}

fn requirement(
    problems: &mut Problems,
    path: &str,
    key: &str,
    operator: Operator,
    values: Vec<String>,
) -> Option<Requirement> {
    let wrong = match Requirement::new(key.to_owned(), operator, values) {
        Ok(requirement) => return Some(requirement),
        Err(wrong) => wrong,
    };
    let mend = match wrong {
        BadRequirement::Key => "write a name such as `team` or `example.org/team`",
        BadRequirement::Value(_) => {
            "use at most 63 letters, digits, `-`, `_` and `.`, a letter or digit at either end"
        }
        BadRequirement::NoValues(_) => "add one, or use `Exists` or `DoesNotExist`",
        BadRequirement::Values(_) => "take them out, or use `In` or `NotIn`",
    };
    problems.bad(path, &wrong.to_string(), mend);
    None
}
