//! One connection: handshake, calls one after the other, end.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request, Response, header},
    routing::future::RouteFuture,
};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy, sink},
    net::TcpStream,
    task::yield_now,
    time::{sleep_until, timeout},
};
use tower::Service as _;

use super::{
    accept::{Port, Tls},
    metrics::Handshake,
    pulse::{Felt, Phase, Pulse},
    shutdown::Shutdown,
};

/// About how much of what a client sent lies in a connection's own buffer. hyper's own default is 400 KiB, which is
/// 200 MiB for 512 connections.
const MAX_BUFFER: usize = 64 * 1024;

/// The longest headers of a call; longer ones are answered with 431. The API server sends less than 1 KiB.
const MAX_HEADERS: usize = 16 * 1024;

/// For the last bytes of a connection, which a client need not take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why a connection ended before its client ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Its deadline passed in this phase.
    Deadline(Phase),
    /// A new connection has its place.
    Displaced,
    /// What came is not HTTP/1, or the client went away within a call.
    Broken,
}

impl Cut {
    /// All of them.
    pub(super) const ALL: [Self; 7] = [
        Self::Deadline(Phase::Headers),
        Self::Deadline(Phase::Call),
        Self::Deadline(Phase::Answer),
        Self::Deadline(Phase::Idle),
        Self::Deadline(Phase::New),
        Self::Displaced,
        Self::Broken,
    ];

    /// The label of the metric.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Deadline(phase) => phase.label(),
            Self::Displaced => "displaced",
            Self::Broken => "broken",
        }
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(stream: TcpStream, port: &Port, pulse: &Arc<Pulse>) {
    // An answer is one small write; waiting for more to send would only make it late.
    let _best_effort = stream.set_nodelay(true);
    let Some(Tls {
        acceptor,
        handshake_timeout,
    }) = &port.tls
    else {
        return calls(stream, port, pulse).await;
    };
    match timeout(*handshake_timeout, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => calls(stream, port, pulse).await,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            port.metrics.handshake_failed(Handshake::Failed);
        }
        Err(_late) => port.metrics.handshake_failed(Handshake::Deadline),
    }
}

async fn calls<T: AsyncRead + AsyncWrite + Unpin>(stream: T, port: &Port, pulse: &Arc<Pulse>) {
    pulse.is_made();
    let stream = TokioIo::new(Felt::new(stream, Arc::clone(pulse)));
    let calls = Calls {
        router: port.router.clone(),
        shutdown: port.shutdown.clone(),
        pulse: Arc::clone(pulse),
        left: AtomicU32::new(port.limits.max_requests_per_connection),
    };
    let connection = http1::Builder::new()
        // Deadlines are those of the pulse.
        .header_read_timeout(None)
        .max_buf_size(MAX_BUFFER)
        .max_header_size(MAX_HEADERS)
        .serve_connection(stream, calls);
    match driven(connection, pulse, &port.shutdown).await {
        Ok(stream) => {
            let rest = pulse.was_refused().then_some(port.limits.body_timeout);
            part(stream.into_inner(), rest).await;
        }
        Err(cut) => {
            tracing::debug!(?cut, "a connection was cut");
            port.metrics.connection_cut(cut);
        }
    }
}

/// Closes our side. What a client that was refused still sends is thrown away, for so long at most: it would lose the
/// answer to a reset, and that matters most for 429, which the API server's client tries again.
async fn part<T: AsyncRead + AsyncWrite + Unpin>(mut stream: T, rest: Option<Duration>) {
    // The client may have gone first.
    if timeout(GOODBYE, stream.shutdown())
        .await
        .is_ok_and(|closed| closed.is_ok())
        && let Some(at_most) = rest
    {
        let _until_it_ends = timeout(at_most, copy(&mut stream, &mut sink())).await;
    }
}

/// Drives a connection until it ends, its deadline passes, or the server drains and nothing is asked on it.
///
/// The timer is set when a deadline comes nearer, and otherwise found to be early when it goes off: a call that comes
/// and goes between two times of that costs no timer.
async fn driven<T, S>(
    mut connection: http1::Connection<TokioIo<Felt<T>>, S>,
    pulse: &Pulse,
    shutdown: &Shutdown,
) -> Result<TokioIo<Felt<T>>, Cut>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Unpin,
    S::Future: Unpin,
{
    let mut alarm = pin!(sleep_until(pulse.deadline()));
    let mut draining = pin!(async {
        shutdown.draining().await;
        // The runtime looks at the sockets before it goes on here: what came until now is read.
        yield_now().await;
    });
    let mut told = false;
    poll_fn(|cx| {
        // Once more after it was told to end.
        loop {
            if let Poll::Ready(ended) = connection.poll_without_shutdown(cx) {
                return Poll::Ready(ended.map_err(|error| {
                    tracing::debug!(%error, "a connection broke");
                    Cut::Broken
                }));
            }
            if told || draining.as_mut().poll(cx).is_pending() {
                break;
            }
            told = true;
            // A call that is on its way gets its answer, which closes the connection by itself.
            if pulse.ends_by_draining() {
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
        if pulse.deadline() < alarm.deadline() {
            alarm.as_mut().reset(pulse.deadline());
        }
        while alarm.as_mut().poll(cx).is_ready() {
            if pulse.deadline() <= alarm.deadline() {
                return Poll::Ready(Err(Cut::Deadline(pulse.phase())));
            }
            alarm.as_mut().reset(pulse.deadline());
        }
        Poll::Pending
    })
    .await?;
    Ok(connection.into_parts().io)
}

/// What hyper calls for each request of one connection.
struct Calls {
    router: Router,
    shutdown: Shutdown,
    pulse: Arc<Pulse>,
    left: AtomicU32,
}

impl Service<Request<Incoming>> for Calls {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answered;

    fn call(&self, request: Request<Incoming>) -> Answered {
        self.pulse.call_begins();
        let left = self.left.fetch_sub(1, Ordering::Relaxed);
        Answered {
            answer: self.router.clone().call(request),
            pulse: Arc::clone(&self.pulse),
            shutdown: self.shutdown.clone(),
            is_last: left <= 1,
        }
    }
}

/// An answer on its way.
struct Answered {
    answer: RouteFuture<Infallible>,
    pulse: Arc<Pulse>,
    shutdown: Shutdown,
    is_last: bool,
}

impl Future for Answered {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(cx).map_ok(|mut response| {
            self.pulse.answer_is_made(!response.status().is_success());
            if self.is_last || self.shutdown.is_leaving() {
                response
                    .headers_mut()
                    .insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            response
        })
    }
}
