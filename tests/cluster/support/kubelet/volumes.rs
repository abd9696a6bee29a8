//! The files of a volume that is made of `ConfigMaps` and `Secrets`, or why the kubelet cannot mount it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{KeyToPath, Volume};

use super::world::{Contents, Kind, World};

/// Path inside the volume, to the file's bytes.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// The files of a volume; `None` when it is made of something else (a directory of the host, an empty one).
/// The error is what the kubelet writes after `MountVolume.SetUp failed for volume "x" : `.
pub(crate) fn files(volume: &Volume, world: &World) -> Result<Option<Files>, String> {
    if let Some(source) = &volume.config_map {
        let items = source.items.as_deref();
        return object(Kind::ConfigMap, &source.name, items, source.optional, world).map(Some);
    }
    if let Some(source) = &volume.secret {
        let name = source.secret_name.as_deref().unwrap_or_default();
        return object(
            Kind::Secret,
            name,
            source.items.as_deref(),
            source.optional,
            world,
        )
        .map(Some);
    }
    let Some(projected) = &volume.projected else {
        return Ok(None);
    };
    let mut files = Files::new();
    let mut errors: Vec<String> = Vec::new();
    for source in projected.sources.iter().flatten() {
        let made = if let Some(source) = &source.config_map {
            object(
                Kind::ConfigMap,
                &source.name,
                source.items.as_deref(),
                source.optional,
                world,
            )
        } else if let Some(source) = &source.secret {
            object(
                Kind::Secret,
                &source.name,
                source.items.as_deref(),
                source.optional,
                world,
            )
        } else {
            continue;
        };
        match made {
            Ok(made) => files.extend(made),
            Err(error) if errors.contains(&error) => {}
            Err(error) => errors.push(error),
        }
    }
    // As utilerrors.NewAggregate joins what collectData of pkg/volume/projected/projected.go gathered.
    match errors.as_slice() {
        [] => Ok(Some(files)),
        [only] => Err(only.clone()),
        several => Err(format!("[{}]", several.join(", "))),
    }
}

/// `MakePayload` of `pkg/volume/configmap/configmap.go` and of `pkg/volume/secret/secret.go`.
fn object(
    kind: Kind,
    name: &str,
    items: Option<&[KeyToPath]>,
    optional: Option<bool>,
    world: &World,
) -> Result<Files, String> {
    let optional = optional.unwrap_or(false);
    let none = Contents::default();
    let contents = match world.get(kind, name) {
        Err(_) if optional => &none,
        found => found?,
    };
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        return Ok(contents
            .data
            .iter()
            .chain(&contents.binary)
            .map(|(key, bytes)| (key.clone(), bytes.clone()))
            .collect());
    };
    let mut files = Files::new();
    for item in items {
        match contents
            .data
            .get(&item.key)
            .or_else(|| contents.binary.get(&item.key))
        {
            Some(bytes) => {
                files.insert(item.path.clone(), bytes.clone());
            }
            None if optional => {}
            None => {
                return Err(match kind {
                    Kind::ConfigMap => format!("configmap references non-existent config key: {}", item.key),
                    Kind::Secret => format!("references non-existent secret key: {}", item.key),
                });
            }
        }
    }
    Ok(files)
}
