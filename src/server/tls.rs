//! The serving certificate, exchanged while connections are open, and what is agreed on with clients.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use arc_swap::ArcSwapOption;
use rustls::{
    ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use crate::certs::{Details, Life, Pair};

/// The only protocol that is agreed on. The API server speaks HTTP/1.1 to the Service of a webhook, and the known
/// attacks on HTTP/2 servers find nothing here.
const HTTP_1_1: &[u8] = b"http/1.1";

/// The oldest TLS that clients may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMinVersion {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

/// TLS 1.3 alone.
const ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];

/// TLS 1.2, too.
const FROM_12: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

impl TlsMinVersion {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Tls12 => FROM_12,
            Self::Tls13 => ONLY_13,
        }
    }
}

/// The certificate that each new connection is shown; none at first. Who has an `Arc` of it may install another.
#[derive(Debug, Default)]
pub struct Certificate {
    installed: ArcSwapOption<Installed>,
}

struct Installed {
    key: Arc<CertifiedKey>,
    leaf: Details,
}

impl fmt::Debug for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installed")
            .field("leaf", &self.leaf)
            .finish_non_exhaustive()
    }
}

impl Certificate {
    /// From now on new connections are served with this pair.
    pub fn install(&self, pair: &Pair) -> Result<(), rustls::Error> {
        let key = CertifiedKey::from_der(pair.chain().to_vec(), pair.key().clone_key(), provider())?;
        self.installed.store(Some(Arc::new(Installed {
            key: Arc::new(key),
            leaf: pair.details().clone(),
        })));
        Ok(())
    }

    /// Why clients cannot trust the certificate now; `None` where they can.
    pub fn unusable(&self, now: SystemTime) -> Option<&'static str> {
        match self
            .installed
            .load()
            .as_ref()
            .map(|installed| installed.leaf.life(now))
        {
            None => Some("there is no certificate yet"),
            Some(Life::NotYet) => Some("the certificate is not valid yet"),
            Some(Life::Expired) => Some("the certificate has expired"),
            Some(Life::Valid) => None,
        }
    }

    /// The last moment at which clients accept it.
    pub fn not_after(&self) -> Option<SystemTime> {
        self.installed
            .load()
            .as_ref()
            .map(|installed| installed.leaf.not_after)
    }
}

impl ResolvesServerCert for Certificate {
    /// The same for every name: what a client calls us is for the client to check.
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.installed
            .load()
            .as_ref()
            .map(|installed| Arc::clone(&installed.key))
    }
}

/// The one cryptography of this program.
pub fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider()))
}

/// What is agreed on with clients.
pub(super) fn config(
    certificate: Arc<Certificate>,
    min_version: TlsMinVersion,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider()))
        .with_protocol_versions(min_version.versions())?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    // No session is resumed: the API server's client never does, and each connection sees the certificate of now.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
