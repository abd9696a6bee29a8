//! An installation of the injector as a cluster has it: what is there (`read`), and what is wrong with it (`checks`).
//!
//! Whoever asks may not be allowed to see everything. What cannot be seen is a value like any other, so that a check can
//! say which right is missing, and the others go on.

mod certificate;
mod checks;
mod probe;
mod reach;
mod read;
mod releases;
mod rights;
mod served;

use std::{collections::BTreeMap, fmt, sync::Arc};

use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Service, discovery::v1::EndpointSlice},
    apimachinery::pkg::version::Info,
};

pub use self::{
    checks::{CHECKS, Check, verdicts},
    read::read,
};
use self::{probe::Probe, rights::Asked, served::Marked};
use super::{
    Error,
    webhook_config::{Entry, Kind},
};
use crate::{policy_document::Problem, telemetry::with_causes};

/// What is looked at.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// One configuration of each kind, by name; else all that have an entry of ours.
    pub webhook: Option<String>,
    /// The namespace whose releases are looked at; else those of all namespaces.
    pub namespace: Option<String>,
}

/// Something in the cluster, or why it is not known.
pub type Seen<T> = Result<T, Unseen>;

/// Why something is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unseen {
    /// The person may not look at it: which right is missing.
    Forbidden(String),
    /// The API server did not answer as it should.
    Failed(String),
    /// There is nothing to look at, for this reason.
    Moot(String),
}

/// What came, or why it is not known.
fn seen<T>(answered: Result<T, Error>) -> Seen<T> {
    answered.map_err(|error| match error {
        Error::Forbidden { verb, what, .. } => Unseen::Forbidden(format!("you may not {verb} {what}")),
        Error::ForbiddenResource { verb, resource, .. } => {
            Unseen::Forbidden(format!("you may not {verb} {resource}"))
        }
        error => Unseen::Failed(with_causes(&error)),
    })
}

/// What there is of an installation.
#[derive(Debug)]
pub struct Installation {
    scope: Scope,
    version: Seen<Info>,
    /// Those that are asked about marked objects.
    webhooks: Seen<Vec<Webhook>>,
    /// Those that are asked about policies.
    policy_webhooks: Seen<Vec<Webhook>>,
    /// Names and labels.
    namespaces: Seen<BTreeMap<String, BTreeMap<String, String>>>,
    marked: Seen<Vec<Marked>>,
    probes: Seen<Vec<Probe>>,
    policies: Seen<Vec<Problem>>,
}

/// An entry of ours, and what it leads to.
#[derive(Debug)]
struct Webhook {
    kind: Kind,
    configuration: String,
    entry: Entry,
    backend: Seen<Arc<Backend>>,
}

/// What stands behind the Service that an entry leads to.
#[derive(Debug)]
struct Backend {
    namespace: String,
    service_name: String,
    service: Seen<Option<Service>>,
    slices: Seen<Vec<EndpointSlice>>,
    deployment: Seen<Option<Deployment>>,
    secret: Seen<Certificates>,
    rights: Seen<Vec<Asked>>,
}

/// The certificate that the Deployment's Secret holds.
#[derive(Debug)]
struct Certificates {
    secret: String,
    /// `tls.crt`, if the Secret is there and has it.
    chain: Option<Vec<u8>>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// All is well.
    Ok,
    /// It works, but perhaps not as the person expects, or not for long.
    Warning,
    /// Objects are not completed.
    Error,
    /// It cannot be told.
    Skipped,
}

impl Outcome {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Skipped => "skipped",
        }
    }
}

/// What a check says of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Code of the check.
    pub code: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// Kind and name, or empty for the whole cluster.
    pub place: String,
    /// A sentence without full stop.
    pub message: String,
    /// What to do, without full stop, or empty.
    pub mend: String,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]: ", self.outcome.as_str(), self.code)?;
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.message)?;
        if !self.mend.is_empty() {
            write!(f, "; {}", self.mend)?;
        }
        Ok(())
    }
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden(text) | Self::Failed(text) | Self::Moot(text) => f.write_str(text),
        }
    }
}

/// What a check says, before the table puts its code to it.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    outcome: Outcome,
    place: String,
    message: String,
    mend: String,
}

impl Said {
    fn new(outcome: Outcome, place: &str, message: String, mend: &str) -> Self {
        Self {
            outcome,
            place: place.to_owned(),
            message,
            mend: mend.to_owned(),
        }
    }

    fn ok(place: &str, message: String) -> Self {
        Self::new(Outcome::Ok, place, message, "")
    }

    fn warning(place: &str, message: String, mend: &str) -> Self {
        Self::new(Outcome::Warning, place, message, mend)
    }

    fn error(place: &str, message: String, mend: &str) -> Self {
        Self::new(Outcome::Error, place, message, mend)
    }

    fn skipped(place: &str, why: &Unseen) -> Self {
        let mend = match why {
            Unseen::Forbidden(_) => "let somebody look who may",
            Unseen::Failed(_) | Unseen::Moot(_) => "",
        };
        Self::new(Outcome::Skipped, place, why.to_string(), mend)
    }
}

impl Webhook {
    fn place(&self) -> String {
        format!("{} {}", self.kind.as_str(), self.configuration)
    }
}

impl Backend {
    fn service_place(&self) -> String {
        format!("Service {}/{}", self.namespace, self.service_name)
    }

    fn deployment_place(&self, deployment: &Deployment) -> String {
        let name = deployment.metadata.name.as_deref().unwrap_or_default();
        format!("Deployment {}/{name}", self.namespace)
    }

    /// The Deployment, where there is one.
    fn deployment(&self) -> Seen<&Deployment> {
        match &self.deployment {
            Ok(Some(deployment)) => Ok(deployment),
            Ok(None) => Err(Unseen::Moot(format!(
                "there is no Deployment behind the {}",
                self.service_place()
            ))),
            Err(why) => Err(why.clone()),
        }
    }
}

impl Installation {
    /// What is said of each entry of ours, of either kind; that there is none to look at, where there is none.
    fn each_webhook(&self, say: impl Fn(&Webhook) -> Said) -> Vec<Said> {
        each(&self.webhooks, self.policy_webhooks.iter().flatten(), say)
    }

    /// The same of those that are asked about marked objects.
    fn each_mutating(&self, say: impl Fn(&Webhook) -> Said) -> Vec<Said> {
        each(&self.webhooks, [], say)
    }

    /// What is said of what stands behind each entry of ours.
    fn each_backend(&self, say: impl Fn(&Webhook, &Backend) -> Said) -> Vec<Said> {
        self.each_webhook(|webhook| match &webhook.backend {
            Ok(backend) => say(webhook, backend),
            Err(why) => Said::skipped(&webhook.place(), why),
        })
    }
}

/// What is said of webhooks and of others besides, each thing once: several lead to one Service.
fn each<'w>(
    webhooks: &'w Seen<Vec<Webhook>>,
    besides: impl IntoIterator<Item = &'w Webhook>,
    say: impl Fn(&Webhook) -> Said,
) -> Vec<Said> {
    let mut told: Vec<Said> = webhooks
        .as_ref()
        .err()
        .map(|why| Said::skipped("", why))
        .into_iter()
        .collect();
    for said in webhooks.iter().flatten().chain(besides).map(say) {
        if !told.contains(&said) {
            told.push(said);
        }
    }
    if told.is_empty() {
        let none = Unseen::Moot("there is no webhook to look at".to_owned());
        told.push(Said::skipped("", &none));
    }
    told
}
