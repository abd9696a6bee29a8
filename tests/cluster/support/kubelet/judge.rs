//! Whether a pod's containers may start, in the words of Kubernetes 1.36's kubelet. No cluster, no clock.

use std::{collections::BTreeMap, fmt};

use k8s_openapi::api::core::v1::{Container, Pod};

use super::volumes::{self, Files};
use super::world::{Kind, World, used_volumes};
use super::{agent, environment};

/// The label of the pods that are Alumet's.
const MARK: &str = "injector.alumet.dev/component";

/// Which start of its containers the pod is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Nothing ran yet: the volumes are still to be mounted.
    First,
    /// The containers start again in the pod that they ran in. Its volumes stay mounted: what cannot be read anew
    /// keeps the files that it has (`markVolumeErrorState` of
    /// `pkg/volume/util/operationexecutor/operation_generator.go` leaves a mounted volume mounted).
    Again,
}

/// The verdict, and the events that are written on the pod whatever the verdict is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) verdict: Verdict,
    pub(crate) events: Vec<Warning>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Go,
    Hold(Hold),
}

/// What holds a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Volumes that cannot be mounted, the errors joined: no container is made.
    Volumes(String),
    /// Containers that cannot start; one alone when it is an init container.
    Containers(Vec<Stuck>),
}

/// A container that cannot start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stuck {
    pub(crate) container: String,
    pub(crate) reason: Reason,
    /// Of `waiting`, as the kubelet shows it.
    pub(crate) message: String,
    /// What the container printed before it ended; the kubelet shows it as that of the last termination when
    /// `terminationMessagePolicy` is `FallbackToLogsOnError`. Here it is always shown.
    pub(crate) last_words: Option<String>,
}

/// Why a container waits: `reason` of `waiting`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    CreateContainerConfigError,
    CrashLoopBackOff,
}

impl Reason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::CreateContainerConfigError => "CreateContainerConfigError",
            Self::CrashLoopBackOff => "CrashLoopBackOff",
        }
    }
}

impl Hold {
    /// What `kubectl get pod` shows in the column STATUS, of a pod without init containers.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Volumes(_) => "ContainerCreating",
            Self::Containers(stuck) => stuck.first().map_or("", |stuck| stuck.reason.as_str()),
        }
    }

    /// All that is wrong, in one text.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Volumes(message) => message.clone(),
            Self::Containers(stuck) => {
                let words = |stuck: &Stuck| stuck.last_words.clone().unwrap_or_else(|| stuck.message.clone());
                stuck.iter().map(words).collect::<Vec<_>>().join("; ")
            }
        }
    }

    /// What holds the container of that name back.
    pub(crate) fn stuck(&self, container: &str) -> Option<&Stuck> {
        match self {
            Self::Volumes(_) => None,
            Self::Containers(stuck) => stuck.iter().find(|stuck| stuck.container == container),
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason(), self.message())
    }
}

/// An event of type `Warning`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Warning {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// `involvedObject.fieldPath`, for an event of one container.
    pub(crate) field_path: Option<String>,
}

/// Judges a pod that is bound to a node.
pub(crate) fn judge(pod: &Pod, world: &World, start: Start) -> Judgement {
    let mut events = Vec::new();
    let verdict = hold(pod, world, start, &mut events).map_or(Verdict::Go, Verdict::Hold);
    Judgement { verdict, events }
}

/// In the order of `SyncPod` of `pkg/kubelet/kubelet.go`: volumes, pull secrets, init containers, containers.
fn hold(pod: &Pod, world: &World, start: Start, events: &mut Vec<Warning>) -> Option<Hold> {
    let spec = pod.spec.as_ref()?;
    let mut mounted = BTreeMap::new();
    let mut errors = Vec::new();
    for volume in used_volumes(spec) {
        match volumes::files(volume, world) {
            Ok(Some(files)) => {
                mounted.insert(volume.name.as_str(), files);
            }
            Ok(None) => {}
            // GenerateMountVolumeFunc of pkg/volume/util/operationexecutor/operation_generator.go.
            Err(error) => errors.push(format!(
                "MountVolume.SetUp failed for volume \"{}\" : {error}",
                volume.name
            )),
        }
    }
    let failed = |message: &String| Warning {
        reason: "FailedMount",
        message: message.clone(),
        field_path: None,
    };
    events.extend(errors.iter().map(failed));
    if start == Start::First && !errors.is_empty() {
        return Some(Hold::Volumes(errors.join("; ")));
    }
    events.extend(pull_secrets(pod, world));
    let check = |container: &Container| stuck(pod, container, &mounted, world);
    for container in spec.init_containers.iter().flatten() {
        let starts = start == Start::First || container.restart_policy.as_deref() == Some("Always");
        if let Some((stuck, event)) = starts.then(|| check(container)).flatten() {
            events.push(Warning {
                field_path: Some(field_path("initContainers", container)),
                ..event
            });
            return Some(Hold::Containers(vec![stuck]));
        }
    }
    let mut held = Vec::new();
    for container in &spec.containers {
        if let Some((stuck, event)) = check(container) {
            events.push(Warning {
                field_path: Some(field_path("containers", container)),
                ..event
            });
            held.push(stuck);
        }
    }
    (!held.is_empty()).then_some(Hold::Containers(held))
}

