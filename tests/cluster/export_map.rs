//! `export map` on the real API server: without any webhook pods get what the engine would have given them.
//!
//! The policies are put in force for one namespace. Each pod is created there, and in a namespace without them, where
//! the engine completes what the API server made of it. Both have to be the same.

use std::{collections::BTreeMap, fs, time::Duration};

use alumet_injector::{
    engine::{
        facts::{Facts, Known, Operation},
        object::ObjectView,
        plan,
        setup::{Fresh, Snapshot},
    },
    names::STATUS_ANNOTATION,
    policy::index::PolicyIndex,
    policy_document::PolicyReader,
};
use serde_json::{Value, json};

use crate::{
    charts::objects,
    files::root,
    helm::INJECTOR,
    support::{
        Case, Cluster, cases,
        cluster::run,
        poll::wait_for,
        rest::{Stored, create},
    },
};

const SOON: Duration = Duration::from_mins(1);

pub(crate) fn cases() -> Vec<Case> {
    cases![
        pods_get_what_the_webhook_would_give,
        pods_get_what_the_example_policies_give,
        what_the_other_tests_have_on_paper_is_taken,
    ]
}

/// Policies of every kind of selection, each with something that another has, too.
fn policies(namespace: &str) -> String {
    include_str!("export_map/policies.yaml").replace("NAMESPACE", namespace)
}

/// Pods of all shapes. A relay has values, for without an address there would be no configuration, and so nothing at
/// all.
fn pods(namespace: &str) -> Vec<Value> {
    let text = include_str!("export_map/pods.yaml").replace("NAMESPACE", namespace);
    objects(&text).into_values().collect()
}

/// The policies of some documents as objects of this name, as the program writes them.
#[track_caller]
fn exported(cluster: &Cluster, documents: &str, name: &str) -> Vec<Value> {
    let file = cluster.folder().join(format!("{name}.policies.yaml"));
    fs::write(&file, documents).unwrap();
    let mut command = cluster.command(std::path::Path::new(INJECTOR));
    command
        .args(["export", "map", "--name", name, "--policy"])
        .arg(&file);
    let text = run(command, "").ok();
    objects(&text).into_values().collect()
}

/// Annotation of pods that another policy changed, too.
const TOUCHED: &str = "test.alumet.dev/touched";

/// The runtime class of the pods of a namespace; it is the cluster's.
fn class(namespace: &str) -> String {
    format!("class-of-{namespace}")
}

fn touching_name(namespace: &str) -> String {
    format!("{namespace}.touching")
}

/// A policy of somebody else's, whose change has the API server ask again who was asked before.
fn touching(namespace: &str) -> [Value; 2] {
    let name = touching_name(namespace);
    let expression = format!(
        "has(object.metadata.annotations) \
         ? [JSONPatch{{op: 'add', path: '/metadata/annotations/{}', value: 'yes'}}] \
         : [JSONPatch{{op: 'add', path: '/metadata/annotations', value: {{'{TOUCHED}': 'yes'}}}}]",
        TOUCHED.replace('/', "~1")
    );
    let version = "admissionregistration.k8s.io/v1";
    [
        json!({
            "apiVersion": version, "kind": "MutatingAdmissionPolicy", "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail", "reinvocationPolicy": "IfNeeded",
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
                }]},
                "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
            },
        }),
        json!({
            "apiVersion": version, "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": name},
            "spec": {"policyName": name},
        }),
    ]
}

/// Puts objects in force for the pods of one namespace alone.
#[track_caller]
fn put_in_force(cluster: &Cluster, mut objects: Vec<Value>, namespace: &str) {
    for object in &mut objects {
        if object["kind"] == "MutatingAdmissionPolicyBinding" {
            object["spec"]["matchResources"] = json!({"namespaceSelector": {"matchLabels": {
                "kubernetes.io/metadata.name": namespace,
            }}});
        }
        cluster
            .kubectl_with(&["apply", "-f", "-"], &object.to_string())
            .ok();
    }
}

/// What the pods of one namespace get without a webhook, against what the engine says.
struct Comparison<'c> {
    cluster: &'c Cluster,
    /// Where the exported objects are in force.
    with: String,
    /// Where nothing is.
    without: String,
    snapshot: Snapshot,
}

impl<'c> Comparison<'c> {
    #[track_caller]
    fn new(cluster: &'c Cluster, with: String, documents: &str) -> Self {
        let mut reader = PolicyReader::default();
        reader.read("policies", documents.as_bytes());
        let (policies, problems) = reader.finish();
        assert_eq!(problems, [], "{documents}");
        let mut index = PolicyIndex::new(policies);
        let labels = cluster.get(&["namespace", &with])["metadata"]["labels"].clone();
        let labels: BTreeMap<String, String> = serde_json::from_value(labels).unwrap();
        index.know_namespace(&with, &labels);
        let comparison = Self {
            cluster,
            without: cluster.namespace("without-map"),
            snapshot: Snapshot { policies: index },
            with,
        };
        let objects = exported(cluster, documents, &comparison.with);
        assert_eq!(objects.len(), 2, "{objects:#?}");
        put_in_force(cluster, objects, &comparison.with);
        put_in_force(cluster, touching(&comparison.with).into(), &comparison.with);
        let probe = pods(&comparison.with)
            .into_iter()
            .find(|pod| pod["metadata"]["name"] == "bare")
            .unwrap();
        wait_for("the policies to be in force", SOON, || {
            let [given, plain] = [&comparison.with, &comparison.without]
                .map(|namespace| comparison.create(&probe, namespace).unwrap());
            let is_touched = given["metadata"]["annotations"][TOUCHED].is_string();
            (is_touched && given["spec"] != plain["spec"]).then_some(())
        });
        comparison
    }

