//! The setup: what agent values, policies and catalogue come to for one component, the same for its `ConfigMap` and
//! its pods.

mod room;
mod wanted;

use std::sync::Arc;

use room::Room;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use super::{
    content::{hash_of_text, hash_of_toml},
    record::hex16,
};
use crate::{
    agent_config::{self, Configuration, Layer, Request, Setting, values::AgentValues},
    finding::{Finding, any_error},
    names::{self, Component},
    policy::{
        index::{PolicyIndex, Rank},
        model::Policy,
    },
    source::{LostAll, Source},
};

/// Everything that the engine knows besides the object and the facts; changes are made by swapping it whole.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The policies.
    pub policies: PolicyIndex,
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
    /// The policies of the snapshot that apply, strongest first.
    pub policies: &'a [Rank],
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

/// How much depends on an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It was asked for, or the configuration does not work without it: that it gives way to the user's is told.
    Needed,
    /// A policy offers it to whoever has none.
    Offered,
}

/// A field of a pod or of its agent's container that a policy may give where there is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodField {
    /// `nodeSelector` of the pod.
    NodeSelector,
    /// `runtimeClassName` of the pod.
    RuntimeClassName,
    /// `resources` of the container.
    Resources,
}

impl PodField {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NodeSelector => "nodeSelector",
            Self::RuntimeClassName => "runtimeClassName",
            Self::Resources => "resources",
        }
    }

    /// What Kubernetes has there.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::NodeSelector => "a map of texts",
            Self::RuntimeClassName => "a text",
            Self::Resources => "an object",
        }
    }
}

/// An element that a list is to have, or what a field is to have.
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
    /// What it won over.
    pub lost: LostAll,
    /// How much depends on it.
    pub need: Need,
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

/// The registry that the agent's image is to come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// Host and path.
    pub name: String,
    /// Where it came from.
    pub source: Source,
    /// What it won over.
    pub lost: LostAll,
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
    /// Fields that are given where there is nothing.
    pub fields: Vec<Wanted<PodField>>,
    /// Registry of the agent's image.
    pub registry: Option<Registry>,
    /// Annotations of the pods.
    pub annotations: Vec<Annotation>,
    /// Each setting of the configuration and where it came from.
    pub settings: Vec<Setting>,
    /// What is wrong with the values, or worth knowing.
    pub findings: Vec<Finding>,
    /// What is worth knowing of the pods alone.
    pub of_pods: Vec<Finding>,
    /// Names of the policies that gave something to the configuration.
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
        let policies: Vec<&Policy> = key
            .policies
            .iter()
            .filter_map(|rank| snapshot.policies.get(*rank))
            .collect();
        // One configuration is for all pods of a component, so what is for some of them has no part in it.
        let settings: Vec<_> = policies
            .iter()
            .filter(|policy| policy.selects.object_selector.is_everything())
            .map(|policy| (policy.title(), wanted::plugins(policy)))
            .collect();
        let layers: Vec<_> = settings
            .iter()
            .map(|(name, plugins)| Layer { name, plugins })
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
        let refused = Refused::read(key.values, &policies);
        let mut room = Room::default();
        let (env, mut of_pods) = wanted::env(env, &policies, &mut room);
        let pull_secrets = wanted::pull_secrets(&values, refused.pull_secrets.of(&policies), &mut room);
        let tolerations = wanted::tolerations(&values, refused.tolerations.of(&policies), &mut room);
        of_pods.extend(room.finding());
        Self {
            config: toml.map(|text| Config {
                bytes: hex16(hash_of_text(&text)),
                content: hex16(hash_of_toml(&text)),
                text,
            }),
            own_config_map: values.own_config_map.is_some(),
            config_map: values.own_config_map.clone().or_else(|| values.config.clone()),
            env,
            pull_secrets,
            tolerations,
            fields: wanted::fields(&policies),
            registry: wanted::registry(&values, &policies),
            annotations: scrape_port.map(for_prometheus).unwrap_or_default(),
            policies: policies_of(&settings),
            settings,
            findings,
            of_pods,
        }
    }
}

/// The lists that the values have empty, which is to say that policies are to add nothing, either.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refused {
    #[serde(rename = "imagePullSecrets")]
    pull_secrets: Elements,
    tolerations: Elements,
}

/// How many elements a list has, where there is one.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
struct Elements(Option<Vec<IgnoredAny>>);

impl Refused {
    fn read(values: Option<&str>, policies: &[&Policy]) -> Self {
        // Whoever cannot be read refuses nothing, and has findings that say so.
        values
            .filter(|_| !policies.is_empty())
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }
}

impl Elements {
    /// The policies that may add to the list.
    fn of<'s, 'p>(&self, policies: &'s [&'p Policy]) -> &'s [&'p Policy] {
        match &self.0 {
            Some(list) if list.is_empty() => &[],
            _ => policies,
        }
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
