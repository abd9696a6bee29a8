//! The chart pleases what judges charts: `helm lint` of both Helms, and its own helm-unittest suites.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use alumet_injector::agent_config::version::{Profile, Version};

use crate::{
    files::golden,
    support::{Helm, unittest},
};

fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("chart")
}

/// The values files that show one way of use each.
fn ci_files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(chart().join("ci"))
        .expect("the chart has a folder ci")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.to_str().is_some_and(|p| p.ends_with("-values.yaml")))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "chart/ci holds values files");
    files
}

#[test]
fn both_helms_lint_every_values_file_without_a_warning() {
    for helm in Helm::both() {
        for file in ci_files() {
            let arguments = [
                "lint".into(),
                chart().into(),
                "--strict".into(),
                "--values".into(),
                file.into(),
            ];
            helm.run(&arguments).unwrap_or_else(|failure| panic!("{failure}"));
        }
    }
}

/// `readme.awk` says how it is called.
#[test]
fn the_tables_of_values_are_those_of_the_values_files() {
    for below in [
        "",
        "charts/alumet-relay-client",
        "charts/alumet-relay-server",
        "charts/influxdb2",
    ] {
        let folder = chart().join(below);
        let readme = folder.join("README.md");
        let made = Command::new("awk")
            .arg("-f")
            .args([
                chart().join("readme.awk"),
                folder.join("values.yaml"),
                readme.clone(),
            ])
            .output()
            .expect("awk is there");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let rows = fs::read_to_string(folder.join("values.yaml"))
            .unwrap()
            .matches("# -- ")
            .count();
        let made = String::from_utf8(made.stdout).unwrap();
        assert_eq!(
            made.matches("\n| `").count(),
            rows,
            "{}: a row for each comment",
            readme.display()
        );
        golden(&readme, &made);
    }
}

/// A subchart is found by its version; the image of the agent by the version that the catalogue knows.
#[test]
fn all_charts_have_one_version_and_the_agent_one_tag() {
    let field = |chart: &Path, field: &str| {
        let text = fs::read_to_string(chart.join("Chart.yaml")).unwrap();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .map(str::trim);
        value.map(|value| value.trim_matches('"').to_owned())
    };
    let version = field(&chart(), "version:").unwrap();
    let agent = field(&chart(), "appVersion:").unwrap();
    let umbrella = fs::read_to_string(chart().join("Chart.yaml")).unwrap();
    for name in [
        "alumet-common",
        "alumet-relay-client",
        "alumet-relay-server",
        "influxdb2",
    ] {
        let below = chart().join("charts").join(name);
        assert_eq!(field(&below, "version:").as_ref(), Some(&version), "{name}");
        let required = format!("- name: {name}\n    version: {version}\n");
        assert!(
            umbrella.contains(&required),
            "no {required:?} among the dependencies"
        );
        if name.starts_with("alumet-relay") {
            assert_eq!(field(&below, "appVersion:").as_ref(), Some(&agent), "{name}");
        }
    }
    let image = format!("ghcr.io/alumet-dev/alumet-agent:{agent}-1_ubuntu_24.04\n");
    assert!(
        umbrella.contains(&image),
        "the annotation for Artifact Hub names {image}"
    );
    let newest = Profile::of(None).version;
    assert_eq!(
        Version::parse(&agent),
        Some(newest),
        "the chart installs the newest agent that is known"
    );
}

#[test]
fn the_suites_of_the_chart_pass() {
    let arguments = ["--strict".into(), "--color=false".into(), chart().into()];
    let told = unittest(&arguments).unwrap_or_else(|failure| panic!("{failure}"));
    let suites = told
        .lines()
        .find_map(|line| line.strip_prefix("Test Suites:"))
        .expect("a count of suites");
    // A pattern that matches no file passes as well.
    assert!(!suites.trim_start().starts_with("0 "), "{told}");
}
