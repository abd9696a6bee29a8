//! The conditions of policies, written into the cluster: a few at a time, and later each time when that fails.

use std::{
    collections::{BTreeMap, btree_map::Entry},
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

/// Which conditions are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// That of this policy; those of others may be.
    ThisOne,
    /// None, so far as it can be told: the API server is away, or a right is missing.
    All,
}

/// Why a condition was not written.
#[derive(Debug, Clone)]
pub struct Unwritten {
    /// Whether others can be.
    pub which: Which,
    /// In a sentence.
    pub why: String,
}

/// Writes a condition, or says why that is not possible.
pub type WriteStatus =
    Arc<dyn Fn(StatusWrite) -> BoxFuture<'static, Result<Written, Unwritten>> + Send + Sync>;

type InFlight = BoxFuture<'static, (StatusWrite, Result<Written, Unwritten>)>;

/// What came of the last write for a policy.
#[derive(Debug)]
struct Last {
    uid: Option<String>,
    condition: Condition,
    /// The form that it was refused for; nothing where it was written.
    refused_for: Option<String>,
    /// How often in a row it was refused.
    refusals: u32,
    /// From when on the same is written again.
    again_at: Instant,
}

impl Last {
    fn new(write: StatusWrite, refusals: u32, again_at: Instant) -> Self {
        Self {
            uid: write.uid,
            condition: write.condition,
            refused_for: (refusals > 0).then_some(write.resource_version),
            refusals,
            again_at,
        }
    }

    /// Whether the same is to be written as then: a refused one may be taken for another form.
    fn is_same(&self, write: &StatusWrite) -> bool {
        self.uid == write.uid
            && self.condition == write.condition
            && self
                .refused_for
                .as_ref()
                .is_none_or(|form| *form == write.resource_version)
    }
}

/// The writes that are on their way, and those that wait.
pub(super) struct Statuses {
    write: WriteStatus,
    in_flight: FuturesUnordered<InFlight>,
    /// Of those policies that there are.
    last: BTreeMap<Key, Last>,
    /// Those that are written, or put back, later.
    later: BTreeMap<Key, Instant>,
    paused_until: Option<Instant>,
    failed_in_a_row: u32,
    /// When it was told last that those of a resource are not written: one of them, or all.
    told: BTreeMap<(Resource, Which), Instant>,
}

