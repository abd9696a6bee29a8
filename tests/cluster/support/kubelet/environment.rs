//! The names of a container's environment variables, or why the kubelet cannot make them.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Container;

use super::world::{Kind, World};

/// Variables that every container has without asking: from the runtime, and from the kubelet for the `Service`
/// `kubernetes`. Those for other Services (`enableServiceLinks`) are not known here.
const GIVEN: [&str; 5] = [
    "HOME",
    "HOSTNAME",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "PATH",
];

/// `makeEnvironmentVariables` of `pkg/kubelet/kubelet_pods.go`: `envFrom` first, then `env` in order, and the first
/// that cannot be resolved is the error. A variable from an optional source that is missing is not set.
pub(crate) fn names(
    container: &Container,
    namespace: &str,
    world: &World,
) -> Result<BTreeSet<String>, String> {
    let mut names: BTreeSet<String> = GIVEN.map(str::to_owned).into();
    for source in container.env_from.iter().flatten() {
        let (kind, name, optional) = match (&source.config_map_ref, &source.secret_ref) {
            (Some(source), _) => (Kind::ConfigMap, &source.name, source.optional),
            (None, Some(source)) => (Kind::Secret, &source.name, source.optional),
            (None, None) => continue,
        };
        match world.get(kind, name) {
            Err(_) if optional == Some(true) => {}
            found => {
                let prefix = source.prefix.as_deref().unwrap_or_default();
                names.extend(found?.data.keys().map(|key| format!("{prefix}{key}")));
            }
        }
    }
    for variable in container.env.iter().flatten() {
        let from = variable
            .value_from
            .as_ref()
            .filter(|_| variable.value.as_deref().unwrap_or_default().is_empty());
        let source = from.and_then(|from| match (&from.config_map_key_ref, &from.secret_key_ref) {
            (Some(source), _) => Some((
                Kind::ConfigMap,
                "ConfigMap",
                &source.name,
                &source.key,
                source.optional,
            )),
            (None, Some(source)) => {
                Some((Kind::Secret, "Secret", &source.name, &source.key, source.optional))
            }
            (None, None) => None,
        });
        if let Some((kind, word, name, key, optional)) = source {
            let found = world.get(kind, name).and_then(|contents| {
                let missing = || format!("couldn't find key {key} in {word} {namespace}/{name}");
                contents.data.get(key).ok_or_else(missing)
            });
            match found {
                Err(_) if optional == Some(true) => continue,
                found => found?,
            };
        }
        names.insert(variable.name.clone());
    }
    Ok(names)
}
