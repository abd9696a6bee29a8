//! The self-managed mode: keeps the Secret, the caBundle and the serving certificate in step, for as long as it runs.
//!
//! Each round reads the Secret, does what `certs::renewal` decides, brings the caBundle to what the Secret says, and
//! hands the certificate over when the caBundle trusts it. A round begins when the webhook configuration changes, later
//! each time when somebody writes against us, and at least every minute by the clock on the wall: timers stand still while
//! a machine is suspended.

use std::time::{Duration, Instant, SystemTime};

use futures::StreamExt as _;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::{Client, runtime::watcher::DefaultBackoff};

use super::{
    Error,
    pace::Pace,
    races::Races,
    serving_cert::{Read, ServingCert},
    webhook_config::{Changes, Target, WebhookConfig, Written},
};
use crate::{
    certs::{
        Bundle, Pair, ServerNames,
        renewal::{Decision, InPlace, Lifetimes, Step, decide, may_serve},
    },
    telemetry::with_causes,
};

/// Longest time between two rounds.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// Shortest time between two rounds that nothing but the clock asks for.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// Writes of one round. Three lead from an empty Secret to a leaf; more means that somebody writes against us.
const MAX_WRITES: usize = 8;

/// What the self-managed mode is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Namespace of Service and Secret.
    pub namespace: String,
    /// The Service through which the API server calls.
    pub service: String,
    /// The Secret that holds CA and certificate; it must exist.
    pub secret: String,
    /// The `MutatingWebhookConfiguration` whose entries lead to the Service.
    pub webhook: String,
    /// Names of the certificate.
    pub names: ServerNames,
    /// How long CA and certificate last.
    pub lifetimes: Lifetimes,
    /// The clock on the wall.
    pub clock: fn() -> SystemTime,
}

/// Why a certificate that was handed over is not served.
pub type Refusal = Box<dyn std::error::Error + Send + Sync>;

/// Runs until it is dropped, and hands over each certificate that is to be served from now on.
///
/// Whatever fails is logged in a sentence and tried again, later each time; what was handed over goes on being served.
pub async fn run(
    client: Client,
    settings: Settings,
    on_pair: impl FnMut(&Pair) -> Result<(), Refusal> + Send,
) {
    Keeper::new(client, settings, on_pair).keep().await;
}

/// The webhook configuration as the watch showed it last.
enum Seen {
    NothingYet,
    Absent,
    Present(Box<MutatingWebhookConfiguration>),
}

impl Seen {
    fn version(&self) -> Option<&str> {
        match self {
            Self::Present(config) => config.metadata.resource_version.as_deref(),
            Self::NothingYet | Self::Absent => None,
        }
    }

    /// Whether it is this version of the object.
    fn is(&self, config: &MutatingWebhookConfiguration) -> bool {
        let version = config.metadata.resource_version.as_deref();
        version.is_some() && self.version() == version
    }
}

/// What began a round.
enum Woken {
    ByChange,
    ByClock,
}

/// What came of a step.
enum Stepped {
    /// There is nothing more to do, until this time at the latest.
    Idle(SystemTime),
    /// The caBundle was written.
    Wrote,
}

struct Keeper<F> {
    secret: ServingCert,
    webhook: WebhookConfig,
    settings: Settings,
    on_pair: F,
    in_place: InPlace,
    seen: Seen,
    serving: Option<Pair>,
    pace: Pace,
    races: Races,
}

impl<F: FnMut(&Pair) -> Result<(), Refusal> + Send> Keeper<F> {
    fn new(client: Client, settings: Settings, on_pair: F) -> Self {
        let target = Target {
            namespace: settings.namespace.clone(),
            service: settings.service.clone(),
            names: settings.names.clone(),
        };
        Self {
            secret: ServingCert::new(client.clone(), &settings.namespace, &settings.secret),
            webhook: WebhookConfig::new(client, &settings.webhook, target),
            settings,
            on_pair,
            in_place: InPlace::default(),
            seen: Seen::NothingYet,
            serving: None,
            pace: Pace::default(),
            races: Races::default(),
        }
    }

    async fn keep(mut self) {
        let mut changes = self.webhook.watch();
        let mut delays = DefaultBackoff::default();
        loop {
            let pause = match self.round().await {
                Ok(again) => {
                    delays = DefaultBackoff::default();
                    let until = again.duration_since((self.settings.clock)()).unwrap_or_default();
                    until.clamp(LOOK_AFTER, LOOK_EVERY)
                }
                Err(error) => {
                    let again_in = delays.next().unwrap_or(LOOK_EVERY);
                    tracing::warn!(error = %with_causes(&error), ?again_in, "the serving certificate is not kept");
                    again_in
                }
            };
            match self.wait(&mut changes, Instant::now() + pause).await {
                Woken::ByChange => self.pace.answers(Instant::now()),
                Woken::ByClock => {}
            }
        }
    }

