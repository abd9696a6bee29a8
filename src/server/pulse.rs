//! What a connection is waiting for, and until when. Seen from outside of hyper, so that waiting for the next call may
//! last minutes while each call has seconds, and a client that does not read its answer is not waited for either.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use super::settings::ConnectionLimits;

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// For the rest of the headers; or, on a connection that was just made, for the handshake.
    Headers = 0,
    /// For the body, or for our own work.
    Call = 1,
    /// For the client to take the answer.
    Answer = 2,
    /// For the next call.
    Idle = 3,
    /// For the first call: clients dial ahead.
    New = 4,
}

impl Phase {
    /// All phases, by number.
    pub(super) const ALL: [Self; 5] = [Self::Headers, Self::Call, Self::Answer, Self::Idle, Self::New];

    /// Whether nothing is asked.
    fn is_idle(self) -> bool {
        matches!(self, Self::New | Self::Idle)
    }

    /// In which order connections give way to a new one: first those on which nothing is asked, then those whose
    /// handshake or headers are still on their way, and never one that is within a call.
    pub(super) fn gives_way(self) -> Option<u8> {
        match self {
            Self::New | Self::Idle => Some(0),
            Self::Headers => Some(1),
            Self::Call | Self::Answer => None,
        }
    }

    /// The label of the metric for connections that were cut in it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Call => "call",
            Self::Answer => "answer",
            Self::Idle => "idle",
            Self::New => "new",
        }
    }
}

/// The phase of one connection and when it ends, which change in the connection's own task; and whether another one has
/// its place, which is said from outside.
#[derive(Debug)]
pub(super) struct Pulse {
    start: Instant,
    phase: AtomicU8,
    /// Microseconds after `start`.
    deadline: AtomicU64,
    /// Whether the last answer was a refusal.
    refused: AtomicBool,
    header: Duration,
    request: Duration,
    idle: Duration,
    displaced: CancellationToken,
}

impl Pulse {
    /// A connection that was just made, with the handshake still to come.
    pub(super) fn new(limits: &ConnectionLimits) -> Arc<Self> {
        let pulse = Self {
            start: Instant::now(),
            phase: AtomicU8::new(Phase::Headers as u8),
            deadline: AtomicU64::new(0),
            refused: AtomicBool::new(false),
            header: limits.header_timeout,
            request: limits.request_timeout,
            idle: limits.idle_timeout,
            displaced: CancellationToken::new(),
        };
        pulse.enter(Phase::Headers, pulse.header);
        Arc::new(pulse)
    }

    pub(super) fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Ordering::Relaxed))]
    }

    /// When the phase has lasted too long.
    pub(super) fn deadline(&self) -> Instant {
        self.start + Duration::from_micros(self.deadline.load(Ordering::Relaxed))
    }

    /// The connection is ready for its first call.
    pub(super) fn is_made(&self) {
        self.enter(Phase::New, self.idle);
    }

    /// Whether a server that drains ends the connection once nothing is asked on it. Otherwise a call is on its way; a
    /// first call may be, and has the time of its headers to come.
    pub(super) fn ends_by_draining(&self) -> bool {
        if self.phase() == Phase::New {
            self.enter(Phase::Headers, self.header);
        }
        self.phase() != Phase::Headers
    }

    /// Ends the connection, for another one has its place.
    pub(super) fn displace(&self) {
        self.displaced.cancel();
    }

    /// Ends when another connection has the place of this one.
    pub(super) fn displaced(&self) -> WaitForCancellationFuture<'_> {
        self.displaced.cancelled()
    }

    /// The headers of a call are there.
    pub(super) fn call_begins(&self) {
        self.enter(Phase::Call, self.request);
    }

    /// The answer is made: a review, or a refusal. It is to be taken within what is left of the call's time.
    pub(super) fn answer_is_made(&self, refused: bool) {
        self.refused.store(refused, Ordering::Relaxed);
        self.phase.store(Phase::Answer as u8, Ordering::Relaxed);
    }

    /// Whether the client may still be sending what was refused.
    pub(super) fn was_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    fn bytes_came(&self) {
        if self.phase().is_idle() {
            self.enter(Phase::Headers, self.header);
        }
    }

    fn everything_is_sent(&self) {
        if self.phase() == Phase::Answer {
            self.enter(Phase::Idle, self.idle);
        }
    }

    fn enter(&self, phase: Phase, lasting: Duration) {
        let end = (self.start.elapsed() + lasting).as_micros();
        self.deadline
            .store(u64::try_from(end).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Relaxed);
    }
}

/// A stream that tells its [`Pulse`] what passes.
#[derive(Debug)]
pub(super) struct Felt<T> {
    stream: T,
    pulse: Arc<Pulse>,
}

impl<T> Felt<T> {
    pub(super) fn new(stream: T, pulse: Arc<Pulse>) -> Self {
        Self { stream, pulse }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Felt<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.pulse.bytes_came();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Felt<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.pulse.everything_is_sent();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
