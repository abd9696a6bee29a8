//! The setup: what agent values, policies and catalogue come to for one component, the same for its `ConfigMap` and
//! its pods.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    content::{hash_of, hash_of_text, hash_of_toml},
    field::Field,
    object::Toleration,
    record::hex16,
};
use crate::{
    agent_config::{self, Configuration, EnvFrom, EnvVar, Layer, Request, Setting, values::AgentValues},
    finding::{Finding, any_error},
    names::{self, Component},
    source::Source,
};

/// Everything that the engine knows besides the object and the facts; changes are made by swapping it whole.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Plugin settings by policy, strongest first.
    pub policies: Vec<PolicyDefaults>,
}

/// What one policy gives to the objects that it selects.
#[derive(Debug, Clone)]
pub struct PolicyDefaults {
    /// Name of the policy.
    pub name: String,
    /// Plugin settings, in the shape of `plugins` of the agent values.
    pub plugins: Map<String, Value>,
}

/// What a setup depends on, besides the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetupKey<'a> {
    /// The component.
    pub component: Component,
    /// The values annotation's text.
    pub values: Option<&'a str>,
    /// Release, for values that do not say one.
    pub release: Option<&'a str>,
    /// Namespace, for values that do not say one.
    pub namespace: Option<&'a str>,
    /// Version of the agent, for values that do not say one.
    pub agent_version: Option<&'a str>,
}

/// Gives setups: computes them, or remembers them.
pub trait Setups {
    /// The setup for this key.
    fn setup(&self, snapshot: &Snapshot, key: SetupKey<'_>) -> Arc<Setup>;
}

/// Computes each setup anew.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fresh;

impl Setups for Fresh {
    fn setup(&self, snapshot: &Snapshot, key: SetupKey<'_>) -> Arc<Setup> {
        Arc::new(Setup::compute(snapshot, key))
    }
}

/// An element that a list is to have.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted<K> {
    /// What makes it the same as another element.
    pub key: K,
    /// The element.
    pub entry: Value,
    /// Hash of the element's content.
    pub hash: u64,
    /// The element in a few words, for the report.
    pub shown: String,
    /// Where it came from.
    pub source: Source,
}

/// An annotation that the pods are to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// Its name, one of [`names::POD_ANNOTATIONS`].
    pub name: &'static str,
    /// Its text.
    pub text: String,
    /// Where it came from.
    pub source: Source,
}

/// The generated configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// TOML.
    pub text: String,
    /// Hash of the text, as the record writes it.
    pub bytes: String,
    /// Hash of what the text says, as the record writes it.
    pub content: String,
}

/// What one component is to be given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Setup {
    /// The configuration; `None` where the user brings a `ConfigMap` or an error stands in the way.
    pub config: Option<Config>,
    /// Whether the user brings a `ConfigMap`.
    pub own_config_map: bool,
    /// Name of the `ConfigMap` that the pods mount, where the values say it.
    pub config_map: Option<String>,
    /// Variables of the agent's container, by name.
    pub env: Vec<Wanted<String>>,
    /// Pull secrets of the pods, by name.
    pub pull_secrets: Vec<Wanted<String>>,
    /// Tolerations of the pods, by key, operator, value and effect.
    pub tolerations: Vec<Wanted<[String; 4]>>,
    /// Registry of the agent's image.
    pub registry: Option<(String, Source)>,
    /// Annotations of the pods.
    pub annotations: Vec<Annotation>,
    /// Each setting of the configuration and where it came from.
    pub settings: Vec<Setting>,
    /// What is wrong with the values, or worth knowing.
    pub findings: Vec<Finding>,
    /// Names of the policies that gave something.
    pub policies: Vec<String>,
}

impl Setup {
    /// Whether an error stands in the way of using it.
    pub fn has_errors(&self) -> bool {
        any_error(&self.findings)
    }