    /// Waits until then, or less long where something changes.
    async fn wait(&mut self, changes: &mut Changes, mut until: Instant) -> Woken {
        let mut woken = Woken::ByClock;
        loop {
            let change = tokio::select! {
                change = changes.next() => change,
                () = tokio::time::sleep_until(until.into()) => return woken,
            };
            match change {
                // As our own write comes back.
                Some(Ok(Some(config))) if self.seen.is(&config) => {}
                Some(Ok(config)) => {
                    self.seen = config.map_or(Seen::Absent, |config| Seen::Present(Box::new(config)));
                    let soonest = self.pace.soonest(Instant::now());
                    if soonest < until {
                        (until, woken) = (soonest, Woken::ByChange);
                    }
                }
                Some(Err(error)) => {
                    tracing::warn!(error = %with_causes(&error), "changes of the caBundle are not seen");
                }
                None => *changes = self.webhook.watch(),
            }
        }
    }

    /// One round; gives the time of the next one at the latest. What was written is known without the watch, so what
    /// follows from it is done at once.
    async fn round(&mut self) -> Result<SystemTime, Error> {
        match self.step().await? {
            Stepped::Idle(again) => Ok(again),
            Stepped::Wrote => match self.step().await? {
                Stepped::Idle(again) => Ok(again),
                Stepped::Wrote => Ok((self.settings.clock)()),
            },
        }
    }

    async fn step(&mut self) -> Result<Stepped, Error> {
        let now = (self.settings.clock)();
        // The watch is as old as it is; the Secret is read after it, so that its bundle is never the older one.
        let everywhere = match &self.seen {
            Seen::Present(config) => self.webhook.target().everywhere(config),
            Seen::NothingYet | Seen::Absent => Bundle::default(),
        };
        self.in_place.observe(&everywhere, now);
        let (read, decision) = self.keep_secret(now).await?;
        let written = match &self.seen {
            // There is nothing yet to compare with.
            Seen::NothingYet => Written::Unchanged,
            Seen::Absent => return Err(self.webhook.missing()),
            Seen::Present(config) => self.webhook.write(config, &read.held.bundle).await?,
        };
        if let Some(pair) = read.held.leaf
            && self.serving.as_ref() != Some(&pair)
            && may_serve(&pair, &everywhere, now)
        {
            (self.on_pair)(&pair).map_err(Error::NotServed)?;
            self.serving = Some(pair);
        }
        match written {
            Written::Unchanged => Ok(Stepped::Idle(decision.again)),
            Written::Outdated(refusal) => {
                if !self.races.note_lost(self.seen.version()) {
                    return Err(refusal);
                }
                tracing::debug!(what = self.webhook.what(), "the entries changed meanwhile");
                Ok(Stepped::Idle(now))
            }
            Written::Changed(config) => {
                let authorities = read.held.bundle.len();
                tracing::info!(what = self.webhook.what(), authorities, "caBundle written");
                self.note_write(&read.held.bundle);
                self.seen = Seen::Present(config);
                Ok(Stepped::Wrote)
            }
        }
    }

    /// Takes note of a write to the webhook configuration, and tells of one too many.
    fn note_write(&mut self, bundle: &Bundle) {
        if self.pace.wrote(Instant::now())
            && let Seen::Present(former) = &self.seen
        {
            let (what, by) = (self.webhook.what(), self.webhook.target().rivals(former, bundle));
            tracing::warn!(
                what,
                by,
                "somebody else changes the caBundle again and again; it is put back later each time, after a minute at most"
            );
        }
    }

    /// Brings the Secret to where there is nothing to do for now.
    async fn keep_secret(&self, now: SystemTime) -> Result<(Read, Decision), Error> {
        let Settings { names, lifetimes, .. } = &self.settings;
        let what = self.secret.what();
        let mut read = self.secret.read().await?;
        for _ in 0..MAX_WRITES {
            let decision = decide(&read.held, &self.in_place, names, now, *lifetimes);
            let change = read
                .held
                .carry_out(decision.step, names, now, *lifetimes)
                .map_err(|source| Error::Unissued {
                    what: what.clone(),
                    source,
                })?;
            if decision.step == Step::Wait || change.is_empty() {
                return Ok((read, decision));
            }
            for (key, why) in &read.held.unusable {
                tracing::warn!(what, key, why, "an entry of the Secret cannot be used");
            }
            read = match self.secret.write(&read.version, &change).await? {
                Some(written) => {
                    tracing::info!(what, step = ?decision.step, reason = decision.reason, "Secret written");
                    written
                }
                None => self.secret.read().await?,
            };
        }
        Err(Error::Contended { what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_version(version: Option<&str>) -> MutatingWebhookConfiguration {
        let mut config = MutatingWebhookConfiguration::default();
        config.metadata.resource_version = version.map(str::to_owned);
        config
    }

    #[test]
    fn a_version_that_was_seen_is_nothing_new() {
        let seen = |version| Seen::Present(Box::new(of_version(version)));
        assert!(seen(Some("7")).is(&of_version(Some("7"))));
        for (seen, version) in [
            (seen(Some("7")), Some("8")),
            (seen(Some("8")), Some("7")),
            (seen(None), None),
            (Seen::Absent, Some("7")),
            (Seen::NothingYet, None),
        ] {
            assert!(!seen.is(&of_version(version)), "{version:?}");
        }
    }
}
