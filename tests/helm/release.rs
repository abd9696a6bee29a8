//! A release as Helm and the post-renderer give it, and the questions that tests ask it.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::OnceLock,
};

use alumet_injector::names::{COMPONENT_LABEL, Component, HOOK_ANNOTATION};
use serde_json::Value;

use crate::{
    charts::{Objects, case_of, objects, values_files},
    files::root,
    support::{Failure, Helm, INJECTOR, Major, Renderer, Template},
};

/// The objects of one release, completed.
pub(crate) struct Release {
    objects: Objects,
}

impl Release {
    /// The chart with these values, through Helm and its post-renderer.
    pub(crate) fn of(helm: &Helm, values: &[&Path], set: &[&str]) -> Result<Self, Failure> {
        let chart = root("chart");
        let rendered = helm.try_template(&Template {
            values,
            set,
            renderer: Renderer::Injector(&[]),
            ..Template::of(&chart)
        })?;
        Ok(Self::read(&rendered.stdout))
    }

    pub(crate) fn read(stream: &str) -> Self {
        Self {
            objects: objects(stream),
        }
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = &Value> {
        self.objects.values()
    }

    /// An object by kind and name.
    pub(crate) fn object(&self, kind: &str, name: &str) -> Option<&Value> {
        self.objects.get(&format!("{kind} {name}"))
    }

    /// The workload of a component.
    pub(crate) fn workload(&self, component: Component) -> Option<&Value> {
        self.objects().find(|one| {
            one["spec"].get("template").is_some()
                && one["metadata"]["labels"][COMPONENT_LABEL] == component.as_str()
        })
    }

    /// The pod template of a component.
    pub(crate) fn template(&self, component: Component) -> Option<&Value> {
        self.workload(component).map(|one| &one["spec"]["template"])
    }

    /// The text of a component's configuration.
    pub(crate) fn config(&self, component: Component) -> Option<&str> {
        self.objects()
            .find(|one| {
                one["kind"] == "ConfigMap" && one["metadata"]["labels"][COMPONENT_LABEL] == component.as_str()
            })
            .and_then(|one| one["data"]["config"].as_str())
    }

    /// The same, parsed.
    pub(crate) fn toml(&self, component: Component) -> Option<Value> {
        let table: toml::Table = self.config(component)?.parse().unwrap();
        Some(serde_json::to_value(table).unwrap())
    }

    /// Every pod of Alumet: the templates of both agents, and the pods of `helm test`.
    pub(crate) fn pods(&self) -> Vec<&Value> {
        let hooks = self.objects().filter(|one| {
            one["kind"] == "Pod" && one["metadata"]["annotations"].get(HOOK_ANNOTATION).is_some()
        });
        Component::ALL
            .into_iter()
            .filter_map(|component| self.template(component))
            .chain(hooks)
            .collect()
    }
}

/// What the binary made of a stream.
pub(crate) struct Run {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the binary on a stream, which has to go well.
pub(crate) fn injector(arguments: &[&str], stream: &str) -> Run {
    let mut child = Command::new(INJECTOR)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let stream = stream.to_owned();
    let feeder = std::thread::spawn(move || pipe.write_all(stream.as_bytes()));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    Run {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr,
    }
}

/// What one Helm hands to a post-renderer for one file of `chart/ci`.
pub(crate) struct CiStream {
    pub(crate) case: String,
    pub(crate) major: Major,
    pub(crate) stream: String,
}

/// That of every file and both Helms, rendered once for all tests.
pub(crate) fn ci_streams() -> &'static [CiStream] {
    static STREAMS: OnceLock<Vec<CiStream>> = OnceLock::new();
    STREAMS.get_or_init(|| {
        let mut streams = Vec::new();
        for helm in Helm::both() {
            for file in values_files() {
                streams.push(CiStream {
                    case: case_of(&file),
                    major: helm.major,
                    stream: handed_over(&helm, &[&file], &[]),
                });
            }
        }
        assert!(streams.len() >= 24, "{} streams", streams.len());
        streams
    })
}

/// What Helm hands to a post-renderer, which is another text than it prints.
pub(crate) fn handed_over(helm: &Helm, values: &[&Path], set: &[&str]) -> String {
    let chart = root("chart");
    helm.template(&Template {
        values,
        set,
        renderer: Renderer::Keep,
        ..Template::of(&chart)
    })
    .report
}

/// The paths of all leaves of a value, lists and empty maps being leaves.
pub(crate) fn leaves(value: &Value) -> BTreeMap<String, &Value> {
    fn walk<'a>(value: &'a Value, path: &str, found: &mut BTreeMap<String, &'a Value>) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (key, value) in map {
                    let below = if path.is_empty() {
                        key.clone()
                    } else {
                        format!("{path}.{key}")
                    };
                    walk(value, &below, found);
                }
            }
            _ => {
                found.insert(path.to_owned(), value);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(value, "", &mut found);
    found
}