/// `getPullSecretsForPod` of `pkg/kubelet/kubelet_pods.go`: a kubelet warns, and goes on.
fn pull_secrets(pod: &Pod, world: &World) -> Option<Warning> {
    let secrets = pod
        .spec
        .iter()
        .flat_map(|spec| spec.image_pull_secrets.iter().flatten());
    let missing: Vec<&str> = secrets
        .map(|secret| secret.name.as_str())
        .filter(|name| !name.is_empty() && world.get(Kind::Secret, name).is_err())
        .collect();
    (!missing.is_empty()).then(|| Warning {
        reason: "FailedToRetrieveImagePullSecret",
        message: format!(
            "Unable to retrieve some image pull secrets ({}); attempting to pull the image may not succeed.",
            missing.join(", ")
        ),
        field_path: None,
    })
}

/// What keeps one container from running, and its event: `startContainer` of
/// `pkg/kubelet/kuberuntime/kuberuntime_container.go` for the configuration, `doBackOff` of `kuberuntime_manager.go`
/// for a container that ends by itself.
fn stuck(
    pod: &Pod,
    container: &Container,
    mounted: &BTreeMap<&str, Files>,
    world: &World,
) -> Option<(Stuck, Warning)> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let stuck = |reason, message: String, last_words| {
        Some(Stuck {
            container: container.name.clone(),
            reason,
            message,
            last_words,
        })
    };
    let warning = |reason, message| Warning {
        reason,
        message,
        field_path: None,
    };
    let configured = environment::names(container, namespace, world)
        .and_then(|env| refuse_sub_path(pod, container).map(|()| env));
    let env = match configured {
        Ok(env) => env,
        Err(error) => {
            let event = warning("Failed", format!("Error: {error}"));
            return stuck(Reason::CreateContainerConfigError, error, None).zip(Some(event));
        }
    };
    let error = agent::start(container, mounted, &env).err()?;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let full = format!(
        "{}_{namespace}({})",
        text(&pod.metadata.name),
        text(&pod.metadata.uid)
    );
    let message = format!(
        "back-off 10s restarting failed container={} pod={full}",
        container.name
    );
    let event = warning(
        "BackOff",
        format!(
            "Back-off restarting failed container {} in pod {full}",
            container.name
        ),
    );
    stuck(Reason::CrashLoopBackOff, message, Some(error)).zip(Some(event))
}

/// A rule of the tests, not of a kubelet, for Alumet's pods: no file of a `ConfigMap` is mounted by `subPath`.
/// A kubelet binds such a file once and never changes it again, and where the volume lacks it `makeMounts` of
/// `pkg/kubelet/kubelet_pods.go` makes an empty directory (`SafeMakeDir`), instead of waiting for the key.
/// The sentence begins as the kubelet's own does when it cannot prepare one.
fn refuse_sub_path(pod: &Pod, container: &Container) -> Result<(), String> {
    if !pod.metadata.labels.iter().flatten().any(|(name, _)| name == MARK) {
        return Ok(());
    }
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let config_maps: BTreeMap<&str, &str> = volumes
        .filter_map(|volume| Some((volume.name.as_str(), volume.config_map.as_ref()?.name.as_str())))
        .collect();
    for mount in container.volume_mounts.iter().flatten() {
        let path = mount
            .sub_path
            .as_deref()
            .or(mount.sub_path_expr.as_deref())
            .unwrap_or_default();
        if let Some(config_map) = config_maps.get(mount.name.as_str()).filter(|_| !path.is_empty()) {
            return Err(format!(
                "failed to prepare subPath for volumeMount \"{}\" of container \"{}\": these tests refuse subPath \
                 \"{path}\" of ConfigMap \"{config_map}\": the running pod would never see a change of it, and for a \
                 missing file the kubelet would make an empty directory",
                mount.name, container.name
            ));
        }
    }
    Ok(())
}

fn field_path(list: &str, container: &Container) -> String {
    format!("spec.{list}{{{}}}", container.name)
}
