//! What reviews are answered from: a snapshot and the memo that belongs to it, swapped together.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::memo::{Memo, MemoNumbers, Tally};
use crate::{
    admission::{self, Answer, BadReview},
    engine::{
        object::ObjectView,
        setup::Snapshot,
        survey::{Surveyed, survey},
    },
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
    snapshot: Snapshot,
    memo: Arc<Memo>,
}

/// The world of now.
#[derive(Debug)]
pub struct Worlds {
    now: ArcSwap<World>,
    memo_bytes: u64,
    tally: Arc<Tally>,
    changed: watch::Sender<()>,
}

impl Worlds {
    /// Begins with this snapshot. The memo holds `memo_bytes` at most.
    pub fn new(snapshot: Snapshot, memo_bytes: u64) -> Self {
        let tally = Arc::new(Tally::default());
        Self {
            now: ArcSwap::from_pointee(World {
                memo: Arc::new(Memo::new(&snapshot, memo_bytes, Arc::clone(&tally))),
                snapshot,
            }),
            memo_bytes,
            tally,
            changed: watch::Sender::default(),
        }
    }

    /// From now on reviews are answered from this snapshot. What is remembered stays where the policies are the same.
    pub fn swap(&self, snapshot: Snapshot) {
        let former = self.now.load();
        let memo = if former.memo.is_of(&snapshot) {
            Arc::clone(&former.memo)
        } else {
            let tally = Arc::clone(&self.tally);
            Arc::new(Memo::new(&snapshot, self.memo_bytes, tally))
        };
        self.now.store(Arc::new(World { snapshot, memo }));
        self.changed.send_replace(());
    }

    /// Changes whenever something else holds.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// What objects of a cluster are worth as of now.
    pub(super) fn survey(&self, objects: &[ObjectView<'_>]) -> Vec<Surveyed> {
        let world = self.now.load();
        survey(objects, &world.snapshot, &*world.memo)
    }
}

impl Admit for Worlds {
    fn respond(&self, review: &[u8]) -> Result<Answer, BadReview> {
        let world = self.now.load();
        admission::respond(&world.snapshot, &*world.memo, review)
    }

    fn memo(&self) -> MemoNumbers {
        self.tally.numbers(self.now.load().memo.weight())
    }
}
