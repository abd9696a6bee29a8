//! The record: what is ours on an object, so that it can be told from the user's text, renewed and taken out.
//!
//! Compact JSON without time or engine version, keys in a fixed order, so that equal content gives equal bytes.
//! Members that are empty are left out; a member that is missing reads as empty, so that a record written before
//! the member existed is read for ever.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Version of the record's form. A record with a higher one is left alone.
const VERSION: u64 = 1;

/// Longest text that is read as a record, in bytes. Ours have some hundred; anybody may write the annotation. The longest
/// of ours names what the longest values and policies give (`setup::room`), and the names of some policies.
const MAX_TEXT: usize = 128 << 10;

/// What stands for all further policies. It is no name.
const MORE: &str = "and more";

/// So many policies are named, those that come first.
const MOST_NAMED: usize = 32;

/// What was injected into one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    v: u64,
    /// Hash of the values annotation's text, 16 hex digits.
    pub values: String,
    /// `ConfigMap`: hash of the text under the key `config`. Template: hash of the parsed TOML. 16 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// `container/NAME` of each variable, with the hash of its entry, 8 hex digits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Names of pull secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pull: Vec<String>,
    /// Hash of each toleration, 8 hex digits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tol: Vec<String>,
    /// Container: the registry that was there, and the hash of the image that is there now, 8 hex digits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub image: BTreeMap<String, (String, String)>,
    /// Each field that had nothing (`nodeSelector`, `runtimeClassName`, `container/resources`), with the hash of what
    /// is there now, 8 hex digits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// Each annotation, with the hash of its text, 8 hex digits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ann: BTreeMap<String, String>,
    /// Whether something wanted could not be put in, so that the object is planned anew each time until it can.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
    /// Names of the policies that took part; of more than [`MOST_NAMED`] the first ones, and that there were more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
}

impl Record {
    /// A record of nothing yet, for values with this hash, under these policies.
    pub(super) fn new(values: u64, from: Vec<String>) -> Self {
        let mut record = Self {
            v: VERSION,
            values: hex16(values),
            config: None,
            env: BTreeMap::new(),
            pull: Vec::new(),
            tol: Vec::new(),
            image: BTreeMap::new(),
            fields: BTreeMap::new(),
            ann: BTreeMap::new(),
            incomplete: false,
            from: Vec::new(),
        };
        record.name(from);
        record
    }

    /// Adds names of policies that took part.
    pub(super) fn name(&mut self, more: Vec<String>) {
        let mut names: BTreeSet<String> = self.from.drain(..).chain(more).collect();
        let was_cut = names.remove(MORE);
        let is_cut = names.len() > MOST_NAMED || was_cut;
        self.from.extend(names.into_iter().take(MOST_NAMED));
        if is_cut {
            self.from.push(MORE.to_owned());
        }
    }

    /// The record as it stands in the annotation.
    pub(super) fn to_text(&self) -> String {
        // Strings, numbers and maps with string keys: there is nothing that JSON could not say.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What the status annotation of an object says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Recorded {
    /// There is no record.
    None,
    /// A record that this version understands.
    Known(Box<Record>),
    /// A record of a later version.
    Newer(u64),
    /// A text that is no record.
    Malformed,
}

impl Recorded {
    /// Reads the annotation's text.
    pub(super) fn parse(text: Option<&str>) -> Self {
        #[derive(Deserialize)]
        struct Version {
            v: u64,
        }
        let Some(text) = text else { return Self::None };
        if text.len() > MAX_TEXT {
            return Self::Malformed;
        }
        match serde_json::from_str::<Version>(text) {
            Ok(Version { v }) if v > VERSION => Self::Newer(v),
            Ok(Version { v: VERSION }) => {
                serde_json::from_str(text).map_or(Self::Malformed, |record| Self::Known(Box::new(record)))
            }
            _ => Self::Malformed,
        }
    }

    /// The record, where there is one that this version understands.
    pub(super) fn known(&self) -> Option<&Record> {
        match self {
            Self::Known(record) => Some(record),
            Self::None | Self::Newer(_) | Self::Malformed => None,
        }
    }
}

/// A hash as the record writes it where it stands for a whole text.
pub(super) fn hex16(hash: u64) -> String {
    format!("{hash:016x}")
}

/// A hash as the record writes it where it stands for one entry.
pub(super) fn hex8(hash: u64) -> String {
    format!("{:08x}", hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::{MAX_TEXT, Record, Recorded};

    #[test]
    fn a_record_survives_its_text() {
        let mut record = Record::new(7, Vec::new());
        record
            .env
            .insert("agent/INFLUX_TOKEN".to_owned(), "5f3a9c01".to_owned());
        record.image.insert(
            "agent".to_owned(),
            ("ghcr.io/alumet-dev".to_owned(), "7c01aa3e".to_owned()),
        );
        let text = record.to_text();
        assert_eq!(
            text,
            r#"{"v":1,"values":"0000000000000007","env":{"agent/INFLUX_TOKEN":"5f3a9c01"},"image":{"agent":["ghcr.io/alumet-dev","7c01aa3e"]}}"#
        );
        assert_eq!(Recorded::parse(Some(&text)), Recorded::Known(Box::new(record)));
    }

    #[test]
    fn what_is_no_record_is_told_from_a_later_one() {
        assert_eq!(Recorded::parse(None), Recorded::None);
        assert_eq!(
            Recorded::parse(Some(r#"{"v":2,"anything":[]}"#)),
            Recorded::Newer(2)
        );
        for text in [
            "",
            "x",
            "{}",
            "[]",
            r#"{"v":1}"#,
            r#"{"v":0,"values":""}"#,
            r#"{"v":1,"values":"a","env":[]}"#,
            &format!(r#"{{"v":1,"values":"{}"}}"#, "a".repeat(MAX_TEXT)),
        ] {
            assert_eq!(Recorded::parse(Some(text)), Recorded::Malformed, "{text}");
        }
    }
}
