//! The examples of the documents that need a cluster (`console cluster`) print what the documents show.
//!
//! Each document has a control plane to itself, with what `make cluster` installs: the injector in `alumet-injector`, and
//! the release `test-alumet` in `test`. `BLESS=1` rewrites what differs.

use std::{fs, os::unix::fs::symlink, path::Path};

use crate::{
    examples::{ON_A_CLUSTER, Shell, documents},
    files::golden,
    helm::{INJECTOR, isolated, program},
    markdown::fences,
    nothing_is_left::one_besides,
    play,
    support::{Case, Cluster, Folder, cases},
};

/// What an example may call, and where it is.
const PROGRAMS: &[&str] = &["alumet-injector", "kubectl", "helm", "cat"];

pub(crate) fn cases() -> Vec<Case> {
    cases![the_documents_show_what_is_printed_on_a_cluster]
}

fn the_documents_show_what_is_printed_on_a_cluster(_: &Cluster) {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        if fences(&text).iter().any(|fence| fence.info == ON_A_CLUSTER) {
            let now = with_examples_run(&text);
            golden(&document, &now);
        }
    }
}

fn with_examples_run(text: &str) -> String {
    let _one = one_besides();
    let cluster = Cluster::start().unwrap_or_else(|why| panic!("{why}"));
    cluster.injector_in(Some(play::INJECTOR_NAMESPACE));
    play::install(&cluster);
    let programs = cluster.folder().join("programs");
    lay_out(&programs);
    let environment = isolated(Path::new("sh"), &cluster.folder().join("home"));
    let variables = environment
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    let shell = Shell {
        runs: &[ON_A_CLUSTER],
        programs: PROGRAMS,
        folders: vec![programs],
        variables: variables
            .chain([("KUBECONFIG".into(), cluster.kubeconfig().into())])
            .collect(),
    };
    let (now, _) = shell.with_examples_run(text);
    cluster.end(Folder::Remove);
    now
}

/// A folder with the programs, by the names that a user types.
fn lay_out(folder: &Path) {
    fs::create_dir(folder).unwrap();
    for (name, path) in [
        ("alumet-injector", INJECTOR.into()),
        ("kubectl-alumet_injector", INJECTOR.into()),
        ("kubectl_complete-alumet_injector", INJECTOR.into()),
        ("kubectl", program("KUBECTL")),
        ("helm", program("HELM4")),
    ] {
        symlink(path, folder.join(name)).unwrap();
    }
}
