//! No secret among the values reaches anything but a Secret: not the objects, not the report, not what is printed.

use std::{collections::BTreeMap, path::PathBuf};

use alumet_injector::{agent_config::needs, manifest::emit, names::Component};
use serde_json::{Map, Value, json};

use crate::{
    charts::{case_of, values_files},
    files::root,
    release::{Release, handed_over, injector},
    support::{Helm, write},
};

/// A text that no other place has, as one that is percent-encoded and one that is not.
fn canary(number: usize) -> String {
    format!("canary {number:03}/%+p@ss")
}

/// How a canary could show itself.
fn traces(canary: &str) -> Vec<String> {
    let percent: String = canary
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    let mut traces = vec![canary.to_owned(), percent.replace("%20", "+"), percent];
    // Base64 of a text inside of another one depends on where it begins: three ways, less what its neighbours decide.
    for shift in 0..3 {
        for text in [traces[0].clone(), traces[2].clone()] {
            let shifted = [vec![b'x'; shift], text.into_bytes()].concat();
            let encoded = base64(&shifted);
            traces.push(encoded[shift * 2..encoded.len() - 4].to_owned());
        }
    }
    traces
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let index = usize::try_from(bits >> (18 - 6 * digit) & 63).unwrap();
            text.push(if digit > chunk.len() {
                '='
            } else {
                char::from(ALPHABET[index])
            });
        }
    }
    text
}

fn set(values: &mut Map<String, Value>, path: &[&str], value: Value) {
    match path {
        [leaf] => {
            values.insert((*leaf).to_owned(), value);
        }
        [head, rest @ ..] => {
            let below = values.entry((*head).to_owned()).or_insert_with(|| json!({}));
            set(below.as_object_mut().unwrap(), rest, value);
        }
        [] => {}
    }
}

/// Values with a canary at every path that is secret, each plugin in its first spelling or in its last, and the canaries
/// by path.
fn canaries(spelling: fn(&[Value]) -> Option<&Value>) -> (Value, BTreeMap<String, String>) {
    let mut values = Map::new();
    let mut canaries = BTreeMap::new();
    let needs = needs();
    let mut paths: Vec<Vec<String>> = ["password", "token"]
        .map(|key| ["influxdb2", "adminUser", key].map(str::to_owned).to_vec())
        .to_vec();
    for agent in ["alumet-relay-client", "alumet-relay-server"] {
        for needed in needs["plugins"].as_object().unwrap().values() {
            let plugin = spelling(needed["aliases"].as_array().unwrap())
                .and_then(Value::as_str)
                .unwrap();
            for secret in needed["secrets"].as_array().unwrap() {
                let below = secret["path"].as_array().unwrap();
                let mut path = [agent, "plugins", plugin].map(str::to_owned).to_vec();
                path.extend(below.iter().map(|part| part.as_str().unwrap().to_owned()));
                paths.push(path);
            }
        }
    }
    for (number, path) in paths.iter().enumerate() {
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        set(&mut values, &parts, json!(canary(number)));
        canaries.insert(path.join("."), canary(number));
    }
    (Value::Object(values), canaries)
}

#[test]
fn no_secret_among_the_values_leaves_the_secrets() {
    search(<[Value]>::first, &values_files());
}

#[test]
fn no_secret_in_another_spelling_leaves_the_secrets() {
    search(<[Value]>::last, &[root("chart/ci/everything-on-values.yaml")]);
}

fn search(spelling: fn(&[Value]) -> Option<&Value>, files: &[PathBuf]) {
    let (values, canaries) = canaries(spelling);
    assert!(canaries.len() >= 10, "secret paths: {:?}", canaries.keys());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("canaries.yaml");
    write(&file, &emit::to_yaml(&values));
    for helm in Helm::both() {
        for ci in files {
            let case = format!("{:?} {}", helm.major, case_of(ci));
            let stream = handed_over(&helm, &[ci, &file], &[]);
            let report = folder.path().join("report");
            let run = injector(&["post-render", "--report", report.to_str().unwrap()], &stream);
            let release = Release::read(&run.stdout);
            let mut in_secrets = String::new();
            let mut elsewhere = run.stderr + &std::fs::read_to_string(&report).unwrap();
            for object in release.objects() {
                let place = if object["kind"] == "Secret" {
                    &mut in_secrets
                } else {
                    &mut elsewhere
                };
                place.push_str(&object.to_string());
            }
            for (path, canary) in &canaries {
                for trace in traces(canary) {
                    assert!(!elsewhere.contains(&trace), "{case}: {path} shows as {trace}");
                }
            }
            let kept = canaries
                .values()
                .filter(|canary| traces(canary).iter().any(|trace| in_secrets.contains(trace)));
            // Each component that is there keeps what is its own: so the search can find something.
            let agents = [Component::RelayClient, Component::RelayServer];
            let there = agents
                .into_iter()
                .filter(|agent| release.workload(*agent).is_some())
                .count();
            assert!(kept.count() >= there * 4, "{case}");
        }
    }
}

/// What the whole of both Helms prints, through the post-renderer as users call it.
#[test]
fn no_secret_is_printed_when_the_render_fails() {
    let (values, canaries) = canaries(<[Value]>::first);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("canaries.yaml");
    write(&file, &emit::to_yaml(&values));
    for helm in Helm::both() {
        let Err(failure) = Release::of(
            &helm,
            &[&file],
            &["alumet-relay-client.plugins.rapl.enable=perhaps"],
        ) else {
            panic!("`perhaps` is no answer")
        };
        let told = failure.to_string();
        for canary in canaries.values() {
            for trace in traces(canary) {
                assert!(!told.contains(&trace), "{trace} in {told}");
            }
        }
    }
}
