//! The way to the end: leaving (not ready, still serving), then draining (no new connection), then gone.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// How far the server is on its way to the end; everybody who asks has a copy.
#[derive(Debug, Clone, Default)]
pub(super) struct Shutdown(Arc<Stage>);

#[derive(Debug, Default)]
struct Stage {
    leaving: AtomicBool,
    draining: CancellationToken,
}

impl Shutdown {
    /// From now on every answer closes its connection, and the server is not ready.
    pub(super) fn leave(&self) {
        self.0.leaving.store(true, Ordering::Relaxed);
    }

    /// From now on no connection is accepted, and idle ones are closed.
    pub(super) fn drain(&self) {
        self.leave();
        self.0.draining.cancel();
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.0.leaving.load(Ordering::Relaxed)
    }

    /// Ends when the server drains.
    pub(super) fn draining(&self) -> WaitForCancellationFuture<'_> {
        self.0.draining.cancelled()
    }
}

/// The signals that ask a process to end: SIGTERM from Kubernetes, SIGINT from a terminal.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on; the signals no longer end the process by themselves.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next one.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
