//! Label selectors as Kubernetes has them: `matchLabels` and `matchExpressions`, all of which must hold.

use std::{collections::BTreeMap, fmt};

use crate::kubernetes::{is_label_key, is_label_value};

/// Labels of an object or of a namespace.
pub trait Labels {
    /// The value of a label, where there is one of this key.
    fn value(&self, key: &str) -> Option<&str>;

    /// Every label.
    fn each<'l>(&'l self, visit: &mut dyn FnMut(&'l str, &'l str));
}

impl Labels for BTreeMap<String, String> {
    fn value(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }

    fn each<'l>(&'l self, visit: &mut dyn FnMut(&'l str, &'l str)) {
        for (key, value) in self {
            visit(key, value);
        }
    }
}

/// What a requirement demands of the label of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// It is there, with one of the values.
    In,
    /// It is not there, or has none of the values.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

impl Operator {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::In, Self::NotIn, Self::Exists, Self::DoesNotExist];

    /// The word in a document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "In",
            Self::NotIn => "NotIn",
            Self::Exists => "Exists",
            Self::DoesNotExist => "DoesNotExist",
        }
    }

    /// Reads the word; Kubernetes knows no other spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.as_str() == text)
    }
}

/// Why a requirement is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRequirement {
    /// The key is no label's.
    Key,
    /// A value, by its place, is no label's.
    Value(usize),
    /// `In` and `NotIn` without a value.
    NoValues(Operator),
    /// `Exists` and `DoesNotExist` with one.
    Values(Operator),
}

impl fmt::Display for BadRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("no label has such a key"),
            Self::Value(_) => f.write_str("no label has such a value"),
            Self::NoValues(operator) => write!(f, "`{}` needs at least one value", operator.as_str()),
            Self::Values(operator) => write!(f, "`{}` takes no values", operator.as_str()),
        }
    }
}

/// One requirement: a key, and what is demanded of its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

impl Requirement {
    /// A requirement, if Kubernetes takes it for one (apimachinery, `labels.NewRequirement`).
    pub fn new(key: String, operator: Operator, values: Vec<String>) -> Result<Self, BadRequirement> {
        if !is_label_key(&key) {
            return Err(BadRequirement::Key);
        }
        match operator {
            Operator::In | Operator::NotIn if values.is_empty() => {
                return Err(BadRequirement::NoValues(operator));
            }
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
                return Err(BadRequirement::Values(operator));
            }
            _ => {}
        }
        match values.iter().position(|value| !is_label_value(value)) {
            Some(place) => Err(BadRequirement::Value(place)),
            None => Ok(Self {
                key,
                operator,
                values,
            }),
        }
    }

    fn holds(&self, labels: &dyn Labels) -> bool {
        let value = labels.value(&self.key);
        let is_listed = || value.is_some_and(|value| self.values.iter().any(|listed| listed == value));
        match self.operator {
            Operator::In => is_listed(),
            Operator::NotIn => !is_listed(),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

/// All requirements of one selector. Without any it selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

impl Selector {
    /// What these requirements select together.
    pub fn new(requirements: Vec<Requirement>) -> Self {
        Self(requirements)
    }

    /// Whether it selects everything, whatever the labels.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it selects what has these labels.
    pub fn matches(&self, labels: &dyn Labels) -> bool {
        self.0.iter().all(|requirement| requirement.holds(labels))
    }

    /// Key, operator and values of each requirement.
    pub fn requirements(&self) -> impl Iterator<Item = (&str, Operator, &[String])> {
        self.0.iter().map(|requirement| {
            (
                requirement.key.as_str(),
                requirement.operator,
                requirement.values.as_slice(),
            )
        })
    }

    /// The labels of which whatever it selects has one: a key and some values, for each requirement that names any.
    pub(super) fn demands(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0
            .iter()
            .filter(|requirement| requirement.operator == Operator::In)
            .map(|requirement| (requirement.key.as_str(), requirement.values.as_slice()))
    }
}
