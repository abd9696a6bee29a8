//! What each policy gives, as JSON Patches that the API server works out in CEL.

use serde_json::{Value, json};

use super::cel::{all_of, comment, literal, text};
use crate::{
    names::DEFAULT_REGISTRY,
    policy::model::{EnvValue, Policy},
};

/// The agent's container.
const AGENT: &str = "object.spec.containers[variables.agent]";
/// That it is known.
const HAS_AGENT: &str = "variables.agent >= 0";
/// Where it stands, as the beginning of a path.
const AGENT_PATH: &str = "'/spec/containers/' + string(variables.agent) + '";

/// The expressions, strongest policy first. Each sees what those before it gave.
pub(super) fn of(policies: &[Policy]) -> Vec<String> {
    let mut expressions: Vec<String> = image(policies).into_iter().collect();
    let parts = [
        env,
        pull_secrets,
        tolerations,
        node_selector,
        runtime_class_name,
        resources,
    ];
    for (number, policy) in (1..).zip(policies) {
        let given = parts.into_iter().filter_map(|part| part(policy));
        expressions.extend(given.map(|part| {
            let mut terms = vec![format!("variables.{}", applies(number))];
            terms.extend(part.terms);
            let Part { field, patch, .. } = part;
            format!(
                "{}\n{} ?\n{patch} : []",
                comment(&format!("{}: {field}", policy.title())),
                all_of(&terms)
            )
        }));
    }
    expressions
}

/// Name of the variable that says whether a policy applies.
pub(super) fn applies(number: usize) -> String {
    format!("applies{number}")
}

/// What a policy gives of one field.
struct Part {
    field: &'static str,
    /// What must hold besides that the policy applies.
    terms: Vec<String>,
    /// The operations.
    patch: String,
}

/// An element of a list, and whether an element `e` of the pod's is the same.
struct Element {
    is_same: String,
    entry: Value,
}

/// Appends those elements that a list does not have. The list, and its path, are expressions.
fn append(list: &str, path: &str, elements: &[Element]) -> String {
    let has = list.replace(".?", ".").replace(".orValue([])", "");
    let mut operations = vec![format!(
        "(has({has}) ? [] : [JSONPatch{{op: 'add', path: {path}', value: []}}])"
    )];
    operations.extend(elements.iter().map(|Element { is_same, entry }| {
        format!(
            "({list}.exists(e, {is_same}) ? [] :\n    [JSONPatch{{op: 'add', path: {path}/-', value: {}}}])",
            literal(entry)
        )
    }));
    format!("  {}", operations.join(" +\n  "))
}

/// Puts a whole field. The path is an expression.
fn put(path: &str, value: &Value) -> String {
    format!(
        "  [JSONPatch{{op: 'add', path: {path}', value: {}}}]",
        literal(value)
    )
}

