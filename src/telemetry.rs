//! Structured logs, written by a thread of their own, so that no call waits for whoever reads them.

use std::{error::Error, io, panic, thread, time::Duration};

use tracing::{Level, level_filters::LevelFilter};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// How many lines wait to be written; about 2 MiB. What comes faster than that is dropped and counted: a log that
/// nobody reads must not stop admission.
const WAITING_LINES: usize = 4096;

/// How long the thread that writes rests when it has written. A thread that waits for a line has to be woken for it,
/// which costs a call more than the line itself; one that rests finds what came meanwhile.
const REST: Duration = Duration::from_millis(20);

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// How much is logged of our own doings; of the libraries, warnings at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What went wrong and stays wrong.
    Error,
    /// What went wrong, too.
    Warn,
    /// A line for each object and each change of state, too.
    Info,
    /// Why each call and each connection was refused, too.
    Debug,
}

impl Detail {
    fn level(self) -> Level {
        match self {
            Self::Error => Level::ERROR,
            Self::Warn => Level::WARN,
            Self::Info => Level::INFO,
            Self::Debug => Level::DEBUG,
        }
    }
}

/// The number of lines that were dropped so far.
#[derive(Debug, Clone)]
pub struct Dropped(Option<ErrorCounter>);

impl Dropped {
    /// Of a process without a log.
    pub fn none() -> Self {
        Self(None)
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0
            .as_ref()
            .map_or(0, |counter| counter.dropped_lines() as u64)
    }
}

/// A log that is being written. When it is dropped, the lines that still wait are written.
#[derive(Debug)]
pub struct Log {
    dropped: Dropped,
    _writer: WorkerGuard,
}

impl Log {
    /// The counter of dropped lines.
    pub fn dropped(&self) -> Dropped {
        self.dropped.clone()
    }
}

/// Logs to stderr from now on, in the whole process. A process has one log: a second call changes nothing.
pub fn start(detail: Detail, format: Format) -> Log {
    let (log, writer) = writer(io::stderr());
    let ours = detail.level();
    let filter = Targets::new()
        .with_default(LevelFilter::from_level(ours.min(Level::WARN)))
        .with_target(env!("CARGO_CRATE_NAME"), ours);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(false);
    let lines = tracing_subscriber::registry().with(filter);
    let _one_is_there = match format {
        Format::Json => lines.with(layer.json().flatten_event(true)).try_init(),
        Format::Text => lines.with(layer).try_init(),
    };
    panic::set_hook(Box::new(|panic| {
        // The message may quote what came from outside; the place says enough.
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a fault of this program");
    }));
    log
}

/// A writer that never waits, and the thread behind it.
fn writer(sink: impl io::Write + Send + 'static) -> (Log, NonBlocking) {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING_LINES)
        .lossy(true)
        .thread_name("log")
        .finish(Resting(io::BufWriter::with_capacity(64 * 1024, sink)));
    let dropped = Dropped(Some(writer.error_counter()));
    (
        Log {
            dropped,
            _writer: guard,
        },
        writer,
    )
}

/// A sink that rests each time it is flushed. The thread of the log flushes when no line waits, so the first line after
/// a pause is written at once, and those that come fast are written many at a time.
struct Resting<W>(W);

impl<W: io::Write> io::Write for Resting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.0.flush();
        thread::sleep(REST);
        flushed
    }
}

/// An error and what led to it, in one line.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.to_string();
        // Some errors repeat their cause in their own text.
        if !text.contains(&inner) {
            text.push_str(": ");
            text.push_str(&inner);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        sync::mpsc::{Receiver, Sender, channel},
    };

    use super::*;

    /// Takes nothing until it is released, then tells how many bytes it took.
    struct Stuck {
        released: Receiver<()>,
        taken: Sender<usize>,
    }

    impl io::Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Once released, always released.
            let _either_way = self.released.recv();
            let _nobody_asks = self.taken.send(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_that_nobody_reads_stops_nobody_and_counts_what_is_lost() {
        let ((release, released), (taken, took)) = (channel(), channel());
        let (log, mut writer) = writer(Stuck { released, taken });
        // Some hundred of these are gathered before the thread writes.
        for _ in 0..2 * WAITING_LINES {
            writer.write_all(&[b'x'; 100]).unwrap();
        }
        let dropped = log.dropped().count();
        assert!(dropped > 0, "more came than may wait");
        drop(release);
        drop(writer);
        drop(log);
        assert!(
            took.iter().sum::<usize>() > 0,
            "what waited is written at the end"
        );
    }
}