    fn compute(snapshot: &Snapshot, key: SetupKey<'_>) -> Self {
        let (mut values, mut findings) = key.values.map_or_else(Default::default, AgentValues::parse);
        if any_error(&findings) {
            // What follows from values that cannot be read is not worth a sentence of its own.
            return Self {
                findings,
                ..Self::default()
            };
        }
        if values.agent_version.is_none() {
            values.agent_version = key.agent_version.map(str::to_owned);
        }
        let layers: Vec<_> = snapshot
            .policies
            .iter()
            .map(|policy| Layer {
                name: &policy.name,
                plugins: &policy.plugins,
            })
            .collect();
        let configuration = agent_config::configure(&Request {
            component: key.component,
            values: &values,
            layers: &layers,
            release: key.release,
            namespace: key.namespace,
        });
        let Configuration {
            toml,
            env,
            scrape_port,
            settings,
            findings: of_configuration,
        } = configuration;
        findings.extend(of_configuration);
        Self {
            config: toml.map(|text| Config {
                bytes: hex16(hash_of_text(&text)),
                content: hex16(hash_of_toml(&text)),
                text,
            }),
            own_config_map: values.own_config_map.is_some(),
            config_map: values.own_config_map.clone().or_else(|| values.config.clone()),
            env: env.into_iter().map(variable).collect(),
            pull_secrets: pull_secrets(&values),
            tolerations: tolerations(&values),
            registry: values
                .image_registry
                .as_ref()
                .map(|registry| (registry.clone(), Source::Values("image.registry".to_owned()))),
            annotations: scrape_port.map(for_prometheus).unwrap_or_default(),
            policies: policies_of(&settings),
            settings,
            findings,
        }
    }
}

/// The variable as an element of `env`. `apiVersion` is what the API server would fill in.
fn variable(EnvVar { name, from, source }: EnvVar) -> Wanted<String> {
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
    }
}

/// What Prometheus looks for on a pod.
fn for_prometheus(port: u16) -> Vec<Annotation> {
    let source = || Source::Derived("the Prometheus exporter is on");
    vec![
        Annotation {
            name: names::SCRAPE_ANNOTATION,
            text: "true".to_owned(),
            source: source(),
        },
        Annotation {
            name: names::SCRAPE_PORT_ANNOTATION,
            text: port.to_string(),
            source: source(),
        },
    ]
}

fn pull_secrets(values: &AgentValues) -> Vec<Wanted<String>> {
    let mut wanted: Vec<Wanted<String>> = Vec::new();
    for (index, name) in values.image_pull_secrets.iter().enumerate() {
        if wanted.iter().any(|other| other.key == *name) {
            continue;
        }
        let entry = json!({"name": name});
        wanted.push(Wanted {
            hash: hash_of(&entry),
            key: name.clone(),
            entry,
            shown: name.clone(),
            source: Source::Values(format!("imagePullSecrets[{index}]")),
        });
    }
    wanted
}

fn tolerations(values: &AgentValues) -> Vec<Wanted<[String; 4]>> {
    let mut wanted: Vec<Wanted<[String; 4]>> = Vec::new();
    for (index, entry) in values.tolerations.iter().enumerate() {
        // `AgentValues` holds objects alone here, and any object reads as a toleration.
        let Ok(Field::Is(Toleration { identity, hash })) = serde::Deserialize::deserialize(entry) else {
            continue;
        };
        let key = identity.map(|text: super::field::Text<'_>| text.into_owned());
        if wanted.iter().any(|other| other.key == key) {
            continue;
        }
        let shown = entry.to_string();
        let source = Source::Values(format!("tolerations[{index}]"));
        wanted.push(Wanted {
            key,
            entry: entry.clone(),
            hash,
            shown,
            source,
        });
    }
    wanted
}

/// Names of the policies that a setting came from, each once, sorted.
fn policies_of(settings: &[Setting]) -> Vec<String> {
    let mut names: Vec<String> = settings
        .iter()
        .filter_map(|setting| match &setting.source {
            Source::Policy(name) => Some(name.clone()),
            _ => None,
        })
        .collect();
    names.sort();
    names.dedup();
    names
}
