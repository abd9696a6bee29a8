//! A webhook configuration that is kept: as the watch showed it last, and how its entries come to a caBundle.

use std::time::Instant;

use futures::StreamExt as _;

use super::{
    Error,
    pace::Pace,
    races::Races,
    webhook_config::{Changes, Configuration, WebhookConfig, Written},
};
use crate::{certs::Bundle, telemetry::with_causes};

/// What came of a write.
#[derive(Debug)]
pub(super) enum Done {
    /// There was nothing to write.
    Nothing,
    /// It is otherwise than it was known, so what follows from it can be done at once.
    Changed,
    /// The entries changed meanwhile; the watch is about to show how.
    Outdated,
    /// They did not change, so far as the watch shows, and yet the write is refused as if they had.
    Refused(Error),
}

/// Whom a configuration trusts.
#[derive(Debug)]
pub(super) enum Trust {
    /// The watch has not said anything yet.
    Unknown,
    /// There is no such configuration, so far as it can be seen.
    Nobody,
    /// Every entry of ours trusts these CAs.
    In(Bundle),
}

impl Trust {
    /// The CAs that are trusted here, and by another configuration: by its entries, or, where there is none to ask, in any
    /// case. Before that is known there are none.
    pub(super) fn and(self, other: &Self) -> Bundle {
        let Self::In(bundle) = self else {
            return Bundle::default();
        };
        match other {
            Self::Unknown => Bundle::default(),
            Self::Nobody => bundle,
            Self::In(too) => bundle.filtered(|one| too.contains(one.certificate())),
        }
    }
}

/// The configuration as the watch showed it last.
enum Seen {
    NothingYet,
    Unreadable,
    Absent,
    Present(Box<Configuration>),
}

impl Seen {
    fn version(&self) -> Option<&str> {
        match self {
            Self::Present(config) => config.metadata.resource_version.as_deref(),
            Self::NothingYet | Self::Unreadable | Self::Absent => None,
        }
    }

    /// Whether it is this version of the object.
    fn is(&self, config: &Configuration) -> bool {
        let version = config.metadata.resource_version.as_deref();
        version.is_some() && self.version() == version
    }
}

/// One configuration.
pub(super) struct Kept {
    webhook: WebhookConfig,
    changes: Changes,
    seen: Seen,
    /// Whether a change was seen that no round has answered.
    is_new: bool,
    pace: Pace,
    races: Races,
}

impl Kept {
    pub(super) fn new(webhook: WebhookConfig) -> Self {
        Self {
            changes: webhook.watch(),
            webhook,
            seen: Seen::NothingYet,
            is_new: false,
            pace: Pace::default(),
            races: Races::default(),
        }
    }

    /// Waits for what the watch has next; gives the moment from which it may be answered, where there is something to
    /// answer.
    pub(super) async fn next(&mut self) -> Result<Option<Instant>, Error> {
        match self.changes.next().await {
            // As our own write comes back.
            Some(Ok(Some(config))) if self.seen.is(&config) => return Ok(None),
            Some(Ok(config)) => {
                self.seen = config.map_or(Seen::Absent, |config| Seen::Present(Box::new(config)));
            }
            Some(Err(error)) => {
                if matches!(self.seen, Seen::NothingYet) {
                    self.seen = Seen::Unreadable;
                    self.is_new = true;
                }
                return Err(error);
            }
            None => {
                self.changes = self.webhook.watch();
                return Ok(None);
            }
        }
        self.is_new = true;
        Ok(Some(self.pace.soonest(Instant::now())))
    }

    /// Takes note of a round that a change begins, of this configuration or of another.
    pub(super) fn answered(&mut self) {
        if std::mem::take(&mut self.is_new) {
            self.pace.answers(Instant::now());
        }
    }

    /// Whom it trusts, as it was seen last.
    pub(super) fn trust(&self) -> Trust {
        match &self.seen {
            Seen::Present(config) => Trust::In(self.webhook.target().everywhere(config)),
            Seen::NothingYet => Trust::Unknown,
            Seen::Unreadable | Seen::Absent => Trust::Nobody,
        }
    }

    /// Brings the caBundle of our entries to this one.
    pub(super) async fn write(&mut self, bundle: &Bundle) -> Result<Done, Error> {
        let written = match &self.seen {
            // There is nothing to compare with.
            Seen::NothingYet | Seen::Unreadable => Written::Unchanged,
            Seen::Absent => return Err(self.webhook.missing()),
            Seen::Present(config) => self.webhook.write(config, bundle).await?,
        };
        Ok(match written {
            Written::Unchanged => Done::Nothing,
            Written::Outdated(refusal) => {
                if self.races.note_lost(self.seen.version()) {
                    tracing::debug!(what = self.webhook.what(), "the entries changed meanwhile");
                    Done::Outdated
                } else {
                    Done::Refused(refusal)
                }
            }
            Written::Changed(config) => {
                let authorities = bundle.len();
                tracing::info!(what = self.webhook.what(), authorities, "caBundle written");
                self.note_write(bundle);
                self.seen = Seen::Present(config);
                Done::Changed
            }
        })
    }

    /// Takes note of a write, and tells of one too many.
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
}

/// Says that something is amiss with what is kept.
pub(super) fn tell(error: &Error) {
    tracing::warn!(error = %with_causes(error), "changes of the caBundle are not seen");
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;
    use crate::certs::{Authority, Trusted};

    fn authority() -> Trusted {
        let (day, life) = (Duration::from_hours(24), Duration::from_hours(1));
        Authority::new(SystemTime::UNIX_EPOCH + 365 * day, life)
            .unwrap()
            .trusted()
            .clone()
    }

    #[test]
    fn a_leaf_waits_until_each_configuration_that_can_be_asked_trusts_its_authority() {
        let (old, new) = (authority(), authority());
        let all = || Bundle::from_iter([old.clone(), new.clone()]);
        let one = || Bundle::from_iter([old.clone()]);
        for (mutating, validating, expected) in [
            (Trust::In(all()), Trust::In(all()), all()),
            (Trust::In(all()), Trust::In(one()), one()),
            (Trust::In(one()), Trust::In(all()), one()),
            (Trust::In(all()), Trust::In(Bundle::default()), Bundle::default()),
            (Trust::In(all()), Trust::Unknown, Bundle::default()),
            (Trust::In(all()), Trust::Nobody, all()),
            (Trust::Unknown, Trust::In(all()), Bundle::default()),
            (Trust::Nobody, Trust::In(all()), Bundle::default()),
        ] {
            let row = format!("{mutating:?} and {validating:?}");
            assert_eq!(mutating.and(&validating), expected, "{row}");
        }
    }

    fn of_version(version: Option<&str>) -> Configuration {
        Configuration {
            metadata: ObjectMeta {
                resource_version: version.map(str::to_owned),
                ..ObjectMeta::default()
            },
            webhooks: None,
        }
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
            (Seen::Unreadable, None),
        ] {
            assert!(!seen.is(&of_version(version)), "{version:?}");
        }
    }
}
