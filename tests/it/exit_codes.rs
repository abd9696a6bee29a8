//! How each command ends: every code that `docs/commands.md` has for it comes about, and it has no other row there.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
};

use alumet_injector::cli::Cli;
use clap::CommandFactory as _;

use crate::{docs::leaves, files::root};

/// A policy with something for pods.
const POLICY: &str = "{apiVersion: injector.alumet.dev/v1alpha1, kind: ClusterInjectionPolicy, metadata: {name: p}, \
    spec: {defaults: {imagePullSecrets: [{name: a}]}}}";

/// Values with an error.
const WRONG: &str = "{plugins: {rapll: {enable: true}}}";

/// An object of ours with an error.
const OBJECT: &str = r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c",
 "labels": {"injector.alumet.dev/component": "agent"}, "annotations": {"injector.alumet.dev/values": "{\"plugins\": {\"rapll\": {}}}"}}}"#;

/// What is typed after the name of the program, and how it ends; stdin is the object where it is not said, and where a
/// command needs a cluster there is none.
const CASES: [(&str, &str, i32); 29] = [
    ("post-render", "post-render < good.yaml", 0),
    ("post-render", "post-render", 1),
    ("uninject", "uninject", 0),
    ("uninject", "uninject < unreadable.yaml", 1),
    ("explain", "explain good.yaml", 0),
    ("explain", "explain", 1),
    ("explain", "explain ds/clients", 3),
    ("diff", "diff good.yaml", 0),
    ("diff", "diff", 1),
    ("diff", "diff --live measuring --namespace test", 3),
    ("config", "config agent --values good-values.yaml", 0),
    ("config", "config agent --values wrong.yaml", 1),
    ("check", "check good.yaml", 0),
    ("check", "check wrong.yaml --component agent", 1),
    ("check", "check --cluster", 3),
    ("catalog", "catalog rapl", 0),
    ("catalog", "catalog rapll", 1),
    ("crds", "crds", 0),
    ("completions", "completions bash", 0),
    ("certs issue", "certs issue --out new --name localhost", 0),
    ("certs issue", "certs issue --out . --name localhost", 1),
    ("certs inspect", "certs inspect expired.crt", 1),
    (
        "serve",
        "serve --tls-cert-file expired.crt --tls-key-file expired.crt",
        1,
    ),
    ("status", "status --policy wrong-policy.yaml", 1),
    ("status", "status", 3),
    ("export policies", "export policies", 3),
    ("export map", "export map --policy good-policy.yaml", 0),
    ("export map", "export map --policy wrong-policy.yaml", 1),
    (
        "serve",
        "serve --tls-cert-file missing.crt --tls-key-file missing.key",
        3,
    ),
];

/// Which commands print nothing when they go well, or need a cluster for it: that they cannot write is no case for them.
const SILENT: [&str; 4] = ["serve", "status", "export policies", "certs inspect"];

fn ends(folder: &Path, typed: &str, more: &str) -> (i32, String) {
    let output = Command::new("sh")
        .args([
            "-c",
            &format!("\"$0\" {typed} {more}"),
            env!("CARGO_BIN_EXE_alumet-injector"),
        ])
        .current_dir(folder)
        .env_remove("HELM_PLUGIN_NAME")
        .env("KUBECONFIG", "missing.kubeconfig")
        .stdin(Stdio::from(File::open(folder.join("object.yaml")).unwrap()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.code().unwrap(), text)
}

#[test]
fn every_command_ends_as_the_document_says() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (file, text) in [
        ("object.yaml", OBJECT),
        ("good.yaml", "apiVersion: v1\nkind: Service\n"),
        (
            "unreadable.yaml",
            "# injector.alumet.dev/component\na: [injector.alumet.dev/component\n",
        ),
        ("wrong.yaml", WRONG),
        ("good-values.yaml", "{plugins: {csv: {enable: true}}}"),
        (
            "wrong-policy.yaml",
            "apiVersion: injector.alumet.dev/v1alpha1\nkind: InjectionPolicy\n",
        ),
        ("good-policy.yaml", POLICY),
        ("tls.crt", ""),
    ] {
        fs::write(folder.join(file), text).unwrap();
    }
    fs::copy(
        root("tests/fixtures/certificates/expired.crt"),
        folder.join("expired.crt"),
    )
    .unwrap();

    let text = fs::read_to_string(root("docs/commands.md")).unwrap();
    let rows = text
        .split("| command | exit code 1 |\n|---|---|\n")
        .nth(1)
        .unwrap();
    let rows: BTreeSet<&str> = rows
        .lines()
        .map_while(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let with_1: BTreeSet<&str> = CASES
        .iter()
        .filter(|(_, _, code)| *code == 1)
        .map(|(command, _, _)| *command)
        .collect();
    assert_eq!(
        rows, with_1,
        "docs/commands.md has a row for each command that ends with 1, and for no other"
    );

    for (_, typed, code) in CASES {
        let (ended, said) = ends(folder, typed, "");
        assert_eq!(ended, code, "{typed}: {said}");
    }
    for leaf in leaves(&Cli::command()) {
        let leaf = leaf.strip_prefix("alumet-injector ").unwrap();
        let (ended, said) = ends(folder, leaf, "--no-such-option");
        assert!(
            ended == 2 && said.contains("Usage: alumet-injector "),
            "{leaf}: {said}"
        );
        let of_leaf: Vec<_> = CASES.iter().filter(|(command, _, _)| *command == leaf).collect();
        assert!(!of_leaf.is_empty(), "no case for {leaf}");
        if SILENT.contains(&leaf) {
            continue;
        }
        let (_, typed, _) = of_leaf
            .iter()
            .find(|(_, _, code)| *code == 0)
            .expect("a case that goes well");
        let typed = typed.replace("--out new", "--out another");
        let (ended, said) = ends(folder, &typed, "> /dev/full");
        // Nothing to say is no failure: a stream without the label is copied, and these print.
        let is_silent = ["diff", "explain"].contains(&leaf);
        assert_eq!(
            ended,
            if is_silent { 0 } else { 3 },
            "{typed} > /dev/full: {said}"
        );
    }
}
