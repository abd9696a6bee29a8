//! The `helm` lines of the documents of the webhook render with both Helms, and name the objects that the `kubectl` lines
//! ask for.

use std::fs;

use crate::{
    charts::objects,
    files::root,
    markdown::fences,
    support::{Helm, write},
};

const DOCUMENTS: [&str; 4] = [
    "docs/webhook.md",
    "docs/metrics.md",
    "docs/troubleshooting.md",
    "deploy/injector/README.md",
];

/// Flags that `helm template` does not have; each stands alone.
const OF_INSTALL: [&str; 3] = ["--create-namespace", "--install", "--reset-then-reuse-values"];

/// The lines of the shell blocks that begin with one of `starts`, each as the shell splits it.
fn lines(document: &str, starts: &[&str]) -> Vec<Vec<String>> {
    let text = fs::read_to_string(root(document)).unwrap();
    fences(&text)
        .iter()
        .filter(|fence| fence.info == "sh")
        .flat_map(|fence| {
            let joined = fence.body.replace("\\\n", " ");
            joined.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .filter(|line| starts.iter().any(|start| line.starts_with(start)))
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .collect()
}

/// What a line that installs would install: the objects that `helm template` gives for it.
fn installed(helm: &Helm, words: &[String], folder: &std::path::Path) -> Vec<String> {
    let mut arguments = vec!["template".to_owned()];
    for word in &words[2..] {
        let word = match word.as_str() {
            flag if OF_INSTALL.contains(&flag) => continue,
            "chart" | "deploy/injector" => root(word).to_str().unwrap().to_owned(),
            value => value
                .trim_matches('\'')
                .replace("=ca.crt", &format!("={}", folder.join("ca.crt").display())),
        };
        arguments.push(word);
    }
    let arguments: Vec<_> = arguments.iter().map(Into::into).collect();
    let told = helm.run(&arguments).unwrap_or_else(|failure| panic!("{failure}"));
    objects(&told).into_keys().collect()
}

#[test]
fn every_line_for_helm_installs_a_webhook_or_what_it_completes() {
    let folder = tempfile::tempdir().unwrap();
    write(
        &folder.path().join("ca.crt"),
        "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
    );
    let mut count = 0;
    for helm in Helm::both() {
        for document in DOCUMENTS {
            for words in lines(document, &["helm install ", "helm upgrade "]) {
                let objects = installed(&helm, &words, folder.path());
                let expected = if words.iter().any(|word| word == "chart") {
                    "DaemonSet test-alumet-alumet-relay-client"
                } else {
                    "MutatingWebhookConfiguration alumet-injector"
                };
                assert!(
                    objects.iter().any(|one| one == expected),
                    "{words:?}: {objects:?}"
                );
                count += 1;
            }
        }
    }
    assert!(count >= 20, "only {count} lines were rendered");
}

/// `kubectl ... deployment NAME` and `kubectl ... mutatingwebhookconfiguration NAME`.
#[test]
fn the_lines_for_kubectl_name_objects_that_are_there() {
    let file = fs::read_to_string(root("deploy/install.yaml")).unwrap();
    let there = objects(&file);
    let mut count = 0;
    for words in lines("docs/webhook.md", &["kubectl "]) {
        for (kind, name) in words.iter().zip(words.iter().skip(1)) {
            let kind = match kind.as_str() {
                "deployment" => "Deployment",
                "mutatingwebhookconfiguration" => "MutatingWebhookConfiguration",
                "namespace" => "Namespace",
                "-f" => {
                    assert!(root(name).exists(), "{words:?}");
                    continue;
                }
                _ => continue,
            };
            assert!(there.contains_key(&format!("{kind} {name}")), "{words:?}");
            count += 1;
        }
    }
    assert!(count >= 5, "only {count} objects were named");
}
