//! The definitions of policies: what they take is what a file may say, and they are upgraded under the policies that are
//! there.

use std::{fs, process::Command, time::Duration};

use alumet_injector::{
    manifest::{list, load, stream},
    policy::model::Policy,
    policy_document::{self, KINDS},
};
use serde_json::{Value, json};

use crate::{
    files::root,
    helm::{INJECTOR, Major},
    injector_chart::copy_folder,
    nothing_is_left::one_besides,
    odd_documents::{Odd, odd_documents},
    policy_resources::apply,
    support::{
        Case, Cluster, Folder, cases,
        cluster::run,
        injector::{Certificate, Injector, Installation, Serves, checks_policies},
        poll::wait_for,
        rest::{Stored, create},
        samples::policy,
    },
};

const SOON: Duration = Duration::from_mins(1);

pub(crate) fn cases() -> Vec<Case> {
    cases![
        what_a_file_may_say_the_api_server_takes_and_gives_back,
        what_is_no_policy_in_a_file_is_none_in_the_cluster,
        an_upgrade_keeps_the_policies_and_further_versions_are_read,
    ]
}

/// The policies of a file.
fn documents(file: &str) -> Vec<Value> {
    let bytes = fs::read(root(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut all = Vec::new();
    for document in stream::documents(&bytes) {
        let loaded = load::read(&document).unwrap_or_else(|error| panic!("{file}: {error}"));
        for item in list::objects(&loaded.value) {
            if item.object["kind"]
                .as_str()
                .is_some_and(|kind| KINDS.contains(&kind))
            {
                all.push(item.object.clone());
            }
        }
    }
    all
}

/// Every policy that the project has: examples, those of golden cases, and one with every field.
fn written() -> Vec<Value> {
    let mut files = vec!["tests/fixtures/policies.yaml".to_owned()];
    let in_folder = |folder: &str| {
        let entries = fs::read_dir(root(folder)).expect("the folder is there");
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.map(|name| format!("{folder}/{name}")).collect::<Vec<_>>()
    };
    files.extend(
        in_folder("deploy/policies")
            .into_iter()
            .filter(|file| !file.ends_with("README.md")),
    );
    let cases = in_folder("tests/golden")
        .into_iter()
        .map(|case| case + "/policies.yaml");
    files.extend(cases.filter(|file| root(file).exists()));
    files.iter().flat_map(|file| documents(file)).collect()
}

fn read(document: &Value) -> Option<Policy> {
    policy_document::policy(document).0
}

/// The same policy as it comes back from the API server, which stores nothing.
#[track_caller]
fn comes_back(cluster: &Cluster, document: &Value, what: &str) {
    let here = read(document).unwrap_or_else(|| panic!("{what}: a file may say it"));
    let stored = create(cluster, document, Stored::No).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(read(&stored), Some(here), "{what}: {stored:#}");
}

/// Odd policies of which this holds, and what is odd about each. The first policy of the list has every field.
fn odd(holds: fn(&Value) -> bool) -> impl Iterator<Item = (String, Value)> {
    let whole = documents("tests/fixtures/policies.yaml").remove(0);
    // What stands elsewhere is the API server's to judge.
    odd_documents(&whole)
        .into_iter()
        .filter(move |odd| odd.place.starts_with("/spec") && holds(&odd.document))
        .map(|odd| {
            let Odd {
                place,
                value,
                mut document,
            } = odd;
            document["metadata"] = json!({"name": "odd"});
            (format!("{place}: {value}"), document)
        })
}

fn what_a_file_may_say_the_api_server_takes_and_gives_back(cluster: &Cluster) {
    cluster.injector();
    let written = written();
    assert!(written.len() >= 10, "{}", written.len());
    for document in &written {
        let mut document = document.clone();
        if !document["metadata"]["namespace"].is_null() {
            document["metadata"]["namespace"] = json!(cluster.namespace("written"));
        }
        // The UID of a file is nobody's.
        document["metadata"].as_object_mut().unwrap().remove("uid");
        comes_back(cluster, &document, &document["metadata"]["name"].to_string());
    }
    let mut count = 0;
    for (what, document) in odd(|document| read(document).is_some()) {
        comes_back(cluster, &document, &what);
        count += 1;
    }
    assert!(count >= 50, "{count}");
}

fn what_is_no_policy_in_a_file_is_none_in_the_cluster(cluster: &Cluster) {
    cluster.injector();
    let mut count = 0;
    for (what, document) in odd(|document| read(document).is_none()) {
        let refused = create(cluster, &document, Stored::No);
        assert!(refused.is_err(), "{what}");
        count += 1;
    }
    assert!(count >= 150, "{count}");
}

/// The chart in an older form, whose definitions know nothing of `runtimeClassName`.
fn older_chart() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&root("deploy/injector"), copy.path());
    for entry in fs::read_dir(copy.path().join("files/crds")).unwrap() {
        let file = entry.unwrap().path();
        let mut spec = load::parse_any(&fs::read_to_string(&file).unwrap())
            .unwrap()
            .value;
        let defaults = "/versions/0/schema/openAPIV3Schema/properties/spec/properties/defaults/properties";
        let fields = spec.pointer_mut(defaults).unwrap().as_object_mut().unwrap();
        fields.remove("runtimeClassName").expect("the field is there");
        fs::write(&file, spec.to_string()).unwrap();
    }
    copy
}

