//! The status that a kubelet gives a pod that it holds, releases or starts again, as patches of the status.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::judge::{Hold, Reason, Start};
use super::world::containers;

/// The condition that lets the simulated node start a pod.
pub(crate) const CONDITION: &str = "AlumetTestKubelet";

/// The condition that the pod has its network and its volumes.
const SANDBOX: &str = "PodReadyToStartContainers";

/// How often each container was started again.
pub(crate) type Restarts = BTreeMap<String, i32>;

/// The pod's phase; empty when it has none.
pub(crate) fn phase(pod: &Pod) -> &str {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    phase.unwrap_or_default()
}

/// What the pod's status says of it.
pub(crate) fn restarts(pod: &Pod) -> Restarts {
    let status = pod.status.iter();
    status
        .flat_map(|status| {
            status
                .init_container_statuses
                .iter()
                .flatten()
                .chain(status.container_statuses.iter().flatten())
        })
        .map(|container| (container.name.clone(), container.restart_count))
        .collect()
}

/// The pod may start: the simulated node does the rest. It takes pods that are `Pending` alone.
pub(crate) fn go(pod: &Pod, now: &Time) -> Value {
    let conditions = [CONDITION, SANDBOX].map(|name| condition(name, true, "", "", now));
    patch(pod, &json!({ "phase": "Pending", "conditions": conditions }))
}

/// The pod's containers run, and did so before: the simulated node starts no pod twice.
pub(crate) fn running(pod: &Pod, spec: &PodSpec, restarts: &Restarts, now: &Time) -> Value {
    let show = |container: &Container| {
        let state = json!({ "running": { "startedAt": now } });
        container_status(container, &state, true, restarts, None)
    };
    let conditions = [CONDITION, "Initialized", "Ready", "ContainersReady"];
    let mut status = json!({
        "phase": "Running",
        "conditions": conditions.map(|name| condition(name, true, "", "", now)),
        "containerStatuses": spec.containers.iter().map(show).collect::<Vec<_>>(),
    });
    if let Some(init) = &spec.init_containers {
        let done = |container: &Container| init_done(container, restarts, now);
        status["initContainerStatuses"] = init.iter().map(done).collect();
    }
    patch(pod, &status)
}

