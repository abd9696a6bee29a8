//! A policy of which it cannot be told offline whether it applies: what each command says, and how it ends.

use std::{
    fs::File,
    process::{Command, Stdio},
};

use crate::files::{golden, root};

/// What is typed in the folder of the golden case; `-` is its object.
const TYPED: [&str; 12] = [
    "post-render --policy policies.yaml",
    "post-render --strict --policy policies.yaml",
    "post-render --strict --policy policies.yaml --namespace ns --namespace-labels team=web",
    "check object.yaml --policy policies.yaml",
    "check object.yaml --policy policies.yaml --output json",
    "check object.yaml --strict --policy policies.yaml",
    "check object.yaml --strict --policy policies.yaml --namespace ns --namespace-labels team=web",
    "check policies.yaml --strict",
    "explain - --policy policies.yaml",
    "explain - --policy policies.yaml --output json",
    "diff - --policy policies.yaml",
    "config relay-client --policy policies.yaml --release r --agent-version 0.9.5",
];

#[test]
fn every_command_tells_it_and_only_strict_fails() {
    let folder = root("tests/golden/policy-undecided");
    let mut transcript = String::new();
    for typed in TYPED {
        let output = Command::new(env!("CARGO_BIN_EXE_alumet-injector"))
            .args(typed.split(' '))
            .current_dir(&folder)
            .env_remove("HELM_PLUGIN_NAME")
            .stdin(Stdio::from(File::open(folder.join("object.yaml")).unwrap()))
            .output()
            .unwrap();
        let code = output.status.code().unwrap();
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        let decided = typed.contains("--namespace-labels") || typed.starts_with("check policies.yaml");
        assert_eq!(
            format!("{stdout}{stderr}").matches("policy-undecided").count(),
            usize::from(!decided),
            "{typed}: {stdout}{stderr}"
        );
        assert_eq!(
            code,
            i32::from(typed.contains("--strict") && !decided),
            "{typed}: {stderr}"
        );
        transcript += &[
            &format!("$ alumet-injector {typed}\n{stdout}"),
            &format!("--- stderr, exit code {code}\n{stderr}\n"),
        ]
        .map(String::as_str)
        .concat();
    }
    golden(&folder.join("commands.txt"), &transcript);
}
