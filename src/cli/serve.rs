//! `serve`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::PolicyArgs;

/// `serve`.
///
/// Sizes are bytes; times have a unit (`5s`, `500ms`).
#[derive(Debug, Args)]
pub struct Serve {
    /// Address of the HTTPS port.
    #[arg(long, value_name = "ADDR", default_value = "[::]:8443")]
    pub listen: SocketAddr,
    /// Address of the plain HTTP port for /livez, /readyz and /metrics.
    #[arg(long, value_name = "ADDR", default_value = "[::]:8080")]
    pub admin_listen: SocketAddr,
    /// The certificate chain, PEM, the server's own certificate first; read anew when it changes.
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_key_file",
        required_unless_present = "self_managed"
    )]
    pub tls_cert_file: Option<PathBuf>,
    /// The private key of that certificate, PEM; read anew when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_cert_file")]
    pub tls_key_file: Option<PathBuf>,
    /// Policies, read again when they change.
    #[command(flatten)]
    pub policies: PolicyArgs,
    /// Watch the policies of the cluster, too, and the labels of its namespaces.
    ///
    /// The cluster is the one that the program runs in, or the one of KUBECONFIG. A policy of a file stands before one of
    /// the cluster that has the same kind, namespace and name.
    #[arg(long)]
    pub watch_policies: bool,
    /// Look at the marked objects of the cluster each minute and when policies change, and tell which are not right.
    ///
    /// It needs the right to list `ConfigMaps`, workloads and pods, and changes nothing.
    #[arg(long)]
    pub observe: bool,
    /// Write an Event about each object that opted in and was not injected, or only with warnings.
    ///
    /// About a pod it is an Event of its controller. The same is not told again within five minutes, and no more than 60
    /// Events are written in a minute. It needs the right to create `events` of the group `events.k8s.io`.
    #[arg(long)]
    pub events: bool,
    /// Where the certificate is kept instead.
    #[command(flatten)]
    pub self_managed: SelfManaged,
    /// The oldest TLS that clients may speak.
    #[arg(long, value_enum, default_value_t)]
    pub tls_min_version: TlsVersion,
    /// Longest body of a call; a longer one is answered with 413.
    #[arg(long, value_name = "BYTES", default_value = "7340032", value_parser = count)]
    pub max_body_bytes: usize,
    /// Bytes of all bodies that are being read or answered; what would not fit is answered with 429.
    #[arg(long, value_name = "BYTES", default_value = "33554432", value_parser = count)]
    pub max_bytes_in_flight: usize,
    /// Time for a TLS handshake.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    pub handshake_timeout: Duration,
    /// Time for the headers of a call, from their first byte on.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    pub header_timeout: Duration,
    /// Time for the body of a call, and half of it for each 32 KiB; after it the answer is 408.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    pub body_timeout: Duration,
    /// Time for a whole call, from the end of its headers until its answer is sent; after it the connection is closed.
    ///
    /// Keep it below timeoutSeconds of the webhook configuration, which is 10 seconds by default: the API server does
    /// not wait longer.
    #[arg(long, value_name = "TIME", default_value = "8s", value_parser = time)]
    pub request_timeout: Duration,
    /// Time without a call after which a connection is closed; longer than the 90 seconds of the API server.
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = time)]
    pub idle_timeout: Duration,
    /// Connections to the HTTPS port; one more takes the place of the one that has idled longest.
    #[arg(long, value_name = "NUMBER", default_value = "512", value_parser = count)]
    pub max_connections: usize,
    /// Calls on one connection; the answer to the last one closes it.
    #[arg(long, value_name = "NUMBER", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_requests_per_connection: u32,
    /// Calls whose review came and whose answer the connection has not taken yet; one more is answered with 429.
    #[arg(long, value_name = "NUMBER", default_value = "256", value_parser = count)]
    pub max_calls_in_flight: usize,
    /// Time between a signal and the end of serving, in which the cluster learns to send its calls elsewhere.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    pub shutdown_delay: Duration,
    /// Time for the calls in flight after that.
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = humantime::parse_duration)]
    pub drain_timeout: Duration,
    /// How much is logged, to stderr. At info each object has a line; no object's body is ever in one.
    #[arg(long, value_enum, default_value_t)]
    pub log_level: LogLevel,
    /// Form of the log.
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// A certificate that the server makes and renews itself, in a cluster.
#[derive(Debug, Args)]
pub struct SelfManaged {
    /// Make the certificate and renew it: the Secret keeps it, and the webhook's caBundle trusts it.
    ///
    /// The cluster is the one that the program runs in, or the one of KUBECONFIG. One replica at a time.
    #[arg(
        long,
        conflicts_with_all = ["tls_cert_file", "tls_key_file"],
        requires_all = ["namespace", "service", "secret", "webhook"]
    )]
    pub self_managed: bool,
    /// Namespace of Service and Secret.
    #[arg(long, value_name = "NAME", requires = "self_managed")]
    pub namespace: Option<String>,
    /// The Service by which the API server calls.
    #[arg(long, value_name = "NAME", requires = "self_managed")]
    pub service: Option<String>,
    /// The Secret that keeps CA and certificate; it must exist.
    #[arg(long, value_name = "NAME", requires = "self_managed")]
    pub secret: Option<String>,
    /// The `MutatingWebhookConfiguration` whose caBundle is written.
    #[arg(long, value_name = "NAME", requires = "self_managed")]
    pub webhook: Option<String>,
    /// The `ValidatingWebhookConfiguration` whose caBundle is written, too.
    #[arg(long, value_name = "NAME", requires = "self_managed")]
    pub validating_webhook: Option<String>,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[value(name = "1.2")]
    Tls12,
    /// TLS 1.3.
    #[default]
    #[value(name = "1.3")]
    Tls13,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What went wrong and stays wrong.
    Error,
    /// What went wrong, too.
    Warn,
    /// A line for each object, too.
    #[default]
    Info,
    /// Why each call and each connection was refused, too.
    Debug,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// A number that is not zero.
fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be 1 or more".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("not a whole number: {error}")),
    }
}

/// A time that is not zero.
fn time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be longer than zero".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(format!("not a time such as `5s`: {error}")),
    }
}
