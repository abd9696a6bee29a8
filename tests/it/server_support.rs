//! A server on loopback ports that the system chose, and a client that can misbehave.

use std::{
    collections::BTreeMap,
    future::Future,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use alumet_injector::{
    admission::{Answer, BadReview},
    certs::Pair,
    engine::setup::Snapshot,
    server::{
        Listeners, Server, ServerError,
        key_files::KeyFiles,
        memo::MemoNumbers,
        policies::Policies,
        settings::{CallLimits, ConnectionLimits, Leaving, Limits},
        tls::{Certificate, TlsMinVersion, provider},
        world::{Admit, Worlds},
    },
    telemetry::Dropped,
};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version::TLS13};
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Nothing that a test waits for takes longer, on however busy a machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The name that the test certificate is for.
pub(crate) const NAME: &str = "injector.alumet.svc";

pub(crate) const MIB: usize = 1 << 20;

/// A self-signed certificate and its key, in PEM, and the certificate for a client to trust.
pub(crate) struct Issued {
    pub(crate) chain: String,
    pub(crate) key: String,
    pub(crate) root: CertificateDer<'static>,
}

/// Issues a certificate that expires so long from now.
pub(crate) fn issue(lasting: Duration) -> Issued {
    issue_for(now() - Duration::from_hours(1), now() + lasting)
}

/// Issues a certificate that is valid from one moment to the other.
pub(crate) fn issue_for(not_before: SystemTime, not_after: SystemTime) -> Issued {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    params.not_before = not_before.into();
    params.not_after = not_after.into();
    let certificate = params.self_signed(&key).unwrap();
    Issued {
        chain: certificate.pem(),
        key: key.serialize_pem(),
        root: certificate.der().clone(),
    }
}

#[expect(clippy::disallowed_methods, reason = "certificates in tests are of today")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// A review of a marked `ConfigMap` that is being created.
pub(crate) fn review() -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "0b4f1c1e-0000-4000-8000-000000000001",
            "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
            "resource": {"group": "", "version": "v1", "resource": "configmaps"},
            "operation": "CREATE",
            "namespace": "measure",
            "name": "demo-config",
            "dryRun": false,
            "object": {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": "demo-config",
                    "namespace": "measure",
                    "labels": {"injector.alumet.dev/component": "relay-client"},
                    "annotations": {"injector.alumet.dev/values":
                        r#"{"agentVersion": "0.9.5", "server": {"service": "demo-server", "port": 50051}}"#},
                },
            },
        },
    })
}

/// Limits as the command line has them, but for times that a test would have to wait for.
pub(crate) fn limits() -> Limits {
    Limits {
        handshake_timeout: PATIENCE,
        connections: ConnectionLimits {
            max_connections: 512,
            max_requests_per_connection: 1000,
            header_timeout: PATIENCE,
            body_timeout: PATIENCE,
            request_timeout: PATIENCE,
            idle_timeout: PATIENCE,
        },
        calls: CallLimits {
            max_body_bytes: 7 * MIB,
            max_bytes_in_flight: 32 * MIB,
            max_calls_in_flight: 256,
            step_timeout: PATIENCE,
        },
    }
}

/// A short deadline, for tests in which it has to pass.
pub(crate) const SOON: Duration = Duration::from_millis(200);

/// What a test's server is made of.
pub(crate) struct Config {
    pub(crate) limits: Limits,
    pub(crate) leaving: Leaving,
    pub(crate) min_version: TlsMinVersion,
    pub(crate) admit: Arc<dyn Admit>,
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) key_files: Option<KeyFiles>,
    pub(crate) policies: Option<Policies>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: limits(),
            leaving: Leaving {
                shutdown_delay: Duration::ZERO,
                drain_timeout: PATIENCE,
            },
            min_version: TlsMinVersion::Tls13,
            admit: Arc::new(Worlds::new(Snapshot::default(), MIB as u64)),
            certificate: Arc::default(),
            key_files: None,
            policies: None,
        }
    }
}

/// Admission that does what a test wants.
pub(crate) struct Odd<F>(pub(crate) F);

impl<F> Admit for Odd<F>
where
    F: Fn(&[u8]) -> Result<Answer, BadReview> + Send + Sync + 'static,
{
    fn respond(&self, review: &[u8]) -> Result<Answer, BadReview> {
        (self.0)(review)
    }

    fn memo(&self) -> MemoNumbers {
        MemoNumbers::default()
    }
}

/// A server that runs.
pub(crate) struct Running {
    pub(crate) https: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) root: CertificateDer<'static>,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) ended: JoinHandle<Result<(), ServerError>>,
}

/// A server with a good certificate.
pub(crate) async fn serve(config: Config) -> Running {
    let issued = issue(Duration::from_hours(1));
    let pair = Pair::read(issued.chain.as_bytes(), issued.key.as_bytes()).unwrap();
    config.certificate.install(&pair).unwrap();
    serve_with(config, issued.root).await
}

/// A server whose clients trust this certificate.
pub(crate) async fn serve_with(config: Config, root: CertificateDer<'static>) -> Running {
    let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let listeners = Listeners::bind(loopback, loopback).await.unwrap();
    let (https, admin) = listeners.addresses().unwrap();
    let (stop, stopped) = oneshot::channel();
    let server = Server {
        admit: config.admit,
        certificate: config.certificate,
        key_files: config.key_files.map(|files| (files, Duration::from_millis(20))),
        policies: config.policies,
        observer: None,
        witness: None,
        limits: config.limits,
        leaving: config.leaving,
        min_version: config.min_version,
        dropped_lines: Dropped::none(),
    };
    let ended = tokio::spawn(server.run(listeners, async {
        let _either_way = stopped.await;
    }));
    Running {
        https,
        admin,
        root,
        stop,
        ended,
    }
}

