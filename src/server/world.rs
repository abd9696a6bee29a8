//! What reviews are answered from: a snapshot and the memo that belongs to it, swapped together.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::memo::{Memo, MemoNumbers, Tally};
use crate::{
    admission::{self, Answer, BadReview},
    engine::setup::Snapshot,
};

/// Answers reviews. The server knows nothing else of admission.
pub trait Admit: Send + Sync + 'static {
    /// The answer to the bytes of one review.
    fn respond(&self, review: &[u8]) -> Result<Answer, BadReview>;

    /// How its memo does.
    fn memo(&self) -> MemoNumbers;
}

/// A snapshot with what was worked out from it. It never changes; what is new comes as another world.
#[derive(Debug)]
struct World {
    snapshot: Arc<Snapshot>,
    memo: Memo,
}

/// The world of now.
#[derive(Debug)]
pub struct Worlds {
    now: ArcSwap<World>,
    memo_bytes: u64,
    tally: Arc<Tally>,
}

impl Worlds {
    /// Begins with this snapshot. The memo holds `memo_bytes` at most.
    pub fn new(snapshot: Snapshot, memo_bytes: u64) -> Self {
        let tally = Arc::new(Tally::default());
        Self {
            now: ArcSwap::from_pointee(world(snapshot, memo_bytes, &tally)),
            memo_bytes,
            tally,
        }
    }

    /// From now on reviews are answered from this snapshot.
    pub fn swap(&self, snapshot: Snapshot) {
        self.now
            .store(Arc::new(world(snapshot, self.memo_bytes, &self.tally)));
    }
}

fn world(snapshot: Snapshot, memo_bytes: u64, tally: &Arc<Tally>) -> World {
    let snapshot = Arc::new(snapshot);
    World {
        memo: Memo::new(Arc::clone(&snapshot), memo_bytes, Arc::clone(tally)),
        snapshot,
    }
}

impl Admit for Worlds {
    fn respond(&self, review: &[u8]) -> Result<Answer, BadReview> {
        let world = self.now.load();
        admission::respond(&world.snapshot, &world.memo, review)
    }

    fn memo(&self) -> MemoNumbers {
        self.tally.numbers(self.now.load().memo.weight())
    }
}
