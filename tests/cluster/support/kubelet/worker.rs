//! The pods on all nodes: which of them wait, and what is done about it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use k8s_openapi::{
    api::core::v1::{Pod, PodSpec},
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};

use super::{
    Seen,
    judge::{Hold, Judgement, Reason, Start, Verdict, Warning, judge},
    lock,
    objects::{Key, Lookup, key, tell},
    status::{self, Restarts},
    world::containers,
};

/// How long one pod may keep the others waiting, when the API server does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Worker {
    client: Client,
    seen: Arc<Mutex<Seen>>,
    pods: BTreeMap<Key, Known>,
}

/// A pod on a node.
struct Known {
    pod: Pod,
    stage: Stage,
    /// The events that it has: one for each text, not one for each look.
    told: BTreeSet<Warning>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// It may not start, or nobody looked yet.
    Waiting(Wait),
    /// It was let through.
    Started,
    /// It ended by itself.
    Ended,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Wait {
    start: Start,
    /// The hold that its status tells of.
    shown: Option<Hold>,
    /// How often each container has started again, by what the status tells. Not read anew from a pod that may tell
    /// of a write whose answer was lost: writing it again must not count it again.
    counted: Restarts,
}

impl Wait {
    fn new(start: Start, pod: &Pod) -> Self {
        Self {
            start,
            shown: None,
            counted: status::restarts(pod),
        }
    }
}

impl Stage {
    /// Where a pod is that is seen for the first time.
    fn of(pod: &Pod) -> Self {
        let conditions = pod
            .status
            .iter()
            .flat_map(|status| status.conditions.iter().flatten());
        let ours = conditions
            .filter(|condition| condition.type_ == status::CONDITION)
            .map(|condition| condition.status == "True")
            .next();
        match (status::phase(pod), ours) {
            ("Succeeded" | "Failed", _) => Self::Ended,
            (_, Some(true)) | ("Running", None) => Self::Started,
            _ => Self::Waiting(Wait::new(Start::First, pod)),
        }
    }
}

/// Versions of one kind of object rise with time, as Kubernetes 1.35 and later promise.
fn version(pod: &Pod) -> u64 {
    let version = pod.metadata.resource_version.as_deref();
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}

impl Worker {
    pub(crate) fn new(client: Client, seen: Arc<Mutex<Seen>>) -> Self {
        Self {
            client,
            seen,
            pods: BTreeMap::new(),
        }
    }

    /// A pod as it is now: decided on at once when it is new on its node.
    pub(crate) async fn see(&mut self, pod: Pod) {
        let key = key(&pod);
        let bound = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
        if !bound || pod.metadata.deletion_timestamp.is_some() {
            return self.deleted(&pod);
        }
        if let Some(known) = self.pods.get_mut(&key) {
            // The watch may be behind what was read or written here.
            if version(&known.pod) > version(&pod) {
                return;
            }
            if known.pod.metadata.uid == pod.metadata.uid {
                if Stage::of(&pod) == Stage::Ended {
                    known.stage = Stage::Ended;
                    lock(&self.seen).held.remove(&key);
                }
                known.pod = pod;
                return;
            }
        }
        self.forget(&key);
        let known = Known {
            stage: Stage::of(&pod),
            pod,
            told: BTreeSet::new(),
        };
        self.pods.insert(key.clone(), known);
        self.look(&key, &mut Lookup::default()).await;
    }

    /// Forgets the pod, unless another one has its name by now.
    pub(super) fn deleted(&mut self, pod: &Pod) {
        let key = key(pod);
        let same = |known: &Known| known.pod.metadata.uid == pod.metadata.uid;
        if self.pods.get(&key).is_some_and(same) {
            self.forget(&key);
        }
    }

    /// Forgets the pods that are not among these.
    pub(super) fn keep(&mut self, listed: &BTreeSet<Key>) {
        let gone: Vec<Key> = self
            .pods
            .keys()
            .filter(|key| !listed.contains(*key))
            .cloned()
            .collect();
        for key in gone {
            self.forget(&key);
        }
    }

    fn forget(&mut self, key: &Key) {
        self.pods.remove(key);
        lock(&self.seen).held.remove(key);
    }

    pub(super) fn trouble(&self, text: String) {
        lock(&self.seen).trouble = Some(text);
    }

    /// Looks at every pod that waits; objects are read once for all of them.
    pub(crate) async fn look_again(&mut self) {
        let waiting = self
            .pods
            .iter()
            .filter(|(_, known)| matches!(known.stage, Stage::Waiting(_)));
        let keys: Vec<Key> = waiting.map(|(key, _)| key.clone()).collect();
        let mut lookup = Lookup::default();
        for key in keys {
            self.look(&key, &mut lookup).await;
        }
    }

