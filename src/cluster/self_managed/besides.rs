//! The webhook configuration that all the rest can do without: whatever keeps it from being kept is told, and holds up no
//! certificate.

use std::{
    mem::replace,
    time::{Duration, Instant},
};

use super::super::{
    Error,
    kept_config::{Done, Kept, Trust},
};
use crate::{certs::Bundle, telemetry::with_causes};

/// What lasts is told again after this time: nobody sees when it ended in between.
const AGAIN_AFTER: Duration = Duration::from_mins(5);

/// The configuration that all the rest can do without.
pub(super) struct Besides {
    kept: Kept,
    /// Why it cannot be read.
    unread: Told,
    writes: Writes,
}

impl Besides {
    pub(super) fn new(kept: Kept) -> Self {
        Self {
            kept,
            unread: Told::default(),
            writes: Writes::default(),
        }
    }

    /// As [`Kept::next`]. What cannot be read is told, again after some minutes, and answered by going on without it.
    pub(super) async fn next(&mut self) -> Option<Instant> {
        let was_unknown = matches!(self.kept.trust(), Trust::Unknown);
        match self.kept.next().await {
            Ok(soonest) => soonest,
            Err(error) => {
                tell_besides(self.unread.news(&error, Instant::now()));
                was_unknown.then(Instant::now)
            }
        }
    }

    /// As [`Kept::answered`].
    pub(super) fn answered(&mut self) {
        self.kept.answered();
    }

    /// Whom it trusts; nobody where it was given up, so that it holds up no certificate.
    pub(super) fn trust(&self) -> Trust {
        if self.writes.are_given_up {
            Trust::Nobody
        } else {
            self.kept.trust()
        }
    }

    /// As [`Kept::write`], but that whatever keeps it from being written is told, and no error.
    pub(super) async fn write(&mut self, bundle: &Bundle) -> Done {
        let (done, news) = self.writes.judge(self.kept.write(bundle).await, Instant::now());
        tell_besides(news);
        done
    }
}

/// What came of the writes so far.
#[derive(Default)]
struct Writes {
    /// Whether no certificate waits for them. They are tried all the same, in each round.
    are_given_up: bool,
    told: Told,
}

impl Writes {
    /// What follows from a write, and the sentence that is worth a line in the log. One that fails for whatever reason
    /// gives them up until one ends well; it changes whom a certificate waits for.
    fn judge(&mut self, written: Result<Done, Error>, at: Instant) -> (Done, Option<String>) {
        let error = match written {
            Ok(Done::Refused(error)) | Err(error) => error,
            // It did not end yet.
            Ok(Done::Outdated) => return (Done::Outdated, None),
            Ok(done @ (Done::Nothing | Done::Changed)) => {
                *self = Self::default();
                return (done, None);
            }
        };
        let news = self.told.news(&error, at);
        let done = if replace(&mut self.are_given_up, true) {
            Done::Nothing
        } else {
            Done::Changed
        };
        (done, news)
    }
}

/// The sentence that was told last, and when.
#[derive(Default)]
struct Told(Option<(String, Instant)>);

impl Told {
    /// The sentence of this error, where it is another one, or was told a while ago.
    fn news(&mut self, error: &Error, at: Instant) -> Option<String> {
        let sentence = with_causes(error);
        let is_fresh = |told: &Instant| at.saturating_duration_since(*told) < AGAIN_AFTER;
        if self
            .0
            .as_ref()
            .is_some_and(|(told, when)| *told == sentence && is_fresh(when))
        {
            return None;
        }
        self.0 = Some((sentence.clone(), at));
        Some(sentence)
    }
}

fn tell_besides(news: Option<String>) {
    if let Some(error) = news {
        tracing::warn!(error, "the caBundle for policies is not kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing() -> Error {
        Error::Missing {
            what: "configuration".to_owned(),
            mend: "make it",
            source: None,
        }
    }

    fn timeout() -> Error {
        Error::Timeout {
            verb: "patch",
            what: "configuration".to_owned(),
        }
    }

    #[test]
    fn whatever_fails_is_told_once_until_it_ends_well_and_no_certificate_waits_for_it() {
        let (mut writes, begun) = (Writes::default(), Instant::now());
        let rows = [
            (Ok(Done::Nothing), false, false),
            (Ok(Done::Outdated), false, false),
            (Err(missing()), true, true),
            (Err(missing()), true, false),
            (Ok(Done::Outdated), true, false),
            (Err(missing()), true, false),
            (Ok(Done::Changed), false, false),
            // Deleted once more, months later.
            (Err(missing()), true, true),
            (Err(timeout()), true, true),
            (Ok(Done::Nothing), false, false),
            (Ok(Done::Refused(timeout())), true, true),
            (Ok(Done::Refused(timeout())), true, false),
        ];
        for (row, (written, gives_up, is_told)) in rows.into_iter().enumerate() {
            let was_given_up = writes.are_given_up;
            let (done, news) = writes.judge(written, begun);
            assert_eq!(
                (writes.are_given_up, news.is_some()),
                (gives_up, is_told),
                "row {row}"
            );
            // Then a certificate can be handed over that waited for it.
            if gives_up && !was_given_up {
                assert!(matches!(done, Done::Changed), "row {row}: {done:?}");
            }
        }
    }

    #[test]
    fn what_lasts_is_told_again() {
        let (mut told, begun) = (Told::default(), Instant::now());
        assert!(told.news(&missing(), begun).is_some());
        assert!(told.news(&missing(), begun + AGAIN_AFTER / 2).is_none());
        assert!(told.news(&missing(), begun + AGAIN_AFTER).is_some());
        assert!(told.news(&missing(), begun + AGAIN_AFTER * 3 / 2).is_none());
    }
}
