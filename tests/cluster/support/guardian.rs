//! The guardian: a process of its own that starts every long-lived program of a run, and takes all of them away.
//!
//! It reads requests from stdin and writes replies to stdout, one JSON document a line. It ends when stdin closes, which
//! the operating system does for a suite that was killed, too: then it kills each program with SIGKILL, waits for it,
//! and removes the folder of the run. Only the guardian starts programs, and it does so in one thread: there is no
//! moment in which a program runs that it does not know of.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Sender},
    thread,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use serde::{Deserialize, Serialize};

/// The file below the folder of the run that has a line `PID NAME` for each program that was started.
pub(crate) const PROCESSES: &str = "processes";

/// A program to start. Its environment is what stands here and nothing else.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    /// Both stdout and stderr are appended to it.
    pub(crate) log: PathBuf,
}

/// What the suite asks for. `id` is the suite's own number for a program: the system gives a pid again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    Start {
        id: u64,
        program: Program,
    },
    Signal {
        id: u64,
        signal: i32,
    },
    /// Leave the folder of the run there when all ends.
    Keep,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Started { id: u64, pid: u32 },
    NotStarted { id: u64, why: String },
    Ended { id: u64, end: End },
}

/// How a program ended: with an exit code, or by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
}

enum Event {
    Asked(Request),
    Ended(u64),
    /// Stdin closed, or somebody sent a signal.
    Over,
}

/// Serves the suite at stdin and stdout until one of them is gone.
pub(crate) fn run(folder: &Path) {
    let (events, inbox) = mpsc::channel();
    // First of all: a signal that comes from now on must not end the guardian alone.
    over_at_a_signal(events.clone());
    read_requests(events.clone());

    let mut programs = BTreeMap::new();
    let mut keep = false;
    for event in &inbox {
        match event {
            Event::Asked(Request::Start { id, program }) => match start(folder, &program) {
                Ok(child) => {
                    reply(&Reply::Started { id, pid: child.id() });
                    tell_when_ended(id, &child, events.clone());
                    programs.insert(id, child);
                }
                Err(why) => reply(&Reply::NotStarted { id, why }),
            },
            Event::Asked(Request::Signal { id, signal }) => send(programs.get(&id), signal),
            Event::Asked(Request::Keep) => keep = true,
            Event::Ended(id) => reap(&mut programs, id),
            Event::Over => break,
        }
    }

    for child in programs.values() {
        let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    }
    while !programs.is_empty() {
        if let Ok(Event::Ended(id)) = inbox.recv() {
            reap(&mut programs, id);
        }
    }
    if !keep {
        let _ = fs::remove_dir_all(folder);
    }
}

/// Each program leads a process group, so that what it starts goes with it, and Ctrl-C in a terminal reaches the suite
/// alone.
fn start(folder: &Path, program: &Program) -> Result<Child, String> {
    let open = |path: &Path| -> io::Result<File> { OpenOptions::new().create(true).append(true).open(path) };
    let started = (|| {
        let log = open(&program.log)?;
        let child = Command::new(&program.path)
            .args(&program.arguments)
            .env_clear()
            .envs(&program.environment)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stderr(log.try_clone()?)
            .stdout(log)
            .process_group(0)
            .spawn()?;
        Ok::<_, io::Error>(child)
    })();
    let child = started.map_err(|error| format!("{} cannot be started: {error}", program.path.display()))?;
    // For people and for the tests of this file; the guardian itself does not need it.
    let _ = open(&folder.join(PROCESSES))
        .and_then(|mut file| file.write_all(format!("{} {}\n", child.id(), program.name).as_bytes()));
    Ok(child)
}

fn read_requests(events: Sender<Event>) {
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(request) = line.and_then(|line| Ok(serde_json::from_str(&line)?)) else {
                break;
            };
            if events.send(Event::Asked(request)).is_err() {
                return;
            }
        }
        let _ = events.send(Event::Over);
    });
}

/// Whoever sends the guardian a signal wants it gone, and its programs with it.
fn over_at_a_signal(events: Sender<Event>) {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let streams = {
        let _inside = runtime.enter();
        [
            SignalKind::hangup(),
            SignalKind::interrupt(),
            SignalKind::terminate(),
        ]
        .map(|kind| signal(kind).expect("a signal handler can be installed"))
    };
    thread::spawn(move || {
        let [mut hangup, mut interrupt, mut terminate] = streams;
        runtime.block_on(async {
            tokio::select! {
                _ = hangup.recv() => {}
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        let _ = events.send(Event::Over);
    });
}

/// Waits without taking the end: until `reap` does that, nobody else can get the pid.
fn tell_when_ended(id: u64, child: &Child, events: Sender<Event>) {
    let pid = Pid::from_child(child);
    thread::spawn(move || {
        while waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
            .is_err_and(|error| error == rustix::io::Errno::INTR)
        {}
        let _ = events.send(Event::Ended(id));
    });
}

/// What a program started and left behind goes with it.
fn reap(programs: &mut BTreeMap<u64, Child>, id: u64) {
    let Some(mut child) = programs.remove(&id) else {
        return;
    };
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    let status = child.wait().ok();
    let end = End {
        code: status.and_then(|status| status.code()),
        signal: status.and_then(|status| status.signal()),
    };
    reply(&Reply::Ended { id, end });
}

fn send(child: Option<&Child>, signal: i32) {
    if let (Some(child), Some(signal)) = (child, Signal::from_named_raw(signal)) {
        let _ = kill_process(Pid::from_child(child), signal);
    }
}

/// A suite that is gone hears nothing; stdin tells of that.
fn reply(reply: &Reply) {
    let mut line = serde_json::to_vec(reply).expect("a reply is a JSON document");
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
}
