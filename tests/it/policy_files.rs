//! `--policy`, as a user types it: each command that takes it, and each way in which files can be wrong.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    policies::{of_cluster, of_namespace},
    typed::{Ran, program, ran},
};

/// Runs the program in a folder; `stdin` is a file in it.
fn run(folder: &TempDir, args: &[&str], stdin: Option<&str>) -> Ran {
    let mut command = program(folder.path());
    command.args(args);
    if let Some(file) = stdin {
        command.stdin(fs::File::open(folder.path().join(file)).unwrap());
    }
    ran(&mut command)
}

fn write(folder: &TempDir, file: &str, text: &str) {
    let path = folder.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A `ConfigMap` of a relay client in the namespace `ns`, and a values file that says the same.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let values = json!({"agentVersion": "0.9.5", "server": {"service": "s", "port": 50051}, "plugins": {"k8s": {"enable": false}}});
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": "c", "namespace": "ns", "labels": {"injector.alumet.dev/component": "relay-client"},
            "annotations": {"injector.alumet.dev/values": values.to_string()},
        },
    });
    write(&folder, "object.yaml", &object.to_string());
    write(&folder, "values.yaml", &values.to_string());
    let rapl = |interval: &str| {
        format!("{{defaults: {{plugins: {{rapl: {{enable: true, poll_interval: {interval}}}}}}}}}")
    };
    write(&folder, "three.yaml", &of_cluster("three", &rapl("3s")));
    write(
        &folder,
        "all/of-the-namespace.yml",
        &of_namespace("ns", "seven", &rapl("7s")),
    );
    write(
        &folder,
        "all/of-the-cluster.json",
        &of_cluster("nine", &rapl("9s")).replace("---\n", ""),
    );
    write(&folder, "all/.hidden.yaml", "no YAML: [");
    write(&folder, "all/README.md", "no policy");
    let team = "{match: {namespaceSelector: {matchLabels: {team: hpc}}}, defaults: {plugins: {rapl: {enable: true, poll_interval: 11s}}}}";
    write(&folder, "team.yaml", &of_cluster("team", team));
    folder
}

#[test]
fn each_command_takes_policies_from_files_and_directories() {
    let folder = folder();
    for (command, stdin) in [
        (&["post-render"][..], Some("object.yaml")),
        (&["explain", "object.yaml"], None),
        (&["diff", "object.yaml"], None),
        (
            &[
                "config",
                "relay-client",
                "--values",
                "values.yaml",
                "--namespace",
                "ns",
            ],
            None,
        ),
    ] {
        let with = |policies: &[&str]| {
            let args = [command, policies].concat();
            let (code, stdout, stderr) = run(&folder, &args, stdin);
            assert_eq!(code, 0, "{args:?}: {stderr}");
            assert_eq!(stderr, "", "{args:?}");
            stdout
        };
        assert!(
            !with(&[]).contains("[plugins.rapl]") && !with(&[]).contains("plugins.rapl"),
            "{command:?}"
        );
        for (policies, interval) in [
            (&["--policy", "three.yaml"][..], "3s"),
            (&["--policy", "all"], "7s"),
            (&["--policy", "three.yaml", "--policy", "all"], "7s"),
            (
                &["--policy", "all/of-the-cluster.json", "--policy", "three.yaml"],
                "9s",
            ),
        ] {
            assert!(
                with(policies).contains(&format!("\"{interval}\"")),
                "{command:?} {policies:?}"
            );
        }
    }
    let (code, stdout, _) = run(&folder, &["explain", "object.yaml", "--policy", "all"], None);
    assert_eq!(code, 0);
    assert!(stdout.contains("<- policy: ns/seven"), "{stdout}");
}

