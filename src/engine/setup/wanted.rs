//! What each part of a pod is to have: from the values first, then from the policies, strongest first.

use serde_json::{Map, Value, json};

use super::{Need, PodField, Wanted, room::Room};
use crate::{
    agent_config::{EnvFrom, EnvVar, values::AgentValues},
    engine::{
        content::{hash_of, whole_hash_of},
        field::{Field, Text},
        object::Toleration,
        report::Note,
    },
    finding::{Finding, Severity},
    policy::{
        model::{EnvValue, Policy},
        precedence::{all, first},
    },
    source::Source,
};

/// More findings of one kind help nobody.
const MOST_TOLD: usize = 16;

fn is_of_policy(source: &Source) -> bool {
    matches!(source, Source::Policy(_))
}

/// What a policy gives comes from it.
pub(super) fn source_of(policy: &Policy) -> Source {
    Source::Policy(policy.title())
}

/// The variables that the configuration needs, and those that policies give besides.
pub(super) fn env(
    needed: Vec<EnvVar>,
    policies: &[&Policy],
    room: &mut Room,
) -> (Vec<Wanted<String>>, Vec<Finding>) {
    let mut given = 0;
    let mut findings = Vec::new();
    // An empty text only keeps the agent from missing the variable: whatever a policy says is better.
    let (fallbacks, needed): (Vec<_>, Vec<_>) = needed
        .into_iter()
        .partition(|variable| matches!(&variable.from, EnvFrom::Literal(text) if text.is_empty()));
    let mut wanted: Vec<Wanted<String>> = needed
        .into_iter()
        .map(|EnvVar { name, from, source }| variable(name, from, source, Need::Needed))
        .collect();
    for (policy, (name, value)) in all(policies, |defaults| &defaults.env) {
        let from = match value {
            EnvValue::Text(text) => EnvFrom::Literal(text.clone()),
            EnvValue::Secret { name, key } => EnvFrom::Secret {
                name: name.clone(),
                key: key.clone(),
            },
        };
        let offered = variable(name.clone(), from, source_of(policy), Need::Offered);
        match wanted.iter().find(|other| other.key == *name) {
            None if room.take(name, given) => {
                wanted.push(offered);
                given += 1;
            }
            Some(other)
                if other.need == Need::Needed && other.hash != offered.hash && findings.len() < MOST_TOLD =>
            {
                findings.push(Note::PolicyGivesWay.finding(
                    Severity::Warning,
                    format!("env {name}"),
                    format!(
                        "policy `{}`: the configuration needs {name} from {}, and gets it",
                        policy.title(),
                        other.shown
                    ),
                    "take the variable out of the policy".to_owned(),
                ));
            }
            None | Some(_) => {}
        }
    }
    for EnvVar { name, from, source } in fallbacks {
        if !wanted.iter().any(|other| other.key == name) {
            wanted.push(variable(name, from, source, Need::Needed));
        }
    }
    (wanted, findings)
}

