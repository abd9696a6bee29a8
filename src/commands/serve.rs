//! `serve`: the admission server, from its arguments to its end.

mod events;
mod observer;
mod policies;

use std::{future::pending, io, path::PathBuf, sync::Arc, time::Duration};

use kube::Client;
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
};

use self::{events::Telling, policies::PolicyFiles};
use super::{
    exit::{Exit, Failure},
    now,
};
use crate::{
    agent_config::catalog::catalogue,
    certs::{Pair, ServerNames, renewal::Lifetimes},
    cli::{LogFormat, LogLevel, SelfManaged, Serve, TlsVersion},
    cluster::{self, self_managed},
    engine::setup::Snapshot,
    policy::index::PolicyIndex,
    server::{
        Listeners, Server, ServerError,
        key_files::{KeyFiles, KeyFilesError},
        settings::{CallLimits, ConnectionLimits, Leaving, Limits},
        shutdown::Signals,
        tls::{self, Certificate, TlsMinVersion},
        world::{Admit, Worlds},
    },
    telemetry::{self, Detail, Format},
};

/// What the setups that are remembered may take, in bytes: some thousand releases.
const MEMO_BYTES: u64 = 16 << 20;

/// How often the files of the key pair are looked at. A kubelet takes a minute to bring a new Secret, and the old
/// certificate is good for much longer.
const RELOAD_EVERY: Duration = Duration::from_secs(5);

pub(super) fn run(args: Serve) -> Result<Exit, Failure> {
    let Serve {
        listen,
        admin_listen,
        tls_cert_file,
        tls_key_file,
        policies: policy_files,
        watch_policies,
        observe,
        events: tells_events,
        self_managed,
        tls_min_version,
        max_body_bytes,
        max_bytes_in_flight,
        handshake_timeout,
        header_timeout,
        body_timeout,
        request_timeout,
        idle_timeout,
        max_connections,
        max_requests_per_connection,
        max_calls_in_flight,
        shutdown_delay,
        drain_timeout,
        log_level,
        log_format,
    } = args;
    longest_body_fits(max_body_bytes, max_bytes_in_flight)?;
    let (policy_files, of_files) = PolicyFiles::open(policy_files)?;
    // Before anything asks for a default: the client of the API server does.
    let _installed_once = tls::provider().as_ref().clone().install_default();
    let certificate = Arc::new(Certificate::default());
    let source = Source::read(tls_cert_file, tls_key_file, self_managed, &certificate)?;
    // Read now, so that the first call does not wait for it.
    catalogue();
    let log = telemetry::start(detail(log_level), format(log_format));
    let (key_files, kept) = match source {
        Source::Files(files) => (Some((files, RELOAD_EVERY)), None),
        Source::SelfManaged(settings) => (None, Some((settings, Arc::clone(&certificate)))),
    };
    let snapshot = Snapshot {
        policies: PolicyIndex::new(of_files.clone()),
    };
    let worlds = Arc::new(Worlds::new(snapshot, MEMO_BYTES));
    let server = Server {
        admit: Arc::clone(&worlds) as Arc<dyn Admit>,
        certificate,
        key_files,
        policies: None,
        observer: None,
        witness: None,
        limits: Limits {
            handshake_timeout,
            connections: ConnectionLimits {
                max_connections,
                max_requests_per_connection,
                header_timeout,
                body_timeout,
                request_timeout,
                idle_timeout,
            },
            calls: CallLimits {
                max_body_bytes,
                max_bytes_in_flight,
                max_calls_in_flight,
                // Long enough for a packet that is lost and sent again.
                step_timeout: body_timeout / 2,
            },
        },
        leaving: Leaving {
            shutdown_delay,
            drain_timeout,
        },
        min_version: min_version(tls_min_version),
        dropped_lines: log.dropped(),
    };
    let runtime = runtime().map_err(|error| cannot("start", "threads".to_owned(), error))?;
    let ended = runtime.block_on(async {
        let listeners = Listeners::bind(listen, admin_listen)
            .await
            .map_err(|(address, error)| cannot("listen on", address.to_string(), error))?;
        let is_in_cluster = watch_policies || observe || tells_events || kept.is_some();
        let client = if is_in_cluster {
            Some(client().await?)
        } else {
            None
        };
        let watched = client.clone().filter(|_| watch_policies);
        let observed = client.clone().filter(|_| observe);
        let telling = Telling::begin(client.clone().filter(|_| tells_events));
        let server = Server {
            witness: telling.witness,
            observer: observed.map(|client| observer::observer(client, Arc::clone(&worlds), telling.events)),
            policies: policies::keeper(policy_files, of_files, watched, worlds),
            ..server
        };
        tokio::select! {
            ended = serve(server, listeners) => ended,
            failed = keep(kept.zip(client)) => Err(failed),
            failed = telling.written => Err(failed),
        }
    });
    // What is left are connections whose time is over, and at most a look at the key pair's files.
    runtime.shutdown_background();
    ended
}

