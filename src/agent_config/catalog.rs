//! The catalogue of agent plugins: `catalog.toml`, parsed once, as a tree of keys for each plugin.

mod rows;

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::version::{Profile, Range};
use crate::names::Component;

/// The catalogue of this build.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
        rows::parse(include_str!("catalog.toml")).expect("a test parses the embedded catalogue")
    });
    &CATALOGUE
}

/// Everything that is known of the agent's configuration.
#[derive(Debug)]
pub struct Catalogue {
    /// The plugins, in the order in which their sections have to stand.
    pub plugins: Vec<Plugin>,
    /// The agent's keys outside of plugins.
    pub general: Vec<Node>,
    /// Environment variables that every agent pod can be given.
    pub env: Vec<PodVariable>,
    /// Spellings under `plugins:` and the plugin's place in `plugins`.
    pub(super) spellings: BTreeMap<String, usize>,
}

impl Catalogue {
    /// The plugin with the agent's own name.
    pub fn plugin(&self, name: &str) -> Option<&Plugin> {
        self.spellings
            .get(name)
            .map(|&index| &self.plugins[index])
            .filter(|plugin| plugin.name == name)
    }

    /// Place of the plugin that the values call so.
    pub(super) fn index(&self, spelling: &str) -> Option<usize> {
        self.spellings.get(spelling).copied()
    }
}

/// A variable that comes from the pod itself.
#[derive(Debug)]
pub struct PodVariable {
    /// Name of the variable.
    pub name: String,
    /// Field of the pod, by the downward API.
    pub field: &'static str,
}

/// One plugin of the agent.
#[derive(Debug)]
pub struct Plugin {
    /// The agent's name, as in `[plugins.<name>]`.
    pub name: String,
    /// One sentence on what it does.
    pub about: String,
    /// Where its section stands.
    pub class: Class,
    /// Every spelling under `plugins:`, the agent's own first.
    pub spellings: Vec<String>,
    /// Versions that have it.
    pub accepted: Range,
    /// Components that have it on when nobody says.
    pub on: Vec<String>,
    /// Its keys.
    pub root: Node,
    /// What has to hold between its keys.
    pub constraints: Vec<Constraint>,
    /// Metrics that it registers.
    pub provides: Vec<Provides>,
    /// It registers more metrics than the catalogue can know.
    pub open: bool,
    /// Keys of other plugins that have to be on.
    pub needs: Vec<Need>,
    /// Keys of older charts that do nothing any more.
    pub retired: Vec<Retired>,
    /// What its pod has to give.
    pub privileges: Privileges,
}

impl Plugin {
    /// Whether the component has the plugin on when nobody says.
    pub fn on_by_default(&self, component: Component) -> bool {
        self.on.iter().any(|name| name == component.as_str())
    }
}

/// Where a section stands; sections of a lower class come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Measures.
    Source,
    /// Makes energy of other measurements.
    Estimator,
    /// Shares energy among consumers.
    Attribution,
    /// Turns processes into control groups.
    Bridge,
    /// Adds names to control groups, and measures them.
    Annotator,
    /// Sums over time.
    Aggregation,
    /// Lets some metrics through.
    Filter,
    /// Converts energy to carbon dioxide.
    Carbon,
    /// Writes measurements somewhere.
    Output,
}

/// What has to hold between keys of one plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constraint {
    /// Exactly one of the keys is there.
    OneOf(Vec<String>),
    /// All of the keys are there, or none.
    AllOrNone(Vec<String>),
    /// At most one of the keys is there.
    Excludes(Vec<String>),
}

/// Metrics that a plugin registers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provides {
    /// Names of the metrics.
    pub metrics: Vec<String>,
    /// Settings of the plugin without which it does not.
    #[serde(default)]
    pub when: BTreeMap<String, Value>,
    /// Versions in which it does.
    #[serde(default)]
    pub accepted: Range,
}

/// A key of another plugin that has to be on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// The metric for which it is needed.
    pub metric: String,
    /// The other plugin.
    pub plugin: String,
    /// Its key.
    pub key: String,
    /// Versions in which the need exists.
    #[serde(default)]
    pub accepted: Range,
}

/// A key of older charts that does nothing any more.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retired {
    /// Path below the plugin.
    pub path: String,
    /// Why it does nothing.
    pub why: String,
}

/// What a plugin asks of its pod.
#[derive(Debug, Default)]
pub struct Privileges {
    /// Linux capabilities, without `CAP_`.
    pub capabilities: Vec<String>,
    /// The host's process ids.
    pub host_pid: bool,
    /// Directories of the host.
    pub host_paths: Vec<HostPath>,
    /// Resource name of the GPU.
    pub gpu: Option<String>,
    /// The pod's service account talks to the API server.
    pub api_access: bool,
}

