//! What kubectl calls the kinds that something is injected into, and the line for kubectl that has objects completed anew.

use crate::names::REFRESH_ANNOTATION;

/// A kind that something is injected into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// API group, empty for the core's.
    pub group: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its resource.
    pub plural: &'static str,
    /// What kubectl takes for short.
    pub short: &'static str,
}

/// The kind of the agents' configurations.
pub const CONFIG_MAP: Kind = of("", "ConfigMap", "configmaps", "cm");

/// All of them, each in version `v1`.
pub const KINDS: [Kind; 7] = [
    CONFIG_MAP,
    of("apps", "DaemonSet", "daemonsets", "ds"),
    of("apps", "Deployment", "deployments", "deploy"),
    of("apps", "StatefulSet", "statefulsets", "sts"),
    of("batch", "CronJob", "cronjobs", "cj"),
    of("batch", "Job", "jobs", "job"),
    of("", "Pod", "pods", "po"),
];

const fn of(group: &'static str, name: &'static str, plural: &'static str, short: &'static str) -> Kind {
    Kind {
        group,
        name,
        plural,
        short,
    }
}

/// All but those of these names.
pub fn without(names: &[&str]) -> Vec<Kind> {
    KINDS
        .into_iter()
        .filter(|kind| !names.contains(&kind.name))
        .collect()
}

/// What a person types to have objects (`KIND/NAME`, with blanks between them) of a namespace completed anew.
pub fn refresh(namespace: &str, objects: &str) -> String {
    // A refresh that nobody answered still stands there.
    format!("kubectl -n {namespace} annotate {objects} {REFRESH_ANNOTATION}=now --overwrite")
}

impl Kind {
    /// The kind of a word as kubectl takes it, in any case: `ds`, `daemonset`, `daemonsets`, `daemonsets.apps` or
    /// `daemonsets.v1.apps`.
    pub fn called(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let (name, rest) = word
            .split_once('.')
            .map_or((word.as_str(), None), |(name, rest)| (name, Some(rest)));
        KINDS.into_iter().find(|kind| {
            let is_named =
                [kind.short, kind.plural].contains(&name) || kind.name.to_ascii_lowercase() == name;
            let group = rest.map(|rest| match rest.split_once('.') {
                Some(("v1", group)) => group,
                None if rest == "v1" => "",
                _ => rest,
            });
            is_named && group.is_none_or(|group| group == kind.group)
        })
    }
}
