//! Where an injected value came from.

use std::fmt;

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
