//! How many Events there may be: of one object the same not again within some minutes, and of all so many a minute.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// For this long the same is not told again of the same object.
const QUIET: Duration = Duration::from_mins(5);

/// So many Events a minute at most. A namespace full of bad pods is known by some of them.
const PER_MINUTE: u32 = 60;

const MINUTE: Duration = Duration::from_mins(1);

/// What is remembered. It holds what may be told within [`QUIET`], and no more.
#[derive(Debug, Default)]
pub(super) struct Limit {
    told: BTreeMap<u64, Instant>,
    /// The minute that runs, by its begin, and the Events in it.
    minute: Option<(Instant, u32)>,
}

/// What becomes of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is told.
    Tell,
    /// It was told a while ago.
    Repeated,
    /// Others took its place.
    TooMany,
}

impl Limit {
    /// Whether this may be told now; counts it if so.
    pub(super) fn ask(&mut self, id: u64, now: Instant) -> Verdict {
        let is_fresh = |told: &Instant| now.saturating_duration_since(*told) < QUIET;
        if self.told.get(&id).is_some_and(is_fresh) {
            return Verdict::Repeated;
        }
        let running = self
            .minute
            .filter(|(begun, _)| now.saturating_duration_since(*begun) < MINUTE);
        let (begun, told) = running.unwrap_or((now, 0));
        if told >= PER_MINUTE {
            return Verdict::TooMany;
        }
        self.minute = Some((begun, told + 1));
        if running.is_none() {
            self.told.retain(|_, told| is_fresh(told));
        }
        self.told.insert(id, now);
        Verdict::Tell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_same_is_told_again_after_some_minutes() {
        let (mut limit, begin) = (Limit::default(), Instant::now());
        assert_eq!(limit.ask(1, begin), Verdict::Tell);
        assert_eq!(limit.ask(2, begin), Verdict::Tell, "another");
        assert_eq!(limit.ask(1, begin + 299 * SECOND), Verdict::Repeated);
        assert_eq!(limit.ask(1, begin + QUIET), Verdict::Tell);
    }

    #[test]
    fn a_minute_holds_so_many_and_the_next_one_as_many_again() {
        let (mut limit, begin) = (Limit::default(), Instant::now());
        let many = |limit: &mut Limit, from: u64, at| {
            let told = (from..from + 100).filter(|id| limit.ask(*id, at) == Verdict::Tell);
            told.count()
        };
        assert_eq!(many(&mut limit, 0, begin), PER_MINUTE as usize);
        assert_eq!(many(&mut limit, 1_000, begin + 59 * SECOND), 0);
        assert_eq!(many(&mut limit, 2_000, begin + MINUTE), PER_MINUTE as usize);
        // What was too much is not taken for told.
        assert_eq!(limit.ask(99, begin + 2 * MINUTE), Verdict::Tell);
    }

    #[test]
    fn it_remembers_no_more_than_it_needs() {
        let (mut limit, begin) = (Limit::default(), Instant::now());
        for minute in 0..100 {
            for id in 0..100 {
                limit.ask(u64::from(minute) * 100 + id, begin + minute * MINUTE);
            }
        }
        let within_quiet = (QUIET.as_secs() / 60 + 1) * u64::from(PER_MINUTE);
        assert!(limit.told.len() as u64 <= within_quiet, "{}", limit.told.len());
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_is_no_fault() {
        let (mut limit, before) = (Limit::default(), Instant::now());
        assert_eq!(limit.ask(1, before + SECOND), Verdict::Tell);
        assert_eq!(limit.ask(1, before), Verdict::Repeated);
        assert_eq!(limit.ask(2, before), Verdict::Tell);
    }
}
