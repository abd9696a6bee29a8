//! The Helm 4 plugin is one that Helm 4 loads, and has the version of the crate; what its README tells to type works.

use std::{env, ffi::OsString, fs, path::Path};

use crate::{
    files::root,
    notes::copy,
    release::Release,
    support::{Helm, INJECTOR, Major, PLUGIN, isolated, lay_binary, program},
};

#[test]
fn helm_4_lists_the_plugin_with_the_version_of_the_crate() {
    let listed = Helm::new(Major::Four)
        .run(&["plugin", "list"].map(Into::into))
        .unwrap();
    let ours: Vec<&str> = listed
        .lines()
        .find(|line| line.starts_with("alumet-injector"))
        .expect("the plugin is listed")
        .split_whitespace()
        .collect();
    assert_eq!(
        ours[1..3],
        [env!("CARGO_PKG_VERSION"), "postrenderer/v1"],
        "{listed}"
    );
}

/// Nobody finds out otherwise before it is installed there: a test runs on one of them.
#[test]
fn the_plugin_names_one_program_for_each_system() {
    for (os, arch, program) in [
        ("linux", "amd64", "/bin/linux-amd64/alumet-injector"),
        ("linux", "arm64", "/bin/linux-arm64/alumet-injector"),
        ("darwin", "amd64", "/bin/darwin-amd64/alumet-injector"),
        ("darwin", "arm64", "/bin/darwin-arm64/alumet-injector"),
        ("windows", "amd64", "\\bin\\windows-amd64\\alumet-injector.exe"),
    ] {
        let entry = format!(
            "    - os: {os}\n      arch: {arch}\n      command: ${{HELM_PLUGIN_DIR}}{program}\n      args: [\"post-render\"]\n"
        );
        assert_eq!(PLUGIN.matches(&entry).count(), 1, "{entry}");
    }
}

/// The commands that begin with `helm` in one section of the README, each in one line and without its comment.
fn commands_of(section: &str) -> Vec<String> {
    let readme = fs::read_to_string(root("deploy/helm-plugin/README.md")).unwrap();
    let text = readme
        .split("\n## ")
        .find(|text| text.starts_with(section))
        .unwrap();
    let text = text.replace("\\\n", " ");
    text.lines()
        .filter(|line| line.starts_with("helm "))
        .map(|line| line.split(" #").next().unwrap().to_owned())
        .collect()
}

/// Runs a command of the README as it stands there, but that nothing is installed: there is no cluster.
fn type_in(command: &str, variable: &str, folder: &Path) -> String {
    let command = command
        .replace("upgrade --install", "template")
        .replace("upgrade", "template");
    let mut path = OsString::from(Path::new(INJECTOR).parent().unwrap());
    path.push(":");
    path.push(env::var_os("PATH").unwrap());
    let output = isolated(&program(variable), folder)
        .args(command.split_whitespace().skip(1))
        .env("PATH", path)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_commands_of_the_readme_work_as_they_stand_there() {
    for (variable, section, expected) in [
        ("HELM3", "Helm 3: the program", 1),
        ("HELM4", "Helm 4: this plugin", 3),
    ] {
        let folder = tempfile::tempdir().unwrap();
        copy(&root("chart"), &folder.path().join("chart"));
        copy(
            &root("deploy/helm-plugin"),
            &folder.path().join("deploy/helm-plugin"),
        );
        lay_binary(&folder.path().join("deploy/helm-plugin"));
        let commands = commands_of(section);
        assert_eq!(commands.len(), expected, "{commands:#?}");
        for command in commands {
            let told = type_in(&command, variable, folder.path());
            if command.contains("--post-renderer") {
                let release = Release::read(&told);
                assert!(
                    release.objects().any(|one| one["data"].get("config").is_some()),
                    "{command}"
                );
            }
            if command.contains("--report") {
                let report = fs::read_to_string(folder.path().join("report.json")).unwrap();
                assert!(report.contains("test-alumet-alumet-relay-client"), "{report}");
            }
        }
    }
}