/// The variable as an element of `env`. `apiVersion` is what the API server would fill in.
fn variable(name: String, from: EnvFrom, source: Source, need: Need) -> Wanted<String> {
    let (entry, shown) = match from {
        EnvFrom::Secret { name: secret, key } => (
            json!({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}),
            format!("key {key} of Secret {secret}"),
        ),
        EnvFrom::Field(path) => (
            json!({"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}),
            format!("field {path} of the pod"),
        ),
        EnvFrom::Literal(text) => (json!({"name": name, "value": text}), format!("{text:?}")),
    };
    Wanted {
        hash: hash_of(&entry),
        key: name,
        entry,
        shown,
        source,
        need,
    }
}

/// Pull secrets, by name.
pub(super) fn pull_secrets(
    values: &AgentValues,
    policies: &[&Policy],
    room: &mut Room,
) -> Vec<Wanted<String>> {
    let mut given = 0;
    let of_values = values
        .image_pull_secrets
        .iter()
        .enumerate()
        .map(|(index, name)| (name, Source::Values(format!("imagePullSecrets[{index}]"))));
    let of_policies = all(policies, |defaults| &defaults.image_pull_secrets)
        .map(|(policy, name)| (name, source_of(policy)));
    let mut wanted: Vec<Wanted<String>> = Vec::new();
    for (name, source) in of_values.chain(of_policies) {
        if wanted.iter().any(|other| other.key == *name) || is_of_policy(&source) && !room.take(name, given) {
            continue;
        }
        given += usize::from(is_of_policy(&source));
        let entry = json!({"name": name});
        wanted.push(Wanted {
            hash: hash_of(&entry),
            key: name.clone(),
            entry,
            shown: name.clone(),
            source,
            need: Need::Needed,
        });
    }
    wanted
}

/// Tolerations, by key, operator, value and effect.
pub(super) fn tolerations(
    values: &AgentValues,
    policies: &[&Policy],
    room: &mut Room,
) -> Vec<Wanted<[String; 4]>> {
    let mut given = 0;
    let of_values = values
        .tolerations
        .iter()
        .enumerate()
        .map(|(index, entry)| (entry, Source::Values(format!("tolerations[{index}]"))));
    let of_policies =
        all(policies, |defaults| &defaults.tolerations).map(|(policy, entry)| (entry, source_of(policy)));
    let mut wanted: Vec<Wanted<[String; 4]>> = Vec::new();
    for (entry, source) in of_values.chain(of_policies) {
        // `AgentValues` and policies hold objects alone here, and any object reads as a toleration.
        let Ok(Field::Is(Toleration { identity, hash })) = serde::Deserialize::deserialize(entry) else {
            continue;
        };
        let key = identity.map(|text: Text<'_>| text.into_owned());
        if wanted.iter().any(|other| other.key == key) || is_of_policy(&source) && !room.take("", given) {
            continue;
        }
        given += usize::from(is_of_policy(&source));
        wanted.push(Wanted {
            key,
            entry: entry.clone(),
            hash,
            shown: entry.to_string(),
            source,
            need: Need::Needed,
        });
    }
    wanted
}

/// Fields that are given where there is nothing, each as a whole by the strongest policy that has it.
pub(super) fn fields(policies: &[&Policy]) -> Vec<Wanted<PodField>> {
    let node_selector = first(policies, |defaults| {
        Some(&defaults.node_selector).filter(|labels| !labels.is_empty())
    });
    let runtime_class_name = first(policies, |defaults| defaults.runtime_class_name.as_ref());
    let resources = first(policies, |defaults| {
        Some(&defaults.resources).filter(|resources| !resources.is_empty())
    });
    let entries = [
        node_selector.map(|(policy, labels)| (PodField::NodeSelector, policy, json!(labels))),
        runtime_class_name.map(|(policy, name)| (PodField::RuntimeClassName, policy, json!(name))),
        resources.map(|(policy, resources)| (PodField::Resources, policy, json!(resources))),
    ];
    let wanted = |(key, policy, entry): (PodField, &Policy, Value)| Wanted {
        hash: match key {
            // A label without a value is one.
            PodField::NodeSelector => whole_hash_of(&entry),
            PodField::RuntimeClassName | PodField::Resources => hash_of(&entry),
        },
        shown: entry.as_str().map_or_else(|| entry.to_string(), str::to_owned),
        key,
        entry,
        source: source_of(policy),
        need: Need::Offered,
    };
    entries.into_iter().flatten().map(wanted).collect()
}

/// Plugin settings of a policy, its `InfluxDB` among them: the plugin has its settings under the same names.
pub(super) fn plugins(policy: &Policy) -> Map<String, Value> {
    let mut plugins = policy.defaults.plugins.clone();
    let Some(database) = &policy.defaults.influxdb else {
        return plugins;
    };
    let settings = [
        ("host", &database.host),
        ("organization", &database.organization),
        ("bucket", &database.bucket),
        ("secretName", &database.secret_name),
        ("secretKey", &database.secret_key),
    ];
    let section = plugins.entry("influxdb").or_insert_with(|| json!({}));
    if section.is_null() {
        *section = json!({});
    }
    if let Value::Object(section) = section {
        for (key, value) in settings {
            if let Some(text) = value {
                section.insert(key.to_owned(), json!(text));
            }
        }
    }
    plugins
}
