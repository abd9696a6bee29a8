//! All doors give the same: for each file of `chart/ci` the API server has the same objects whether the webhook, Helm 3's
//! post-renderer or Helm 4's completed them, and they are those that the golden patches make.
//!
//! The three installs follow each other in one namespace, so that names, hashes and kept credentials are the same. Its
//! quota lets no pod in: what the pods are made from is what counts here.

use std::{collections::BTreeSet, fs};

use alumet_injector::names::{COMPONENT_LABEL, HOOK_ANNOTATION, STATUS_ANNOTATION, VALUES_ANNOTATION};
use serde_json::{Deserializer, Map, Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    charts::{Objects, case_of, key, objects, values_files},
    files::root,
    helm::{Major, Template},
    support::{
        Case, Cluster, cases,
        injector::{APART_LABEL, injects},
        poll::wait_for,
        release::{Release, SOON},
    },
};

/// A test for each file of `chart/ci`.
macro_rules! installations {
    ($($function:ident: $case:literal),+ $(,)?) => {
        /// The cases that have a test.
        const INSTALLATIONS: &[&str] = &[$($case),+];

        pub(crate) fn cases() -> Vec<Case> {
            cases![every_values_file_has_a_test, $($function),+]
        }

        $(fn $function(cluster: &Cluster) {
            all_doors_give_the_same(cluster, $case);
        })+
    };
}

installations! {
    clients_only_prometheus: "clients-only-prometheus",
    everything_on: "everything-on",
    existing_secret: "existing-secret",
    minimal_profile: "minimal-profile",
    mongodb_with_password: "mongodb-with-password",
    no_influxdb: "no-influxdb",
    overridden_names: "overridden-names",
    own_configmaps: "own-configmaps",
    private_images: "private-images",
    documented: "documented",
    defaults: "defaults",
    tainted_nodes: "tainted-nodes",
}

fn every_values_file_has_a_test(_: &Cluster) {
    let files: BTreeSet<String> = values_files().iter().map(|file| case_of(file)).collect();
    assert_eq!(files, INSTALLATIONS.iter().map(|&case| case.to_owned()).collect());
}

fn all_doors_give_the_same(cluster: &Cluster, case: &str) {
    cluster.injector();
    let namespace = cluster.namespace("doors");
    let quota = ["create", "quota", "no-pods", "--hard=pods=0", "-n", &namespace];
    cluster.kubectl(&quota).ok();
    let expected = stored(as_the_golden_files_say(cluster, &namespace, case));

    for major in [Major::Three, Major::Four] {
        let release = Release::post_rendered(cluster, major, &namespace);
        let found = installed(&release, case);
        assert_same(&format!("{case}: {major:?}, post-rendered"), &expected, &found);
    }

    let label = format!("{APART_LABEL}-");
    cluster.kubectl(&["label", "namespace", &namespace, &label]).ok();
    wait_for("the webhook to be asked", SOON, || {
        injects(cluster, &namespace).then_some(())
    });
    let release = Release::of(cluster, Major::Four, &namespace);
    let found = installed(&release, case);
    assert_same(&format!("{case}: the webhook alone"), &expected, &found);
}

/// What the API server has after an install; the release is gone again afterwards.
fn installed(release: &Release<'_>, case: &str) -> Objects {
    release.install(case);
    let manifest = release.helm(&["get", "manifest"], &[]);
    let get = ["get", "-f", "-", "-o", "json"];
    let list: Value = serde_json::from_str(&release.kubectl_with(&get, &manifest).ok()).unwrap();
    let found = by_key(list["items"].as_array().unwrap().clone());
    release.helm(&["uninstall"], &[]);
    stored(found)
}

fn by_key(objects: impl IntoIterator<Item = Value>) -> Objects {
    objects.into_iter().map(|one| (key(&one), one)).collect()
}

