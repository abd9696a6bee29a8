//! The names that a serving certificate is issued for.

use std::net::IpAddr;

use rustls_pki_types::DnsName;

/// Most names of one certificate.
const MAX_NAMES: usize = 32;

/// DNS names and IP addresses, at least one, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerNames(Vec<String>);

/// Why texts are not names of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// None at all.
    #[error(
        "a serving certificate needs a name; give the one by which it is called, such as SERVICE.NAMESPACE.svc"
    )]
    None,
    /// More than a certificate should have.
    #[error("{0} names are more than the {MAX_NAMES} of one certificate; issue several")]
    TooMany(usize),
    /// Neither DNS name nor IP address.
    #[error("{0:?} is neither a DNS name nor an IP address; leave out scheme, port and path")]
    NotAName(String),
}

impl ServerNames {
    /// Checks names. The first one is the first of the certificate.
    pub fn new(names: impl IntoIterator<Item = String>) -> Result<Self, BadName> {
        let mut unique = Vec::new();
        for name in names {
            // A wildcard stands for the first label alone (RFC 6125 section 6.4.3).
            let host = name.strip_prefix("*.").unwrap_or(&name);
            if name.parse::<IpAddr>().is_err() && DnsName::try_from(host).is_err() {
                return Err(BadName::NotAName(name));
            }
            let name = name.to_ascii_lowercase();
            if !unique.contains(&name) {
                unique.push(name);
            }
        }
        match unique.len() {
            0 => Err(BadName::None),
            1..=MAX_NAMES => Ok(Self(unique)),
            many => Err(BadName::TooMany(many)),
        }
    }

    /// The names of a Service. The API server calls `SERVICE.NAMESPACE.svc`; the other is for calls by hand.
    pub fn of_service(service: &str, namespace: &str) -> Result<Self, BadName> {
        let short = format!("{service}.{namespace}.svc");
        let long = format!("{short}.cluster.local");
        Self::new([short, long])
    }

    /// The names.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}
