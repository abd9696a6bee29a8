//! The tests that run on a real control plane: etcd, the API server, its controllers, and nodes simulated by kwok.
//!
//! One control plane a run: the first test that runs starts it. `make test` gets the programs and runs these; a bare
//! `cargo test` leaves them out. With `play` as its first argument the same executable is `make cluster`.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests panic on purpose")]

mod bare_pods;
mod certificates;
#[path = "../charts.rs"]
mod charts;
mod check_cluster;
mod control_plane;
mod credentials;
mod diff_live;
mod diff_upgrade;
mod documented_example;
mod documents;
mod doors;
mod events;
#[path = "../examples.rs"]
#[allow(dead_code, reason = "the other test programs use the rest")]
mod examples;
mod explain_live;
mod export_map;
mod failed_calls;
#[path = "../files.rs"]
#[allow(dead_code, reason = "the other test programs use the rest")]
mod files;
mod golden_patches;
#[path = "../helm/support.rs"]
#[allow(dead_code, reason = "the tests of Helm alone use the rest")]
mod helm;
mod injector;
mod injector_chart;
mod injector_rights;
mod kubelet_tests;
#[path = "../markdown.rs"]
#[allow(dead_code, reason = "the other test programs use the rest")]
mod markdown;
mod nodes;
mod nothing_is_left;
mod observer;
#[path = "../odd_documents.rs"]
mod odd_documents;
mod odd_objects;
#[path = "../on_objects.rs"]
mod on_objects;
mod play;
mod policies_live;
mod policy_definitions;
mod policy_files;
mod policy_resources;
mod policy_rights;
mod private_images;
mod readme;
mod release_life;
mod seen;
mod support;
mod values_on_objects;
mod walks;
mod webhook_down;

use std::{
    any::Any,
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, OnceLock},
};

use libtest_mimic::{Arguments, Failed, Trial};
use support::{Case, Cluster, Folder, guardian, processes::GUARDIAN};

/// The control plane, or why there is none.
type Shared = OnceLock<Result<Cluster, String>>;

/// Most of a test's time is waiting for a program; more of them at a time keep each other from the processor.
const THREADS: usize = 4;

/// Every test.
fn cases() -> Vec<Case> {
    [
        control_plane::cases(),
        golden_patches::cases(),
        odd_objects::cases(),
        values_on_objects::cases(),
        bare_pods::cases(),
        seen::cases(),
        explain_live::cases(),
        injector::cases(),
        injector_chart::cases(),
        injector_rights::cases(),
        kubelet_tests::cases(),
        certificates::cases(),
        check_cluster::cases(),
        documented_example::cases(),
        credentials::cases(),
        policy_definitions::cases(),
        policy_files::cases(),
        policy_resources::cases(),
        policies_live::cases(),
        policy_rights::cases(),
        private_images::cases(),
        doors::cases(),
        nodes::cases(),
        release_life::cases(),
        webhook_down::cases(),
        events::cases(),
        export_map::cases(),
        failed_calls::cases(),
        nothing_is_left::cases(),
        readme::cases(),
        documents::cases(),
        observer::cases(),
        diff_live::cases(),
        diff_upgrade::cases(),
        walks::cases(),
    ]
    .concat()
}

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    match arguments.next().as_ref().and_then(|first| first.to_str()) {
        Some(GUARDIAN) => {
            guardian::run(&PathBuf::from(
                arguments.next().expect("the guardian is given a folder"),
            ));
            ExitCode::SUCCESS
        }
        Some(play::PLAY) => play::run(),
        Some(nothing_is_left::FAIL) => run(&Arguments::default(), nothing_is_left::failing_cases()),
        _ => run(&Arguments::from_args(), cases()),
    }
}

fn run(arguments: &Arguments, cases: Vec<Case>) -> ExitCode {
    let arguments = Arguments {
        test_threads: arguments.test_threads.or(Some(THREADS)),
        ..arguments.clone()
    };
    let shared = Arc::new(Shared::new());
    let trials = cases.into_iter().map(|case| {
        let shared = Arc::clone(&shared);
        // `cluster::module::function`: the crate is the same for all.
        let name = case.name.split_once("::").map_or(case.name, |(_, name)| name);
        Trial::test(name, move || {
            let cluster = shared.get_or_init(Cluster::start).as_ref()?;
            attempt(cluster, case)
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if let Some(Ok(cluster)) = shared.get() {
        if conclusion.has_failed() {
            let folder = cluster.folder().display();
            eprintln(&format!("the logs and all else of this run stay in {folder}"));
            cluster.end(Folder::Keep);
        } else {
            cluster.end(Folder::Remove);
        }
    }
    conclusion.exit_code()
}

/// One test; when it fails, with the last words of every program.
fn attempt(cluster: &Cluster, case: Case) -> Result<(), Failed> {
    let since = cluster.started();
    catch_unwind(AssertUnwindSafe(|| (case.run)(cluster)))
        .map_err(|panic| format!("{}\n{}", message(panic.as_ref()), cluster.tails(since)).into())
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panicked without words")
}

#[expect(
    clippy::print_stderr,
    reason = "beside the report of libtest-mimic, which is on stdout"
)]
fn eprintln(line: &str) {
    eprintln!("{line}");
}
