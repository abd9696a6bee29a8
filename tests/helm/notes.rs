//! What Helm prints after an install is what is documented, and no secret is in it.
//!
//! Helm 4 prints the notes of an install without a cluster. Helm 3 wants one even for a dry run, so there a copy of the
//! chart has one more template, which holds the notes as text; with Helm 4 both ways give the same.

use std::{fs, path::Path};

use crate::{
    charts::{documented_notes, version},
    files::root,
    support::{Helm, Major, Template, write},
};

/// A copy of a folder with everything in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The notes as a template of the chart gives them.
fn notes(helm: &Helm, set: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    copy(&root("chart"), folder.path());
    write(
        &folder.path().join("templates/notes.yaml"),
        "notes: {{ include (print .Template.BasePath \"/NOTES.txt\") . | toJson }}\n",
    );
    let rendered = helm.template(&Template {
        set,
        ..Template::of(folder.path())
    });
    let json = rendered
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("notes: "));
    serde_json::from_str(json.expect("the template is there")).unwrap()
}

/// The notes as an install prints them.
fn printed(helm: &Helm, set: &[&str]) -> String {
    let mut arguments = vec![
        "install".into(),
        "test-alumet".into(),
        root("chart").into(),
        "--namespace".into(),
        "test".into(),
        "--dry-run=client".into(),
    ];
    for flag in set {
        arguments.extend(["--set".into(), flag.into()]);
    }
    let told = helm.run(&arguments).unwrap_or_else(|failure| panic!("{failure}"));
    let (_, notes) = told.split_once("NOTES:\n").expect("an install has notes");
    notes.to_owned()
}

#[test]
fn the_notes_are_the_documented_ones() {
    let documented = documented_notes(&version(), "test-alumet-influxdb2-auth");
    for helm in Helm::both() {
        let notes = notes(&helm, &[]);
        assert!(notes.starts_with(&documented), "{:?}:\n{notes}", helm.major);
    }
}

#[test]
fn an_install_prints_the_same_notes() {
    let helm = Helm::new(Major::Four);
    let set = [
        "influxdb2.adminUser.password=canary",
        "influxdb2.adminUser.token=canary",
    ];
    assert_eq!(printed(&helm, &set).trim_end(), notes(&helm, &set).trim_end());
}

/// Flags, words that the notes have with them, and words that they do not have.
const CASES: [(&[&str], &[&str], &[&str]); 5] = [
    (
        &[
            "influxdb2.adminUser.existingSecret=mine",
            "alumet-relay-server.plugins.influxdb.existingSecret=mine",
        ],
        &[
            "the same secret mine",
            "kubectl  -n test get secret mine -o jsonpath=\"{.data.admin-token}\" | base64 -d",
        ],
        &["was created", "test-alumet-influxdb2-auth"],
    ),
    (
        &["alumet-relay-server.plugins.influxdb.enable=false"],
        &["Installing alumet"],
        &["influxdb plugin is enabled", "kubectl"],
    ),
    (
        &[
            "influxdb2.enabled=false",
            "alumet-relay-server.plugins.influxdb.existingSecret=mine",
        ],
        &["for alumet-relay-server, influxdb secret name is: mine"],
        &["was created"],
    ),
    (
        &["alumet-relay-client.configMap.name=mine"],
        &["ConfigMap test-alumet-alumet-relay-server-config"],
        &["ConfigMap test-alumet-alumet-relay-client-config"],
    ),
    (
        &[
            "influxdb2.adminUser.password=canary",
            "influxdb2.adminUser.token=canary",
            "alumet-relay-server.plugins.mongodb.password=canary",
            "alumet-relay-server.plugins.mongodb.username=canary",
        ],
        &["A secret test-alumet-influxdb2-auth was created"],
        // The second is the same in base64.
        &["canary", "Y2FuYXJ5"],
    ),
];

#[test]
fn the_notes_follow_the_values_and_print_no_secret() {
    for helm in Helm::both() {
        for (set, words, others) in CASES {
            let notes = notes(&helm, set);
            for word in words {
                assert!(notes.contains(word), "{set:?}: no {word} in\n{notes}");
            }
            for other in others {
                assert!(!notes.contains(other), "{set:?}: {other} in\n{notes}");
            }
        }
    }
}
