//! The conditions of policies, written into the cluster: a few at a time, and later each time when that fails.

use std::{
    collections::BTreeMap,
    future::pending,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::sleep_until;

use super::complaints::AGAIN_AFTER;
use crate::{
    policy_document::store::{Condition, Key, Resource, StatusWrite, Store},
    server::metrics::Metrics,
};

/// Writes at a time.
const AT_A_TIME: usize = 4;

/// Pause after the first write that fails; doubles with each one that fails after it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause. A condition that somebody else changed is put back after as long: an injector of another version may
/// think otherwise of a policy, and the two shall not write in turns.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What came of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is there.
    Done,
    /// The policy has another form by now, or is gone; the watch shows which.
    Outdated,
}

/// Writes a condition, or says in a sentence why that is not possible.
pub type WriteStatus = Arc<dyn Fn(StatusWrite) -> BoxFuture<'static, Result<Written, String>> + Send + Sync>;

type InFlight = BoxFuture<'static, (StatusWrite, Result<Written, String>)>;

/// The writes that are on their way, and those that wait.
pub(super) struct Statuses {
    write: WriteStatus,
    in_flight: FuturesUnordered<InFlight>,
    /// What was written last.
    written: BTreeMap<Key, (Condition, Instant)>,
    /// Those that are put back later.
    later: BTreeMap<Key, Instant>,
    paused_until: Option<Instant>,
    failed_in_a_row: u32,
    /// When it was told last that those of a resource are not written.
    told: BTreeMap<Resource, Instant>,
}

impl Statuses {
    pub(super) fn new(write: WriteStatus) -> Self {
        Self {
            write,
            in_flight: FuturesUnordered::new(),
            written: BTreeMap::new(),
            later: BTreeMap::new(),
            paused_until: None,
            failed_in_a_row: 0,
            told: BTreeMap::new(),
        }
    }

    /// Begins what can begin, and waits until something can be done again. To drop it loses nothing.
    pub(super) async fn step(&mut self, store: &mut Store, metrics: &Metrics) {
        let at = Instant::now();
        self.begin(store, at);
        let wake = self.wake(at);
        tokio::select! {
            Some((write, result)) = self.in_flight.next() => self.end(write, result, store, metrics),
            () = wait_until(wake) => {}
        }
    }

    fn begin(&mut self, store: &mut Store, at: Instant) {
        let due: Vec<Key> = self
            .later
            .iter()
            .filter(|(_, then)| **then <= at)
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            self.later.remove(&key);
            store.write_again(key);
        }
        if self.paused_until.is_some_and(|until| until > at) {
            return;
        }
        while self.in_flight.len() < AT_A_TIME
            && let Some(write) = store.next_write()
        {
            if let Some(then) = self.again_at(&write).filter(|then| *then > at) {
                self.later.insert(write.key, then);
                continue;
            }
            let written = (self.write)(write.clone());
            self.in_flight
                .push(Box::pin(async move { (write, written.await) }));
        }
    }

    /// When a condition that was written already is written again.
    fn again_at(&self, write: &StatusWrite) -> Option<Instant> {
        let (condition, at) = self.written.get(&write.key)?;
        (*condition == write.condition).then(|| *at + LONGEST_PAUSE)
    }

    fn wake(&self, at: Instant) -> Option<Instant> {
        let paused = self.paused_until.filter(|until| *until > at);
        paused.into_iter().chain(self.later.values().copied()).min()
    }

    fn end(
        &mut self,
        write: StatusWrite,
        result: Result<Written, String>,
        store: &mut Store,
        metrics: &Metrics,
    ) {
        match result {
            Ok(Written::Done) => {
                self.written.insert(write.key, (write.condition, Instant::now()));
                self.failed_in_a_row = 0;
            }
            Ok(Written::Outdated) => {
                self.written.remove(&write.key);
                self.failed_in_a_row = 0;
            }
            Err(error) => {
                metrics.status_write_failed();
                let doubled = 1_u32.checked_shl(self.failed_in_a_row).unwrap_or(u32::MAX);
                let pause = FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE);
                let at = Instant::now();
                // Those that were on their way beside it begin no pause of their own.
                if self.paused_until.is_none_or(|until| until <= at) {
                    self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
                    self.paused_until = Some(at + pause);
                }
                let told = self.told.get(&write.key.resource);
                if told.is_none_or(|told| at.saturating_duration_since(*told) >= AGAIN_AFTER) {
                    self.told.insert(write.key.resource, at);
                    let policy = write.key.title();
                    tracing::warn!(
                        policy,
                        error,
                        "conditions of policies are not written; it is tried again"
                    );
                }
                store.write_again(write.key);
            }
        }
    }
}

async fn wait_until(then: Option<Instant>) {
    match then {
        Some(then) => sleep_until(then.into()).await,
        None => pending().await,
    }
}