/// That the values do not have the list empty, which refuses what policies add to it.
fn not_refused(list: &str) -> String {
    let empty = text(&format!(r#""{list}"\s*:\s*\[\s*\]"#));
    format!("!variables.values.matches({empty})")
}

fn env(policy: &Policy) -> Option<Part> {
    let element = |(name, value): (&String, &EnvValue)| Element {
        is_same: format!("e.name == {}", text(name)),
        entry: match value {
            EnvValue::Text(text) => json!({"name": name, "value": text}),
            EnvValue::Secret { name: secret, key } => {
                json!({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
            }
        },
    };
    let elements: Vec<Element> = policy.defaults.env.iter().map(element).collect();
    let list = format!("{AGENT}.?env.orValue([])");
    (!elements.is_empty()).then(|| Part {
        field: "env",
        terms: vec![HAS_AGENT.to_owned()],
        patch: append(&list, &format!("{AGENT_PATH}/env"), &elements),
    })
}

fn pull_secrets(policy: &Policy) -> Option<Part> {
    let mut names: Vec<&String> = Vec::new();
    for name in &policy.defaults.image_pull_secrets {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let element = |name: &String| Element {
        is_same: format!("e.?name.orValue('') == {}", text(name)),
        entry: json!({"name": name}),
    };
    let elements: Vec<Element> = names.into_iter().map(element).collect();
    (!elements.is_empty()).then(|| Part {
        field: "imagePullSecrets",
        terms: vec![not_refused("imagePullSecrets")],
        patch: append(
            "object.spec.?imagePullSecrets.orValue([])",
            "'/spec/imagePullSecrets",
            &elements,
        ),
    })
}

fn tolerations(policy: &Policy) -> Option<Part> {
    let mut elements: Vec<Element> = Vec::new();
    for entry in &policy.defaults.tolerations {
        let is_same = is_same_toleration(entry);
        if elements.iter().all(|other| other.is_same != is_same) {
            let entry = entry.clone();
            elements.push(Element { is_same, entry });
        }
    }
    (!elements.is_empty()).then(|| Part {
        field: "tolerations",
        terms: vec![not_refused("tolerations")],
        patch: append(
            "object.spec.?tolerations.orValue([])",
            "'/spec/tolerations",
            &elements,
        ),
    })
}

/// Whether a toleration `e` has the same key, operator, value and effect. What is empty is as if it were not there.
fn is_same_toleration(entry: &Value) -> String {
    let terms = ["key", "operator", "value", "effect"].map(|member| {
        let own = entry.get(member).and_then(Value::as_str).unwrap_or_default();
        match (member, own) {
            ("operator", "" | "Equal") => "e.?operator.orValue('') in ['', 'Equal']".to_owned(),
            _ => format!("e.?{member}.orValue('') == {}", text(own)),
        }
    });
    terms.join(" && ")
}

fn node_selector(policy: &Policy) -> Option<Part> {
    let labels = &policy.defaults.node_selector;
    (!labels.is_empty()).then(|| Part {
        field: "nodeSelector",
        terms: vec![
            "!variables.hasItsNode".to_owned(),
            "size(object.spec.?nodeSelector.orValue({})) == 0".to_owned(),
        ],
        patch: put("'/spec/nodeSelector", &json!(labels)),
    })
}

fn runtime_class_name(policy: &Policy) -> Option<Part> {
    let name = policy.defaults.runtime_class_name.as_ref()?;
    Some(Part {
        field: "runtimeClassName",
        terms: vec!["object.spec.?runtimeClassName.orValue('') == ''".to_owned()],
        patch: put("'/spec/runtimeClassName", &json!(name)),
    })
}

fn resources(policy: &Policy) -> Option<Part> {
    let resources = &policy.defaults.resources;
    (!resources.is_empty()).then(|| Part {
        field: "resources",
        terms: vec![
            HAS_AGENT.to_owned(),
            // A container may not ask for more than its pod.
            "size(object.spec.?resources.?limits.orValue({})) == 0".to_owned(),
            "size(object.spec.?resources.?requests.orValue({})) == 0".to_owned(),
            format!("size({AGENT}.?resources.?limits.orValue({{}})) == 0"),
            format!("size({AGENT}.?resources.?requests.orValue({{}})) == 0"),
            format!("size({AGENT}.?resources.?claims.orValue([])) == 0"),
        ],
        patch: put(&format!("{AGENT_PATH}/resources"), &json!(resources)),
    })
}

/// The registry of the strongest policy that has one, where the image stands under the registry of the Alumet project
/// and the values choose none. It is the one thing that is replaced, so all policies are asked at once.
fn image(policies: &[Policy]) -> Option<String> {
    let registries: Vec<(usize, &Policy, &String)> = (1..)
        .zip(policies)
        .filter_map(|(number, policy)| Some((number, policy, policy.defaults.image_registry.as_ref()?)))
        .collect();
    let titles: Vec<String> = registries.iter().map(|(_, policy, _)| policy.title()).collect();
    let registry: String = registries
        .iter()
        .map(|(number, _, registry)| format!("variables.{} ? {} : ", applies(*number), text(registry)))
        .chain([text(DEFAULT_REGISTRY)])
        .collect();
    let prefix = format!("{DEFAULT_REGISTRY}/");
    let name = format!("{AGENT}.image.substring({})", prefix.len());
    let terms = all_of(&[
        HAS_AGENT.to_owned(),
        format!("{AGENT}.?image.orValue('').startsWith({})", text(&prefix)),
        format!("!{name}.contains('/')"),
        format!("!variables.values.matches({})", text(r#""registry"\s*:"#)),
    ]);
    (!registries.is_empty()).then(|| {
        format!(
            "{}\n{terms} ?\n  [JSONPatch{{op: 'replace', path: {AGENT_PATH}/image',\n    \
             value: ({registry}) + '/' + {name}}}] : []",
            comment(&format!("{}: image.registry", titles.join(", ")))
        )
    })
}
