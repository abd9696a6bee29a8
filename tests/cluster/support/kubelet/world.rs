//! The `ConfigMaps` and `Secrets` of one namespace as of one moment, and which of them a pod asks for.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, Container, Pod, PodSpec, Secret, Volume};

/// The two kinds of object that a pod takes its files and variables from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    ConfigMap,
    Secret,
}

/// An object by kind and name; the namespace is the pod's.
pub(crate) type Reference = (Kind, String);

/// What an object holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contents {
    /// Key to value: what a variable or a file can be made of.
    pub(crate) data: BTreeMap<String, Vec<u8>>,
    /// `binaryData` of a `ConfigMap`: a file can be made of it, a variable cannot.
    pub(crate) binary: BTreeMap<String, Vec<u8>>,
}

impl From<ConfigMap> for Contents {
    fn from(map: ConfigMap) -> Self {
        Self {
            data: map
                .data
                .into_iter()
                .flatten()
                .map(|(key, text)| (key, text.into_bytes()))
                .collect(),
            binary: map
                .binary_data
                .into_iter()
                .flatten()
                .map(|(key, bytes)| (key, bytes.0))
                .collect(),
        }
    }
}

impl From<Secret> for Contents {
    fn from(secret: Secret) -> Self {
        Self {
            data: secret
                .data
                .into_iter()
                .flatten()
                .map(|(key, bytes)| (key, bytes.0))
                .collect(),
            binary: BTreeMap::new(),
        }
    }
}

/// The objects that exist among those that a pod refers to.
#[derive(Debug, Clone, Default)]
pub(crate) struct World(BTreeMap<Reference, Contents>);

impl World {
    /// Adds an object.
    pub(crate) fn put(&mut self, kind: Kind, name: &str, contents: Contents) {
        self.0.insert((kind, name.to_owned()), contents);
    }

    /// Takes an object away.
    pub(crate) fn remove(&mut self, kind: Kind, name: &str) {
        self.0.remove(&(kind, name.to_owned()));
    }

    /// The object, or the error of the kubelet's store of objects:
    /// `apierrors.NewNotFound(corev1.Resource("configmap"), name)` of `pkg/kubelet/configmap/configmap_manager.go`
    /// and `pkg/kubelet/secret/secret_manager.go`, whose resource is in the singular.
    pub(crate) fn get(&self, kind: Kind, name: &str) -> Result<&Contents, String> {
        let resource = match kind {
            Kind::ConfigMap => "configmap",
            Kind::Secret => "secret",
        };
        self.0
            .get(&(kind, name.to_owned()))
            .ok_or_else(|| format!("{resource} \"{name}\" not found"))
    }
}

/// All containers of a pod, init containers first, as the kubelet starts them.
pub(crate) fn containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.init_containers.iter().flatten().chain(&spec.containers)
}

/// The volumes that some container mounts. A kubelet does not look at the others:
/// `pkg/kubelet/volumemanager/populator/desired_state_of_world_populator.go`, "Skipping unused volume".
pub(crate) fn used_volumes(spec: &PodSpec) -> impl Iterator<Item = &Volume> {
    let mounted: BTreeSet<&str> = containers(spec)
        .flat_map(|container| container.volume_mounts.iter().flatten())
        .map(|mount| mount.name.as_str())
        .collect();
    spec.volumes
        .iter()
        .flatten()
        .filter(move |volume| mounted.contains(volume.name.as_str()))
}

/// Every object that the kubelet looks up for the pod.
pub(crate) fn references(pod: &Pod) -> BTreeSet<Reference> {
    let mut found = BTreeSet::new();
    let Some(spec) = &pod.spec else { return found };
    for volume in used_volumes(spec) {
        found.extend(
            volume
                .config_map
                .iter()
                .map(|source| (Kind::ConfigMap, source.name.clone())),
        );
        found.extend(
            (volume
                .secret
                .iter()
                .filter_map(|source| source.secret_name.clone()))
            .map(|name| (Kind::Secret, name)),
        );
        for source in volume
            .projected
            .iter()
            .flat_map(|projected| projected.sources.iter().flatten())
        {
            found.extend(
                source
                    .config_map
                    .iter()
                    .map(|source| (Kind::ConfigMap, source.name.clone())),
            );
            found.extend(
                source
                    .secret
                    .iter()
                    .map(|source| (Kind::Secret, source.name.clone())),
            );
        }
    }
    for container in containers(spec) {
        for source in container.env_from.iter().flatten() {
            found.extend(
                source
                    .config_map_ref
                    .iter()
                    .map(|source| (Kind::ConfigMap, source.name.clone())),
            );
            found.extend(
                source
                    .secret_ref
                    .iter()
                    .map(|source| (Kind::Secret, source.name.clone())),
            );
        }
        for source in container
            .env
            .iter()
            .flatten()
            .filter_map(|variable| variable.value_from.as_ref())
        {
            found.extend(
                source
                    .config_map_key_ref
                    .iter()
                    .map(|source| (Kind::ConfigMap, source.name.clone())),
            );
            found.extend(
                source
                    .secret_key_ref
                    .iter()
                    .map(|source| (Kind::Secret, source.name.clone())),
            );
        }
    }
    found.extend(
        spec.image_pull_secrets
            .iter()
            .flatten()
            .map(|secret| (Kind::Secret, secret.name.clone())),
    );
    found.retain(|(_, name)| !name.is_empty());
    found
}
