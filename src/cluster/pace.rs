//! How soon a change that somebody else made is answered: at once, and later each time when they change it back.

use std::time::{Duration, Instant};

/// Shortest time from one round that a change began to the next, before anybody writes against us.
const FIRST: Duration = Duration::from_secs(1);

/// Longest time between a change and the round that answers it.
const LONGEST: Duration = Duration::from_mins(1);

/// After this time without a write all is as in the beginning. It is longer than [`LONGEST`], so that a quarrel in which
/// each side waits that long is still one.
const CALM: Duration = Duration::from_mins(5);

/// So many writes in a row are a quarrel; an installation with an upgrade and its rollback has three.
const QUARREL: u32 = 4;

/// The writes that came one soon after the other, and the last round that a change began.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<Instant>,
    in_a_row: u32,
    answered: Option<Instant>,
}

impl Pace {
    /// Takes note of a write. Says whether it makes a quarrel, which it does once until all is calm again.
    pub(super) fn wrote(&mut self, now: Instant) -> bool {
        self.in_a_row = self.writes(now).saturating_add(1);
        self.last = Some(now);
        self.in_a_row == QUARREL
    }

    /// Takes note of a round that a change begins.
    pub(super) fn answers(&mut self, now: Instant) {
        self.answered = Some(now);
    }

    /// When a change that is seen now may begin a round; a moment that has passed means at once.
    pub(super) fn soonest(&self, now: Instant) -> Instant {
        self.answered.map_or(now, |answered| answered + self.pause(now))
    }

    /// Shortest time from one round that a change began to the next; doubles with each write in a row.
    fn pause(&self, now: Instant) -> Duration {
        let doubled = 1_u32.checked_shl(self.writes(now).saturating_sub(1));
        FIRST.saturating_mul(doubled.unwrap_or(u32::MAX)).min(LONGEST)
    }

    fn writes(&self, now: Instant) -> u32 {
        let is_calm = |last| now.saturating_duration_since(last) >= CALM;
        if self.last.is_none_or(is_calm) {
            0
        } else {
            self.in_a_row
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes each time as soon as it may, and gives the pauses in seconds and the number of the write that is told.
    fn quarrel(pace: &mut Pace, mut now: Instant, writes: usize) -> (Vec<u64>, Vec<usize>, Instant) {
        let (mut pauses, mut told) = (Vec::new(), Vec::new());
        for write in 1..=writes {
            if pace.wrote(now) {
                told.push(write);
            }
            pauses.push(pace.pause(now).as_secs());
            now += pace.pause(now);
        }
        (pauses, told, now)
    }

    #[test]
    fn each_write_in_a_row_doubles_the_pause_and_the_quarrel_is_told_once() {
        let (pauses, told, _) = quarrel(&mut Pace::default(), Instant::now(), 40);
        assert_eq!(pauses[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pauses[39], 60);
        assert_eq!(told, [4]);
    }

    #[test]
    fn after_a_calm_while_all_is_as_in_the_beginning() {
        let mut pace = Pace::default();
        let (_, _, now) = quarrel(&mut pace, Instant::now(), 9);
        assert_eq!(pace.pause(now + Duration::from_mins(3)), LONGEST);
        assert_eq!(pace.pause(now + CALM), FIRST);
        let (pauses, told, _) = quarrel(&mut pace, now + CALM, 4);
        assert_eq!(pauses, [1, 2, 4, 8]);
        assert_eq!(told, [4], "it is told again");
    }

    #[test]
    fn the_first_change_is_answered_at_once_and_the_next_one_after_the_pause() {
        let (mut pace, begin) = (Pace::default(), Instant::now());
        assert_eq!(pace.soonest(begin), begin);
        pace.answers(begin);
        pace.wrote(begin);
        pace.wrote(begin);
        assert_eq!(pace.soonest(begin), begin + 2 * FIRST);
        let late = begin + CALM;
        assert!(pace.soonest(late) < late);
    }

    #[test]
    fn without_a_write_there_is_the_first_pause() {
        assert_eq!(Pace::default().pause(Instant::now()), FIRST);
    }
}