/// The chart's objects with the golden patches, as the API server would store them. No injector sees them on the way.
fn as_the_golden_files_say(cluster: &Cluster, namespace: &str, case: &str) -> Objects {
    let chart = root("chart");
    let file = root("chart/ci").join(format!("{case}-values.yaml"));
    let rendered = cluster.helm(Major::Four).template(&Template {
        namespace,
        values: &[&file],
        ..Template::of(&chart)
    });
    let mut wanted = objects(&rendered.stdout);
    wanted.retain(|_, one| one["metadata"]["annotations"][HOOK_ANNOTATION].is_null());

    let golden = root("tests/installations").join(case).join("patches.json");
    let golden: Map<String, Value> = serde_json::from_str(&fs::read_to_string(&golden).unwrap()).unwrap();
    for (of, patch) in golden {
        let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
        let one = wanted
            .get_mut(&of)
            .unwrap_or_else(|| panic!("{case}: the chart makes {of}"));
        json_patch::patch(one, &patch).unwrap();
        for metadata in ["/metadata", "/spec/template/metadata"] {
            let component = one["metadata"]["labels"][COMPONENT_LABEL].clone();
            if let Some(annotations) = one.pointer_mut(metadata).map(|of| &mut of["annotations"]) {
                record_of_these_values(annotations, component.as_str().unwrap());
            }
        }
    }

    let items: Vec<Value> = wanted.into_values().collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let create = [
        "create",
        "--dry-run=server",
        "-n",
        namespace,
        "-f",
        "-",
        "-o",
        "json",
    ];
    let created = cluster.kubectl_with(&create, &list.to_string()).ok();
    // One behind the other, not as a list.
    let created = Deserializer::from_str(&created).into_iter::<Value>();
    by_key(created.map(|one| one.expect("kubectl prints JSON")))
}

/// The record names the values by their hash. Those of the golden file are of a release in another namespace, which
/// stands among them.
fn record_of_these_values(annotations: &mut Value, component: &str) {
    let Some(record) = annotations[STATUS_ANNOTATION].as_str() else {
        return;
    };
    let values = annotations[VALUES_ANNOTATION].as_str().unwrap();
    let here = hash(component, values);
    let there = hash(component, &with_namespace(values, "test"));
    assert!(record.contains(&there), "{there} is not in {record}");
    annotations[STATUS_ANNOTATION] = json!(record.replace(&there, &here));
}

fn hash(component: &str, values: &str) -> String {
    format!("{:016x}", xxh3_64(format!("{component}\n{values}").as_bytes()))
}

/// The chart's own text for a release in another namespace.
fn with_namespace(values: &str, namespace: &str) -> String {
    let parsed: Value = serde_json::from_str(values).unwrap();
    let own = |name: &str| format!(r#""namespace":{}"#, json!(name));
    let here = own(parsed["namespace"].as_str().unwrap());
    assert_eq!(values.matches(&here).count(), 1, "{values}");
    values.replace(&here, &own(namespace))
}

/// Without what the API server, its controllers and Helm write on each object, and without generated credentials, which
/// are new in each namespace.
fn stored(mut objects: Objects) -> Objects {
    for one in objects.values_mut() {
        for path in [
            "/metadata/uid",
            "/metadata/resourceVersion",
            "/metadata/creationTimestamp",
            "/metadata/generation",
            "/metadata/managedFields",
            "/metadata/annotations/meta.helm.sh~1release-name",
            "/metadata/annotations/meta.helm.sh~1release-namespace",
            "/metadata/annotations/deployment.kubernetes.io~1revision",
            "/metadata/annotations/deprecated.daemonset.template.generation",
            "/metadata/annotations",
            "/spec/clusterIP",
            "/spec/clusterIPs",
            "/status",
        ] {
            remove(one, path);
        }
        let kind = one["kind"].as_str().unwrap().to_owned();
        if kind == "Secret" && one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" {
            for value in one["data"].as_object_mut().unwrap().values_mut() {
                *value = json!("a credential");
            }
        }
        if kind == "Service" {
            for port in one["spec"]["ports"].as_array_mut().unwrap() {
                remove(port, "/nodePort");
            }
        }
    }
    objects
}

/// Takes a member away; one that holds others only when it is empty.
fn remove(object: &mut Value, path: &str) {
    let (parent, member) = path.rsplit_once('/').unwrap();
    let parent = object.pointer_mut(parent).and_then(Value::as_object_mut);
    let Some(parent) = parent else { return };
    let member = member.replace("~1", "/");
    let filled = parent
        .get(&member)
        .and_then(Value::as_object)
        .is_some_and(|of| !of.is_empty());
    if member != "annotations" || !filled {
        parent.remove(&member);
    }
}

#[track_caller]
fn assert_same(what: &str, expected: &Objects, found: &Objects) {
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>(),
        "{what}"
    );
    for (of, found) in found {
        let expected = &expected[of];
        assert!(
            found == expected,
            "{what}: {of}\n--- expected\n{expected:#}\n--- found\n{found:#}"
        );
    }
}