/// On a control plane of its own, for all other tests need the definitions as they are.
fn an_upgrade_keeps_the_policies_and_further_versions_are_read(_: &Cluster) {
    let _one = one_besides();
    let own = Cluster::start().unwrap();
    let installation = Installation {
        helm: Major::Three,
        into: None,
        serves: Serves::TheCluster,
        certificate: Certificate::Files,
        set: &[],
    };
    let injector = Injector::install_only(&own, &installation);
    let older = older_chart();
    for helm in [Major::Three, Major::Four] {
        let installation = Installation { helm, ..installation };
        injector.helm_with(&own, "upgrade", older.path(), &installation);
        an_upgrade_keeps_the_policies(&own, &injector, &installation);
    }
    injector.start(&own);
    wait_for("the API server to ask about policies", SOON, || {
        checks_policies(&own).then_some(())
    });
    further_versions_are_read(&own);
    injector.stop();
    // What helm uninstall leaves: no policy is lost by it.
    let uninstall = [
        "uninstall",
        injector.release.as_str(),
        "-n",
        injector.namespace.as_str(),
    ]
    .map(Into::into);
    own.helm(Major::Four)
        .run(&uninstall)
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(own.get(&["cinjpol", "older"])["spec"]["priority"], 3);
    own.end(Folder::Remove);
}

fn knows_the_field(cluster: &Cluster) -> bool {
    let path = "cinjpol.spec.defaults.runtimeClassName";
    cluster.kubectl(&["explain", path]).code == Some(0)
}

fn an_upgrade_keeps_the_policies(cluster: &Cluster, injector: &Injector, installation: &Installation<'_>) {
    let helm = installation.helm;
    wait_for("the older form to be served", SOON, || {
        (!knows_the_field(cluster)).then_some(())
    });
    let spec = json!({"priority": 3, "defaults": {"env": {"A": "x"}, "runtimeClassName": "nvidia"}});
    let written = policy("older", None, &spec);
    apply(cluster, &written).ok();
    // Even a field of tomorrow is kept, so that whoever reads it can say that they do not know it.
    let before = cluster.get(&["cinjpol", "older"]);
    assert_eq!(before["spec"], spec, "{helm:?}");

    injector.helm(cluster, "upgrade", installation);
    wait_for("the new form to be served", SOON, || {
        knows_the_field(cluster).then_some(())
    });
    let after = cluster.get(&["cinjpol", "older"]);
    assert_eq!(
        (&after["spec"], &after["metadata"]["uid"]),
        (&spec, &before["metadata"]["uid"]),
        "{helm:?}"
    );
    assert_eq!(read(&after), read(&written), "{helm:?}");
    // A policy of before can be changed under the new form, which holds the whole of it to its schema.
    cluster
        .kubectl(&[
            "annotate",
            "cinjpol",
            "older",
            "--overwrite",
            &format!("by={helm:?}"),
        ])
        .ok();
    let wrong = json!({"defaults": {"runtimeClassName": 5}});
    let told = apply(cluster, &policy("older", None, &wrong)).refused();
    assert!(
        told.contains("spec.defaults.runtimeClassName in body must be of type string"),
        "{helm:?}: {told}"
    );
}

/// As a newer injector would leave it: another version beside ours, and what is stored is in that one.
fn further_versions_are_read(cluster: &Cluster) {
    let name = "crd/clusterinjectionpolicies.injector.alumet.dev";
    let definition = cluster.get(&[name]);
    let mut versions = definition["spec"]["versions"].clone();
    let mut newer = versions[0].clone();
    newer["name"] = json!("v1beta1");
    versions[0]["storage"] = json!(false);
    versions.as_array_mut().unwrap().push(newer);
    let patch = json!({"spec": {"versions": versions}}).to_string();
    cluster
        .kubectl(&["patch", name, "--type=merge", "--patch", &patch])
        .ok();
    let of_newer = |name: &str, spec: &Value| {
        let mut policy = policy(name, None, spec);
        policy["apiVersion"] = json!("injector.alumet.dev/v1beta1");
        policy
    };
    let spec = json!({"defaults": {"env": {"A": "x"}}});
    wait_for("the other version to be served", SOON, || {
        (apply(cluster, &of_newer("newer", &spec)).code == Some(0)).then_some(())
    });
    let stored = cluster.get(&["clusterinjectionpolicies.v1alpha1.injector.alumet.dev", "newer"]);
    assert_eq!(read(&stored), read(&policy("newer", None, &spec)));
    // The API server hands the other version to the injector in the form that it reads.
    let wrong = of_newer("wrong", &json!({"defaults": {"plugins": {"rapll": {}}}}));
    assert_eq!(
        apply(cluster, &wrong).stderr,
        "The ClusterInjectionPolicy \"wrong\" is invalid: spec.defaults.plugins.rapll: error[unknown-plugin]: unknown plugin \
         `rapll`; did you mean `rapl`?\n"
    );
    // Ours alone, without the version that policies are stored in, would lose them.
    let mut command = Command::new(INJECTOR);
    command.arg("crds");
    let definitions = run(command, "").ok();
    let over = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    let told = cluster.kubectl_with(&over, &definitions).refused();
    let sentence = "status.storedVersions[1]: Invalid value: \"v1beta1\": missing from spec.versions";
    assert!(told.contains(sentence), "{told}");
    assert!(cluster.get(&["cinjpol", "newer"])["spec"] == spec);
}
