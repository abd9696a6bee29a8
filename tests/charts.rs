//! The project's own chart as tests read it: its values files, the objects that it makes, the documented notes.
//! Part of the test programs that run Helm.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use alumet_injector::manifest::{load, stream};
use serde_json::Value;

use crate::files::root;

/// The objects of a stream, by kind and name.
pub(crate) type Objects = BTreeMap<String, Value>;

/// The objects of a stream.
pub(crate) fn objects(text: &str) -> Objects {
    let mut objects = Objects::new();
    for document in stream::documents(text.as_bytes()) {
        if document.body().trim_ascii().is_empty() {
            continue;
        }
        let value = load::read(&document).unwrap().value;
        let key = key(&value);
        assert!(
            objects.insert(key.clone(), value).is_none(),
            "{key} is there once"
        );
    }
    objects
}

/// Kind and name: `ConfigMap test-alumet-alumet-relay-client-config`.
pub(crate) fn key(object: &Value) -> String {
    format!(
        "{} {}",
        object["kind"].as_str().unwrap(),
        object["metadata"]["name"].as_str().unwrap()
    )
}

/// The values files of `chart/ci`.
pub(crate) fn values_files() -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(root("chart/ci"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// `tainted-nodes` for `tainted-nodes-values.yaml`.
pub(crate) fn case_of(file: &Path) -> String {
    let name = file.file_stem().unwrap().to_str().unwrap();
    name.trim_end_matches("-values").to_owned()
}

/// What the documented example prints below `NOTES:`, with the two things that differ from install to install.
pub(crate) fn documented_notes(version: &str, secret: &str) -> String {
    format!(
        r#"Installing alumet
Your installed version  {version}
Your instance name is:  test-alumet


    influxdb plugin is enabled, a secret to get access to influxdb database must be defined



            A secret {secret} was created
            To get influxdb admin user password, decode the admin-password key from your secret:
            kubectl  -n test get secret {secret} -o jsonpath="{{.data.admin-password}}" | base64 -d
            To get influxdb token, decode the admin-token key from your secret:
            kubectl  -n test get secret {secret} -o jsonpath="{{.data.admin-token}}" | base64 -d
"#
    )
}

/// The version of the chart.
pub(crate) fn version() -> String {
    let chart = fs::read_to_string(root("chart/Chart.yaml")).unwrap();
    let version = chart.lines().find_map(|line| line.strip_prefix("version: "));
    version.unwrap().to_owned()
}
