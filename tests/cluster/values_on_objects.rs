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
        the_api_server_takes_the_resources_that_a_policy_may_give,
        a_container_with_more_resources_than_its_pod_is_refused,
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

/// What stands in a policy, and whether the reader of policies takes it: so does the API server, on a container.
fn the_api_server_takes_the_resources_that_a_policy_may_give(cluster: &Cluster) {
    let namespace = cluster.namespace("resources");
    for (resources, is_taken) in [
        (json!({"limits": {"cpu": 1, "hugepages-2Mi": "4Mi"}}), true),
        (
            json!({"requests": {"memory": "1Mi", "hugepages-1Gi": "1Gi"}, "limits": {"hugepages-1Gi": "1Gi"}}),
            true,
        ),
        (json!({"limits": {"memory": "1Gi", "hugepages-2Mi": "0"}}), true),
        (json!({"limits": {"hugepages-2Mi": "4Mi"}}), false),
        (json!({"limits": {"cpu": 1, "hugepages-2Mi": "3Mi"}}), false),
        (json!({"limits": {"cpu": 1, "hugepages-big": "4Mi"}}), false),
        (json!({"limits": {"cpu": 1, "hugepages-": "4Mi"}}), false),
        (json!({"limits": {"cpu": 1, "hugepages-0": "4Mi"}}), false),
        (json!({"requests": {"cpu": 1, "hugepages-2Mi": "4Mi"}}), false),
        (
            json!({"requests": {"cpu": 1, "hugepages-2Mi": "2Mi"}, "limits": {"hugepages-2Mi": "4Mi"}}),
            false,
        ),
        (
            json!({"limits": {"nvidia.com/gpu": 1, "ephemeral-storage": "1Gi"}}),
            true,
        ),
        (json!({"requests": {"nvidia.com/gpu": 1}}), false),
        (json!({"limits": {"disk": 1}}), false),
    ] {
        let policy = json!({
            "apiVersion": "injector.alumet.dev/v1alpha1", "kind": "ClusterInjectionPolicy", "metadata": {"name": "p"},
            "spec": {"defaults": {"resources": resources}},
        });
        let (policy, findings) = alumet_injector::policy_document::policy(&policy);
        assert_eq!(policy.is_some(), is_taken, "{resources}: {findings:?}");
        let mut object = pod(&namespace, "plain");
        object["metadata"] = json!({"name": "plain", "namespace": namespace});
        object["spec"]["containers"][0]["resources"] = resources.clone();
        let said = create(cluster, &object, Stored::No);
        assert_eq!(said.is_ok(), is_taken, "{resources}: {said:?}");
        if let (Some(policy), Ok(made)) = (policy, said) {
            let stored = &made["spec"]["containers"][0]["resources"];
            assert_eq!(stored, &json!(policy.defaults.resources), "{resources}");
        }
    }
}

/// Why a container of a pod that has resources of its own is given none.
fn a_container_with_more_resources_than_its_pod_is_refused(cluster: &Cluster) {
    let namespace = cluster.namespace("shared-resources");
    let mut object = pod(&namespace, "plain");
    object["metadata"] = json!({"name": "plain", "namespace": namespace});
    object["spec"]["resources"] = json!({"limits": {"cpu": "500m"}});
    create(cluster, &object, Stored::No).unwrap();
    object["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": 1}});
    let why = create(cluster, &object, Stored::No).unwrap_err();
    assert!(why.contains("must be less than or equal to"), "{why}");
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
