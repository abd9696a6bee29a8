//! The long-lived programs of a run, as the suite sees them: each is started by the guardian.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::guardian::{End, Program, Reply, Request};

/// The first argument of the suite's executable that makes it the guardian.
pub(crate) const GUARDIAN: &str = "guardian";

/// Long enough for a program to be started, or to be gone after SIGKILL, on a machine that is busy.
const SOON: Duration = Duration::from_secs(30);

/// What to start: a path and, one after the other, what it gets. The environment is PATH, a HOME of the run's own, and
/// what `env` adds.
#[derive(Clone, Debug)]
#[must_use]
pub(crate) struct Spec {
    path: PathBuf,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
}

impl Spec {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
        }
    }

    pub(crate) fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn args(self, arguments: &[&str]) -> Self {
        arguments.iter().fold(self, |spec, argument| spec.arg(*argument))
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }
}

/// A program that the guardian started. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) pid: u32,
    /// What it wrote to stdout and stderr.
    pub(crate) log: PathBuf,
    id: u64,
    guardian: Arc<Shared>,
}

impl Process {
    pub(crate) fn signal(&self, signal: Signal) {
        self.guardian.ask(&Request::Signal {
            id: self.id,
            signal: signal.as_raw(),
        });
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn ended(&self) -> Option<End> {
        self.guardian.told().ends.get(&self.id).copied()
    }

    /// Waits until it has ended; the test fails when that takes longer than `within`.
    #[track_caller]
    pub(crate) fn wait(&self, within: Duration) -> End {
        self.guardian
            .until(within, |told| told.ends.get(&self.id).copied())
            .unwrap_or_else(|| {
                panic!(
                    "{} still runs after {within:?}\n{}",
                    self.name,
                    tail(&self.log, 40)
                )
            })
    }

    /// Sends a signal and waits for the end.
    #[track_caller]
    pub(crate) fn stop(&self, signal: Signal, within: Duration) -> End {
        self.signal(signal);
        self.wait(within)
    }

    /// All that it wrote so far.
    pub(crate) fn text(&self) -> String {
        read(&self.log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        self.guardian.until(SOON, |told| told.ends.get(&self.id).copied());
    }
}

/// The suite's end of the guardian, and the folder that is the guardian's to remove.
#[derive(Debug)]
pub(crate) struct Guardian {
    folder: PathBuf,
    child: Mutex<Child>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    requests: Mutex<Option<ChildStdin>>,
    told: Mutex<Told>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Told {
    /// Numbers that were given to programs so far.
    given: u64,
    /// The logs in the order of the starts, with the names of the programs.
    logs: Vec<(String, PathBuf)>,
    starts: BTreeMap<u64, Result<u32, String>>,
    ends: BTreeMap<u64, End>,
    /// The guardian has ended.
    over: bool,
}

impl Guardian {
    /// Starts the guardian of a new folder below the system's own for temporary files.
    pub(crate) fn start() -> io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("alumet-cluster-")
            .tempdir()?
            .keep()
            .canonicalize()?;
        for below in ["home", "logs"] {
            fs::create_dir(folder.join(below))?;
        }
        let mut child = Command::new(env::current_exe()?)
            .arg(GUARDIAN)
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let shared = Arc::new(Shared {
            requests: Mutex::new(child.stdin.take()),
            told: Mutex::default(),
            news: Condvar::new(),
        });
        let replies = child.stdout.take().expect("stdout is a pipe");
        let listener = Arc::clone(&shared);
        thread::spawn(move || listener.listen(replies));
        Ok(Self {
            folder,
            child: Mutex::new(child),
            shared,
        })
    }

    /// The folder of the run.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts a program; its log is `logs/NAME.log`, with a number in the name from the second of that name on.
    pub(crate) fn spawn(&self, name: &str, spec: Spec) -> Result<Process, String> {
        let mut told = self.shared.told();
        told.given += 1;
        let id = told.given;
        let before = told.logs.iter().filter(|(other, _)| other == name).count();
        let file = match before {
            0 => format!("logs/{name}.log"),
            _ => format!("logs/{name}-{}.log", before + 1),
        };
        let log = self.folder.join(file);
        told.logs.push((name.to_owned(), log.clone()));
        drop(told);

        let mut environment = spec.environment;
        let home = self.folder.join("home").display().to_string();
        environment.entry("HOME".to_owned()).or_insert(home);
        if let Ok(path) = env::var("PATH") {
            environment.entry("PATH".to_owned()).or_insert(path);
        }
        self.shared.ask(&Request::Start {
            id,
            program: Program {
                name: name.to_owned(),
                path: spec.path,
                arguments: spec.arguments,
                environment,
                log: log.clone(),
            },
        });
        let pid = self
            .shared
            .until(SOON, |told| told.starts.get(&id).cloned())
            .unwrap_or_else(|| Err(format!("the guardian did not start {name}")))?;
        Ok(Process {
            name: name.to_owned(),
            pid,
            log,
            id,
            guardian: Arc::clone(&self.shared),
        })
    }

    /// How many programs were started so far: `tails` takes it.
    pub(crate) fn started(&self) -> usize {
        self.shared.told().logs.len()
    }

    /// The last lines of the logs of the first `always` programs, and of those that were started after `since` others.
    pub(crate) fn tails(&self, always: usize, since: usize) -> String {
        let told = self.shared.told();
        let chosen = told.logs.iter().enumerate();
        chosen
            .filter(|(nth, _)| *nth < always || *nth >= since)
            .map(|(_, (name, log))| format!("--- {name}: {}\n{}", log.display(), tail(log, 15)))
            .collect()
    }

    /// The folder stays when all ends.
    pub(crate) fn keep_folder(&self) {
        self.shared.ask(&Request::Keep);
    }

    /// Lets the guardian end everything, and waits until it has.
    pub(crate) fn end(&self) {
        drop(lock(&self.shared.requests).take());
        let _ = lock(&self.child).wait();
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn told(&self) -> MutexGuard<'_, Told> {
        lock(&self.told)
    }

    /// A guardian that is gone took its programs with it, and then there is nothing to ask for.
    fn ask(&self, request: &Request) {
        let mut line = serde_json::to_vec(request).expect("a request is a JSON document");
        line.push(b'\n');
        if let Some(requests) = lock(&self.requests).as_mut() {
            let _ = requests.write_all(&line).and_then(|()| requests.flush());
        }
    }

    fn until<T>(&self, within: Duration, probe: impl Fn(&Told) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + within;
        let mut told = self.told();
        loop {
            if let Some(found) = probe(&told) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || told.over {
                return None;
            }
            told = self
                .news
                .wait_timeout(told, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn listen(&self, replies: ChildStdout) {
        for line in BufReader::new(replies).lines() {
            let Ok(reply) = line.and_then(|line| Ok(serde_json::from_str(&line)?)) else {
                break;
            };
            let mut told = self.told();
            match reply {
                Reply::Started { id, pid } => drop(told.starts.insert(id, Ok(pid))),
                Reply::NotStarted { id, why } => drop(told.starts.insert(id, Err(why))),
                Reply::Ended { id, end } => drop(told.ends.insert(id, end)),
            }
            self.news.notify_all();
        }
        let mut told = self.told();
        told.over = true;
        // Nothing, unless somebody killed the guardian itself: then this is up to the suite.
        for (id, start) in &told.starts {
            if let (Ok(pid), false) = (start, told.ends.contains_key(id))
                && let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw)
            {
                let _ = kill_process_group(pid, Signal::KILL);
            }
        }
        self.news.notify_all();
    }
}

/// The last `lines` lines of a file.
pub(crate) fn tail(file: &Path, lines: usize) -> String {
    let text = read(file);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..]
        .iter()
        .map(|line| format!("{line}\n"))
        .collect()
}

fn read(file: &Path) -> String {
    String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned()
}

/// A test that failed while it held the lock left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
