//! Which container of a pod is the agent's.

use crate::{
    engine::{
        kind::PodPart,
        object::{Container, Meta, Spec, meta_or_empty},
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
    let spec = pod.spec.get()?;
    let mut mounting = containers(pod).filter(|(_, container)| mounts_config(container, spec, config_map));
    if let Some((index, _)) = mounting.next() {
        return mounting.next().is_none().then_some(index);
    }
    let mut all = containers(pod);
    let (index, _) = all.next()?;
    all.next().is_none().then_some(index)
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

/// Whether a container mounts the configuration: the `ConfigMap` that the values name or, where they name none, any
/// `ConfigMap` at the directory of the configuration.
fn mounts_config(container: &Container<'_>, spec: &Spec<'_>, config_map: Option<&str>) -> bool {
    let mounts = container.volume_mounts.present();
    mounts.filter(|mount| mount.name.text().is_some()).any(|mount| {
        let volume = spec
            .volumes
            .present()
            .find(|volume| volume.name.text() == mount.name.text());
        let source = volume.and_then(|volume| volume.config_map.get());
        match (source, config_map) {
            (Some(source), Some(name)) => source.name.text() == Some(name),
            (Some(_), None) => mount.mount_path.text().is_some_and(|path| {
                path.strip_prefix(names::CONFIG_DIRECTORY)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }),
            (None, _) => false,
        }
    })
}