    /// Looks at one pod that waits, and lets it through or shows why not. What fails is tried again at the next look.
    async fn look(&mut self, key: &Key, lookup: &mut Lookup) {
        let Some(known) = self.pods.get_mut(key) else {
            return;
        };
        let Stage::Waiting(wait) = known.stage.clone() else {
            return;
        };
        let decision = decide(&self.client, &self.seen, known, &wait, lookup);
        match tokio::time::timeout(PATIENCE, decision).await {
            Ok(Ok((Verdict::Go, _))) => known.stage = Stage::Started,
            // An agent that ended, and that its pod does not start again.
            Ok(Ok((Verdict::Hold(_), _))) if Stage::of(&known.pod) == Stage::Ended => {
                known.stage = Stage::Ended;
            }
            Ok(Ok((Verdict::Hold(hold), counted))) => {
                let shown = Some(hold);
                known.stage = Stage::Waiting(Wait {
                    shown,
                    counted,
                    ..wait
                });
            }
            Ok(Err(error)) => self.trouble(format!("pod {}/{}: {error}", key.0, key.1)),
            Err(_) => self.trouble(format!("pod {}/{}: no answer within {PATIENCE:?}", key.0, key.1)),
        }
    }

    /// What `Kubelet::restart` says.
    pub(crate) async fn restart(&mut self, key: &Key) -> Result<Option<String>, String> {
        let name = format!("{}/{}", key.0, key.1);
        // The watch may be behind what the caller has seen.
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &key.0);
        let pod = pods
            .get_opt(&key.1)
            .await
            .map_err(|error| format!("pod {name}: {error}"))?;
        self.see(pod.ok_or_else(|| format!("there is no pod {name}"))?)
            .await;
        let Some(known) = self.pods.get_mut(key) else {
            return Err(format!("pod {name} is on no node"));
        };
        match &known.stage {
            Stage::Ended => return Err(format!("pod {name} has ended: its containers do not start again")),
            Stage::Waiting(Wait {
                start: Start::First,
                shown,
                ..
            }) => {
                let why = shown.as_ref().map(|hold| format!(": {}", hold.message()));
                return Err(format!("pod {name} has never started{}", why.unwrap_or_default()));
            }
            Stage::Waiting(_) | Stage::Started => {}
        }
        if status::phase(&known.pod) != "Running" {
            return Err(format!(
                "pod {name} was let through, and the simulated node has not started it yet"
            ));
        }
        known.stage = Stage::Waiting(Wait::new(Start::Again, &known.pod));
        self.look(key, &mut Lookup::default()).await;
        match self.pods.get(key).map(|known| &known.stage) {
            Some(Stage::Started) => Ok(None),
            Some(Stage::Waiting(Wait {
                shown: Some(hold), ..
            })) => Ok(Some(hold.to_string())),
            _ => Err(lock(&self.seen).trouble.clone().unwrap_or_default()),
        }
    }
}

/// Judges a pod, and writes what has to be written of it. Gives also how often its status now tells that each container
/// has started again.
async fn decide(
    client: &Client,
    seen: &Mutex<Seen>,
    known: &mut Known,
    wait: &Wait,
    lookup: &mut Lookup,
) -> Result<(Verdict, Restarts), kube::Error> {
    let world = lookup.world(client, &known.pod).await?;
    let Judgement { verdict, events } = judge(&known.pod, &world, wait.start);
    let now = Time(Timestamp::now());
    for event in events {
        if !known.told.contains(&event) {
            tell(client, &known.pod, &event, &now).await?;
            known.told.insert(event);
        }
    }
    let pod = &known.pod;
    let spec = pod.spec.clone().unwrap_or_default();
    let restarts = restarts(&spec, wait);
    let body = match &verdict {
        Verdict::Hold(hold) if wait.shown.as_ref() == Some(hold) => {
            return Ok((verdict, wait.counted.clone()));
        }
        Verdict::Hold(hold) => status::held(pod, &spec, hold, wait.start, &restarts, &now),
        Verdict::Go if wait.start == Start::Again => status::running(pod, &spec, &restarts, &now),
        Verdict::Go => status::go(pod, &now),
    };
    let at = key(pod);
    // Before the status tells of it, so that whoever reads the status finds the same here.
    match &verdict {
        Verdict::Hold(hold) if body["status"]["phase"] != "Failed" => {
            lock(seen).held.insert(at.clone(), hold.to_string())
        }
        _ => lock(seen).held.remove(&at),
    };
    let pods: Api<Pod> = Api::namespaced(client.clone(), &at.0);
    let patch = Patch::Strategic(body);
    known.pod = pods.patch_status(&at.1, &PatchParams::default(), &patch).await?;
    Ok((verdict, restarts))
}

/// How often each container has started again: all once more at a restart, and one each time after it ended by itself.
fn restarts(spec: &PodSpec, wait: &Wait) -> Restarts {
    let mut restarts = wait.counted.clone();
    let restarted = wait.start == Start::Again && wait.shown.is_none();
    for container in containers(spec).filter(|container| status::is_kept(container, spec)) {
        let stuck = wait.shown.as_ref().and_then(|hold| hold.stuck(&container.name));
        if restarted || stuck.is_some_and(|stuck| stuck.reason == Reason::CrashLoopBackOff) {
            *restarts.entry(container.name.clone()).or_default() += 1;
        }
    }
    restarts
}
