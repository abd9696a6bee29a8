//! Where an injected value came from.

use std::{fmt, sync::Arc};

/// The origin of one injected value, strongest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The user wrote it on the object itself.
    Object,
    /// Agent values, with the path inside the values annotation (`plugins.rapl.poll_interval`).
    Values(String),
    /// A policy, by name.
    Policy(String),
    /// The catalogue's default for the component, with the catalogue path (`rapl.poll_interval`).
    Default(String),
    /// Worked out by a rule from other values; the rule in a few words.
    Derived(&'static str),
}

/// A value that a stronger source kept out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Who gave it.
    pub source: Source,
    /// The value as it would have been written, never a secret's.
    pub value: String,
}

impl Lost {
    /// What this source gave.
    pub fn of(source: Source, value: String) -> Self {
        Self { source, value }
    }
}

/// What a value won over, strongest first. Clones share it, and to share nothing costs nothing.
pub type LostAll = Arc<[Lost]>;

/// More who lost help nobody.
const MOST_LOST: usize = 16;

/// Shares what lost, up to a number that helps.
pub fn shared(mut lost: Vec<Lost>) -> LostAll {
    lost.truncate(MOST_LOST);
    if lost.is_empty() {
        return LostAll::default();
    }
    lost.into()
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object => f.write_str("set on the object"),
            Self::Values(path) => write!(f, "values: {path}"),
            Self::Policy(name) => write!(f, "policy: {name}"),
            Self::Default(key) => write!(f, "default: {key}"),
            Self::Derived(rule) => write!(f, "derived: {rule}"),
        }
    }
}
