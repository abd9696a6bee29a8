//! The binary as a whole process, beside `cat`: time from start to end, and the most memory it held (on Linux).

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::{
    fs,
    io::{Read as _, Write as _},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const INJECTOR: &str = env!("CARGO_BIN_EXE_alumet-injector");
const ROUNDS: usize = 31;

/// One run: how long it took, and the most memory it held where that can be seen.
struct Run {
    time: Duration,
    peak: Option<usize>,
}

fn foreign(count: usize) -> Vec<u8> {
    let settings = "    setting.of.something: \"a value of some length\"\n".repeat(10);
    let document = |index: usize| {
        format!(
            "---\n# Source: big/templates/config-{index}.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: config-{index}\ndata:\n  settings: |\n{settings}"
        )
    };
    (0..count).map(document).collect::<String>().into_bytes()
}

fn start(program: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command.spawn().expect("the program starts")
}

/// Feeds the program and reads what it writes. `watch` asks how much memory it held before the last of it is read.
fn run(program: &str, arguments: &[&str], stream: &[u8], watch: bool) -> Run {
    let begin = Instant::now();
    let mut child = start(program, arguments);
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    let mut stdout = child.stdout.take().expect("stdout is a pipe");
    let mut peak = None;
    thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(stream).expect("the program reads all of it"));
        let mut first = [0; 1];
        if watch && stdout.read(&mut first).is_ok_and(|read| read == 1) {
            // It writes when it has everything, and waits for us when the pipe is full.
            peak = peak_of(child.id());
        }
        let mut rest = Vec::with_capacity(stream.len());
        stdout
            .read_to_end(&mut rest)
            .expect("the program writes all of it");
    });
    child.wait().expect("the program ends");
    Run {
        time: begin.elapsed(),
        peak,
    }
}

/// `VmHWM` of `/proc/<pid>/status`, in bytes.
fn peak_of(process: u32) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?
        .trim()
        .strip_suffix(" kB")?;
    Some(kilobytes.parse::<usize>().ok()? * 1024)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Both programs in turn, so that what else the machine does meets both alike.
fn compare(title: &str, stream: &[u8], rounds: usize) {
    let (mut ours, mut cats) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(run(INJECTOR, &["post-render"], stream, false).time);
        cats.push(run("cat", &[], stream, false).time);
    }
    let (ours, cat) = (median(ours), median(cats));
    let ratio = ours.as_secs_f64() / cat.as_secs_f64();
    println!(
        "{title:44} {:>9.2} ms   cat {:>9.2} ms   {ratio:.2} times",
        millis(ours),
        millis(cat)
    );
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "sizes are shown with one digit")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

fn main() {
    let one_kind = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/streams/helm3.yaml"))
        .expect("the stream is there");
    let small = foreign(1_200);
    let large = foreign(100_000_000 / (small.len() / 1_200));
    let many: Vec<u8> = one_kind.repeat(400);

    let version: Vec<_> = (0..ROUNDS)
        .map(|_| run(INJECTOR, &["--version"], b"", false).time)
        .collect();
    println!(
        "{:44} {:>9.2} ms",
        "start to end of --version",
        millis(median(version))
    );
    compare("nothing at all", b"", ROUNDS);
    compare(
        &format!("1200 foreign documents, {:.1} MB", megabytes(small.len())),
        &small,
        ROUNDS,
    );
    compare(
        &format!("foreign documents, {:.1} MB", megabytes(large.len())),
        &large,
        5,
    );
    compare(
        &format!(
            "a release as Helm 3 renders it, {:.1} KB",
            megabytes(one_kind.len()) * 1e3
        ),
        &one_kind,
        ROUNDS,
    );
    compare(
        &format!("400 such releases, {:.1} MB", megabytes(many.len())),
        &many,
        5,
    );

    for (title, stream) in [("foreign", &large), ("marked", &many)] {
        if let Some(peak) = run(INJECTOR, &["post-render"], stream, true).peak {
            let ratio = megabytes(peak) / megabytes(stream.len());
            println!(
                "memory at most, {title}: {:.1} MB for {:.1} MB, {ratio:.2} times",
                megabytes(peak),
                megabytes(stream.len())
            );
        }
    }
}