/// A body that takes more than all bodies may would never be taken.
fn longest_body_fits(max_body_bytes: usize, max_bytes_in_flight: usize) -> Result<(), Failure> {
    if max_body_bytes <= max_bytes_in_flight {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "--max-body-bytes {max_body_bytes} is more than --max-bytes-in-flight {max_bytes_in_flight}, so the longest \
         bodies would be refused for ever; raise the latter"
    )))
}

/// Where the certificate comes from.
enum Source {
    /// Two files that somebody else writes.
    Files(KeyFiles),
    /// The program makes it.
    SelfManaged(self_managed::Settings),
}

impl Source {
    fn read(
        chain: Option<PathBuf>,
        key: Option<PathBuf>,
        managed: SelfManaged,
        certificate: &Arc<Certificate>,
    ) -> Result<Self, Failure> {
        match (chain, key, managed) {
            (Some(chain), Some(key), _) => KeyFiles::open(chain, key, Arc::clone(certificate))
                .map(Self::Files)
                .map_err(no_pair),
            (
                _,
                _,
                SelfManaged {
                    self_managed: true,
                    namespace: Some(namespace),
                    service: Some(service),
                    secret: Some(secret),
                    webhook: Some(webhook),
                    validating_webhook,
                },
            ) => Ok(Self::SelfManaged(self_managed::Settings {
                names: ServerNames::of_service(&service, &namespace)
                    .map_err(|error| Failure::Usage(format!("--service and --namespace: {error}")))?,
                namespace,
                service,
                secret,
                webhook,
                validating_webhook,
                lifetimes: Lifetimes::default(),
                clock: now,
            })),
            // The parser of the arguments lets nothing else through.
            _ => Err(Failure::Usage(
                "give --tls-cert-file and --tls-key-file, or --self-managed with what it needs".to_owned(),
            )),
        }
    }
}

async fn client() -> Result<Client, Failure> {
    let client = cluster::client().await;
    client.map_err(|error| Failure::Refused(telemetry::with_causes(&error)))
}

/// Keeps the self-managed certificate, where there is one; does not end.
async fn keep(kept: Option<((self_managed::Settings, Arc<Certificate>), Client)>) -> Failure {
    let Some(((settings, certificate), client)) = kept else {
        return pending().await;
    };
    let install = move |pair: &Pair| {
        certificate.install(pair)?;
        tracing::info!(names = ?pair.names(), "a new certificate is served");
        Ok(())
    };
    self_managed::run(client, settings, install).await;
    Failure::Refused("the watch over the certificate ended unexpectedly, so the process ends, too".to_owned())
}

/// Serves until a signal and what follows from it, or until a second one.
async fn serve(server: Server, listeners: Listeners) -> Result<Exit, Failure> {
    let signals = |error| cannot("listen to", "signals".to_owned(), error);
    let mut signals = Signals::listen().map_err(signals)?;
    let (https, admin) = listeners
        .addresses()
        .map_err(|error| cannot("tell", "the addresses of the ports".to_owned(), error))?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %https, %admin, "serving");
    let (stop, stopped) = oneshot::channel::<()>();
    let running = server.run(listeners, async {
        // A sender that is gone asks to stop, too.
        let _either_way = stopped.await;
    });
    let second_signal = async {
        let signal = signals.next().await;
        tracing::info!(signal, "asked to end");
        // The server may have ended by itself, and nobody listens.
        let _unheard = stop.send(());
        signals.next().await
    };
    tokio::select! {
        ended = running => ended.map(|()| Exit::Done).map_err(|error| failed(&error)),
        signal = second_signal => Err(Failure::Refused(format!(
            "a second signal ({signal}) ended the server before the calls in flight were answered"
        ))),
    }
}

/// One thread for all of the server's tasks. An answer takes some ten microseconds, so it makes more calls than an API
/// server sends; with several, each call costs more than that for one thread waking another.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn failed(error: &ServerError) -> Failure {
    Failure::Refused(telemetry::with_causes(error))
}

/// A file that cannot be read is one thing, files that are no pair another.
fn no_pair(error: KeyFilesError) -> Failure {
    match error {
        KeyFilesError::Read { path, source } => cannot("read", path.display().to_string(), source),
        other => Failure::Refused(telemetry::with_causes(&other)),
    }
}

fn cannot(action: &'static str, what: String, source: io::Error) -> Failure {
    Failure::Io { action, what, source }
}

fn min_version(version: TlsVersion) -> TlsMinVersion {
    match version {
        TlsVersion::Tls12 => TlsMinVersion::Tls12,
        TlsVersion::Tls13 => TlsMinVersion::Tls13,
    }
}

fn detail(level: LogLevel) -> Detail {
    match level {
        LogLevel::Error => Detail::Error,
        LogLevel::Warn => Detail::Warn,
        LogLevel::Info => Detail::Info,
        LogLevel::Debug => Detail::Debug,
    }
}

fn format(format: LogFormat) -> Format {
    match format {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text,
    }
}
