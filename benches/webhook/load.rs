//! The load generator: connections that are kept and opened again when the server closes them, as the API server does
//! it; calls one after the other, or at a given rate.

use std::{
    error::Error,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU64,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use futures::{TryStreamExt as _, stream::FuturesUnordered};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    net::TcpStream,
    sync::{Mutex, mpsc},
};
use tokio_rustls::TlsConnector;

/// What ends the benchmark, as a sentence.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// The name in the certificate.
pub(crate) const SERVER_NAME: &str = "localhost";

/// Calls of one connection in one go, at most.
const MOST_CALLS: u64 = 100_000;

/// How often a call may meet a connection that the server has closed meanwhile.
const ATTEMPTS: usize = 3;

/// The cryptography of the server.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Where calls go.
pub(crate) struct Target {
    address: SocketAddr,
    tls: TlsConnector,
    name: ServerName<'static>,
}

impl Target {
    /// A server on a loopback port that shows `certificate`. No session is resumed: Go's client does not.
    pub(crate) fn new(port: u16, certificate: CertificateDer<'static>) -> Result<Self, Failure> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate)?;
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Self {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            tls: TlsConnector::from(Arc::new(config)),
            name: SERVER_NAME.try_into()?,
        })
    }

    async fn open(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let stream = self.tls.connect(self.name.clone(), stream).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender, and an error of its own reaches the call as well.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// One connection to a target.
pub(crate) struct Connection {
    target: Arc<Target>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// Opened with the first call.
    pub(crate) fn new(target: Arc<Target>) -> Self {
        Self { target, sender: None }
    }

    /// Sends a review and reads the answer.
    pub(crate) async fn call(&mut self, review: &Bytes) -> Result<Bytes, Failure> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let mut sender = self.ready().await?;
            match sender.send_request(request(review)?).await {
                Ok(response) => {
                    let status = response.status();
                    let answer = response.into_body().collect().await?.to_bytes();
                    if status != 200 {
                        return Err(
                            format!("HTTP status {status}: {}", String::from_utf8_lossy(&answer)).into(),
                        );
                    }
                    self.sender = Some(sender);
                    return Ok(answer);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.map_or_else(|| "no call was made".into(), Into::into))
    }

    /// The connection that is there, unless the server has closed it; else a new one.
    async fn ready(&mut self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        if let Some(mut sender) = self.sender.take()
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        self.target.open().await
    }
}

/// As the API server writes it.
fn request(review: &Bytes) -> hyper::http::Result<Request<Full<Bytes>>> {
    Request::post("/mutate?timeout=10s")
        .header(HOST, SERVER_NAME)
        .header(USER_AGENT, "kube-apiserver-admission")
        .header(ACCEPT, "application/json, */*")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(review.clone()))
}

/// Each connection makes one call after the other for `span`. Returns the number of calls.
pub(crate) async fn one_after_the_other(
    connections: &mut [Connection],
    review: &Bytes,
    span: Duration,
) -> Result<u64, Failure> {
    let end = Instant::now() + span;
    let repeat = async |connection: &mut Connection| {
        let mut calls = 0;
        while calls < MOST_CALLS && Instant::now() < end {
            connection.call(review).await?;
            calls += 1;
        }
        Ok::<_, Failure>(calls)
    };
    let all: FuturesUnordered<_> = connections.iter_mut().map(repeat).collect();
    let awake = tokio::spawn(stay_awake());
    let calls = all.try_fold(0, async |sum, calls| Ok(sum + calls)).await;
    awake.abort();
    calls
}

/// Keeps this thread from sleeping in the kernel. To wake a sleeper costs whoever writes to it as much as an eighth of a
/// call, and only a program that is slower than this one would pay for it.
async fn stay_awake() {
    loop {
        tokio::task::yield_now().await;
    }
}

/// Makes `count` calls, one each `interval`, by whichever connection is free. Returns how long after its due time each
/// was answered: a call that finds no free connection counts from when it should have been made.
pub(crate) async fn at_a_rate(
    connections: &mut [Connection],
    review: &Bytes,
    interval: Duration,
    count: u32,
) -> Result<Vec<Duration>, Failure> {
    let (sender, due) = mpsc::unbounded_channel();
    let pacer = thread::spawn(move || pace(&sender, interval, count));
    let due = Mutex::new(due);
    let repeat = async |connection: &mut Connection| {
        let mut latencies = Vec::new();
        loop {
            // The lock is let go before the call.
            let next = due.lock().await.recv().await;
            let Some(due) = next else {
                return Ok::<_, Failure>(latencies);
            };
            connection.call(review).await?;
            latencies.push(Instant::now().duration_since(due));
        }
    };
    let all: FuturesUnordered<_> = connections.iter_mut().map(repeat).collect();
    let latencies: Vec<_> = all.try_collect().await?;
    pacer.join().map_err(|_| "the pacer ended unexpectedly")?;
    Ok(latencies.concat())
}

/// A thread of its own, for tokio's timers are rounded to milliseconds.
fn pace(sender: &mpsc::UnboundedSender<Instant>, interval: Duration, count: u32) {
    // The kernel may else wake us 50 microseconds late. Where it may not be asked for more, it stays at that.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    let begin = Instant::now();
    for number in 0..count {
        let due = begin + interval * number;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if sender.send(due).is_err() {
            return;
        }
    }
}