#[test]
fn labels_of_the_namespace_decide_where_they_are_said() {
    let folder = folder();
    let commands: [(&[&str], Option<&str>); 3] = [
        (&["post-render"], Some("object.yaml")),
        (&["config", "relay-client", "--values", "values.yaml"], None),
        (&["check", "object.yaml"], None),
    ];
    for (command, stdin) in commands {
        let with = |more: &[&str]| {
            run(
                &folder,
                &[command, &["--policy", "team.yaml", "--namespace", "ns"], more].concat(),
                stdin,
            )
        };
        let (code, stdout, stderr) = with(&[]);
        assert_eq!(code, 0, "{stderr}");
        assert!(
            format!("{stdout}{stderr}").contains("warning[policy-undecided]"),
            "{command:?}: {stdout}{stderr}"
        );
        for (labels, applies) in [
            ("team=hpc", true),
            ("stage=test,team=hpc", true),
            ("team=web", false),
            ("other=", false),
        ] {
            let (code, stdout, stderr) = with(&["--namespace-labels", labels]);
            assert_eq!((code, stderr.as_str()), (0, ""), "{command:?} {labels}");
            assert_eq!(
                stdout.contains("\"11s\""),
                applies && command[0] != "check",
                "{command:?} {labels}: {stdout}"
            );
        }
    }
    let (code, _, stderr) = run(
        &folder,
        &["explain", "object.yaml", "--namespace-labels", "team=hpc"],
        None,
    );
    assert!(code == 2 && stderr.contains("--namespace <NAME>"), "{stderr}");
    let bad = [
        "explain",
        "object.yaml",
        "--namespace",
        "ns",
        "--namespace-labels",
        "team",
    ];
    let (code, _, stderr) = run(&folder, &bad, None);
    assert!(
        code == 2 && stderr.contains("not a label such as `team=hpc`"),
        "{stderr}"
    );
}

#[test]
fn check_reads_policies_and_checks_under_them() {
    let folder = folder();
    write(
        &folder,
        "wrong.yaml",
        &of_cluster("wrong", "{defaults: {plugins: {rapll: {}}}}"),
    );
    let (code, stdout, _) = run(
        &folder,
        &["check", "three.yaml", "all/of-the-cluster.json", "wrong.yaml"],
        None,
    );
    assert_eq!(code, 1);
    assert_eq!(
        stdout,
        "wrong.yaml: document 1: ClusterInjectionPolicy wrong: error[unknown-plugin]: spec.defaults.plugins.rapll: unknown plugin \
         `rapll`; did you mean `rapl`?\n3 files checked: 1 error, 0 warnings\n"
    );
    let (code, stdout, _) = run(
        &folder,
        &["check", "three.yaml", "wrong.yaml", "--output", "json"],
        None,
    );
    assert_eq!(code, 1);
    let found: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        found[0]["place"],
        "wrong.yaml: document 1: ClusterInjectionPolicy wrong"
    );

    // An agent without an output is told; a policy that gives it one mends that.
    write(
        &folder,
        "empty.yaml",
        r#"{"agentVersion": "0.9.5", "plugins": {"k8s": {"enable": false}}}"#,
    );
    write(
        &folder,
        "output.yaml",
        &of_cluster("output", "{defaults: {plugins: {csv: {enable: true}}}}"),
    );
    let check = ["check", "empty.yaml", "--component", "agent"];
    let (_, without, _) = run(&folder, &check, None);
    let (_, with, _) = run(
        &folder,
        &[&check[..], &["--policy", "output.yaml"]].concat(),
        None,
    );
    assert!(
        without.contains("no-plugins") || without.contains("no-output"),
        "{without}"
    );
    assert!(
        !with.contains("no-plugins") && !with.contains("no-output"),
        "{with}"
    );
}

