//! `make cluster`: the same control plane, for a person, until they end it.

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
    sync::mpsc,
    thread,
    time::Instant,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use crate::{
    helm::{Major, program},
    support::{Cluster, Folder, control_plane::NODES},
};

/// The first argument of the executable that asks for this.
pub(crate) const PLAY: &str = "play";

/// Where the injector is installed, as in the documents.
pub(crate) const INJECTOR_NAMESPACE: &str = "alumet-injector";

/// Where the release is installed, as in the README.
const NAMESPACE: &str = "test";

/// The release: clients on every node, also on the tainted one, and a database that keeps nothing.
const RELEASE: [&str; 9] = [
    "install",
    "test-alumet",
    "chart",
    "--namespace",
    NAMESPACE,
    "--create-namespace",
    "--set=influxdb2.persistence.enabled=false",
    "--set=alumet-relay-client.tolerations[0].operator=Exists",
    "--wait",
];

/// What a person may type next, and what it shows.
const TRY: [(&str, &str); 5] = [
    (
        "kubectl -n test get configmap test-alumet-alumet-relay-client-config -o jsonpath='{.data.config}'",
        "the clients' configuration, which the chart does not render",
    ),
    (
        "kubectl -n test get daemonset test-alumet-alumet-relay-client -o yaml",
        "the template: variables, tolerations, and the record of what was injected",
    ),
    (
        "kubectl -n test run by-hand --image=agent --labels=injector.alumet.dev/component=agent",
        "a marked pod without values: warnings say what it gets",
    ),
    (
        "helm -n test upgrade test-alumet chart --reuse-values --set alumet-relay-client.plugins.procfs.enable=true",
        "another configuration, and pods that roll",
    ),
    (
        "kubectl -n test annotate configmap,daemonset,deployment -l injector.alumet.dev/component injector.alumet.dev/refresh=now",
        "everything is completed anew; nothing changed, so no pod rolls",
    ),
];

/// What `run` waits for.
enum News {
    /// The control plane is there, or is not to be had.
    Started(Box<Result<Cluster, String>>),
    /// Somebody asked for the end.
    Told,
}

pub(crate) fn run() -> ExitCode {
    let begin = Instant::now();
    say("starting a control plane with five nodes, all on this machine; about 10 s");
    let (tell, news) = mpsc::channel();
    let told = tell.clone();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime
            .expect("an async runtime can be made")
            .block_on(until_told());
        let _ = told.send(News::Told);
    });
    thread::spawn(move || tell.send(News::Started(Box::new(Cluster::start()))));
    let cluster = match news.recv() {
        Ok(News::Started(started)) => match *started {
            Ok(cluster) => cluster,
            Err(why) => {
                say(&format!("error: {why}"));
                return ExitCode::FAILURE;
            }
        },
        // The guardian takes away what there is.
        Ok(News::Told) | Err(_) => return ExitCode::FAILURE,
    };
    say("installing the injector behind a cluster-wide webhook");
    cluster.injector_in(Some(INJECTOR_NAMESPACE));
    say(&format!("\n$ helm {}", RELEASE.join(" ")));
    say(&install(&cluster));
    say(&format!("ready after {} s\n", begin.elapsed().as_secs()));
    show(&cluster, &["get", "nodes"]);
    for node in NODES {
        if let Some((key, value)) = node.label {
            say(&format!("{} has the label {key}={value}", node.name));
        }
        if let Some(key) = node.taint {
            say(&format!("{} has the taint {key}:NoSchedule", node.name));
        }
    }
    say("");
    show(&cluster, &["-n", NAMESPACE, "get", "pods"]);
    show(&cluster, &["-n", NAMESPACE, "get", "svc"]);
    say("In another shell, in this folder:\n");
    say(&format!("export KUBECONFIG={}", cluster.kubeconfig().display()));
    for variable in ["KUBECTL", "HELM4"] {
        let path = program(variable);
        let name = if variable == "HELM4" { "helm" } else { "kubectl" };
        say(&format!("alias {name}={}", path.display()));
    }
    for (command, shows) in TRY {
        say(&format!("\n# {shows}\n{command}"));
    }
    say("\nCtrl-C takes all of it away.");
    let _ = news.recv();
    say("taking all of it away");
    cluster.end(Folder::Remove);
    ExitCode::SUCCESS
}

/// Installs the release, which the injector completes; what Helm says.
pub(crate) fn install(cluster: &Cluster) -> String {
    cluster
        .helm(Major::Four)
        .run(&RELEASE.map(OsString::from))
        .unwrap_or_else(|failure| panic!("{failure}"))
}

fn show(cluster: &Cluster, arguments: &[&str]) {
    say(&format!(
        "$ kubectl {}\n{}",
        arguments.join(" "),
        cluster.kubectl(arguments).ok()
    ));
}

/// Until Ctrl-C, or until whoever started this is gone: their terminal hangs up, or the pipe that is stdin closes.
async fn until_told() {
    let kinds = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ];
    let [mut interrupt, mut terminate, mut hangup] =
        kinds.map(|kind| signal(kind).expect("a signal handler can be installed"));
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
        () = end_of_stdin() => {}
    }
}

/// Comes when the other end of stdin is gone: the terminal, or whoever holds the pipe. Never for a file or `/dev/null`.
///
/// A terminal that hangs up sends SIGHUP to the leader of its session alone, which may be `make`, and that waits for us.
async fn end_of_stdin() {
    let (over, told) = oneshot::channel();
    // Not a task: the runtime would wait for it.
    thread::spawn(move || {
        let stdin = io::stdin();
        loop {
            // Asked for nothing, it tells of hang-ups and errors; and it reads nothing, as a background job must not.
            let mut asked = [PollFd::new(&stdin, PollFlags::empty())];
            if poll(&mut asked, None).is_err_and(|error| error == Errno::INTR) {
                continue;
            }
            let _ = over.send(());
            break;
        }
    });
    let _ = told.await;
}

/// Whoever closed stdout does not read it, and that is all.
fn say(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
