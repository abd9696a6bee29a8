//! An empty list in the values refuses what policies would add to it, through the chart and both Helms; the default, and
//! `null`, refuse nothing.

use std::fs;

use alumet_injector::manifest::{load, stream};
use serde_json::{Value, json};

use crate::{
    files::root,
    release::injector,
    support::{Helm, Template, write},
};

/// Adds one of each.
const POLICY: &str = "\
apiVersion: injector.alumet.dev/v1alpha1
kind: ClusterInjectionPolicy
metadata: {name: both}
spec:
  defaults:
    tolerations: [{key: of-the-policy, operator: Exists}]
    imagePullSecrets: [{name: of-the-policy}]
";

/// The pod's spec of the workload of this name.
fn pod_of(rendered: &str, name: &str) -> Value {
    stream::documents(rendered.as_bytes())
        .filter_map(|document| Some(load::read(&document).ok()?.value))
        .find(|object| object["metadata"]["name"] == name && object["spec"]["template"].is_object())
        .map(|object| object["spec"]["template"]["spec"].clone())
        .unwrap()
}

#[test]
fn an_empty_list_of_the_user_refuses_what_policies_add_and_a_default_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (policy, values) = (
        folder.path().join("policy.yaml"),
        folder.path().join("values.yaml"),
    );
    write(&policy, POLICY);
    for helm in Helm::both() {
        for (text, tolerations, pull_secrets) in [
            (json!({}), true, true),
            (json!({"tolerations": null, "imagePullSecrets": null}), true, true),
            (json!({"tolerations": []}), false, true),
            (json!({"imagePullSecrets": []}), true, false),
            (json!({"tolerations": [], "imagePullSecrets": []}), false, false),
            // One that has something refuses nothing.
            (
                json!({"tolerations": [{"operator": "Exists"}], "imagePullSecrets": ["own"]}),
                true,
                true,
            ),
            (json!({"imagePullSecrets": [], "secret": "own"}), true, true),
        ] {
            for component in ["alumet-relay-client", "alumet-relay-server"] {
                fs::write(&values, json!({ component: text }).to_string()).unwrap();
                let rendered = helm.template(&Template {
                    values: &[&values],
                    ..Template::of(&root("chart"))
                });
                let completed = injector(
                    &["post-render", "--policy", policy.to_str().unwrap()],
                    &rendered.stdout,
                );
                let pod = pod_of(&completed.stdout, &format!("test-alumet-{component}"));
                let has = |list: &str| pod[list].to_string().contains("of-the-policy");
                assert_eq!(
                    (has("tolerations"), has("imagePullSecrets")),
                    (tolerations, pull_secrets),
                    "{:?} {component} {text}: {pod:#}",
                    helm.major
                );
            }
        }
        fs::write(&values, json!({"global": {"imagePullSecrets": []}}).to_string()).unwrap();
        let rendered = helm.template(&Template {
            values: &[&values],
            ..Template::of(&root("chart"))
        });
        let completed = injector(
            &["post-render", "--policy", policy.to_str().unwrap()],
            &rendered.stdout,
        );
        for component in ["alumet-relay-client", "alumet-relay-server"] {
            let pod = pod_of(&completed.stdout, &format!("test-alumet-{component}"));
            assert!(pod["imagePullSecrets"].is_null(), "{pod:#}");
        }
    }
}
