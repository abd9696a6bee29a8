//! However a run ends, nothing of it runs afterwards, and no port stays taken.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::{
    play::PLAY,
    support::{Case, Cluster, cases, control_plane::PORTS, guardian::PROCESSES, poll::wait_for},
};

/// The first argument of the executable that makes it run one test, which fails.
pub(crate) const FAIL: &str = "fail";

/// A control plane starts in 10 s, and here beside another one and its tests.
const START: Duration = Duration::from_mins(3);

/// For the guardian to kill what there is.
const SOON: Duration = Duration::from_secs(30);

/// A control plane needs half a gigabyte and both processors: one besides the shared one is enough.
static ONE: Mutex<()> = Mutex::new(());

/// Held by whoever has a control plane besides the shared one.
pub(crate) fn one_besides() -> MutexGuard<'static, ()> {
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn cases() -> Vec<Case> {
    cases![
        when_the_suite_is_killed,
        when_the_suite_is_killed_while_it_starts,
        when_ctrl_c_is_pressed_while_it_starts,
        when_the_terminal_hangs_up_while_it_starts,
        when_the_suite_is_asked_to_end,
        when_whoever_plays_with_it_closes_its_stdin,
        when_a_test_fails_but_the_folder,
    ]
}

/// What the suite runs when it is asked to fail.
pub(crate) fn failing_cases() -> Vec<Case> {
    fn a_test_that_fails(cluster: &Cluster) {
        panic!("this test fails on purpose, in {}", cluster.folder().display());
    }
    cases![a_test_that_fails]
}

fn when_the_suite_is_killed(_: &Cluster) {
    nothing_is_left(Stage::Ready, |suite| suite.signal(Signal::KILL));
}

fn when_the_suite_is_killed_while_it_starts(_: &Cluster) {
    nothing_is_left(Stage::Starting, |suite| suite.signal(Signal::KILL));
}

fn when_ctrl_c_is_pressed_while_it_starts(_: &Cluster) {
    nothing_is_left(Stage::Starting, |suite| suite.signal(Signal::INT));
}

fn when_the_terminal_hangs_up_while_it_starts(_: &Cluster) {
    nothing_is_left(Stage::Starting, |suite| suite.signal(Signal::HUP));
}

fn when_the_suite_is_asked_to_end(_: &Cluster) {
    nothing_is_left(Stage::Starting, |suite| suite.signal(Signal::TERM));
}

fn when_whoever_plays_with_it_closes_its_stdin(_: &Cluster) {
    nothing_is_left(Stage::Ready, |suite| drop(suite.child.stdin.take()));
}

/// A regular end, and what a person needs then: the words of each program, and the files.
fn when_a_test_fails_but_the_folder(_: &Cluster) {
    let _one = one_besides();
    let output = suite(FAIL)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(101), "{stdout}");
    let (_, rest) = stdout
        .split_once("this test fails on purpose, in ")
        .expect("its message is shown");
    let folder = PathBuf::from(rest.lines().next().unwrap());
    for program in [
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kwok",
    ] {
        let log = folder.join("logs").join(program).with_extension("log");
        assert!(log.is_file(), "{} is kept", log.display());
        let heading = format!("--- {program}: {}\n", log.display());
        assert!(stdout.contains(&heading), "no {heading:?} in\n{stdout}");
    }
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains(&format!("stay in {}", folder.display())),
        "{stderr}"
    );
    Run::of(&folder).wait_until_gone();
    fs::remove_dir_all(&folder).unwrap();
}

/// How far the run is when it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The API server was just started.
    Starting,
    /// A person could use it.
    Ready,
}

/// Starts a control plane as `make cluster` does, ends it, and looks for what is left.
fn nothing_is_left(stage: Stage, end: impl FnOnce(&mut Suite)) {
    let _one = one_besides();
    let temporary = tempfile::tempdir().unwrap();
    let mut suite = Suite::start(temporary.path());
    if stage == Stage::Ready {
        suite.wait_until_ready();
    }
    let folder = wait_for("the folder of the run", START, || only_folder(temporary.path()));
    let run = wait_for("the API server", START, || {
        Some(Run::of(&folder)).filter(|run| run.has("kube-apiserver"))
    });
    assert!(
        run.pids.iter().all(|(pid, _)| runs(*pid)),
        "they run until the end: {run:?}"
    );
    let wanted = if stage == Stage::Ready { 5 } else { 2 };
    assert!(run.pids.len() >= wanted, "{run:?}");
    assert_eq!(run.ports.len(), 5, "{run:?}");

    end(&mut suite);
    run.wait_until_gone();
    wait_for("the folder of the run to go", SOON, || {
        (!folder.exists()).then_some(())
    });
}

/// What it prints for a person, from its start until it is ready.
pub(crate) fn playing() -> String {
    let _one = one_besides();
    let temporary = tempfile::tempdir().unwrap();
    let mut suite = Suite::start(temporary.path());
    let said = suite.wait_until_ready();
    drop(suite.child.stdin.take());
    suite.child.wait().unwrap();
    said
}

/// The suite as a child, playing.
struct Suite {
    child: Child,
}

impl Suite {
    fn start(temporary: &Path) -> Self {
        let child = suite(PLAY)
            .env("TMPDIR", temporary)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child }
    }

    fn wait_until_ready(&mut self) -> String {
        let mut stdout = BufReader::new(self.child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("export KUBECONFIG=") {
            let read = stdout.read_line(&mut said).unwrap();
            assert!(read > 0, "it ended: {said}");
        }
        // Until it ends, somebody has to take what it says.
        std::thread::spawn(move || stdout.read_to_end(&mut Vec::new()));
        said
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Suite {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a run wrote down about itself.
#[derive(Debug)]
struct Run {
    pids: Vec<(u32, String)>,
    ports: Vec<(u16, String)>,
}

impl Run {
    fn of(folder: &Path) -> Self {
        Self {
            pids: numbered(&folder.join(PROCESSES)),
            ports: numbered(&folder.join(PORTS)),
        }
    }

    fn has(&self, program: &str) -> bool {
        self.pids.iter().any(|(_, name)| name == program)
    }

    fn wait_until_gone(&self) {
        for (pid, name) in &self.pids {
            wait_for(&format!("{name} to go"), SOON, || (!runs(*pid)).then_some(()));
        }
        for (port, name) in &self.ports {
            wait_for(&format!("a port of {name} to be free"), SOON, || {
                TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).ok()
            });
        }
    }
}

/// Whether there is a process of this number, be it one that nobody has waited for yet.
pub(crate) fn runs(pid: u32) -> bool {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    test_kill_process(pid).is_ok()
}

fn suite(argument: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.arg(argument).stdout(Stdio::piped());
    command
}

/// Lines `NUMBER NAME`; a last line that is half written has no end.
fn numbered<N: std::str::FromStr>(file: &Path) -> Vec<(N, String)> {
    fs::read_to_string(file)
        .unwrap_or_default()
        .split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n')?.split_once(' '))
        .filter_map(|(number, name)| Some((number.parse().ok()?, name.to_owned())))
        .collect()
}

fn only_folder(folder: &Path) -> Option<PathBuf> {
    Some(fs::read_dir(folder).unwrap().next()?.unwrap().path())
}
