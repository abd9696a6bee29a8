//! `diff` shows what `post-render` does: the patches are the same, and what would not change is not shown.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use alumet_injector::manifest::{load, stream};
use serde_json::Value;

const CLIENT: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata:
  name: good
  labels: {injector.alumet.dev/component: relay-client}
  annotations:
    injector.alumet.dev/values: '{"agentVersion": "0.9.5", "server": {"service": "s", "port": 50051}}'
"#;

const FOREIGN: &str = "---\napiVersion: v1\nkind: Service\nmetadata: {name: 'somebody-elses'}\n";

fn with_error() -> String {
    CLIENT
        .replace("name: good", "name: bad")
        .replace(r#""server""#, r#""plugins": {"rapl": {"x": 1}}, "server""#)
}

fn injector(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_alumet-injector"))
        .args(args)
        .current_dir(folder)
        .env_remove("HELM_PLUGIN_NAME")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The one object of a stream that has the mark.
fn marked(bytes: &[u8]) -> Value {
    let mut documents = stream::pieces(bytes).filter_map(|piece| match piece {
        stream::Piece::Marked(document) => Some(load::read(&document).unwrap().value),
        stream::Piece::Foreign(_) => None,
    });
    let object = documents.next().unwrap();
    assert!(documents.next().is_none());
    object
}

#[test]
fn the_patch_makes_of_the_object_what_post_render_makes_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let input = format!("{FOREIGN}---{CLIENT}");
    fs::write(folder.path().join("in.yaml"), &input).unwrap();

    let output = injector(folder.path(), &["diff", "in.yaml", "--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let changes: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(changes.as_array().unwrap().len(), 1, "{changes}");
    assert_eq!(changes[0]["document"], 2);
    assert_eq!(changes[0]["name"], "good");
    assert_eq!(changes[0]["component"], "relay-client");
    let patch: json_patch::Patch = serde_json::from_value(changes[0]["patch"].clone()).unwrap();
    let mut object = marked(input.as_bytes());
    json_patch::patch(&mut object, &patch).unwrap();

    let completed = Command::new("sh")
        .args([
            "-c",
            r#""$0" post-render < in.yaml"#,
            env!("CARGO_BIN_EXE_alumet-injector"),
        ])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(object, marked(&completed.stdout), "{completed:?}");

    fs::write(folder.path().join("completed.yaml"), &completed.stdout).unwrap();
    let again = injector(folder.path(), &["diff", "completed.yaml"]);
    assert_eq!(
        (again.status.code(), text(&again.stdout)),
        (Some(0), ""),
        "{again:?}"
    );
}

#[test]
fn errors_in_one_object_do_not_hide_what_changes_in_another() {
    let folder = tempfile::tempdir().unwrap();
    let input = format!("{FOREIGN}---{}---{CLIENT}", with_error());
    fs::write(folder.path().join("in.yaml"), input).unwrap();
    let output = injector(folder.path(), &["diff", "in.yaml"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(
        stdout.contains("+++ ConfigMap good, document 3, completed\n"),
        "{stdout}"
    );
    assert!(
        !stdout.contains("ConfigMap bad") && !stdout.contains("somebody"),
        "{stdout}"
    );
    assert!(
        !stdout.contains('\u{1b}'),
        "no colours where stdout is no terminal: {stdout}"
    );
    assert!(
        stderr.contains("document 2: ConfigMap bad: error[unknown-key]: plugins.rapl.x"),
        "{stderr}"
    );
}

#[test]
fn of_several_files_each_object_says_its_own() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), CLIENT).unwrap();
    fs::write(
        folder.path().join("b.yaml"),
        format!("{CLIENT}---{}", with_error()),
    )
    .unwrap();
    let output = injector(folder.path(), &["diff", "a.yaml", "b.yaml"]);
    let stdout = text(&output.stdout);
    for file in ["a", "b"] {
        let line = format!("+++ ConfigMap good, {file}.yaml: document 1, completed\n");
        assert!(stdout.contains(&line), "{stdout}");
    }
    let stderr = text(&output.stderr);
    assert!(
        stderr.starts_with("b.yaml: document 2: ConfigMap bad: error"),
        "{stderr}"
    );
    let output = injector(folder.path(), &["diff", "a.yaml", "b.yaml", "--output", "json"]);
    let changes: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&changes[0]["file"], &changes[1]["file"]),
        (&"a.yaml".into(), &"b.yaml".into())
    );
}

#[test]
fn no_name_commands_the_terminal_or_writes_a_line_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let named = CLIENT.replace("name: good", r#"name: "x\e[2J\n+++ y""#);
    fs::write(folder.path().join("in.yaml"), named).unwrap();
    for command in ["diff", "explain"] {
        let output = injector(folder.path(), &[command, "in.yaml"]);
        let stdout = text(&output.stdout);
        assert!(stdout.contains("ConfigMap x [2J +++ y"), "{stdout}");
        assert!(
            !stdout.contains('\u{1b}') && !stdout.contains("\n+++ y"),
            "{stdout}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let broken = "# injector.alumet.dev/component\nkind: [\n";
    fs::write(folder.path().join("broken.yaml"), broken).unwrap();
    let output = injector(folder.path(), &["diff", "broken.yaml"]);
    assert_eq!(
        (output.status.code(), text(&output.stdout)),
        (Some(1), ""),
        "{output:?}"
    );
    let stderr = text(&output.stderr);
    assert!(stderr.starts_with("error: broken.yaml: document 1: "), "{stderr}");
}

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = injector(Path::new("."), &["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let script = text(&output.stdout);
        assert!(
            script.contains("post-render") && script.contains("agent-version"),
            "{shell}: {script}"
        );
    }
}
