//! Waiting for what somebody else does: ask again until it is there, with a deadline.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks until there is an answer; the test fails when `within` is over. `what` completes "waited for".
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, within: Duration, probe: impl FnMut() -> Option<T>) -> T {
    try_wait_for(within, probe).unwrap_or_else(|| panic!("waited {within:?} for {what}, in vain"))
}

/// Asks until there is an answer, or `within` is over. At least once.
pub(crate) fn try_wait_for<T>(within: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = probe() {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(PAUSE);
    }
}
