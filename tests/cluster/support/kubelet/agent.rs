//! What the Alumet agent does with its configuration file when it starts, as far as it can fail for want of a variable.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use k8s_openapi::api::core::v1::Container;

use super::volumes::Files;

/// The file that the agent's image reads when it is told of no other.
const DEFAULT: &str = "/etc/alumet/alumet-config.toml";

/// The agent reads its file, puts in the variables, and ends when it cannot. Containers whose file does not come from
/// `volumes` (files of each volume, by the volume's name) are let through.
///
/// The error is what the agent prints on stderr before it ends with exit code 1.
pub(crate) fn start(
    container: &Container,
    volumes: &BTreeMap<&str, Files>,
    env: &BTreeSet<String>,
) -> Result<(), String> {
    let path = config_path(container);
    if !matches!(
        Path::new(path)
            .extension()
            .map(|extension| extension.to_string_lossy()),
        None | Some(std::borrow::Cow::Borrowed("toml"))
    ) {
        return Ok(());
    }
    let mounts = container.volume_mounts.iter().flatten();
    let mount = mounts
        .filter(|mount| Path::new(path).starts_with(&mount.mount_path))
        .max_by_key(|mount| mount.mount_path.trim_end_matches('/').len());
    let Some((mount, files)) = mount.and_then(|mount| Some((mount, volumes.get(mount.name.as_str())?)))
    else {
        return Ok(());
    };
    let inside = Path::new(path)
        .strip_prefix(&mount.mount_path)
        .unwrap_or_else(|_| Path::new(""));
    let inside = Path::new(mount.sub_path.as_deref().unwrap_or_default()).join(inside);
    let inside = inside.to_string_lossy();
    let cause = match files.get(inside.trim_end_matches('/')) {
        // Where the volume lacks what subPath names, the kubelet makes a directory of that name.
        None if path == mount.mount_path => "read failed\n    1: Is a directory (os error 21)".to_owned(),
        // The agent writes its default configuration where it finds none, and a mounted ConfigMap is read-only.
        None => "write (of default config) failed\n    1: Read-only file system (os error 30)".to_owned(),
        Some(text) => match substitute(&String::from_utf8_lossy(text), env) {
            Ok(()) => return Ok(()),
            Err(cause) => format!("env var substitution failed\n    1: {cause}"),
        },
    };
    Err(format!(
        "Error: could not load config from '{path}'\n\nCaused by:\n    0: {cause}"
    ))
}

/// `--config PATH`, else `ALUMET_CONFIG`, else what the image says, whose command the container may replace.
fn config_path(container: &Container) -> &str {
    let mut words = container.command.iter().chain(&container.args).flatten();
    while let Some(word) = words.next() {
        match word.strip_prefix("--config") {
            Some("") => return words.next().map_or("", String::as_str),
            Some(rest) if rest.starts_with('=') => return &rest[1..],
            _ => {}
        }
    }
    let variable = container
        .env
        .iter()
        .flatten()
        .find(|variable| variable.name == "ALUMET_CONFIG");
    let otherwise = if container.command.is_none() { DEFAULT } else { "" };
    variable
        .and_then(|variable| variable.value.as_deref())
        .unwrap_or(otherwise)
}

/// The agent pastes `${NAME}` in the raw text, before it reads TOML: in comments and in sections that are switched
/// off too. `\${` stands for `${`, and nothing else escapes it.
fn substitute(text: &str, env: &BTreeSet<String>) -> Result<(), String> {
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('\\') {
            rest = &rest[at + 1..];
            continue;
        }
        let Some(length) = rest[at..].find('}') else {
            return Err("wrong use of the substitution syntax, it should be ${ENV_VAR}".to_owned());
        };
        let name = &rest[at + 2..at + length];
        if !env.contains(name) {
            return Err(format!("the environment variable {name} does not exist"));
        }
        rest = &rest[at + length + 1..];
    }
    Ok(())
}