/// A directory of the host that a plugin reads.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostPath {
    /// The directory.
    pub path: String,
    /// Whether reading is enough.
    pub read_only: bool,
}

/// One key with the keys below it.
#[derive(Debug)]
pub struct Node {
    /// What is known of the key itself.
    pub row: Row,
    /// Keys below it, in the order of the catalogue.
    pub children: Vec<Self>,
    /// The key that stands for every other name below it.
    pub any: Option<Box<Self>>,
    /// The key that stands for each element of a list of tables.
    pub item: Option<Box<Self>>,
}

impl Node {
    /// Whether what stands here may hold a secret: a secret itself, a table with one in it, an address with a password.
    pub fn may_hold_secret(&self) -> bool {
        self.row.secret.is_some()
            || self.row.kinds.contains(&Kind::Url)
            || self.children.iter().any(Self::may_hold_secret)
    }

    /// The key below this one that the agent calls so.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children
            .iter()
            .find(|child| child.row.name == name)
            .or(self.any.as_deref())
    }

    /// The key below this one that the values call so.
    pub fn spelled(&self, spelling: &str) -> Option<&Self> {
        self.children
            .iter()
            .find(|child| child.row.spellings.iter().any(|known| known == spelling))
    }

    /// The key at a path of the agent's names.
    pub fn at(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |node, name| node.child(name))
    }

    /// Whether the key is a table and nothing else.
    pub fn is_table(&self) -> bool {
        self.row.kinds == [Kind::Table]
    }

    /// Whether the key can be a table.
    pub fn holds_table(&self) -> bool {
        self.row.kinds.contains(&Kind::Table)
    }
}

/// What is known of one key.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a column of the catalogue of its own"
)]
pub struct Row {
    /// Path below the plugin, as in the catalogue.
    pub path: String,
    /// The agent's name of the key.
    pub name: String,
    /// Every spelling in the values, the agent's own first.
    pub spellings: Vec<String>,
    /// What it may be: one of these.
    pub kinds: Vec<Kind>,
    /// Versions that know it.
    pub accepted: Range,
    /// Versions that insist on it.
    pub required: Option<Range>,
    /// What the agent itself writes.
    pub agent_default: Option<Value>,
    /// `agent_default` differs between machines.
    pub machine: bool,
    /// Ours, for all components.
    pub default: Option<Value>,
    /// Ours, for one component.
    pub default_for: BTreeMap<String, Value>,
    /// There is no default that could work.
    pub must_set: bool,
    /// A key of the values alone.
    pub helm: bool,
    /// A list without elements does not work.
    pub not_empty: bool,
    /// The table refuses unknown keys.
    pub deny: bool,
    /// A literal is refused.
    pub secret: Option<Secret>,
    /// One sentence on what it is.
    pub about: String,
}

impl Row {
    /// What stands for the key when nobody sets it.
    pub fn default_for(&self, component: Component) -> Option<&Value> {
        let ours = self.default_for.get(component.as_str()).or(self.default.as_ref());
        ours.or_else(|| {
            self.agent_default
                .as_ref()
                .filter(|_| !self.must_set && !self.machine)
        })
    }

    /// Whether the agent insists on the key.
    pub fn is_required(&self, profile: Profile) -> bool {
        self.required.is_some_and(|range| profile.within(range))
    }

    /// Whether the agent knows the key.
    pub fn is_accepted(&self, profile: Profile) -> bool {
        profile.within(self.accepted)
    }
}

/// A key whose value is a secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Environment variable that carries it.
    pub env: String,
    /// Key in the release's Secret of credentials.
    pub key: String,
    /// How the chart has to encode the literal before it goes into that Secret.
    #[serde(default)]
    pub encoding: Encoding,
}

/// How a literal goes into the Secret of credentials.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// As it is.
    #[default]
    None,
    /// Percent-encoded, since the agent pastes it into a URI.
    Percent,
}

/// What a value may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number in a range.
    Int {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A number.
    Float,
    /// Any text.
    Text,
    /// One character.
    Char,
    /// A duration with units, at least this long and never zero.
    Duration {
        /// Shortest.
        min: Duration,
    },
    /// An `http` or `https` URL.
    Url,
    /// An address in numbers.
    Ip {
        /// IPv6 stands in brackets.
        brackets: bool,
    },
    /// `host:port`.
    HostPort,
    /// A regular expression.
    Regex,
    /// Name of a metric that some plugin has to register.
    Metric,
    /// Three capital letters.
    Alpha3,
    /// A name that a Secret can have.
    SecretName,
    /// A key that a Secret can have.
    SecretKey,
    /// One of some words.
    Enum {
        /// The words.
        values: Vec<String>,
        /// The agent does not mind capitals.
        ignore_case: bool,
    },
    /// A table with keys of its own.
    Table,
    /// Anything.
    Any,
    /// A list.
    List(Box<Self>),
}
