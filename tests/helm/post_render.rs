//! The binary as a post-renderer of real Helm: through a program with Helm 3, through the plugin with Helm 4.

use std::path::Path;

use crate::support::{Helm, Major, Renderer, Template, write};

/// Everything that a reader of YAML is tempted to write otherwise, and nothing that carries our mark.
const FOREIGN: &str = r#"# A comment that belongs to nobody.
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-foreign   # by hand
  annotations: {"a": 'yes', b: "0o17"}
data:
  octal: "0550"
  "on": 'off'
  big: "1e+06"
  text: |+
    kept as it is

  anchor: &a "x"
  alias: *a
---
---
# Only a comment.
---
{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "json"}, "stringData": {"n": "1_000"}}
"#;

const HOOK: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-test
  annotations:
    helm.sh/hook: test
spec:
  containers: [{name: a, image: a}]
";

fn foreign_chart(folder: &Path) {
    write(
        &folder.join("Chart.yaml"),
        "apiVersion: v2\nname: foreign\nversion: 0.1.0\n",
    );
    write(&folder.join("templates/foreign.yaml"), FOREIGN);
    write(&folder.join("templates/hook.yaml"), HOOK);
}

/// Helm 4 writes the stream anew by itself, so what counts is what `cat` would have given.
#[test]
fn a_chart_without_the_mark_comes_through_both_helms_as_through_cat() {
    let folder = tempfile::tempdir().unwrap();
    foreign_chart(folder.path());
    for helm in Helm::both() {
        let plain = Template::of(folder.path());
        let copied = helm.template(&Template {
            renderer: Renderer::Copy,
            ..plain
        });
        let ours = helm.template(&Template {
            renderer: Renderer::Injector(&[]),
            ..plain
        });
        assert_eq!(
            ours.stdout, copied.stdout,
            "{:?}; report:\n{}",
            helm.major, ours.report
        );
        assert!(copied.stdout.contains("test-alumet-foreign"), "{}", copied.stdout);
    }
}

/// Options reach it behind those that the plugin gives. Helm 3 shows what it says to them, Helm 4 only that it failed.
#[test]
fn an_unknown_option_fails_the_command_of_both_helms() {
    let folder = tempfile::tempdir().unwrap();
    foreign_chart(folder.path());
    for helm in Helm::both() {
        let template = Template {
            renderer: Renderer::Injector(&["--no-such-option"]),
            ..Template::of(folder.path())
        };
        let failure = helm
            .try_template(&template)
            .err()
            .expect("an unknown option is an error");
        let words = match helm.major {
            Major::Three => "--no-such-option",
            Major::Four => "plugin \"alumet-injector\" exited with error",
        };
        assert!(failure.stderr.contains(words), "{failure}");
    }
}

/// `helm template --output-dir` of Helm 3 writes the files first and runs the renderer on nothing.
#[test]
fn a_chart_that_renders_nothing_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    write(
        &folder.path().join("Chart.yaml"),
        "apiVersion: v2\nname: empty\nversion: 0.1.0\n",
    );
    for helm in Helm::both() {
        let template = Template {
            renderer: Renderer::Injector(&[]),
            ..Template::of(folder.path())
        };
        assert_eq!(helm.template(&template).stdout.trim(), "", "{:?}", helm.major);
    }
}