/// Exit code and all that is said.
#[test]
fn files_that_cannot_be_used_are_refused_before_anything_is_written() {
    let folder = folder();
    write(&folder, "empty.yaml", "");
    write(
        &folder,
        "wrong.yaml",
        &of_cluster("wrong", "{defaults: {imagePullSecret: []}}"),
    );
    write(&folder, "again.yaml", &of_cluster("three", "{}"));
    write(
        &folder,
        "many.yaml",
        &(0..102)
            .map(|number| of_cluster(&format!("p{number}"), "{a: b}"))
            .collect::<String>(),
    );
    fs::create_dir(folder.path().join("nothing")).unwrap();
    write(&folder, "notes/README.md", "no policy");
    #[cfg(unix)]
    std::os::unix::fs::symlink("three.yaml", folder.path().join("link.yaml")).unwrap();
    let no_policies = |name: &str| {
        format!(
            "error: --policy: the directory {name} has no policies, which are in files that end in .json, .yaml, .yml; name another one\n"
        )
    };
    let twice = |name: &str| {
        format!(
            "error: --policy: {name} is named twice; name each file once, by itself or by its directory\n"
        )
    };
    for (policies, code, said) in [
        (&["three.yaml", "three.yaml"][..], 2, twice("three.yaml")),
        (&["three.yaml", "link.yaml"], 2, twice("link.yaml")),
        (&["all", "all/of-the-cluster.json"], 2, twice("all/of-the-cluster.json")),
        (&["-"], 2, "error: --policy: policies are not read from stdin; write them into a file\n".to_owned()),
        (&["nothing"], 1, no_policies("nothing")),
        (&["notes"], 1, no_policies("notes")),
        (&["missing.yaml"], 3, "error: cannot read missing.yaml: No such file or directory (os error 2)\n".to_owned()),
        (&["empty.yaml"], 1, "error: empty.yaml: error[policy-none]: the file holds no policy; write one into it, or leave it out\n".to_owned()),
        (&["object.yaml"], 1, "error: object.yaml: document 1: error[policy-none]: apiVersion: the document is no policy; write `apiVersion: injector.alumet.dev/v1alpha1` and `kind: ClusterInjectionPolicy` or `InjectionPolicy`\n".to_owned()),
        (&["wrong.yaml"], 1, "error: wrong.yaml: document 1: ClusterInjectionPolicy wrong: error[policy-field]: spec.defaults.imagePullSecret: a policy has no field `imagePullSecret` here; did you mean `imagePullSecrets`?\n".to_owned()),
        (&["three.yaml", "again.yaml"], 1, "error: again.yaml: document 1: ClusterInjectionPolicy three: error[policy-twice]: metadata.name: another policy has the same kind, namespace and name: three.yaml: document 1: ClusterInjectionPolicy three; rename or remove one of the two\n".to_owned()),
    ] {
        let policies: Vec<&str> = policies.iter().flat_map(|file| ["--policy", file]).collect();
        let commands: [(&[&str], Option<&str>); 6] = [
            (&["post-render"], Some("object.yaml")),
            (&["explain", "object.yaml"], None),
            (&["diff", "object.yaml"], None),
            (&["config", "relay-client"], None),
            (&["check", "values.yaml"], None),
            (&["serve", "--tls-cert-file", "tls.crt", "--tls-key-file", "tls.key"], None),
        ];
        for (command, stdin) in commands {
            let args = [command, &policies].concat();
            assert_eq!(run(&folder, &args, stdin), (code, String::new(), said.clone()), "{args:?}");
        }
    }
    let (code, _, stderr) = run(
        &folder,
        &["config", "relay-client", "--policy", "many.yaml"],
        None,
    );
    assert_eq!((code, stderr.lines().count()), (1, 101));
    assert!(stderr.ends_with("\nand 2 more\n"), "{stderr}");
}

