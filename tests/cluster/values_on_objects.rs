//! Values that come to stand on an object as they are: the injector finds fault with all those for which the API server
//! would refuse the object, so that nothing in the values keeps an object out of the cluster. The few others that it
//! finds fault with are rows of the same table.

use serde_json::{Value, json};

use crate::{
    on_objects::{Row, Server, rows},
    support::{
        Case, Cluster, cases,
        rest::{Stored, create, create_and_hear},
        samples::{config_map, marks, pod, record, values},
    },
};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        the_api_server_says_of_each_value_what_the_table_says,
        an_object_with_a_value_that_the_api_server_would_refuse_comes_in_with_a_warning,
    ]
}

/// A pod without the mark on which the value stands; the injector is not asked.
fn plain(cluster: &Cluster, namespace: &str, row: &Row) -> Result<Value, String> {
    let mut object = pod(namespace, "plain");
    object["metadata"] = json!({"name": "plain", "namespace": namespace});
    for (field, value) in row.spec.as_object().unwrap() {
        object["spec"][field] = value.clone();
    }
    create(cluster, &object, Stored::No)
}

fn the_api_server_says_of_each_value_what_the_table_says(cluster: &Cluster) {
    let namespace = cluster.namespace("plain-values");
    for row in rows() {
        let said = plain(cluster, &namespace, &row);
        assert_eq!(said.is_ok(), row.server == Server::Takes, "{row:?}: {said:?}");
    }
}

fn an_object_with_a_value_that_the_api_server_would_refuse_comes_in_with_a_warning(cluster: &Cluster) {
    let namespace = cluster.served_namespace("values");
    for row in rows() {
        let mut values = values();
        for (key, value) in row.values.as_object().unwrap() {
            values[key] = value.clone();
        }
        let marks = marks(&values);
        for mut object in [pod(&namespace, "valued"), config_map(&namespace, "valued")] {
            for member in ["labels", "annotations"] {
                object["metadata"][member] = marks[member].clone();
            }
            let (made, warnings) = create_and_hear(cluster, &object, Stored::No);
            let made = made.unwrap_or_else(|why| panic!("{row:?}: {why}"));
            assert_eq!(
                record(&made["metadata"]).is_null(),
                !row.findings.is_empty(),
                "{row:?}: {made:#}"
            );
            assert_warned(&row, &warnings);
            if object["kind"] == "Pod" && row.findings.is_empty() {
                let wanted = plain(cluster, &namespace, &row).unwrap();
                for list in ["tolerations", "imagePullSecrets"] {
                    let has = |entry: &&Value| entries(&made, list).contains(entry);
                    assert!(entries(&wanted, list).iter().all(has), "{row:?}: {made:#}");
                }
            }
        }
    }
}

fn entries<'a>(pod: &'a Value, list: &str) -> Vec<&'a Value> {
    pod["spec"][list].as_array().into_iter().flatten().collect()
}

/// Of each finding, and of nothing else but that nothing was injected.
fn assert_warned(row: &Row, warnings: &[String]) {
    let lead = usize::from(!row.findings.is_empty());
    assert_eq!(
        warnings.len(),
        row.findings.len() + lead,
        "{row:?}: {warnings:#?}"
    );
    for (code, path) in &row.findings {
        let start = format!("error[{code}]: {path}: ");
        assert!(
            warnings.iter().any(|warning| warning.contains(&start)),
            "{row:?}: {warnings:#?}"
        );
    }
}