impl Statuses {
    pub(super) fn new(write: WriteStatus) -> Self {
        Self {
            write,
            in_flight: FuturesUnordered::new(),
            last: BTreeMap::new(),
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
        if self.last.len() > store.held() {
            self.last.retain(|key, _| store.holds(key));
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

    /// When what was written already, or refused, is written again.
    fn again_at(&self, write: &StatusWrite) -> Option<Instant> {
        let last = self.last.get(&write.key)?;
        last.is_same(write).then_some(last.again_at)
    }

    fn wake(&self, at: Instant) -> Option<Instant> {
        let paused = self.paused_until.filter(|until| *until > at);
        paused.into_iter().chain(self.later.values().copied()).min()
    }

    fn end(
        &mut self,
        write: StatusWrite,
        result: Result<Written, Unwritten>,
        store: &Store,
        metrics: &Metrics,
    ) {
        let at = Instant::now();
        match result {
            Ok(Written::Done) => {
                self.failed_in_a_row = 0;
                self.keep(write, 0, at + LONGEST_PAUSE, store);
            }
            Ok(Written::Outdated) => {
                self.failed_in_a_row = 0;
                self.last.remove(&write.key);
            }
            Err(unwritten) => {
                metrics.status_write_failed();
                self.tell(&write, &unwritten, at);
                self.pause(unwritten.which, at);
                // It waits by itself, and the others come first, also where all of them wait.
                let before = self.last.get(&write.key).filter(|last| last.uid == write.uid);
                let refusals = before.map_or(0, |last| last.refusals);
                let again_at = at + pause_after(refusals);
                self.later.insert(write.key.clone(), again_at);
                self.keep(write, refusals.saturating_add(1), again_at, store);
            }
        }
    }

    /// Takes note of what came of a write, unless the policy is gone by now.
    fn keep(&mut self, write: StatusWrite, refusals: u32, again_at: Instant, store: &Store) {
        if store.holds(&write.key) {
            let key = write.key.clone();
            self.last.insert(key, Last::new(write, refusals, again_at));
        }
    }

    /// Has all of them wait where none is taken. Those that were on their way beside it begin no pause of their own.
    fn pause(&mut self, which: Which, at: Instant) {
        match which {
            Which::ThisOne => self.failed_in_a_row = 0,
            Which::All if self.paused_until.is_none_or(|until| until <= at) => {
                self.paused_until = Some(at + pause_after(self.failed_in_a_row));
                self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
            }
            Which::All => {}
        }
    }

    fn tell(&mut self, write: &StatusWrite, Unwritten { which, why }: &Unwritten, at: Instant) {
        let told = self.told.entry((write.key.resource, *which));
        match told {
            Entry::Occupied(told) if at.saturating_duration_since(*told.get()) < AGAIN_AFTER => return,
            Entry::Occupied(mut told) => _ = told.insert(at),
            Entry::Vacant(told) => _ = told.insert(at),
        }
        let policy = write.key.title();
        match which {
            Which::ThisOne => tracing::warn!(
                policy,
                error = why,
                "the condition of a policy is not written; it is tried again"
            ),
            Which::All => tracing::warn!(
                policy,
                error = why,
                "conditions of policies are not written; it is tried again"
            ),
        }
    }
}

/// The pause after one more failure than these.
fn pause_after(failures: u32) -> Duration {
    let doubled = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

/// Waits until then, for ever where there is no time.
pub(super) async fn wait_until(then: Option<Instant>) {
    match then {
        Some(then) => sleep_until(then.into()).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use futures::FutureExt as _;
    use serde_json::json;

    use super::*;
    use crate::policy_document::store::{Change, PolicyObject, Watched};

    fn key(name: &str) -> Key {
        Key {
            resource: Resource::ClusterPolicies,
            namespace: None,
            name: name.to_owned(),
        }
    }

    fn policy(name: &str) -> Change {
        Change::Policy(Box::new(PolicyObject {
            key: key(name),
            uid: Some(format!("uid of {name}")),
            resource_version: Some("1".to_owned()),
            generation: Some(1),
            document: json!({
                "apiVersion": "injector.alumet.dev/v1alpha1", "kind": "ClusterInjectionPolicy",
                "metadata": {"name": name}, "spec": {},
            }),
        }))
    }

    #[tokio::test]
    async fn nothing_is_remembered_of_policies_that_are_gone() {
        for result in [
            Ok(Written::Done),
            Err(Unwritten {
                which: Which::ThisOne,
                why: "not this one".to_owned(),
            }),
        ] {
            let of_write = result.clone();
            let write: WriteStatus = Arc::new(move |_| ready(of_write.clone()).boxed());
            let (mut statuses, metrics) = (Statuses::new(write), Metrics::new());
            let mut store = Store::new(Vec::new(), Watched::Cluster);
            store.take(policy("stays"));
            for number in 0..100 {
                let name = format!("of a short-lived namespace {number}");
                store.take(policy(&name));
                store.news();
                statuses.begin(&mut store, Instant::now());
                while !statuses.in_flight.is_empty() {
                    statuses.step(&mut store, &metrics).await;
                }
                store.take(Change::Gone(key(&name)));
                store.news();
            }
            statuses.begin(&mut store, Instant::now());
            let kept: Vec<&Key> = statuses.last.keys().collect();
            assert_eq!(kept, [&key("stays")], "{result:?}");
        }
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let seconds = [0, 1, 5, 6, 32, u32::MAX].map(|failures| pause_after(failures).as_secs());
        assert_eq!(seconds, [1, 2, 32, 60, 60, 60]);
    }
}
