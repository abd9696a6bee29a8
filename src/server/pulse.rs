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

use super::settings::Limits;

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// For the rest of the headers; or, on a new connection, for the first byte.
    Headers = 0,
    /// For the body, or for our own work.
    Call = 1,
    /// For the client to take the answer.
    Answer = 2,
    /// For the next call.
    Idle = 3,
}

impl Phase {
    /// All phases, by number.
    pub(super) const ALL: [Self; 4] = [Self::Headers, Self::Call, Self::Answer, Self::Idle];

    /// The label of the metric for connections whose deadline passed.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Call => "call",
            Self::Answer => "answer",
            Self::Idle => "idle",
        }
    }
}

/// The phase of one connection and when it ends. Its parts are only ever touched from the connection's own task, one
/// after the other; they are atomic so that the task may move between threads.
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
}

impl Pulse {
    /// A connection that was just made, with the first headers still to come.
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        let pulse = Self {
            start: Instant::now(),
            phase: AtomicU8::new(Phase::Headers as u8),
            deadline: AtomicU64::new(0),
            refused: AtomicBool::new(false),
            header: limits.header_timeout,
            request: limits.request_timeout,
            idle: limits.idle_timeout,
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
        if self.phase() == Phase::Idle {
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
