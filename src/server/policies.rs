//! Keeps policies in force: changes come in from files and from a cluster, and reviews are answered from them soon after.
//!
//! The first change after a while is taken at once; those that follow are gathered. Whatever is costly is done on a
//! thread of its own.

mod complaints;
mod statuses;

use std::{
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{
    StreamExt as _,
    stream::{BoxStream, once, select_all},
};
use tokio::{task::spawn_blocking, time::sleep_until};

pub use self::statuses::{Unwritten, Which, WriteStatus, Written};
use self::{
    complaints::Complaints,
    statuses::{Statuses, wait_until},
};
use super::{metrics::Metrics, now, world::Worlds};
use crate::{
    engine::setup::Snapshot,
    policy::index::PolicyIndex,
    policy_document::store::{Change, News, Store},
};

/// Shortest time from one look at what came to the next.
const GATHERED_FOR: Duration = Duration::from_millis(100);

/// Longest such time: a policy is to be in force within a second.
const GATHERED_FOR_AT_MOST: Duration = Duration::from_millis(500);

/// The share of a thread that looking may take is one in so many.
const SHARE: u32 = 10;

/// So many changes are looked at at once, however soon they came: they hold whole documents.
const MOST_GATHERED: usize = 1_000;

/// Lines of the log about policies that one look may write; the conditions of the policies have the rest.
const MOST_LINES: usize = 20;

/// Where policies come from, and where they go.
pub struct Policies {
    /// Those that are known at the start.
    pub store: Store,
    /// What becomes of them: streams that never end.
    pub changes: Vec<BoxStream<'static, Change>>,
    /// Who is told what holds.
    pub worlds: Arc<Worlds>,
    /// Writes the condition of a policy into the cluster.
    pub write: WriteStatus,
}

/// Whether policies were read.
#[derive(Debug, Clone)]
pub(super) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Of a server that begins with this store, or whose policies do not change.
    pub(super) fn of(policies: Option<&Policies>) -> Self {
        let is_read = policies.is_none_or(|policies| policies.store.is_read());
        Self(Arc::new(AtomicBool::new(is_read)))
    }

    /// Why calls should not be sent here yet.
    pub(super) fn unread(&self) -> Option<&'static str> {
        (!self.0.load(Ordering::Relaxed)).then_some("policies have not been read yet")
    }
}

/// What came, and when it is looked at.
#[derive(Debug)]
struct Gathered {
    changes: Vec<Change>,
    soonest: Instant,
}

impl Policies {
    /// Keeps them in force; ends only where something is wrong with the process.
    pub(super) async fn keep(self, metrics: Arc<Metrics>, readiness: Readiness) {
        let Self {
            mut store,
            changes,
            worlds,
            write,
        } = self;
        let mut changes = until_one_ends(changes);
        metrics.policies(store.counts());
        let mut complaints = Complaints::default();
        let mut statuses = Statuses::new(write);
        let mut gathered = Gathered {
            changes: Vec::new(),
            soonest: Instant::now(),
        };
        loop {
            let is_full = gathered.changes.len() >= MOST_GATHERED;
            let soonest = if is_full { Instant::now() } else { gathered.soonest };
            tokio::select! {
                // What came is taken before it is asked whether it is time to look.
                biased;
                change = changes.next(), if !is_full => {
                    let Some(change) = change else { return };
                    complaints.hear(&change, &metrics, Instant::now());
                    gathered.changes.push(change);
                }
                () = sleep_until(soonest.into()), if !gathered.changes.is_empty() => {
                    let Some(kept) = look(store, &mut gathered, &worlds, &metrics).await else { return };
                    store = kept;
                    readiness.0.store(store.is_read(), Ordering::Relaxed);
                }
                () = wait_until(complaints.remind_at()) => complaints.remind(Instant::now()),
                () = statuses.step(&mut store, &metrics) => {}
            }
        }
    }
}

/// All of them, until one of them ends: then what is in force would no longer be kept so.
fn until_one_ends(streams: Vec<BoxStream<'static, Change>>) -> BoxStream<'static, Change> {
    let ending = |stream: BoxStream<'static, Change>| stream.map(Some).chain(once(ready(None)));
    select_all(streams.into_iter().map(|stream| ending(stream).boxed()))
        .take_while(|change| ready(change.is_some()))
        .filter_map(ready)
        .boxed()
}

/// Takes what was gathered into the store, and swaps the world where something else holds. `None` where the thread that
/// does it failed.
async fn look(
    mut store: Store,
    gathered: &mut Gathered,
    worlds: &Worlds,
    metrics: &Metrics,
) -> Option<Store> {
    let changes = std::mem::take(&mut gathered.changes);
    let begun = Instant::now();
    let (store, renewed, news) = spawn_blocking(move || {
        for change in changes {
            store.take(change);
        }
        let renewed = store.renewed();
        let news = store.news();
        (store, renewed, news)
    })
    .await
    .ok()?;
    let took = begun.elapsed();
    gathered.soonest = Instant::now() + (took * SHARE).clamp(GATHERED_FOR, GATHERED_FOR_AT_MOST);
    tell(&news);
    if let Some(policies) = renewed {
        swap(policies, worlds, metrics, took);
    }
    metrics.policies(store.counts());
    Some(store)
}

fn swap(policies: PolicyIndex, worlds: &Worlds, metrics: &Metrics, took: Duration) {
    tracing::debug!(
        policies = policies.policies().len(),
        ?took,
        "other policies hold from now on"
    );
    worlds.swap(Snapshot { policies });
    metrics.policies_changed(now());
}

/// Writes lines about policies that are rejected, or are so no longer.
fn tell(news: &[News]) {
    for item in news.iter().take(MOST_LINES) {
        match item {
            News::Rejected {
                policy,
                condition,
                stays,
            } => {
                let (reason, why) = (condition.reason.as_str(), &condition.message);
                if *stays {
                    tracing::warn!(
                        policy,
                        reason,
                        why,
                        "the policy is rejected; its last good form stays in force"
                    );
                } else {
                    tracing::warn!(policy, reason, why, "the policy is rejected, and is not in force");
                }
            }
            News::Mended(policy) => tracing::info!(policy, "the policy is rejected no longer"),
        }
    }
    if news.len() > MOST_LINES {
        let more = news.len() - MOST_LINES;
        tracing::warn!(more, "more policies are rejected, or are so no longer");
    }
}
