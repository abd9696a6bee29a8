//! The programs are the pinned ones, and what runs them tells what went wrong.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use memchr::memmem;

use crate::{
    files::root,
    support::{Helm, Major, Template, located, program, unittest, write},
};

const HELM3: &str = include_str!("../tools/helm3/go.mod");
const HELM4: &str = include_str!("../tools/helm4/go.mod");
const UNITTEST: &str = include_str!("../tools/helm-unittest/go.mod");

/// The version of `module` that a go.mod requires.
fn pinned<'a>(go_mod: &'a str, module: &str) -> &'a str {
    go_mod
        .lines()
        .filter_map(|line| {
            line.trim()
                .trim_start_matches("require ")
                .strip_prefix(module)?
                .strip_prefix(' ')
        })
        .find_map(|rest| rest.split(' ').next())
        .expect("the go.mod requires its tool")
}

#[test]
fn both_helms_are_the_pinned_ones() {
    for helm in Helm::both() {
        let version = helm
            .run(&["version", "--template", "{{.Version}}"].map(Into::into))
            .unwrap();
        let wanted = match helm.major {
            Major::Three => pinned(HELM3, "helm.sh/helm/v3"),
            Major::Four => pinned(HELM4, "helm.sh/helm/v4"),
        };
        assert_eq!(version, wanted);
    }
}

/// A released Helm renders for the Kubernetes of its client library; one that was built without that says 1.20.
#[test]
fn both_helms_render_for_the_kubernetes_of_their_releases() {
    let folder = tempfile::tempdir().unwrap();
    write(
        &folder.path().join("Chart.yaml"),
        "apiVersion: v2\nname: asks\nversion: 0.1.0\n",
    );
    write(
        &folder.path().join("templates/a.yaml"),
        "kubernetes: {{ .Capabilities.KubeVersion.Version }}\n",
    );
    for helm in Helm::both() {
        let go_mod = match helm.major {
            Major::Three => HELM3,
            Major::Four => HELM4,
        };
        let minor = pinned(go_mod, "k8s.io/client-go")
            .split('.')
            .nth(1)
            .expect("a version has a minor part");
        let stdout = helm.template(&Template::of(folder.path())).stdout;
        assert!(
            stdout.contains(&format!("kubernetes: v1.{minor}.0")),
            "{:?}: {stdout}",
            helm.major
        );
    }
}

/// It has no flag for it; like every Go program it carries the list of the modules that it was built from.
#[test]
fn helm_unittest_is_the_pinned_one() {
    let module = "github.com/helm-unittest/helm-unittest";
    let bytes = fs::read(program("HELM_UNITTEST")).unwrap();
    let line = format!("\t{module}\t{}", pinned(UNITTEST, module));
    assert!(
        memmem::find(&bytes, line.as_bytes()).is_some(),
        "no {line:?} in the program"
    );
}

/// What `tools.sh` says, on stdout and stderr, with `variable` set.
fn tools(arguments: &[&str], variable: &str, value: &str) -> (String, String) {
    let output = Command::new("bash")
        .arg(root("tests/tools/tools.sh"))
        .args(arguments)
        .env_remove("KUBEBUILDER_ASSETS")
        .env(variable, value)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{stderr}");
    (stdout, stderr)
}

/// Lays a program that does nothing but print.
fn lay_program(path: &Path, prints: &str) {
    write(path, &format!("#!/bin/sh\ncat <<'EOF'\n{prints}\nEOF\n"));
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Whoever sets the variable asks for what is there.
#[test]
fn programs_of_kubebuilder_assets_are_taken_in_any_version() {
    let folder = tempfile::tempdir().unwrap();
    let assets = folder.path().canonicalize().unwrap();
    lay_program(&assets.join("etcd"), "etcd Version: 3.0.1\nGit SHA: abc");
    lay_program(&assets.join("kube-apiserver"), "Kubernetes v1.0.2");
    lay_program(
        &assets.join("kubectl"),
        r#"{"clientVersion": {"gitVersion": "v1.0.3"}}"#,
    );
    let assets = assets.to_str().unwrap();
    let names = ["etcd", "kube-apiserver", "kubectl"];

    let (_, plan) = tools(&[&["plan"], &names[..]].concat(), "KUBEBUILDER_ASSETS", assets);
    let lines = [
        ("etcd", "3.0.1"),
        ("kube-apiserver", "1.0.2"),
        ("kubectl", "1.0.3"),
    ]
    .map(|(name, version)| format!("  {name} {version}: {assets}/{name} (KUBEBUILDER_ASSETS)\n"));
    assert_eq!(plan, lines.concat());

    let (env, _) = tools(&[&["env"], &names[..]].concat(), "KUBEBUILDER_ASSETS", assets);
    let lines = [
        ("ETCD", "etcd"),
        ("KUBE_APISERVER", "kube-apiserver"),
        ("KUBECTL", "kubectl"),
    ]
    .map(|(variable, name)| format!("export {variable}={assets}/{name}\n"));
    assert_eq!(env, lines.concat());
}

#[test]
fn a_program_on_path_is_taken_in_the_pinned_version_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let pinned = pinned(HELM3, "helm.sh/helm/v3");
    for (version, taken) in [(pinned, true), ("v3.0.1", false)] {
        lay_program(&folder.join("helm3"), version);
        let (_, plan) = tools(&["plan", "helm3"], "PATH", &path);
        let line = format!("  helm3 {}: {}/helm3\n", &pinned[1..], folder.display());
        assert_eq!(plan == line, taken, "{version}: {plan}");
    }
}

#[test]
fn a_program_that_is_not_named_is_asked_for_in_one_sentence() {
    let mend = "run `make test`, or first `eval \"$(make -s tools-env)\"`";
    assert_eq!(
        located("HELM3", None).unwrap_err(),
        format!("HELM3 is not set: {mend}")
    );
    assert_eq!(
        located("HELM3", Some("".into())).unwrap_err(),
        format!("HELM3 is not set: {mend}")
    );
    assert_eq!(
        located("HELM3", Some("/no/such".into())).unwrap_err(),
        format!("HELM3 is /no/such, and no file: {mend}")
    );
}

fn broken_chart(folder: &Path) {
    write(
        &folder.join("Chart.yaml"),
        "apiVersion: v2\nname: broken\nversion: 0.1.0\n",
    );
    write(
        &folder.join("templates/a.yaml"),
        "{{ fail \"the disk is on fire\" }}\n",
    );
}

#[test]
fn a_chart_that_fails_is_shown_in_the_words_of_helm() {
    let folder = tempfile::tempdir().unwrap();
    broken_chart(folder.path());
    for helm in Helm::both() {
        let failure = helm
            .try_template(&Template::of(folder.path()))
            .err()
            .unwrap()
            .to_string();
        assert!(failure.contains("the disk is on fire"), "{failure}");
    }
}

#[test]
fn a_failed_chart_test_is_shown_in_the_words_of_helm_unittest() {
    let folder = tempfile::tempdir().unwrap();
    broken_chart(folder.path());
    write(
        &folder.path().join("tests/a_test.yaml"),
        "suite: a\ntests:\n  - it: renders\n    asserts:\n      - hasDocuments: {count: 1}\n",
    );
    let failure = unittest(&["--color=false".into(), folder.path().into()])
        .unwrap_err()
        .to_string();
    assert!(failure.contains("the disk is on fire"), "{failure}");
}
