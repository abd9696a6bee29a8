//! The `helm` lines of `docs/install.md` are ones that both Helms render, with the flags that each of them needs.

use std::{fs, path::Path};

use crate::{
    files::root,
    markdown::fences,
    support::{Helm, Major, Renderer, Template, write},
};

/// What Helm 3 and Helm 4 take to run the post-renderer; everything else among the flags is options for it.
const HELM_3: [&str; 4] = [
    "--post-renderer",
    "alumet-injector",
    "--post-renderer-args",
    "post-render",
];
const HELM_4: [&str; 2] = ["--post-renderer", "alumet-injector"];

/// A line of a document that renders the chart.
struct Line {
    words: Vec<String>,
}

impl Line {
    /// The words behind each flag of one of these names.
    fn after(&self, flags: &[&str]) -> Vec<&str> {
        let pairs = self.words.iter().zip(self.words.iter().skip(1));
        pairs
            .filter(|(flag, _)| flags.contains(&flag.as_str()))
            .map(|(_, word)| word.as_str())
            .collect()
    }

    fn has(&self, words: &[&str]) -> bool {
        self.words.windows(words.len()).any(|window| window == words)
    }
}

/// Every `helm install`, `upgrade` and `template` of the shell blocks, each as the shell splits it. Blocks that need no
/// flag, for the webhook serves the namespace, are `sh webhook`.
fn lines(text: &str) -> Vec<Line> {
    let blocks = fences(text).into_iter().filter(|fence| fence.info == "sh");
    blocks
        .flat_map(|fence| {
            let joined = fence.body.replace("\\\n", " ");
            joined.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .filter(|line| {
            ["helm install ", "helm upgrade ", "helm template "]
                .iter()
                .any(|start| line.starts_with(start))
        })
        .map(|line| {
            let command = line.split(['|', '>']).next().unwrap_or_default();
            let words = command
                .split_whitespace()
                .map(|word| word.trim_matches('\'').to_owned());
            Line {
                words: words.collect(),
            }
        })
        .collect()
}

/// The files that the document shows under a name, in a folder.
fn lay_files(text: &str, folder: &Path) {
    for fence in fences(text) {
        if let Some((_, name)) = fence.info.split_once(" file=") {
            write(&folder.join(name), fence.body);
        }
    }
}

/// Renders one document's lines with both Helms and returns how many there were.
fn render(document: &str) -> usize {
    let text = fs::read_to_string(root(document)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    lay_files(&text, folder.path());
    let chart = root("chart");
    let lines = lines(&text);
    let helms = Helm::both();
    for line in &lines {
        let files: Vec<_> = line
            .after(&["-f", "--values"])
            .iter()
            .map(|name| folder.path().join(name))
            .filter(|path| path.exists())
            .collect();
        let files: Vec<&Path> = files.iter().map(AsRef::as_ref).collect();
        for helm in &helms {
            let rendered = helm.template(&Template {
                values: &files,
                set: &line.after(&["--set"]),
                renderer: Renderer::Injector(&[]),
                ..Template::of(&chart)
            });
            assert!(
                rendered.stdout.contains("injector.alumet.dev/status"),
                "{document}: nothing is completed by {:?} for {:?}",
                helm.major,
                line.words
            );
        }
    }
    lines.len()
}

#[test]
fn every_helm_line_of_the_documents_renders_with_both_helms() {
    let count = render("docs/install.md") + render("docs/values.md") + render("docs/upgrade.md");
    assert!(count >= 15, "only {count} lines were found");
}

/// Without the flag nothing is completed, and nobody is told.
#[test]
fn every_line_that_changes_a_cluster_has_the_flags_of_one_helm() {
    let mut of = [0, 0];
    for document in [
        "README.md",
        "docs/install.md",
        "docs/values.md",
        "docs/upgrade.md",
    ] {
        let text = fs::read_to_string(root(document)).unwrap();
        for line in lines(&text).iter().filter(|line| line.words[1] != "template") {
            assert!(
                line.has(&HELM_4),
                "{document}: no post-renderer: {:?}",
                line.words
            );
            let major = if line.has(&HELM_3) {
                Major::Three
            } else {
                Major::Four
            };
            of[usize::from(major == Major::Four)] += 1;
        }
    }
    assert!(of.iter().all(|count| *count >= 3), "lines for each Helm: {of:?}");
}
