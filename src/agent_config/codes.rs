//! The closed set of codes that this part gives its findings, each with its sentence, and where findings are gathered.

use crate::finding::{Finding, Severity, any_error};

macro_rules! codes {
    ($($name:ident = $code:literal: $sentence:literal,)*) => {
        $(#[doc = concat!("`", $code, "`")] pub const $name: &str = $code;)*
        /// Every code and its sentence, in the order of the documentation.
        pub const CODES: &[(&str, &str)] = &[$(($code, $sentence)),*];
    };
}

codes! {
    VALUES_SYNTAX = "values-syntax": "The agent values are not JSON.",
    VALUES_SIZE = "values-size": "The agent values are longer than 64 KiB.",
    WRONG_TYPE = "wrong-type": "A value cannot be read as what its key is.",
    UNKNOWN_KEY = "unknown-key": "Nothing has a key of this name.",
    UNKNOWN_PLUGIN = "unknown-plugin": "The agent has no plugin of this name.",
    ALIAS_CONFLICT = "alias-conflict": "Two spellings of one key have different values.",
    NOT_IN_VERSION = "not-in-version": "This version of the agent does not have the plugin or key.",
    RETIRED_KEY = "retired-key": "A key of older charts that does nothing any more.",
    VERSION_UNKNOWN = "version-unknown": "The agent's version cannot be told from its image tag.",
    VERSION_OLD = "version-old": "The agent is older than the oldest version that the catalogue describes.",
    MISSING_VALUE = "missing-value": "The agent insists on a key that has no default.",
    LITERAL_SECRET = "literal-secret": "A secret stands where only a reference to one may stand.",
    REFERENCE = "reference": "A reference to a Secret or a variable is malformed, or stands where none may stand.",
    TEXT_VARIABLE = "text-variable": "A text looks like a variable but is taken as it is.",
    UNKNOWN_ENV = "unknown-env": "The configuration names a variable that nothing declares.",
    ENV_SYNTAX = "env-syntax": "A variable is written in a way that the agent cannot read.",
    EXTRA_CONFIG = "extra-config": "The extra configuration is not a TOML table.",
    INFLUXDB_HOST = "influxdb-host": "InfluxDB is on, but nothing says where the database is.",
    INFLUXDB_SECRET = "influxdb-secret": "InfluxDB is on, but nothing says which Secret has the token.",
    RELAY_ADDRESS = "relay-address": "The relay client is on, but nothing says where the relay server is.",
    NO_ENERGY_SOURCE = "no-energy-source": "Energy attribution is on, but nothing measures energy.",
    NO_CONSUMERS = "no-consumers": "Energy attribution is on, but nothing measures pods or processes.",
    GPU_NOT_ATTRIBUTED = "gpu-not-attributed": "The energy of the GPU cannot be attributed in the chosen mode.",
    NEEDS_PLUGIN = "needs-plugin": "A plugin needs another one that is off.",
    UNKNOWN_METRIC = "unknown-metric": "No enabled plugin registers the metric, and the agent would not start.",
    POLICY_SETTING = "policy-setting": "A policy's settings of a plugin do not go with the rest, and are left out.",
    TOML_SYNTAX = "toml-syntax": "The text is not TOML.",
    ENABLE_TWICE = "enable-twice": "A plugin has both `enable` and `enabled`.",
    CONSTRAINT = "constraint": "Keys that belong together, or exclude each other, do not fit.",
    SECTION_ORDER = "section-order": "A section stands before one whose results it needs.",
    NO_PLUGINS = "no-plugins": "No plugin is enabled: the agent runs for ever and does nothing.",
    NO_OUTPUT = "no-output": "Nothing writes what is measured.",
    PERF_NEVER_MEASURES = "perf-never-measures": "The perf plugin measures only what `exec` or `watch` announce.",
    LOCALHOST = "localhost": "An address names the pod itself.",
    SHORT_RETRY = "short-retry": "The relay client gives up for good before a server may be back.",
    INTERVALS_DIFFER = "intervals-differ": "The TDP estimation and its source have different intervals.",
    DOUBLE_COUNT = "double-count": "The same work would be counted more than once.",
}

/// Findings of one severity beyond this number help nobody, and hostile values could have thousands.
const MOST: usize = 100;

/// Longest word for which a similar one is sought.
const LONGEST_WORD: usize = 64;

/// Findings as they come up, each after whose they are.
#[derive(Debug, Default)]
pub(super) struct Findings {
    all: Vec<Finding>,
    policy: Option<String>,
}

impl Findings {
    /// From here on, messages name this policy, or none.
    pub(super) fn blame(&mut self, policy: Option<&str>) {
        self.policy = policy.map(str::to_owned);
    }

    /// Something that stands in the way.
    pub(super) fn error(&mut self, code: &'static str, path: &str, message: String, mend: impl Into<String>) {
        self.push(code, Severity::Error, path, message, mend.into());
    }

    /// Something worth knowing.
    pub(super) fn warning(
        &mut self,
        code: &'static str,
        path: &str,
        message: String,
        mend: impl Into<String>,
    ) {
        self.push(code, Severity::Warning, path, message, mend.into());
    }

    fn push(&mut self, code: &'static str, severity: Severity, path: &str, message: String, mend: String) {
        let message = match &self.policy {
            Some(policy) => format!("policy `{policy}`: {message}"),
            None => message,
        };
        let finding = Finding {
            code,
            severity,
            path: path.to_owned(),
            message,
            mend,
        };
        if !self.is_full(severity) && !self.all.contains(&finding) {
            self.all.push(finding);
        }
    }

    /// Whether there are so many of this severity that no more are taken.
    pub(super) fn is_full(&self, severity: Severity) -> bool {
        self.count(severity) >= MOST
    }

    fn count(&self, severity: Severity) -> usize {
        self.all
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }

    /// Adds what was found elsewhere.
    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.all.extend(findings);
    }

    /// Whether anything stands in the way.
    pub(super) fn any_error(&self) -> bool {
        any_error(&self.all)
    }

    /// What was found.
    pub(super) fn into_vec(self) -> Vec<Finding> {
        self.all
    }
}

/// The mend that names the nearest of the known words, or lists a few of them.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.into_iter().collect();
    let folded = |text: &str| text.to_lowercase().replace(['-', '_'], "");
    let target = folded(word);
    let nearest = known
        .iter()
        .filter(|_| word.len() <= LONGEST_WORD)
        .map(|name| (strsim::damerau_levenshtein(&target, &folded(name)), *name))
        .min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((distance, name)) if distance <= 1 + target.chars().count() / 3 => {
            format!("did you mean `{name}`?")
        }
        _ if known.len() <= 12 => {
            known.sort_unstable();
            known.dedup();
            format!("known are `{}`", known.join("`, `"))
        }
        _ => "`alumet-injector catalog` and docs/plugins.md list all of them".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_there_once() {
        let mut codes: Vec<&str> = CODES.iter().map(|(code, _)| *code).collect();
        codes.sort_unstable();
        let count = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), count);
    }

    #[test]
    fn the_nearest_name_is_offered_when_one_is_near() {
        assert_eq!(did_you_mean("rapll", ["rapl", "perf"]), "did you mean `rapl`?");
        assert_eq!(
            did_you_mean("RelayCleint", ["relay-client"]),
            "did you mean `relay-client`?"
        );
        assert_eq!(
            did_you_mean("xyzzy", ["rapl", "perf"]),
            "known are `perf`, `rapl`"
        );
    }
}
