//! `deploy/install.yaml` and the file of alerts are the injector's chart as Helm renders it, for those who have no Helm.

use crate::{
    charts::objects,
    files::{golden, root},
    support::{Helm, Template},
};

const NAMESPACE: &str = "alumet-injector";

/// What stands before the objects of the chart.
const HEAD: &str = "\
# The webhook of alumet-injector with the default values of its chart, for `kubectl apply -f`.
# Generated from deploy/injector: `make generate` writes it anew.
apiVersion: v1
kind: Namespace
metadata:
  name: alumet-injector
  labels:
    app.kubernetes.io/name: alumet-injector
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/warn: restricted
";

/// Kinds that are in no namespace, besides those whose names say so.
const OF_THE_CLUSTER: [&str; 4] = [
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "Namespace",
    "ValidatingWebhookConfiguration",
];

/// Lines that speak of Helm, which does not manage what kubectl applies.
const OF_HELM: [&str; 3] = ["# Source: ", "app.kubernetes.io/managed-by: ", "helm.sh/chart: "];

/// The note to Helm that the definitions of policies stay, which is all that their annotations have.
const KEPT_BY_HELM: &str = "  annotations:\n    helm.sh/resource-policy: keep\n";

/// The file as the chart gives it now. Helm 4 separates documents by a blank line more than Helm 3.
fn file(helm: &Helm) -> String {
    let chart = root("deploy/injector");
    let rendered = helm.template(&Template {
        release: NAMESPACE,
        namespace: NAMESPACE,
        ..Template::of(&chart)
    });
    let text = rendered.stdout.replace(KEPT_BY_HELM, "");
    let lines = text.lines().filter(|line| {
        let text = line.trim_start();
        !text.is_empty() && !OF_HELM.iter().any(|start| text.starts_with(start))
    });
    HEAD.to_owned() + &lines.map(|line| format!("{line}\n")).collect::<String>()
}

#[test]
fn generated_install_file_is_what_both_helms_render() {
    for helm in Helm::both() {
        golden(&root("deploy/install.yaml"), &file(&helm));
    }
}

#[test]
fn everything_in_it_has_a_namespace_that_is_in_it_or_none() {
    let text = std::fs::read_to_string(root("deploy/install.yaml")).unwrap();
    let objects = objects(&text);
    assert!(objects.contains_key(&format!("Namespace {NAMESPACE}")));
    assert!(objects.len() >= 10, "{:?}", objects.keys());
    for (name, object) in &objects {
        let kind = object["kind"].as_str().unwrap();
        let is_of_the_cluster = kind.starts_with("Cluster") || OF_THE_CLUSTER.contains(&kind);
        let namespace = object["metadata"].get("namespace").and_then(|name| name.as_str());
        assert_eq!(namespace, (!is_of_the_cluster).then_some(NAMESPACE), "{name}");
    }
    assert!(!text.to_lowercase().contains("helm.sh"), "it speaks of Helm");
}

#[test]
fn the_file_of_alerts_says_what_both_helms_render() {
    let file = std::fs::read_to_string(root("deploy/monitoring/alerts.yaml")).unwrap();
    let file = objects(&file);
    let chart = root("deploy/injector");
    for helm in Helm::both() {
        let rendered = helm.template(&Template {
            release: NAMESPACE,
            namespace: NAMESPACE,
            set: &["prometheusRule.enabled=true"],
            ..Template::of(&chart)
        });
        let name = "PrometheusRule alumet-injector";
        let rule = &objects(&rendered.stdout)[name];
        for of_both in ["apiVersion", "spec"] {
            assert_eq!(rule[of_both], file[name][of_both], "{:?}", helm.major);
        }
    }
}
