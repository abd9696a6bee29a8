//! A port: accepts connections, not more than its cap, and serves each in a task of its own.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    connection::{self, Cut},
    crowd::Crowd,
    metrics::Metrics,
    pulse::Pulse,
    settings::ConnectionLimits,
    shutdown::Shutdown,
};

/// How long nothing is accepted after the system refused: mostly because there are no more file descriptors, and some
/// come back when connections end.
const BACK_OFF: Duration = Duration::from_millis(50);

/// What all connections of a port share.
pub(super) struct Port {
    /// `None` for plain HTTP.
    pub(super) tls: Option<Tls>,
    pub(super) router: Router,
    pub(super) limits: ConnectionLimits,
    pub(super) connections: Arc<Crowd>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) shutdown: Shutdown,
}

/// How TLS is agreed on.
pub(super) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    pub(super) handshake_timeout: Duration,
}

impl Port {
    /// Accepts until the server drains, then waits for the connections to end, but not longer than `drain_timeout`.
    pub(super) async fn serve(self, listener: TcpListener, drain_timeout: Duration) {
        let port = Arc::new(self);
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = port.shutdown.draining() => break,
                Some(ended) = open.join_next() => port.ended(ended),
                accepted = listener.accept() => match accepted {
                    Ok((stream, _peer)) => port.admit(stream, &mut open),
                    Err(error) => port.back_off(&error).await,
                },
            }
        }
        drop(listener);
        let all_ended = async {
            while let Some(ended) = open.join_next().await {
                port.ended(ended);
            }
        };
        if timeout(drain_timeout, all_ended).await.is_err() {
            tracing::warn!(
                connections = port.connections.len(),
                "the drain timed out; connections are cut"
            );
        }
    }

    /// A connection for which there is no place is closed at once: its client can try elsewhere.
    fn admit(self: &Arc<Self>, stream: TcpStream, open: &mut JoinSet<()>) {
        let pulse = Pulse::new(&self.limits);
        let Some(place) = self.connections.enter(&pulse) else {
            self.metrics.connection_refused();
            return;
        };
        let port = Arc::clone(self);
        open.spawn(async move {
            tokio::select! {
                biased;
                () = pulse.displaced() => port.metrics.connection_cut(Cut::Displaced),
                () = connection::serve(stream, &port, &pulse) => {}
            }
            drop(place);
        });
    }

    async fn back_off(&self, error: &io::Error) {
        tracing::warn!(%error, "a connection cannot be accepted");
        self.metrics.accept_failed();
        sleep(BACK_OFF).await;
    }

    /// A connection's task is not a long-lived one: that it failed ends that connection alone.
    fn ended(&self, ended: Result<(), JoinError>) {
        if ended.is_err_and(|error| error.is_panic()) {
            tracing::error!("a connection's task failed");
            self.metrics.connection_failed();
        }
    }
}
