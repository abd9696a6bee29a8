//! The programs as processes: each on its core, ended with us, and what the operating system says of them.

use std::{
    env, fs,
    io::{self, Read},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    process::{Signal, set_parent_process_death_signal},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

use crate::load::Failure;

/// The argument that makes this program another one, on one core.
pub(crate) const ON_CORE: &str = "--on-core";

/// Instead of a core: wherever the system likes.
const ANY: &str = "any";

/// `/proc/<pid>/stat` counts in hundredths of a second (`USER_HZ`), on every architecture.
const TICK: Duration = Duration::from_millis(10);

/// How long a program may take until it listens.
const START: Duration = Duration::from_secs(20);

/// How much of what a program wrote last is kept, to be shown when it fails.
const KEPT: usize = 2_000;

/// The core of the measured programs and that of the load generator; none where there is only one.
pub(crate) fn cores() -> Result<Option<[usize; 2]>, Failure> {
    let allowed = sched_getaffinity(None)?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    Ok(cores.next().zip(cores.next()).map(Into::into))
}

/// Stays on one core from now on, with every thread and program started later.
pub(crate) fn stay_on(core: usize) -> io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

/// Becomes `program`: on its core, and killed by the system when the benchmark ends in whatever way.
pub(crate) fn turn_into(core: &str, program: &str, arguments: &[&str]) -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if core != ANY {
        stay_on(core.parse()?)?;
    }
    Err(Command::new(program).args(arguments).exec().into())
}

/// A port of 127.0.0.1 that was free a moment ago.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A program that runs until this is dropped.
pub(crate) struct Running {
    child: Child,
    written: Arc<Mutex<Vec<u8>>>,
}

/// Resident memory, in KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// `VmRSS`: now.
    pub(crate) now: u64,
    /// `VmHWM`: at most, since the start.
    pub(crate) most: u64,
}

impl Running {
    /// Starts a program and waits until it listens on `port`. What it writes is read and thrown away, all but the end.
    pub(crate) fn start(core: Option<usize>, command: &[String], port: u16) -> Result<Self, Failure> {
        let core = core.map_or_else(|| ANY.to_owned(), |core| core.to_string());
        let mut child = Command::new(env::current_exe()?)
            .args([ON_CORE, &core])
            .args(command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let written = Arc::new(Mutex::new(Vec::new()));
        if let Some(stdout) = child.stdout.take() {
            drain(stdout, Arc::clone(&written));
        }
        if let Some(stderr) = child.stderr.take() {
            drain(stderr, Arc::clone(&written));
        }
        let mut running = Self { child, written };
        running.wait_for(port).map_err(|problem| {
            format!(
                "{} {problem}; it wrote: {}",
                command.join(" "),
                running.last_words()
            )
        })?;
        Ok(running)
    }

    fn wait_for(&mut self, port: u16) -> Result<(), String> {
        let end = Instant::now() + START;
        while Instant::now() < end {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended ({status}) instead of listening"));
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err(format!("does not listen after {} s", START.as_secs()))
    }

    /// The end of what it wrote.
    pub(crate) fn last_words(&self) -> String {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&written).into_owned()
    }

    /// CPU time since its start, in its own code and in the kernel's: `utime` and `stime` of `/proc/<pid>/stat`.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Fields 14 and 15; the second, the program's name, may hold anything but ends with the last parenthesis.
        let ticks = stat.rsplit_once(')').and_then(|(_, fields)| {
            let mut fields = fields.split_ascii_whitespace().skip(11);
            let mut next = || fields.next()?.parse::<u32>().ok();
            Some(next()? + next()?)
        });
        Ok(TICK * ticks.ok_or("/proc/<pid>/stat has another form")?)
    }

    /// From `/proc/<pid>/status`.
    pub(crate) fn memory(&self) -> Result<Memory, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kibibytes = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix(" kB")?.parse().ok()
        };
        let memory = kibibytes("VmRSS:").zip(kibibytes("VmHWM:"));
        let (now, most) = memory.ok_or("/proc/<pid>/status has another form")?;
        Ok(Memory { now, most })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn drain(mut pipe: impl Read + Send + 'static, written: Arc<Mutex<Vec<u8>>>) {
    thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        while let Ok(read @ 1..) = pipe.read(&mut buffer) {
            let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
            let last = &buffer[read.saturating_sub(KEPT)..read];
            written.extend_from_slice(last);
            let surplus = written.len().saturating_sub(KEPT);
            written.drain(..surplus);
        }
    });
}
