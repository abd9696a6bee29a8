//! A set of CA certificates: what a client trusts, and what stands in a caBundle.

use std::time::{Duration, SystemTime};

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::pem::{BadPem, Details, Life, blocks, certificate_pem, details};

/// A set of CA certificates, in an order that depends on them alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bundle(Vec<Trusted>);

/// One certificate of a [`Bundle`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    certificate: CertificateDer<'static>,
    details: Details,
}

/// Why a PEM text is not a [`Bundle`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBundle {
    /// The text cannot be read.
    #[error("{0}")]
    Pem(#[from] BadPem),
    /// No certificate in it.
    #[error("there is no certificate; a bundle has blocks `-----BEGIN CERTIFICATE-----`")]
    Empty,
}

/// Why a chain is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// Its first certificate has expired.
    #[error("the certificate has expired")]
    Expired,
    /// Its first certificate begins later.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// No certificate of the bundle that is valid now signed it.
    #[error("no CA of the bundle signed it, or that CA has expired")]
    UnknownIssuer,
    /// It may not stand for a server.
    #[error("the certificate is not one of a server: it is a CA's, or has another extended key usage")]
    NotAServers,
    /// Anything else.
    #[error("the chain does not verify")]
    Invalid,
}

impl Trusted {
    /// The certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// What it says of itself.
    pub fn details(&self) -> &Details {
        &self.details
    }

    /// Reads the certificates of a text, in its order; what else stands in it is left out.
    pub fn read_all(pem: &[u8]) -> Result<Vec<Self>, BadBundle> {
        let certificates = blocks(pem)?.certificates;
        if certificates.is_empty() {
            return Err(BadBundle::Empty);
        }
        let read = |(at, certificate)| Self::new(certificate).ok_or_else(|| BadPem::NotX509(at + 1).into());
        certificates.into_iter().enumerate().map(read).collect()
    }

    /// One certificate, or nothing where it is none.
    pub(super) fn new(certificate: CertificateDer<'static>) -> Option<Self> {
        let details = details(&certificate)?;
        Some(Self { certificate, details })
    }

    /// Whether a leaf of it may still live. A leaf never outlives its CA.
    fn lives(&self, now: SystemTime) -> bool {
        now <= self.details.not_after
    }
}

impl Bundle {
    /// Reads the certificates of a text, each once; what else stands in it is left out.
    pub fn read(pem: &[u8]) -> Result<Self, BadBundle> {
        Ok(Trusted::read_all(pem)?.into_iter().collect())
    }

    /// The certificates, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Trusted> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a certificate is among them.
    pub fn contains(&self, certificate: &CertificateDer<'_>) -> bool {
        self.0
            .iter()
            .any(|trusted| trusted.certificate.as_ref() == certificate.as_ref())
    }

    /// These and those.
    #[must_use]
    pub fn with(&self, others: impl IntoIterator<Item = Trusted>) -> Self {
        self.0.iter().cloned().chain(others).collect()
    }

    /// Those for which the predicate holds.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&Trusted) -> bool) -> Self {
        self.0.iter().filter(|trusted| keep(trusted)).cloned().collect()
    }

    /// Those of which a leaf may still live.
    #[must_use]
    pub fn living(&self, now: SystemTime) -> Self {
        self.filtered(|trusted| trusted.lives(now))
    }

    /// The text: PEM, the same for the same set.
    pub fn pem(&self) -> String {
        self.0
            .iter()
            .map(|trusted| certificate_pem(&trusted.certificate))
            .collect()
    }

    /// Whether a TLS client with this bundle accepts the chain of a server, its names apart.
    ///
    /// As the API server's client (Go, `crypto/x509`) does it: a CA that has expired signs nothing, and a certificate
    /// that is itself in the bundle needs no CA.
    pub fn trusts(&self, chain: &[CertificateDer<'_>], now: SystemTime) -> Result<(), Untrusted> {
        let (leaf, intermediates) = chain.split_first().ok_or(Untrusted::Invalid)?;
        if self.contains(leaf) {
            let details = details(leaf).ok_or(Untrusted::Invalid)?;
            return match details.life(now) {
                Life::NotYet => Err(Untrusted::NotYetValid),
                Life::Expired => Err(Untrusted::Expired),
                Life::Valid => Ok(()),
            };
        }
        let anchors: Vec<TrustAnchor<'_>> = self
            .0
            .iter()
            .filter(|trusted| trusted.details.life(now) == Life::Valid)
            .filter_map(|trusted| anchor_from_trusted_cert(&trusted.certificate).ok())
            .collect();
        let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH);
        let verified = EndEntityCert::try_from(leaf).and_then(|leaf| {
            leaf.verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &anchors,
                intermediates,
                UnixTime::since_unix_epoch(since_1970.unwrap_or(Duration::ZERO)),
                KeyUsage::server_auth(),
                None,
                None,
            )
            .map(|_path| ())
        });
        verified.map_err(|error| match error {
            webpki::Error::CertExpired { .. } => Untrusted::Expired,
            webpki::Error::CertNotValidYet { .. } => Untrusted::NotYetValid,
            webpki::Error::UnknownIssuer => Untrusted::UnknownIssuer,
            webpki::Error::CaUsedAsEndEntity | webpki::Error::RequiredEkuNotFoundContext(_) => {
                Untrusted::NotAServers
            }
            _ => Untrusted::Invalid,
        })
    }
}

/// Sorts them by their first moment and then by their bytes, and takes each once.
impl FromIterator<Trusted> for Bundle {
    fn from_iter<T: IntoIterator<Item = Trusted>>(trusted: T) -> Self {
        let mut all: Vec<Trusted> = trusted.into_iter().collect();
        let order = |it: &Trusted| it.details.not_before;
        all.sort_by(|a, b| {
            order(a)
                .cmp(&order(b))
                .then_with(|| a.certificate.as_ref().cmp(b.certificate.as_ref()))
        });
        all.dedup_by(|a, b| a.certificate == b.certificate);
        Self(all)
    }
}