    fn create(&self, pod: &Value, namespace: &str) -> Result<Value, String> {
        let mut pod = pod.clone();
        pod["metadata"]["namespace"] = json!(namespace);
        create(self.cluster, &pod, Stored::No)
    }

    /// The pod as the webhook would have the API server store it, without the record.
    fn completed(&self, pod: &Value) -> Value {
        let untouched = self.create(pod, &self.without).unwrap();
        let facts = Facts {
            operation: Operation::Create,
            namespace: Known::Known(&self.with),
            ..Facts::RENDER
        };
        let plan = plan(
            &ObjectView::read(&untouched).unwrap(),
            &facts,
            &self.snapshot,
            &Fresh,
        );
        let mut completed = untouched.clone();
        json_patch::patch(&mut completed, &plan.patch).unwrap();
        completed["metadata"]["annotations"] = untouched["metadata"]["annotations"].clone();
        // That one is the configuration's: a policy gives texts and keys of Secrets alone.
        for container in completed["spec"]["containers"].as_array_mut().unwrap() {
            if let Some(env) = container["env"].as_array_mut() {
                env.retain(|variable| variable["valueFrom"]["fieldRef"].is_null());
            }
            if container["env"] == json!([]) || container["env"].is_null() {
                container.as_object_mut().unwrap().remove("env");
            }
        }
        comparable(&completed)
    }

    /// Shows each pod; how many of them were given anything. The test fails with all that went wrong.
    #[track_caller]
    fn show(&self, pods: &[Value]) -> usize {
        let (mut wrong, mut changed) = (Vec::new(), 0);
        for pod in pods {
            let name = &pod["metadata"]["name"];
            let given = self
                .create(pod, &self.with)
                .unwrap_or_else(|why| panic!("{name}: {why}"));
            let (expected, found) = (self.completed(pod), comparable(&given));
            if expected != found {
                wrong.push(format!("{name}: expected\n{expected:#}\nfound\n{found:#}"));
            }
            // What was given stands there as if somebody had written it: given again, it is no other.
            let mut again = pod.clone();
            again["spec"] = given["spec"].clone();
            assert!(given["metadata"]["annotations"][TOUCHED].is_string(), "{given:#}");
            let again = self
                .create(&again, &self.with)
                .unwrap_or_else(|why| panic!("{name}: {why}"));
            if comparable(&again) != found {
                wrong.push(format!(
                    "{name}: given once\n{found:#}\ntwice\n{:#}",
                    comparable(&again)
                ));
            }
            let plain = comparable(&self.create(pod, &self.without).unwrap());
            changed += usize::from(plain != found);
        }
        assert!(
            wrong.is_empty(),
            "{} are wrong:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        changed
    }
}

impl Drop for Comparison<'_> {
    fn drop(&mut self) {
        let (exported, touching) = (self.with.clone(), touching_name(&self.with));
        for (kind, names) in [
            ("mutatingadmissionpolicybinding", vec![&exported, &touching]),
            ("mutatingadmissionpolicy", vec![&exported, &touching]),
            ("runtimeclass", vec![&class(&self.with)]),
        ] {
            let mut arguments = vec!["delete", kind, "--ignore-not-found"];
            arguments.extend(names.into_iter().map(String::as_str));
            self.cluster.kubectl(&arguments);
        }
    }
}

/// Spec, labels and annotations.
fn comparable(pod: &Value) -> Value {
    let metadata = &pod["metadata"];
    assert!(metadata["annotations"][STATUS_ANNOTATION].is_null(), "{metadata}");
    let mut annotations = metadata["annotations"].as_object().cloned().unwrap_or_default();
    annotations.remove(TOUCHED);
    json!({"labels": metadata["labels"], "annotations": annotations, "spec": pod["spec"]})
}

fn pods_get_what_the_webhook_would_give(cluster: &Cluster) {
    let namespace = cluster.namespace("map");
    let object = json!({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": class(&namespace)}, "handler": "h",
    });
    cluster
        .kubectl_with(&["create", "-f", "-"], &object.to_string())
        .ok();
    let comparison = Comparison::new(cluster, namespace.clone(), &policies(&namespace));
    let pods = pods(&namespace);
    wait_for("the runtime class to be known", SOON, || {
        let mut all = pods.iter();
        all.all(|pod| comparison.create(pod, &namespace).is_ok())
            .then_some(())
    });
    let changed = comparison.show(&pods);
    // Opted out, hook, unknown component, the injector's own.
    assert_eq!(changed, pods.len() - 4);
}

fn pods_get_what_the_example_policies_give(cluster: &Cluster) {
    let documents: String = ["mirror.yaml", "control-plane.yaml"]
        .map(|file| fs::read_to_string(root("deploy/policies").join(file)).unwrap())
        .join("---\n");
    let namespace = cluster.namespace("map-of-examples");
    let comparison = Comparison::new(cluster, namespace.clone(), &documents);
    let pods: Vec<Value> = pods(&namespace)
        .into_iter()
        .filter(|pod| {
            ["bare", "server", "mounting"]
                .iter()
                .any(|name| pod["metadata"]["name"] == *name)
        })
        .collect();
    assert_eq!(comparison.show(&pods), 3);
}

fn what_the_other_tests_have_on_paper_is_taken(cluster: &Cluster) {
    let file = root("tests/fixtures/export-map/objects.yaml");
    let taken = cluster.kubectl(&[
        "create".as_ref(),
        "--dry-run=server".as_ref(),
        "-f".as_ref(),
        file.as_os_str(),
    ]);
    let stderr = taken.stderr.clone();
    taken.ok();
    assert_eq!(stderr, "");
}
