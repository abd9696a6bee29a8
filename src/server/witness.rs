//! Who is told what was decided, beside log and metrics.

use crate::admission::Decision;

/// Hears of every decision. It must not wait.
pub trait Witness: Send + Sync + 'static {
    /// What was decided about one request.
    fn decided(&self, decision: &Decision);

    /// What became of what it told others.
    fn told(&self) -> Told;
}

/// What became of Events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Events that were written.
    pub written: u64,
    /// Those that were not, for there were too many.
    pub dropped: u64,
    /// Those that the API server did not take.
    pub failed: u64,
}
