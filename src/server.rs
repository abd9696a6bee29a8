//! The HTTPS server that the API server calls, and the plain HTTP port for probes and metrics.
//!
//! Everything from outside has a limit and a deadline ([`settings::Limits`]); whatever a call or a connection takes of
//! a limit is given back when it is dropped. The server decides nothing about objects: that is [`world::Admit`].

mod accept;
mod admin;
mod body;
mod budget;
mod connection;
mod crowd;
pub mod key_files;
mod log;
pub mod memo;
pub mod metrics;
pub mod observer;
pub mod policies;
mod pulse;
mod refusal;
mod router;
pub mod settings;
pub mod shutdown;
pub mod tls;
pub mod witness;
pub mod world;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet, time::sleep};
use tokio_rustls::TlsAcceptor;

use self::{
    accept::{Port, Tls},
    admin::Gauges,
    budget::Budget,
    crowd::Crowd,
    key_files::KeyFiles,
    metrics::Metrics,
    observer::Observer,
    policies::{Policies, Readiness},
    router::Desk,
    settings::{ADMIN, Leaving, Limits},
    shutdown::Shutdown,
    tls::{Certificate, TlsMinVersion},
    witness::Witness,
    world::Admit,
};
use crate::telemetry::Dropped;

const HTTPS_PORT: &str = "the HTTPS port";
const ADMIN_PORT: &str = "the admin port";
const POLICIES: &str = "the watch on policies";
const OBSERVER: &str = "the look at the objects of the cluster";
const RELOAD: &str = "the watch on the key pair's files";

/// What a server is made of.
pub struct Server {
    /// Answers reviews.
    pub admit: Arc<dyn Admit>,
    /// The serving certificate.
    pub certificate: Arc<Certificate>,
    /// Where the certificate is read anew, and how often; `None` where somebody else installs it.
    pub key_files: Option<(KeyFiles, Duration)>,
    /// Where policies come from that change; `None` where those of the start stay.
    pub policies: Option<Policies>,
    /// Looks at the objects of the cluster; `None` where nobody does.
    pub observer: Option<Observer>,
    /// Is told what was decided, beside log and metrics.
    pub witness: Option<Arc<dyn Witness>>,
    /// Limits and deadlines of the HTTPS port.
    pub limits: Limits,
    /// The way to the end.
    pub leaving: Leaving,
    /// The oldest TLS that is spoken.
    pub min_version: TlsMinVersion,
    /// Counts the log lines that were lost.
    pub dropped_lines: Dropped,
}

/// Why a server ended that nobody asked to.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// A task that should last as long as the process.
    #[error("{0} ended unexpectedly, so the process ends, too; the log may say why")]
    TaskEnded(&'static str),
}

/// The two ports, bound.
#[derive(Debug)]
pub struct Listeners {
    https: TcpListener,
    admin: TcpListener,
}

impl Listeners {
    /// Binds both ports; the error comes with the address.
    pub async fn bind(https: SocketAddr, admin: SocketAddr) -> Result<Self, (SocketAddr, io::Error)> {
        Ok(Self {
            https: bind(https).await?,
            admin: bind(admin).await?,
        })
    }

    /// Addresses of the HTTPS port and of the admin port.
    pub fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.https.local_addr()?, self.admin.local_addr()?))
    }
}

/// `[::]` means every address; on a machine without IPv6 these are those of IPv4.
async fn bind(address: SocketAddr) -> Result<TcpListener, (SocketAddr, io::Error)> {
    let bound = TcpListener::bind(address).await;
    let is_taken = |error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
        )
    };
    let bound = match bound {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && !is_taken(&error) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    };
    bound.map_err(|error| (address, error))
}

