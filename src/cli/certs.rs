//! `certs issue` and `certs inspect`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Output;

/// `certs`.
#[derive(Debug, Args)]
pub struct Certs {
    /// What to do.
    #[command(subcommand)]
    pub command: CertsCommand,
}

/// The commands of `certs`.
#[derive(Debug, Subcommand)]
pub enum CertsCommand {
    /// Issue a serving certificate, with a CA made for it: ca.crt, tls.crt and tls.key.
    Issue(IssueCerts),
    /// Say what certificates are, and whether key and CA belong to them. Exit code 1 if one of them cannot be used.
    Inspect(InspectCerts),
}

/// `certs issue`.
#[derive(Debug, Args)]
pub struct IssueCerts {
    /// Directory for the files; it is made.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Service that the API server calls; gives the names SERVICE.NAMESPACE.svc and
    /// SERVICE.NAMESPACE.svc.cluster.local.
    #[arg(long, value_name = "NAME", requires = "namespace")]
    pub service: Option<String>,
    /// Namespace of the Service.
    #[arg(long, short, value_name = "NAME", requires = "service")]
    pub namespace: Option<String>,
    /// A further DNS name or IP address; may be given several times.
    #[arg(long = "name", value_name = "NAME", required_unless_present = "service")]
    pub names: Vec<String>,
    /// How long CA and certificate last.
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub days: u32,
    /// Keep the CA's private key, too, in ca.key. Without it nobody can ever issue another certificate of this CA.
    #[arg(long)]
    pub with_ca_key: bool,
    /// Replace files that are there; an older ca.key is removed.
    #[arg(long)]
    pub overwrite: bool,
}

/// `certs inspect`.
#[derive(Debug, Args)]
pub struct InspectCerts {
    /// PEM file with certificates, the server's own first, and perhaps its key; `-` is stdin.
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
    /// PEM file with the private key; does it belong to the first certificate?
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// PEM file with CA certificates; do they trust the first certificate?
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// For people or for programs.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,
}
