//! What each part of a pod is to have: from the values first, then from the policies, strongest first.

use serde_json::{Map, Value, json};

use super::{Need, PodField, Registry, Wanted, room::Room};
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
        model::{Defaults, EnvValue, Policy},
        precedence::all,
    },
    source::{Lost, LostAll, Source, shared},
};

/// More findings of one kind help nobody.
const MOST_TOLD: usize = 16;

/// Of values that lost against others, more than this many are not named.
const MOST_LOST: usize = 256;

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
    let (mut findings, mut lost) = (Vec::new(), Vec::new());
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
            Some(other) if other.hash == offered.hash => {}
            Some(other) if other.need == Need::Needed && findings.len() < MOST_TOLD => {
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
            Some(other) if other.need == Need::Offered && lost.len() < MOST_LOST => {
                lost.push((offered.key, Lost::of(offered.source, offered.shown)));
            }
            None | Some(_) => {}
        }
    }
    for want in &mut wanted {
        want.lost = shared(taken(&mut lost, &want.key));
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
        lost: LostAll::default(),
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
            lost: LostAll::default(),
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
    let (mut wanted, mut lost): (Vec<Wanted<[String; 4]>>, Vec<_>) = (Vec::new(), Vec::new());
    for (entry, source) in of_values.chain(of_policies) {
        // `AgentValues` and policies hold objects alone here, and any object reads as a toleration.
        let Ok(Field::Is(Toleration { identity, hash })) = serde::Deserialize::deserialize(entry) else {
            continue;
        };
        let key = identity.map(|text: Text<'_>| text.into_owned());
        if let Some(other) = wanted.iter().find(|other| other.key == key) {
            if other.hash != hash && lost.len() < MOST_LOST {
                lost.push((key, Lost::of(source, entry.to_string())));
            }
            continue;
        }
        if is_of_policy(&source) && !room.take("", given) {
            continue;
        }
        given += usize::from(is_of_policy(&source));
        wanted.push(Wanted {
            key,
            entry: entry.clone(),
            hash,
            shown: entry.to_string(),
            source,
            lost: LostAll::default(),
            need: Need::Needed,
        });
    }
    for want in &mut wanted {
        want.lost = shared(taken(&mut lost, &want.key));
    }
    wanted
}

/// Takes out what lost against the element of this key.
fn taken<K: PartialEq>(lost: &mut Vec<(K, Lost)>, key: &K) -> Vec<Lost> {
    let of_key = lost.extract_if(.., |(other, _)| other == key);
    of_key.map(|(_, lost)| lost).collect()
}

/// Registry of the agent's image.
pub(super) fn registry(values: &AgentValues, policies: &[&Policy]) -> Option<Registry> {
    let of_values = values.image_registry.iter();
    let of_values = of_values.map(|registry| (registry, Source::Values("image.registry".to_owned())));
    let of_policies = all(policies, |defaults| &defaults.image_registry);
    let mut all = of_values.chain(of_policies.map(|(policy, registry)| (registry, source_of(policy))));
    let (name, source) = all.next()?;
    let weaker = all.filter(|(other, _)| *other != name);
    Some(Registry {
        lost: shared(
            weaker
                .map(|(other, source)| Lost::of(source, other.clone()))
                .collect(),
        ),
        name: name.clone(),
        source,
    })
}

/// Fields that are given where there is nothing, each as a whole by the strongest policy that has it.
pub(super) fn fields(policies: &[&Policy]) -> Vec<Wanted<PodField>> {
    [
        PodField::NodeSelector,
        PodField::RuntimeClassName,
        PodField::Resources,
    ]
    .into_iter()
    .filter_map(|key| field(key, policies))
    .collect()
}

fn field(key: PodField, policies: &[&Policy]) -> Option<Wanted<PodField>> {
    let mut entries = policies
        .iter()
        .filter_map(|policy| Some((*policy, entry_of(key, &policy.defaults)?)));
    let (policy, entry) = entries.next()?;
    let shown = |entry: &Value| entry.as_str().map_or_else(|| entry.to_string(), str::to_owned);
    let weaker = entries.filter(|(_, other)| *other != entry);
    Some(Wanted {
        lost: shared(
            weaker
                .map(|(policy, other)| Lost::of(source_of(policy), shown(&other)))
                .collect(),
        ),
        hash: match key {
            // A label without a value is one.
            PodField::NodeSelector => whole_hash_of(&entry),
            PodField::RuntimeClassName | PodField::Resources => hash_of(&entry),
        },
        shown: shown(&entry),
        key,
        entry,
        source: source_of(policy),
        need: Need::Offered,
    })
}

/// What a policy has for a field.
fn entry_of(key: PodField, defaults: &Defaults) -> Option<Value> {
    match key {
        PodField::NodeSelector => Some(&defaults.node_selector)
            .filter(|labels| !labels.is_empty())
            .map(|labels| json!(labels)),
        PodField::RuntimeClassName => defaults.runtime_class_name.as_ref().map(|name| json!(name)),
        PodField::Resources => Some(&defaults.resources)
            .filter(|resources| !resources.is_empty())
            .map(|resources| json!(resources)),
    }
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
