//! Starts the programs, checks what they answer, and measures them in turn, so that what else the machine does meets
//! all of them alike.

use std::{
    env, fs,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::body::Bytes;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::CertificateDer;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{runtime::Runtime, time::timeout};

use crate::{
    bodies::{self, Body},
    echo,
    load::{self, Connection, Failure, SERVER_NAME, Target},
    process::{self, Running},
    table::{self, Figures, Row},
};

const INJECTOR: &str = env!("CARGO_BIN_EXE_alumet-injector");

/// How often everything is measured.
const ROUNDS: u32 = 5;

/// Connections to each program.
const CONNECTIONS: usize = 8;

/// How long a program gets as much work as it can do.
const BUSY: Duration = Duration::from_secs(1);

/// The given rate.
pub(crate) const CALLS_PER_SECOND: u32 = 1_000;

/// Calls at the given rate.
const CALLS_AT_RATE: u32 = 1_500;

/// How long each program is warmed up with each body.
const WARM_UP: Duration = Duration::from_millis(300);

/// What one measurement may take beyond its time before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// One of the programs that are measured.
struct Program {
    name: String,
    running: Running,
    connections: Vec<Connection>,
    /// How many of the bodies it gets, from the first.
    bodies: usize,
}

/// What is to be started.
struct Recipe {
    name: String,
    command: Vec<String>,
    port: u16,
    bodies: usize,
}

/// Measures everything and returns the table.
pub(crate) fn run() -> Result<String, Failure> {
    let begin = Instant::now();
    let cores = process::cores()?;
    if let Some([_, generator]) = cores {
        process::stay_on(generator)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let files = TempDir::with_prefix("webhook-bench-")?;
    let certificate = write_certificate(&files)?;
    let bodies = bodies::all();
    let recipes = recipes(&files, bodies.len())?;
    let mut programs = Vec::new();
    for recipe in recipes {
        eprintln!("webhook: starting {}", recipe.name);
        programs.push(start(recipe, cores.map(|[server, _]| server), &certificate)?);
    }
    check(&runtime, &mut programs, &bodies)?;
    let cells: usize = programs.iter().map(|program| program.bodies).sum();
    let mut cells: Vec<Cell> = Vec::with_capacity(cells);
    for (number, body) in bodies.iter().enumerate() {
        for (index, program) in programs
            .iter()
            .enumerate()
            .filter(|(_, program)| number < program.bodies)
        {
            cells.push(Cell::new(index, body, &program.name));
        }
    }
    let each = BUSY + Duration::from_secs(1) * CALLS_AT_RATE / CALLS_PER_SECOND;
    let estimate = each * ROUNDS * u32::try_from(cells.len())?;
    eprintln!("webhook: {ROUNDS} rounds, about {} s", estimate.as_secs());
    for cell in &mut cells {
        cell.warm_up(&runtime, &mut programs)?;
    }
    for round in 1..=ROUNDS {
        let mut floor = f64::NAN;
        for cell in &mut cells {
            cell.measure(&runtime, &mut programs, &mut floor)?;
        }
        eprintln!(
            "webhook: round {round} of {ROUNDS} after {} s",
            begin.elapsed().as_secs()
        );
    }
    let rows: Vec<Row> = cells.into_iter().map(|cell| cell.row).collect();
    Ok(format!(
        "{}\n{}",
        table::markdown(&rows),
        describe(cores, &programs)?
    ))
}

/// Writes `tls.crt` and `tls.key`.
fn write_certificate(files: &TempDir) -> Result<CertificateDer<'static>, Failure> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([SERVER_NAME.to_owned()])?;
    fs::write(files.path().join("tls.crt"), cert.pem())?;
    fs::write(files.path().join("tls.key"), signing_key.serialize_pem())?;
    Ok(cert.der().clone())
}

/// The floor first: the others of a round are divided by it.
fn recipes(files: &TempDir, bodies: usize) -> Result<Vec<Recipe>, Failure> {
    let path = |name: &str| files.path().join(name).display().to_string();
    let (certificate, key) = (path("tls.crt"), path("tls.key"));
    let recipe = |name: &str, command: Vec<String>, port, bodies| Recipe {
        name: name.to_owned(),
        command,
        port,
        bodies,
    };
    let injector = |name: &str, level: &str| -> Result<Recipe, Failure> {
        let [port, admin] = [process::free_port()?, process::free_port()?];
        let command = [
            INJECTOR,
            "serve",
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--admin-listen",
            &format!("127.0.0.1:{admin}"),
            "--log-level",
            level,
        ];
        Ok(recipe(name, command.map(str::to_owned).to_vec(), port, bodies))
    };
    let itself = env::current_exe()?.display().to_string();
    let port = process::free_port()?;
    let echo = vec![
        itself,
        echo::MODE.to_owned(),
        port.to_string(),
        certificate.clone(),
        key.clone(),
    ];
    let mut recipes = vec![
        recipe("the floor", echo, port, bodies),
        injector("injector, no line per object", "warn")?,
        injector("injector", "info")?,
    ];
    match env::var("WEBHOOK_PEER").ok().filter(|peer| !peer.is_empty()) {
        Some(peer) => {
            let name = output(&peer, &["--version"])?;
            let port = process::free_port()?;
            let certificates = files.path().display().to_string();
            let command = vec![
                peer,
                format!("--port={port}"),
                format!("--certificates={certificates}"),
            ];
            recipes.push(recipe(&name, command, port, 1));
        }
        None => eprintln!("webhook: the peer is left out: `make bench` builds it, with Go"),
    }
    Ok(recipes)
}

fn start(
    recipe: Recipe,
    core: Option<usize>,
    certificate: &CertificateDer<'static>,
) -> Result<Program, Failure> {
    let running = Running::start(core, &recipe.command, recipe.port)?;
    let target = Arc::new(Target::new(recipe.port, certificate.clone())?);
    let connections = (0..CONNECTIONS)
        .map(|_| Connection::new(Arc::clone(&target)))
        .collect();
    Ok(Program {
        name: recipe.name,
        running,
        connections,
        bodies: recipe.bodies,
    })
}

/// Asks each program once for each of its bodies. All that look at the body must come to the same object.
fn check(runtime: &Runtime, programs: &mut [Program], bodies: &[Body]) -> Result<(), Failure> {
    let [_floor, injectors @ ..] = programs else {
        return Ok(());
    };
    for (number, body) in bodies.iter().enumerate() {
        let mut first: Option<Value> = None;
        for program in injectors.iter_mut().filter(|program| number < program.bodies) {
            let answer = within(runtime, program, Duration::ZERO, async |program| {
                program.connections[0].call(&body.review).await
            })?;
            let (operations, object) = bodies::patched(body, &answer)?;
            eprintln!(
                "webhook: {}, {} bytes: {operations} operations, {} bytes, by {}",
                body.name,
                body.review.len(),
                answer.len(),
                program.name
            );
            if (operations > 0) != body.incomplete {
                return Err(
                    format!("{} gives the {} {operations} operations", program.name, body.name).into(),
                );
            }
            let object = bodies::comparable(object);
            if first.get_or_insert_with(|| object.clone()) != &object {
                return Err(format!("{} makes something else of the {}", program.name, body.name).into());
            }
        }
    }
    Ok(())
}

/// Runs `work` on a program; says what the program wrote last when that fails or takes too long.
fn within<T>(
    runtime: &Runtime,
    program: &mut Program,
    span: Duration,
    work: impl AsyncFnOnce(&mut Program) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let outcome = runtime.block_on(async { timeout(span + PATIENCE, work(program)).await });
    let problem = match outcome {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    let words = program.running.last_words();
    Err(format!("{}: {problem}; it wrote last: {words}", program.name).into())
}

/// One program with one body.
struct Cell {
    program: usize,
    review: Bytes,
    row: Row,
}

impl Cell {
    fn new(program: usize, body: &Body, name: &str) -> Self {
        let row = Row {
            body: format!("{}, {:.1} KB", body.name, count(body.review.len() as u64) / 1e3),
            program: name.to_owned(),
            cpu: Figures::default(),
            ratio: (program > 0).then(Figures::default),
            rate: Figures::default(),
            cpu_at_rate: Figures::default(),
            median: Figures::default(),
            p99: Figures::default(),
            slowest: Figures::default(),
            resident: Figures::default(),
        };
        Self {
            program,
            review: body.review.clone(),
            row,
        }
    }

    fn warm_up(&self, runtime: &Runtime, programs: &mut [Program]) -> Result<(), Failure> {
        within(runtime, &mut programs[self.program], WARM_UP, async |program| {
            load::one_after_the_other(&mut program.connections, &self.review, WARM_UP).await
        })?;
        Ok(())
    }

    fn measure(
        &mut self,
        runtime: &Runtime,
        programs: &mut [Program],
        floor: &mut f64,
    ) -> Result<(), Failure> {
        let (review, row) = (&self.review, &mut self.row);
        let program = &mut programs[self.program];
        // Connections that the server closed while others were measured are opened again before the clock runs.
        within(runtime, program, Duration::ZERO, async |program| {
            for connection in &mut program.connections {
                connection.call(review).await?;
            }
            Ok(())
        })?;

        let (before, begin) = (program.running.cpu()?, Instant::now());
        let calls = within(runtime, program, BUSY, async |program| {
            load::one_after_the_other(&mut program.connections, review, BUSY).await
        })?;
        let cpu = micros(program.running.cpu()?.saturating_sub(before)) / count(calls);
        row.rate.0.push(count(calls) / begin.elapsed().as_secs_f64());
        row.cpu.0.push(cpu);
        match &mut row.ratio {
            Some(ratio) => ratio.0.push(cpu / *floor),
            None => *floor = cpu,
        }

        let interval = Duration::from_secs(1) / CALLS_PER_SECOND;
        let before = program.running.cpu()?;
        let mut latencies = within(runtime, program, interval * CALLS_AT_RATE, async |program| {
            load::at_a_rate(&mut program.connections, review, interval, CALLS_AT_RATE).await
        })?;
        let cpu = program.running.cpu()?.saturating_sub(before);
        row.cpu_at_rate.0.push(micros(cpu) / f64::from(CALLS_AT_RATE));
        latencies.sort();
        let rank = |hundredths: usize| {
            let index = latencies.len() * hundredths / 100;
            latencies
                .get(index)
                .or_else(|| latencies.last())
                .map_or(f64::NAN, |latency| micros(*latency))
        };
        row.median.0.push(rank(50));
        row.p99.0.push(rank(99));
        row.slowest.0.push(rank(100));
        row.resident.0.push(count(program.running.memory()?.now) / 1024.0);
        Ok(())
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of calls and bytes are far below 2^52"
)]
fn count(number: u64) -> f64 {
    number as f64
}

/// The lines below the table: memory at most, how it was measured, and on what.
fn describe(cores: Option<[usize; 2]>, programs: &[Program]) -> Result<String, Failure> {
    let mut most = Vec::new();
    for program in programs {
        let mebibytes = count(program.running.memory()?.most) / 1024.0;
        most.push(format!("{} {mebibytes:.1} MiB", program.name));
    }
    let pinned = match cores {
        Some([server, generator]) => {
            format!("each program on core {server}, the load generator on core {generator}")
        }
        None => "programs and load generator share the only core".to_owned(),
    };
    Ok(format!(
        "Resident memory at most: {}.\n\n\
         {ROUNDS} rounds, median and range; {CONNECTIONS} connections; {pinned}.\n\n\
         The machine: {}.",
        most.join(", "),
        machine()?
    ))
}

fn machine() -> Result<String, Failure> {
    let field = |file: &str, name: &str| -> Result<Option<String>, Failure> {
        let text = fs::read_to_string(file)?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        Ok(line.map(|line| line.trim_start_matches([' ', '\t', ':']).to_owned()))
    };
    let processor = field("/proc/cpuinfo", "model name")?.unwrap_or_else(|| env::consts::ARCH.to_owned());
    let processors = fs::read_to_string("/proc/cpuinfo")?
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let memory = field("/proc/meminfo", "MemTotal")?.unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let rust = output("rustc", &["--version"])?;
    Ok(format!(
        "{processors} cores, {processor}, memory {memory}, Linux {}, {rust}",
        kernel.trim()
    ))
}

/// The first line that a program prints.
fn output(program: &str, arguments: &[&str]) -> Result<String, Failure> {
    let output = Command::new(program).args(arguments).output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
