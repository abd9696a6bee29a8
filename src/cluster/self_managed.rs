//! The self-managed mode: keeps the Secret, the caBundles and the serving certificate in step, for as long as it runs.
//!
//! Each round reads the Secret, does what `certs::renewal` decides, brings the caBundles to what the Secret says, and
//! hands the certificate over when they trust it. A round begins when a webhook configuration changes, later each time
//! when somebody writes against us, and at least every minute by the clock on the wall: timers stand still while a
//! machine is suspended.
//!
//! There may be two configurations. Without the mutating one nothing is injected, so that all waits for it. The validating
//! one only makes a wrong policy known earlier: whatever keeps us from reading or writing it is told once, and the rest goes
//! on without it until that ends.

mod besides;

use std::{
    future::pending,
    time::{Duration, Instant, SystemTime},
};

use kube::{Client, runtime::watcher::DefaultBackoff};

use self::besides::Besides;
use super::{
    Error,
    kept_config::{Done, Kept, Trust, tell},
    serving_cert::{Read, ServingCert},
    webhook_config::{Kind, Target, WebhookConfig},
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
    /// The `ValidatingWebhookConfiguration`, where there is to be one.
    pub validating_webhook: Option<String>,
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
    Keeper::new(&client, settings, on_pair).keep().await;
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
    /// What was known of a configuration before the step holds no longer.
    Changed,
}

struct Keeper<F> {
    secret: ServingCert,
    mutating: Kept,
    validating: Option<Besides>,
    settings: Settings,
    on_pair: F,
    in_place: InPlace,
    serving: Option<Pair>,
}

impl<F: FnMut(&Pair) -> Result<(), Refusal> + Send> Keeper<F> {
    fn new(client: &Client, settings: Settings, on_pair: F) -> Self {
        let target = Target {
            namespace: settings.namespace.clone(),
            service: settings.service.clone(),
            names: settings.names.clone(),
        };
        let kept =
            |kind, name: &str| Kept::new(WebhookConfig::new(client.clone(), kind, name, target.clone()));
        let validating = settings.validating_webhook.as_deref();
        Self {
            secret: ServingCert::new(client.clone(), &settings.namespace, &settings.secret),
            mutating: kept(Kind::Mutating, &settings.webhook),
            validating: validating.map(|name| Besides::new(kept(Kind::Validating, name))),
            settings,
            on_pair,
            in_place: InPlace::default(),
            serving: None,
        }
    }

    async fn keep(mut self) {
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
            match self.wait(Instant::now() + pause).await {
                Woken::ByChange => {
                    self.mutating.answered();
                    if let Some(besides) = &mut self.validating {
                        besides.answered();
                    }
                }
                Woken::ByClock => {}
            }
        }
    }

    /// Waits until then, or less long where something changes.
    async fn wait(&mut self, mut until: Instant) -> Woken {
        let mut woken = Woken::ByClock;
        loop {
            let soonest = tokio::select! {
                change = self.mutating.next() => change.unwrap_or_else(|error| {
                    tell(&error);
                    None
                }),
                change = change_of(self.validating.as_mut()) => change,
                () = tokio::time::sleep_until(until.into()) => return woken,
            };
            if let Some(soonest) = soonest
                && soonest < until
            {
                (until, woken) = (soonest, Woken::ByChange);
            }
        }
    }

    /// One round; gives the time of the next one at the latest. What was written is known without the watch, so what
    /// follows from it is done at once.
    async fn round(&mut self) -> Result<SystemTime, Error> {
        match self.step().await? {
            Stepped::Idle(again) => Ok(again),
            Stepped::Changed => match self.step().await? {
                Stepped::Idle(again) => Ok(again),
                Stepped::Changed => Ok((self.settings.clock)()),
            },
        }
    }

    async fn step(&mut self) -> Result<Stepped, Error> {
        let now = (self.settings.clock)();
        // The watches are as old as they are; the Secret is read after them, so that its bundle is never the older one.
        let besides = self.validating.as_ref().map_or(Trust::Nobody, Besides::trust);
        let everywhere = self.mutating.trust().and(&besides);
        self.in_place.observe(&everywhere, now);
        let (read, decision) = self.keep_secret(now).await?;
        let done = self.mutating.write(&read.held.bundle).await?;
        // It waits for no answer about the other configuration, and keeps nothing from being written there.
        let handed_over = self.hand_over(read.held.leaf, &everywhere, now);
        let besides = match &mut self.validating {
            Some(validating) => validating.write(&read.held.bundle).await,
            None => Done::Nothing,
        };
        handed_over?;
        match (done, besides) {
            (Done::Refused(error), _) | (_, Done::Refused(error)) => Err(error),
            (Done::Changed, _) | (_, Done::Changed) => Ok(Stepped::Changed),
            (Done::Outdated, _) | (_, Done::Outdated) => Ok(Stepped::Idle(now)),
            (Done::Nothing, Done::Nothing) => Ok(Stepped::Idle(decision.again)),
        }
    }

    /// Hands the certificate over if it is a new one that is trusted already.
    fn hand_over(&mut self, leaf: Option<Pair>, everywhere: &Bundle, now: SystemTime) -> Result<(), Error> {
        if let Some(pair) = leaf
            && self.serving.as_ref() != Some(&pair)
            && may_serve(&pair, everywhere, now)
        {
            (self.on_pair)(&pair).map_err(Error::NotServed)?;
            self.serving = Some(pair);
        }
        Ok(())
    }

    /// Brings the Secret to where there is nothing to do for now.
    async fn keep_secret(&mut self, now: SystemTime) -> Result<(Read, Decision), Error> {
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

/// Waits for a change of the configuration, for ever where there is none.
async fn change_of(besides: Option<&mut Besides>) -> Option<Instant> {
    match besides {
        Some(besides) => besides.next().await,
        None => pending().await,
    }
}
