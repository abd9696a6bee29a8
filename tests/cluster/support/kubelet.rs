//! A small kubelet for the simulated nodes, which mount nothing and would start every pod: it says which pods may.
//!
//! It looks at every pod that is bound to a node. One whose `ConfigMaps`, `Secrets` and keys are all there gets the
//! condition `AlumetTestKubelet`, and the simulated node starts it. Any other is held, with the status and the events
//! of a real kubelet, and looked at again until it may start. A pod that was let through runs on whatever becomes of
//! its objects; [`Kubelet::restart`] starts its containers again.
//!
//! Beyond a kubelet it does what the Alumet agent does first, which is to look for its variables (`agent.rs`), and it
//! refuses a `ConfigMap` mounted by `subPath` in a pod of Alumet's (`judge.rs`).

mod agent;
mod environment;
pub(crate) mod judge;
mod objects;
mod status;
mod volumes;
pub(crate) mod worker;
pub(crate) mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc as answers},
    time::Duration,
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, utils::Backoff, watcher},
};
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use objects::{Key, key};
use worker::Worker;

/// How often a held pod is looked at again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long [`Kubelet::restart`] waits for its answer.
const RESTART_WITHIN: Duration = Duration::from_secs(30);

/// The running kubelet; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Kubelet {
    seen: Arc<Mutex<Seen>>,
    orders: mpsc::UnboundedSender<Order>,
    task: JoinHandle<()>,
}

/// What the task tells its handle.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    held: BTreeMap<Key, String>,
    trouble: Option<String>,
}

/// Asks for a restart.
#[derive(Debug)]
struct Order {
    pod: Key,
    answer: answers::Sender<Result<Option<String>, String>>,
}

impl Kubelet {
    /// Starts it, for all nodes of the cluster. `client` must be allowed everything.
    pub(crate) fn start(client: Client, runtime: &Handle) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (orders, inbox) = mpsc::unbounded_channel();
        let pods: Api<Pod> = Api::all(client.clone());
        let worker = Worker::new(client, Arc::clone(&seen));
        let task = runtime.spawn(run(pods, worker, inbox));
        Self { seen, orders, task }
    }

    /// Why the pod is held, reason first; `None` when it is not (or is not known).
    pub(crate) fn why_held(&self, namespace: &str, pod: &str) -> Option<String> {
        lock(&self.seen)
            .held
            .get(&(namespace.to_owned(), pod.to_owned()))
            .cloned()
    }

    /// What last went wrong with the cluster, for whoever asks why nothing happens.
    pub(crate) fn trouble(&self) -> Option<String> {
        lock(&self.seen).trouble.clone()
    }

    /// Starts the pod's containers again, on what its objects say now. `Ok(None)`: they run. `Ok(Some(why))`: they do
    /// not, and are looked at until they do. `Err`: there is no such pod on a node, or it never started, or it ended.
    ///
    /// Not to be called from the runtime's own threads: it blocks.
    pub(crate) fn restart(&self, namespace: &str, pod: &str) -> Result<Option<String>, String> {
        let (answer, answered) = answers::channel();
        let order = Order {
            pod: (namespace.to_owned(), pod.to_owned()),
            answer,
        };
        self.orders
            .send(order)
            .map_err(|_| "the kubelet has stopped".to_owned())?;
        answered.recv_timeout(RESTART_WITHIN).map_err(|_| {
            let trouble = self.trouble().unwrap_or_else(|| "no trouble is known".to_owned());
            format!("restarting {namespace}/{pod} took more than {RESTART_WITHIN:?}: {trouble}")
        })?
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tries the watch again soon: the API server is on loopback and for this suite alone.
struct Soon;

impl Iterator for Soon {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_millis(200))
    }
}

impl Backoff for Soon {
    fn reset(&mut self) {}
}

async fn run(pods: Api<Pod>, mut worker: Worker, mut orders: mpsc::UnboundedReceiver<Order>) {
    let mut events = pin!(watcher(pods, watcher::Config::default()).backoff(Soon));
    let mut tick = interval(AGAIN_AFTER);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut listed = BTreeSet::new();
    loop {
        tokio::select! {
            Some(event) = events.next() => match event {
                Ok(watcher::Event::Apply(pod)) => worker.see(pod).await,
                Ok(watcher::Event::Delete(pod)) => worker.deleted(&pod),
                Ok(watcher::Event::Init) => listed.clear(),
                Ok(watcher::Event::InitApply(pod)) => {
                    listed.insert(key(&pod));
                    worker.see(pod).await;
                }
                // Others were deleted while nobody watched.
                Ok(watcher::Event::InitDone) => worker.keep(&listed),
                Err(error) => worker.trouble(format!("watching pods: {error}")),
            },
            _ = tick.tick() => worker.look_again().await,
            Some(order) = orders.recv() => {
                let answer = worker.restart(&order.pod).await;
                // Nobody waits any more when it took too long.
                let _ = order.answer.send(answer);
            }
        }
    }
}
