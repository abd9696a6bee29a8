//! Which container of a pod is the agent's.

use std::collections::BTreeMap;

use crate::{
    engine::{
        kind::PodPart,
        object::{ConfigMapRef, Container, Meta, Mount, Spec, meta_or_empty},
    },
    names,
};

/// The containers of a pod, each with its index; elements that are no objects are passed over.
pub(super) fn containers<'v, 'a>(pod: &PodPart<'v, 'a>) -> impl Iterator<Item = (usize, &'v Container<'a>)> {
    let containers = pod.spec.get().map_or(&[][..], |spec| spec.containers.elements());
    containers
        .iter()
        .enumerate()
        .filter_map(|(index, container)| Some((index, container.get()?)))
}

/// Index of the agent's container: the one that an annotation names, else the one that mounts the configuration,
/// else the only one.
pub(in crate::engine) fn agent_of(
    pod: &PodPart<'_, '_>,
    object: &Meta<'_>,
    config_map: Option<&str>,
) -> Option<usize> {
    if let Some(name) = container_asked_for(pod, object) {
        return containers(pod)
            .find(|(_, container)| container.name.text() == Some(name))
            .map(|(index, _)| index);
    }
    let volumes = config_map_volumes(pod.spec.get()?);
    let mut mounting =
        containers(pod).filter(|(_, container)| mounts_config(container, &volumes, config_map));
    if let Some((index, _)) = mounting.next() {
        return mounting.next().is_none().then_some(index);
    }
    let mut all = containers(pod);
    let (index, _) = all.next()?;
    all.next().is_none().then_some(index)
}

/// Name of the `ConfigMap` that a container, by its index, mounts at the directory of the configuration.
pub(in crate::engine) fn config_map_of<'v>(pod: &PodPart<'v, '_>, container: usize) -> Option<&'v str> {
    let volumes = config_map_volumes(pod.spec.get()?);
    let (_, container) = containers(pod).find(|(index, _)| *index == container)?;
    let mut mounts = container
        .volume_mounts
        .present()
        .filter(|mount| is_of_config(mount));
    mounts.find_map(|mount| (*volumes.get(mount.name.text()?)?)?.name.text())
}

/// The container that an annotation names, on the object or on its pod template.
pub(in crate::engine) fn container_asked_for<'v>(
    pod: &PodPart<'v, '_>,
    object: &'v Meta<'_>,
) -> Option<&'v str> {
    let of_template = || meta_or_empty(pod.metadata).annotation(names::CONTAINER_ANNOTATION);
    object
        .annotation(names::CONTAINER_ANNOTATION)
        .or_else(of_template)
}

/// The `ConfigMap` of each volume, by the volume's name; of two volumes of one name the first counts.
fn config_map_volumes<'v>(spec: &'v Spec<'_>) -> BTreeMap<&'v str, Option<&'v ConfigMapRef<'v>>> {
    let mut sources = BTreeMap::new();
    for volume in spec.volumes.present() {
        if let Some(name) = volume.name.text() {
            sources.entry(name).or_insert_with(|| volume.config_map.get());
        }
    }
    sources
}

/// Whether a container mounts the configuration: the `ConfigMap` that the values name or, where they name none, any
/// `ConfigMap` at the directory of the configuration.
fn mounts_config(
    container: &Container<'_>,
    volumes: &BTreeMap<&str, Option<&ConfigMapRef<'_>>>,
    config_map: Option<&str>,
) -> bool {
    container.volume_mounts.present().any(|mount| {
        let source = mount.name.text().and_then(|name| *volumes.get(name)?);
        match (source, config_map) {
            (Some(source), Some(name)) => source.name.text() == Some(name),
            (Some(_), None) => is_of_config(mount),
            (None, _) => false,
        }
    })
}

/// Whether something is mounted at the directory of the configuration, or below it.
fn is_of_config(mount: &Mount<'_>) -> bool {
    let rest = mount
        .mount_path
        .text()
        .and_then(|path| path.strip_prefix(names::CONFIG_DIRECTORY));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