/// The pod waits. `convertToAPIContainerStatuses` and `getPhase` of `pkg/kubelet/kubelet_pods.go`, and
/// `pkg/kubelet/status/generate.go` for the conditions.
pub(crate) fn held(
    pod: &Pod,
    spec: &PodSpec,
    hold: &Hold,
    start: Start,
    restarts: &Restarts,
    now: &Time,
) -> Value {
    let init = spec.init_containers.as_deref().unwrap_or_default();
    let ends = spec.restart_policy.as_deref() == Some("Never");
    // Init containers run one by one: those before the one that is stuck are done, nothing after it is made.
    let stuck_at = match hold {
        Hold::Volumes(_) => Some(0),
        Hold::Containers(_) => init
            .iter()
            .position(|container| hold.stuck(&container.name).is_some()),
    };
    let not_made = json!({ "waiting": { "reason": if init.is_empty() { "ContainerCreating" } else { "PodInitializing" } } });
    let show = |container: &Container, reached: bool| match hold.stuck(&container.name) {
        Some(stuck) => {
            let mut ended = json!({ "exitCode": 1, "reason": "Error", "startedAt": now, "finishedAt": now });
            if let Some(words) = &stuck.last_words {
                ended["message"] = json!(words);
            }
            let ran = stuck.reason == Reason::CrashLoopBackOff || start == Start::Again;
            if ends && stuck.reason == Reason::CrashLoopBackOff {
                return container_status(container, &json!({ "terminated": ended }), false, restarts, None);
            }
            let state = json!({ "waiting": { "reason": stuck.reason.as_str(), "message": stuck.message } });
            container_status(container, &state, false, restarts, ran.then_some(&ended))
        }
        None if reached => container_status(
            container,
            &json!({ "running": { "startedAt": now } }),
            true,
            restarts,
            None,
        ),
        None => container_status(container, &not_made, false, restarts, None),
    };
    let init_statuses: Vec<Value> = (init.iter().enumerate())
        .map(|(at, container)| match stuck_at {
            Some(stuck) if at >= stuck => show(container, false),
            _ => init_done(container, restarts, now),
        })
        .collect();
    let statuses: Vec<Value> = spec
        .containers
        .iter()
        .map(|container| show(container, stuck_at.is_none()))
        .collect();

    let crashed = spec.containers.iter().any(|container| {
        hold.stuck(&container.name)
            .is_some_and(|stuck| stuck.reason == Reason::CrashLoopBackOff)
    });
    let never_made = matches!(hold, Hold::Containers(stuck) if stuck.iter().any(|stuck| stuck.reason != Reason::CrashLoopBackOff));
    let phase = match (start, crashed, never_made) {
        (_, true, false) if ends && spec.containers.len() == 1 => "Failed",
        (Start::Again, ..) | (Start::First, true, false) => "Running",
        (Start::First, ..) => "Pending",
    };
    let unready = containers(spec).filter(|container| is_kept(container, spec));
    let unready: Vec<&str> = (unready)
        .map(|container| container.name.as_str())
        .filter(|name| stuck_at.is_some() || hold.stuck(name).is_some())
        .collect();
    let unready = format!("containers with unready status: [{}]", unready.join(" "));
    let incomplete: Vec<&str> = init
        .iter()
        .skip(stuck_at.unwrap_or(init.len()))
        .map(|container| container.name.as_str())
        .collect();
    let initialized = if incomplete.is_empty() || start == Start::Again {
        condition("Initialized", true, "", "", now)
    } else {
        let message = format!("containers with incomplete status: [{}]", incomplete.join(" "));
        condition("Initialized", false, "ContainersNotInitialized", &message, now)
    };
    let sandbox = !matches!(hold, Hold::Volumes(_));
    let mut status = json!({
        "phase": phase,
        "conditions": [
            condition(CONDITION, false, hold.reason(), &hold.message(), now),
            condition(SANDBOX, sandbox, "", "", now),
            initialized,
            condition("Ready", false, "ContainersNotReady", &unready, now),
            condition("ContainersReady", false, "ContainersNotReady", &unready, now),
        ],
        "containerStatuses": statuses,
        "startTime": pod.status.as_ref().and_then(|status| status.start_time.clone()).unwrap_or_else(|| now.clone()),
    });
    if !init.is_empty() {
        status["initContainerStatuses"] = json!(init_statuses);
    }
    patch(pod, &status)
}

/// Whether the container counts for readiness: a plain init container does not.
pub(crate) fn is_kept(container: &Container, spec: &PodSpec) -> bool {
    spec.containers.iter().any(|other| other.name == container.name)
        || container.restart_policy.as_deref() == Some("Always")
}

/// An init container that did its work: it ended, or runs on as a native sidecar.
fn init_done(container: &Container, restarts: &Restarts, now: &Time) -> Value {
    let state = if container.restart_policy.as_deref() == Some("Always") {
        json!({ "running": { "startedAt": now } })
    } else {
        json!({ "terminated": { "exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now } })
    };
    container_status(container, &state, true, restarts, None)
}

fn container_status(
    container: &Container,
    state: &Value,
    ready: bool,
    restarts: &Restarts,
    last: Option<&Value>,
) -> Value {
    let mut status = json!({
        "name": container.name,
        "image": container.image.as_deref().unwrap_or_default(),
        "imageID": "",
        "ready": ready,
        "started": state.get("running").is_some(),
        "restartCount": restarts.get(&container.name).copied().unwrap_or_default(),
        "state": state,
    });
    if let Some(last) = last {
        status["lastState"] = json!({ "terminated": last });
    }
    status
}

fn condition(name: &str, status: bool, reason: &str, message: &str, now: &Time) -> Value {
    let status = if status { "True" } else { "False" };
    // Empty texts are written, for a patch that left them out would keep those of before.
    json!({ "type": name, "status": status, "reason": reason, "message": message, "lastTransitionTime": now })
}

/// The uid makes the API server refuse the patch for another pod of the same name.
fn patch(pod: &Pod, status: &Value) -> Value {
    json!({ "metadata": { "uid": pod.metadata.uid }, "status": status })
}
