//! An empty list in the values refuses what policies would add to it, through the chart and both Helms; the default, and
//! `null`, refuse nothing.

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

/// The pod's spec of the workload of a subchart.
fn pod_of(rendered: &str, component: &str) -> Value {
    let name = format!("test-alumet-{component}");
    stream::documents(rendered.as_bytes())
        .filter_map(|document| Some(load::read(&document).ok()?.value))
        .find(|object| object["metadata"]["name"] == name && object["spec"]["template"].is_object())
        .map(|object| object["spec"]["template"]["spec"].clone())
        .unwrap()
}

/// What the chart makes of these values, completed under the policy.
fn completed(helm: &Helm, values: &Value) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (policy, file) = (
        folder.path().join("policy.yaml"),
        folder.path().join("values.yaml"),
    );
    write(&policy, POLICY);
    write(&file, &values.to_string());
    let rendered = helm.template(&Template {
        values: &[&file],
        ..Template::of(&root("chart"))
    });
    let arguments = ["post-render", "--policy", policy.to_str().unwrap()];
    injector(&arguments, &rendered.stdout).stdout
}

#[test]
fn an_empty_list_of_the_user_refuses_what_policies_add_and_a_default_does_not() {
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
                let pod = pod_of(&completed(&helm, &json!({ component: text })), component);
                let has = |list: &str| pod[list].to_string().contains("of-the-policy");
                assert_eq!(
                    (has("tolerations"), has("imagePullSecrets")),
                    (tolerations, pull_secrets),
                    "{:?} {component} {text}: {pod:#}",
                    helm.major
                );
            }
        }
        let completed = completed(&helm, &json!({"global": {"imagePullSecrets": []}}));
        for component in ["alumet-relay-client", "alumet-relay-server"] {
            let pod = pod_of(&completed, component);
            assert!(pod["imagePullSecrets"].is_null(), "{pod:#}");
        }
    }
}
