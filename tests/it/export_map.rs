//! `export map` as a user types it: what is written, what is said, and how it ends.

use std::{fs, process::Command};

use tempfile::TempDir;

use crate::{
    files::{golden, root},
    policies::of_cluster,
    typed::{Ran, program, ran},
};

fn export(policies: &str, options: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    export_in(&folder, policies, options)
}

fn export_in(folder: &TempDir, policies: &str, options: &[&str]) -> Ran {
    fs::write(folder.path().join("p.yaml"), policies).unwrap();
    let mut command = program(folder.path());
    command
        .args(["export", "map", "--policy", "p.yaml"])
        .args(options);
    ran(&mut command)
}

#[test]
fn everything_that_the_api_server_can_give_is_written() {
    let policies = fs::read_to_string(root("tests/fixtures/export-map/policies.yaml")).unwrap();
    let (code, stdout, stderr) = export(&policies, &["--name", "of-all-kinds"]);
    assert_eq!(code, 0, "{stderr}");
    golden(&root("tests/fixtures/export-map/objects.yaml"), &stdout);
    golden(&root("tests/fixtures/export-map/warnings.txt"), &stderr);
    assert_eq!(export(&policies, &["--name", "of-all-kinds"]).1, stdout);
}

#[test]
fn the_stronger_policy_is_asked_first_whatever_the_order_in_the_file() {
    let weak = of_cluster("weak", "{priority: 1, defaults: {env: {A: weak}}}");
    let strong = of_cluster("strong", "{priority: 2, defaults: {env: {A: strong}}}");
    let (_, one, _) = export(&format!("{weak}\n---\n{strong}"), &[]);
    let (_, other, _) = export(&format!("{strong}\n---\n{weak}"), &[]);
    assert_eq!(one, other);
    let place = |text: &str| one.find(text).unwrap_or_else(|| panic!("{text}: {one}"));
    assert!(place("'value': 'strong'") < place("'value': 'weak'"), "{one}");
}

#[test]
fn a_warning_fails_under_strict_and_nothing_is_written() {
    let policies = of_cluster(
        "part",
        "{defaults: {env: {A: b}, plugins: {rapl: {enable: true}}}}",
    );
    let (code, stdout, stderr) = export(&policies, &[]);
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stdout.contains("kind: MutatingAdmissionPolicyBinding"),
        "{stdout}"
    );
    assert_eq!(
        stderr,
        "policy part: warning[not-exported]: spec.defaults.plugins: it is for the agent's configuration, which the \
         API server cannot write; give it by the webhook or by `post-render --policy`\n"
    );
    let (code, stdout, stderr) = export(&policies, &["--strict"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(
        stderr.ends_with("error: --strict: one part of the policies cannot be exported as it is\n"),
        "{stderr}"
    );
}

#[test]
fn without_anything_to_give_nothing_is_written() {
    let (code, stdout, stderr) = export(
        &of_cluster("plugins", "{defaults: {plugins: {rapl: {enable: true}}}}"),
        &[],
    );
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(
        stderr.ends_with(
            "error: the policies give nothing that a MutatingAdmissionPolicy could give; use the webhook or \
             post-render\n"
        ),
        "{stderr}"
    );
}

#[test]
fn without_policies_it_is_wrong_usage() {
    let output = Command::new(env!("CARGO_BIN_EXE_alumet-injector"))
        .args(["export", "map"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "error: export map: there is no policy; name a file or a directory with --policy\n"
    );
}

#[test]
fn a_name_that_no_object_can_have_is_refused() {
    let (code, _, stderr) = export(&of_cluster("a", "{defaults: {env: {A: b}}}"), &["--name", "A_b"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("not a name of an object"), "{stderr}");
}
