//! What follows from policies: settings that do not go with the rest give way, so that valid values never become an error
//! by a policy; and findings say whose settings they follow from.

use serde_json::{Map, Value};

use super::{
    Configuration, Layer, Request,
    catalog::catalogue,
    codes::{self, Findings},
    configure::attempt,
};
use crate::finding::{Finding, Severity};

/// How often something is left out before all weaker policies are: each time costs some configurations.
const ROUNDS: usize = 8;

/// Of up to so many policies, each is tried to be left out by itself.
const FEW: usize = 16;

/// Plugin settings of a policy, by its name.
type Settings<'a> = (&'a str, Map<String, Value>);

/// What is tried: the request with some of its policies.
struct Trial<'a> {
    request: &'a Request<'a>,
    /// What comes of the values by themselves.
    alone: Configuration,
}

/// The configuration without those settings of policies that would add an error to what the values have by themselves.
/// `whole` is the one with all of them.
pub(super) fn settle(request: &Request<'_>, whole: Configuration) -> Configuration {
    let trial = Trial {
        request,
        alone: with(request, &[]),
    };
    let layers = request.layers.iter();
    let mut policies: Vec<Settings<'_>> = layers.map(|layer| (layer.name, layer.plugins.clone())).collect();
    let mut left = Findings::default();
    let (mut settled, mut round) = (whole, 0);
    while added_error(&trial.alone, &settled).is_some() {
        let (at, end) = trial.culprit(&policies);
        let Some(error) = trial.added(&policies[..end]) else {
            break;
        };
        match trial.plugin(&policies[..end], at) {
            _ if round == ROUNDS => {
                for (name, _) in policies.drain(at..) {
                    leave_out(&mut left, name, None, &error);
                }
            }
            Some(plugin) => {
                let (name, plugins) = &mut policies[at];
                plugins.shift_remove(&plugin);
                leave_out(&mut left, name, Some(&plugin), &error);
            }
            None => leave_out(&mut left, policies.remove(at).0, None, &error),
        }
        settled = with(request, &policies);
        round += 1;
    }
    for finding in &mut settled.findings {
        name_policy(finding, &trial.alone, &policies);
    }
    settled.findings.extend(left.into_vec());
    settled
}

fn with(request: &Request<'_>, policies: &[Settings<'_>]) -> Configuration {
    let layers: Vec<Layer<'_>> = policies
        .iter()
        .map(|(name, plugins)| Layer { name, plugins })
        .collect();
    attempt(&Request {
        layers: &layers,
        ..*request
    })
}

impl Trial<'_> {
    /// An error that these policies add.
    fn added(&self, policies: &[Settings<'_>]) -> Option<Finding> {
        added_error(&self.alone, &with(self.request, policies))
    }

    /// A policy without which no error is added by the first so many policies: those up to `end`. All of them add one.
    fn culprit(&self, policies: &[Settings<'_>]) -> (usize, usize) {
        let mut few = (0..policies.len()).rev().filter(|_| policies.len() <= FEW);
        let alone = few.find(|at| {
            let mut others = policies.to_vec();
            others.remove(*at);
            self.added(&others).is_none()
        });
        if let Some(at) = alone {
            return (at, policies.len());
        }
        let at = first_bad(policies.len(), |end| self.added(&policies[..end]).is_none());
        (at, at + 1)
    }

    /// The plugin of this policy without whose settings no error is added.
    fn plugin(&self, policies: &[Settings<'_>], at: usize) -> Option<String> {
        let mut fewer = policies.to_vec();
        let mut plugins = policies[at].1.keys();
        let plugin = plugins.find(|plugin| {
            fewer[at].1.clone_from(&policies[at].1);
            fewer[at].1.shift_remove(*plugin);
            self.added(&fewer).is_none()
        });
        plugin.cloned()
    }
}

/// The number of the first policies that are good together, where one more is bad. None are good, and all are bad.
fn first_bad(all: usize, is_good: impl Fn(usize) -> bool) -> usize {
    let (mut good, mut bad) = (0, all);
    while bad - good > 1 {
        let middle = good.midpoint(bad);
        if is_good(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    good
}

/// An error that the values do not have by themselves.
fn added_error(alone: &Configuration, with: &Configuration) -> Option<Finding> {
    let mut errors = with
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    errors.find(|error| !has(alone, error)).cloned()
}

/// Whether this is found, in whatever spelling of the plugin.
fn has(configuration: &Configuration, finding: &Finding) -> bool {
    configuration
        .findings
        .iter()
        .any(|other| (other.code, &other.message) == (finding.code, &finding.message))
}

/// Tells what gives way: the settings of a plugin, or all of a policy.
fn leave_out(left: &mut Findings, policy: &str, plugin: Option<&str>, error: &Finding) {
    let (path, what) = match plugin {
        Some(plugin) => (format!("plugins.{plugin}"), "what it sets here"),
        None => ("plugins".to_owned(), "what it sets for plugins"),
    };
    let mend = if error.path.starts_with(&format!("{path}.")) {
        "complete it in the policy, or take it out".to_owned()
    } else {
        format!("take it out of the policy, or change {}", error.path)
    };
    left.blame(Some(policy));
    let own = format!("policy `{policy}`: ");
    let why = error.message.strip_prefix(&own).unwrap_or(&error.message);
    let message = format!("{what} does not go with the rest, and is left out: {why}");
    left.warning(codes::POLICY_SETTING, &path, message, mend);
}

/// Names the strongest policy that has a word about the plugin of a finding, where the values alone do not give it.
fn name_policy(finding: &mut Finding, alone: &Configuration, policies: &[Settings<'_>]) {
    let plugin = |path: &str| catalogue().index(path.strip_prefix("plugins.")?.split('.').next()?);
    let Some(plugin) = plugin(&finding.path) else {
        return;
    };
    if finding.message.starts_with("policy `") || has(alone, finding) {
        return;
    }
    let mut policies = policies.iter();
    let speaks = |spelling: &String| catalogue().index(spelling) == Some(plugin);
    if let Some((name, _)) = policies.find(|(_, plugins)| plugins.keys().any(speaks)) {
        finding.message = format!("policy `{name}`: {}", finding.message);
    }
}