impl Running {
    /// A TLS connection to the HTTPS port.
    pub(crate) async fn connect(&self) -> Client<TlsStream<TcpStream>> {
        self.try_connect(&[&TLS13], NAME)
            .await
            .expect("the handshake succeeds")
    }

    /// A TLS connection of these versions under this name.
    pub(crate) async fn try_connect(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        name: &str,
    ) -> std::io::Result<Client<TlsStream<TcpStream>>> {
        let config = client_config(&self.root, versions);
        handshake(self.https, config, name).await
    }

    /// A connection to the HTTPS port without TLS.
    pub(crate) async fn connect_plain(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.https).await.unwrap())
    }

    /// Asks the admin port.
    pub(crate) async fn admin(&self, path: &str) -> Response {
        admin(self.admin, path).await
    }

    /// A sample of the metrics, by name and labels as they are written.
    pub(crate) async fn metric(&self, sample: &str) -> f64 {
        metric(self.admin, sample).await
    }

    /// Waits until a sample of the metrics is this.
    #[track_caller]
    pub(crate) fn metric_becomes(&self, sample: &str, expected: f64) -> impl Future<Output = ()> {
        let (admin, sample) = (self.admin, sample.to_owned());
        eventually(format!("{sample} is {expected}"), async move || {
            (metric(admin, &sample).await - expected).abs() < f64::EPSILON
        })
    }

    /// Nothing is held for anybody any more.
    pub(crate) async fn everything_is_given_back(&self) {
        for sample in ["calls_in_flight", "body_bytes_in_flight", "connections"] {
            self.metric_becomes(sample, 0.0).await;
        }
    }

    /// A good review gets its patch.
    pub(crate) async fn serves(&self) {
        let response = self.connect().await.post(&review().to_string()).await;
        assert_eq!(response.status, 200, "{response:?}");
        assert!(response.json()["response"]["patch"].is_string(), "{response:?}");
    }
}

/// Asks an admin port.
pub(crate) async fn admin(address: SocketAddr, path: &str) -> Response {
    let mut client = Client::new(TcpStream::connect(address).await.unwrap());
    client
        .ask(&format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"))
        .await
}

/// A sample of the metrics of an admin port.
pub(crate) async fn metric(address: SocketAddr, sample: &str) -> f64 {
    let text = admin(address, "/metrics").await.text();
    let begin = format!("alumet_injector_{sample} ");
    text.lines()
        .find_map(|line| line.strip_prefix(&begin))
        .unwrap_or_else(|| panic!("no sample {sample} in\n{text}"))
        .parse()
        .unwrap()
}

/// A client that trusts this certificate.
pub(crate) fn client_config(
    root: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    ClientConfig::builder_with_provider(Arc::clone(provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// A TLS connection.
pub(crate) async fn handshake(
    address: SocketAddr,
    config: ClientConfig,
    name: &str,
) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let stream = timeout(PATIENCE, connecting).await.expect("the handshake ends")?;
    Ok(Client::new(stream))
}

/// Looks again and again until it is so.
#[track_caller]
pub(crate) fn eventually(what: String, mut is_so: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    let (place, end) = (std::panic::Location::caller(), Instant::now() + PATIENCE);
    async move {
        while !is_so().await {
            assert!(Instant::now() < end, "{place}: not so in time: {what}");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A `POST /mutate` with a body of this length, up to the end of its headers.
pub(crate) fn head(length: usize) -> String {
    format!(
        "POST /mutate HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// A whole `POST /mutate`.
pub(crate) fn call(body: &str) -> String {
    head(body.len()) + body
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn closes(&self) -> bool {
        self.header("connection") == Some("close")
    }
}

/// A connection whose bytes a test writes by hand.
pub(crate) struct Client<T> {
    pub(crate) stream: T,
    unread: Vec<u8>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Client<T> {
    pub(crate) fn new(stream: T) -> Self {
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// Sends bytes. A server that closed early may have said why before.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sending = async {
            let _closed_early = self.stream.write_all(bytes.as_ref()).await;
            let _closed_early = self.stream.flush().await;
        };
        timeout(PATIENCE, sending).await.expect("the bytes are taken");
    }

    /// Sends bytes and reads the answer.
    pub(crate) async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Response {
        self.send(bytes).await;
        self.answer().await.expect("there is an answer")
    }

    /// Posts a review and reads the answer.
    pub(crate) async fn post(&mut self, body: &str) -> Response {
        self.ask(call(body)).await
    }

    /// The next answer, or `None` when the connection ends before it.
    pub(crate) async fn answer(&mut self) -> Option<Response> {
        let end = self
            .fill_until(|bytes| bytes.windows(4).position(|four| four == b"\r\n\r\n"))
            .await?;
        let head: Vec<u8> = self.unread.drain(..end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers
            .get("content-length")
            .map_or(0, |length| length.parse().unwrap());
        self.fill_until(|bytes| (bytes.len() >= length).then_some(0))
            .await?;
        let body = self.unread.drain(..length).collect();
        Some(Response {
            status,
            headers,
            body,
        })
    }

    /// Whether the server ends the connection and sends nothing before.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.fill_until(|bytes| (!bytes.is_empty()).then_some(0))
            .await
            .is_none()
    }

    async fn fill_until(&mut self, found: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
        let filling = async {
            loop {
                if let Some(at) = found(&self.unread) {
                    return Some(at);
                }
                // A connection that is reset has ended, too.
                match self.stream.read_buf(&mut self.unread).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        };
        timeout(PATIENCE, filling)
            .await
            .expect("the server does something")
    }
}
