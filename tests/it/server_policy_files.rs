//! The files of `serve --policy` are read again when they change, however they are exchanged; a bad one keeps what was
//! read before.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    policies::of_cluster,
    server_process::{Served, served},
    server_support::{eventually, metric, review},
};

/// A folder as a kubelet mounts a ConfigMap: its files are links through `..data`, which is exchanged as one.
struct Mounted {
    folder: PathBuf,
    versions: u32,
}

impl Mounted {
    fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            versions: 0,
        }
    }

    /// Exchanges all files, in the order of a kubelet: what is new has no name yet when the old files are gone, and what
    /// is gone has one still. Whoever looks meanwhile sees less, or links that lead nowhere.
    fn holds(&mut self, files: &[(&str, &str)]) {
        self.versions += 1;
        let version = format!("..version-{}", self.versions);
        fs::create_dir(self.folder.join(&version)).unwrap();
        for (name, text) in files {
            fs::write(self.folder.join(&version).join(name), text).unwrap();
        }
        symlink(&version, self.folder.join("..data-new")).unwrap();
        fs::rename(self.folder.join("..data-new"), self.folder.join("..data")).unwrap();
        for (name, _) in files {
            let link = self.folder.join(name);
            if fs::symlink_metadata(&link).is_err() {
                symlink(Path::new("..data").join(name), link).unwrap();
            }
        }
        for entry in fs::read_dir(&self.folder).unwrap() {
            let path = entry.unwrap().path();
            if !path.exists() {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

/// The policies that a review is answered by.
async fn policies(server: &Served) -> String {
    let answer = server.connect().await.post(&review().to_string()).await;
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let named = answer.pointer("/response/auditAnnotations/policies");
    named.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Until a review is answered by these.
async fn in_force(server: &Served, expected: &str) {
    eventually(format!("reviews are answered by {expected}"), async || {
        policies(server).await == expected
    })
    .await;
}

/// A policy that turns on a plugin.
fn with(name: &str, plugin: &str) -> String {
    of_cluster(
        name,
        &format!("{{defaults: {{plugins: {{{plugin}: {{enable: true, poll_interval: 11s}}}}}}}}"),
    )
}

#[tokio::test]
async fn files_are_read_again_when_they_change_and_a_bad_one_keeps_what_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut mounted = Mounted::new(folder.path());
    mounted.holds(&[("one.yaml", &with("one", "rapl"))]);
    let mut server = served(&["--policy", folder.path().to_str().unwrap()]).await;
    let admin = server.admin;
    let changes = async || metric(admin, "policy_changes_total").await;
    let refusals = async || metric(admin, "failed_policy_reloads_total").await;
    assert_eq!(policies(&server).await, "one");
    assert!((metric(admin, r#"policies{source="files"}"#).await - 1.0).abs() < f64::EPSILON);

    let before = changes().await;
    mounted.holds(&[
        ("one.yaml", &with("one", "rapl")),
        ("two.yaml", &with("two", "perf")),
    ]);
    in_force(&server, "one,two").await;
    assert!(changes().await > before);

    let before = refusals().await;
    mounted.holds(&[
        ("one.yaml", &with("one", "rapl")),
        ("two.yaml", "kind: ClusterInjectionPolicy\n"),
    ]);
    let line: Value = serde_json::from_str(&server.line_with("two.yaml: document 1").await).unwrap();
    assert_eq!(line["level"], "ERROR");
    let (said, error) = (line["message"].as_str().unwrap(), line["error"].as_str().unwrap());
    assert!(
        said.contains("are not read") && error.contains("policy-"),
        "{line}"
    );
    assert_eq!(policies(&server).await, "one,two", "what was read before stays");
    assert!(refusals().await > before);
    let since = async || metric(admin, "policy_files_refused_timestamp_seconds").await;
    let first = since().await;
    assert!(first > 1.0e9, "{first}");
    mounted.holds(&[("two.yaml", "kind: InjectionPolicy\n")]);
    server.line_with("are not read").await;
    assert!(
        (since().await - first).abs() < f64::EPSILON,
        "since the first time"
    );

    mounted.holds(&[("three.yaml", &with("three", "rapl"))]);
    in_force(&server, "three").await;
    assert!(since().await.abs() < f64::EPSILON, "they are read");

    mounted.holds(&[("README", "no policies at all")]);
    let line = server.line_with("has no policies").await;
    assert!(line.contains("are not read"), "{line}");
    assert_eq!(policies(&server).await, "three");
}