impl Server {
    /// Serves until `stop` ends, then drains.
    ///
    /// From `stop` on the server is not ready and every answer closes its connection. After the delay nothing is
    /// accepted any more, idle connections are closed, and the calls in flight have the drain's time to end. The
    /// admin port answers until the end.
    ///
    /// # Errors
    /// When a part of the server ends before it was asked to.
    pub async fn run(self, listeners: Listeners, stop: impl Future<Output = ()>) -> Result<(), ServerError> {
        let Self {
            admit,
            certificate,
            key_files,
            policies,
            observer,
            witness,
            limits,
            leaving: Leaving {
                shutdown_delay,
                drain_timeout,
            },
            min_version,
            dropped_lines,
        } = self;
        let (metrics, shutdown) = (Metrics::new(), Shutdown::default());
        let desk = Arc::new(Desk {
            admit: Arc::clone(&admit),
            limits,
            calls: Budget::new(limits.calls.max_calls_in_flight),
            body_bytes: Budget::new(limits.calls.max_bytes_in_flight),
            long_reviews: Arc::new(Semaphore::new(router::LONG_AT_A_TIME)),
            metrics: Arc::clone(&metrics),
            witness: witness.clone(),
        });
        let readiness = Readiness::of(policies.as_ref());
        let connections = Crowd::new(limits.connections.max_connections);
        let gauges = Arc::new(Gauges {
            certificate: Arc::clone(&certificate),
            shutdown: shutdown.clone(),
            readiness: readiness.clone(),
            metrics: Arc::clone(&metrics),
            connections: Arc::clone(&connections),
            calls: Arc::clone(&desk.calls),
            body_bytes: Arc::clone(&desk.body_bytes),
            admit,
            witness,
            dropped_lines,
        });
        let https = Port {
            tls: Some(Tls {
                acceptor: TlsAcceptor::from(tls::config(certificate, min_version)?),
                handshake_timeout: limits.handshake_timeout,
            }),
            router: router::router(desk),
            limits: limits.connections,
            connections,
            metrics: Arc::clone(&metrics),
            shutdown: shutdown.clone(),
        };
        let admin = Port {
            tls: None,
            router: admin::router(gauges),
            limits: ADMIN,
            connections: Crowd::new(ADMIN.max_connections),
            // Those that are scraped tell of the HTTPS port alone.
            metrics: Metrics::new(),
            // It ends with the process, not before.
            shutdown: Shutdown::default(),
        };

        let mut tasks = JoinSet::new();
        tasks.spawn(named(HTTPS_PORT, https.serve(listeners.https, drain_timeout)));
        tasks.spawn(named(ADMIN_PORT, admin.serve(listeners.admin, drain_timeout)));
        if let Some((files, every)) = key_files {
            tasks.spawn(named(RELOAD, files.keep_installed(every, Arc::clone(&metrics))));
        }
        if let Some(observer) = observer {
            tasks.spawn(named(OBSERVER, observer.observe(Arc::clone(&metrics))));
        }
        if let Some(policies) = policies {
            tasks.spawn(named(POLICIES, policies.keep(metrics, readiness)));
        }
        unless_ended(&mut tasks, stop).await?;
        shutdown.leave();
        tracing::info!(
            ?shutdown_delay,
            "not ready any more; serving goes on for the delay"
        );
        // A timer of no time at all would still wait for the next turn of the runtime.
        if !shutdown_delay.is_zero() {
            unless_ended(&mut tasks, sleep(shutdown_delay)).await?;
        }
        shutdown.drain();
        tracing::info!(?drain_timeout, "draining");
        match first_ended(&mut tasks).await {
            HTTPS_PORT => Ok(()),
            other => Err(ServerError::TaskEnded(other)),
        }
    }
}

/// The wall clock, which is what certificates go by.
#[expect(clippy::disallowed_methods, reason = "the server is where time comes from")]
fn now() -> SystemTime {
    SystemTime::now()
}

async fn named(name: &'static str, task: impl Future<Output = ()>) -> &'static str {
    task.await;
    name
}

/// Waits for something, but not when a task ends that should not.
async fn unless_ended<T>(
    tasks: &mut JoinSet<&'static str>,
    waited_for: impl Future<Output = T>,
) -> Result<T, ServerError> {
    tokio::select! {
        value = waited_for => Ok(value),
        name = first_ended(tasks) => Err(ServerError::TaskEnded(name)),
    }
}

async fn first_ended(tasks: &mut JoinSet<&'static str>) -> &'static str {
    match tasks.join_next().await {
        Some(Ok(name)) => name,
        Some(Err(_panicked)) => "a task of the server",
        None => "every task of the server",
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_ends_the_wait_for_the_signal() {
        let mut tasks = JoinSet::new();
        tasks.spawn(named(ADMIN_PORT, pending()));
        assert!(
            unless_ended(&mut tasks, ready(())).await.is_ok(),
            "all of them go on"
        );
        tasks.spawn(named(RELOAD, ready(())));
        let error = unless_ended(&mut tasks, pending::<()>()).await.unwrap_err();
        assert!(error.to_string().starts_with(RELOAD), "{error}");
    }

    #[tokio::test]
    async fn so_does_a_task_that_fails() {
        let mut tasks = JoinSet::new();
        tasks.spawn(named(RELOAD, async { panic!("a fault that a test makes") }));
        let error = unless_ended(&mut tasks, pending::<()>()).await.unwrap_err();
        assert!(error.to_string().contains("ended unexpectedly"), "{error}");
    }
}