#[test]
fn check_reads_the_policies_and_the_other_objects_of_one_file() {
    let folder = folder();
    let object = fs::read_to_string(folder.path().join("object.yaml")).unwrap();
    let policy = |spec: &str| of_cluster("p", spec);
    let bad_object = object.replace(r#"\"enable\":false"#, r#"\"enable\":\"maybe\""#);
    assert_ne!(object, bad_object);
    for (policy, object, found) in [
        (policy("{}"), &object, &[][..]),
        (
            policy("{a: b}"),
            &object,
            &["document 1: ClusterInjectionPolicy p: error[policy-field]"],
        ),
        (
            policy("{}"),
            &bad_object,
            &["document 2: ConfigMap ns/c: error[wrong-type]"],
        ),
        (
            policy("{a: b}"),
            &bad_object,
            &[
                "document 2: ConfigMap ns/c: error[wrong-type]",
                "document 1: ClusterInjectionPolicy p: error[policy-field]",
            ],
        ),
    ] {
        write(
            &folder,
            "both.yaml",
            &format!("{policy}---\n{object}\n---\napiVersion: v1\nkind: Service\n"),
        );
        let (code, stdout, stderr) = run(&folder, &["check", "both.yaml"], None);
        assert_eq!(
            (code, stderr.as_str()),
            (i32::from(!found.is_empty()), ""),
            "{stdout}"
        );
        let lines: Vec<&str> = stdout.lines().collect();
        assert_eq!(lines.len(), found.len() + 1, "{stdout}");
        for (line, found) in lines.iter().zip(found) {
            assert!(line.starts_with(&format!("both.yaml: {found}")), "{stdout}");
        }
    }
    // A document without an `apiVersion` is one that was meant as a policy.
    write(
        &folder,
        "both.yaml",
        &format!("{}---\nkind: ClusterInjectionPolicy\n", policy("{}")),
    );
    let (code, stdout, _) = run(&folder, &["check", "both.yaml"], None);
    assert!(
        code == 1 && stdout.contains("document 2: error[policy-none]: apiVersion: "),
        "{stdout}"
    );
}

#[test]
fn a_policy_with_a_warning_is_used_and_the_warning_is_told() {
    let folder = folder();
    let twice = "apiVersion: injector.alumet.dev/v1alpha1\nkind: ClusterInjectionPolicy\nmetadata: {name: p}\nspec: {}\n\
                 spec: {defaults: {plugins: {rapl: {enable: true, poll_interval: 4s}}}}\n";
    write(&folder, "twice.yaml", twice);
    let (code, stdout, stderr) = run(
        &folder,
        &["config", "relay-client", "--policy", "twice.yaml"],
        None,
    );
    assert_eq!(code, 0);
    assert!(stdout.contains("\"4s\""), "{stdout}");
    assert!(stderr.starts_with("twice.yaml: document 1: warning["), "{stderr}");
}

/// The examples that are given away do what they say.
#[test]
fn the_examples_of_policies_work() {
    let folder = folder();
    let examples = crate::files::root("deploy/policies");
    let examples = examples.to_str().unwrap();
    write(&folder, "outside.yaml", "influxdb2: {enabled: false}");
    for (component, namespace, expected) in [
        ("relay-server", "any", "host = \"https://influx.example.org\""),
        ("relay-client", "monitoring", "[plugins.rapl]"),
    ] {
        let args = [
            "config",
            component,
            "--values",
            "outside.yaml",
            "--namespace",
            namespace,
        ];
        let (_, without, _) = run(&folder, &args, None);
        let (code, with, stderr) = run(&folder, &[&args[..], &["--policy", examples]].concat(), None);
        assert_eq!((code, stderr.contains("error")), (0, false), "{stderr}");
        assert!(
            !without.contains(expected) && with.contains(expected),
            "{component}: {with}"
        );
    }
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "p", "namespace": "monitoring", "labels": {"injector.alumet.dev/component": "relay-client"},
            "annotations": {"injector.alumet.dev/values": fs::read_to_string(folder.path().join("values.yaml")).unwrap()},
        },
        "spec": {"containers": [{"name": "agent", "image": "ghcr.io/alumet-dev/alumet-agent:0.9.5"}]},
    });
    write(&folder, "pod.yaml", &pod.to_string());
    let (_, explained, _) = run(&folder, &["explain", "pod.yaml", "--policy", examples], None);
    for policy in ["mirror", "control-plane", "monitoring/team"] {
        assert!(
            explained.contains(&format!("<- policy: {policy}\n")),
            "{policy}: {explained}"
        );
    }
}
