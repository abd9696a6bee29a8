//! The agent's configuration: from agent values and the catalogue of plugins to TOML, and what is wrong with either.

pub mod catalog;
pub mod codes;
pub mod values;
pub mod version;

mod check;
mod coerce;
mod configure;
mod defaults;
mod derive;
mod duration;
mod extra;
mod giving_way;
mod influx;
mod layer_check;
mod layers;
mod minimal;
mod reference;
mod references;
mod render;
mod schema;
mod settings;
mod variables;

use serde_json::{Map, Value};

pub use self::{
    check::check_toml,
    coerce::has_password,
    configure::configure,
    layer_check::{carries_secret, check_plugins},
    minimal::{equal_to_default, minimal},
    reference::{plugin_reference, reference},
    references::is_variable,
    schema::{PluginsSchema, needs, plugins_schema},
};
use crate::{
    finding::Finding,
    names::Component,
    source::{LostAll, Source},
};

/// One further source of plugin settings below the agent values: what a policy says.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'a> {
    /// Name of the policy, for provenance.
    pub name: &'a str,
    /// Plugin settings in the same shape as `plugins` of the agent values.
    pub plugins: &'a Map<String, Value>,
}

/// What [`configure`] works from.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Whose configuration it is.
    pub component: Component,
    /// What the user set.
    pub values: &'a values::AgentValues,
    /// What policies say, strongest first.
    pub layers: &'a [Layer<'a>],
    /// Release, where the door knows it and the values do not say.
    pub release: Option<&'a str>,
    /// Namespace, where the door knows it and the values do not say.
    pub namespace: Option<&'a str>,
}

/// What the agent of one component is to be given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configuration {
    /// The TOML text; `None` where the user brings a `ConfigMap` or an error stands in the way.
    pub toml: Option<String>,
    /// Environment variables that the TOML refers to, in the order of their first use.
    pub env: Vec<EnvVar>,
    /// Port of the Prometheus exporter, where it is on.
    pub scrape_port: Option<u16>,
    /// Each setting of the TOML and its origin, in the order of the TOML.
    pub settings: Vec<Setting>,
    /// What is wrong with the values, or worth knowing.
    pub findings: Vec<Finding>,
}

/// An environment variable that the TOML refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvVar {
    /// Name of the variable.
    pub name: String,
    /// Where its value comes from.
    pub from: EnvFrom,
    /// Why it is there.
    pub source: Source,
}

/// Where the value of an environment variable comes from. Never a secret's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvFrom {
    /// A key of a Secret in the pod's namespace.
    Secret {
        /// Name of the Secret.
        name: String,
        /// Key inside the Secret.
        key: String,
    },
    /// A field of the pod, by the downward API (`spec.nodeName`).
    Field(&'static str),
    /// A plain text that is no secret.
    Literal(String),
}

/// One setting of the generated TOML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Path in the TOML (`plugins.rapl.poll_interval`).
    pub path: String,
    /// The value as TOML.
    pub value: String,
    /// Where it came from.
    pub source: Source,
    /// What it won over.
    pub lost: LostAll,
}
