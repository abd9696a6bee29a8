//! A CA, made in process, and the serving certificates that it issues.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData as _,
};
use rustls_pki_types::CertificateDer;

use super::{
    bundle::Trusted,
    pair::{BadPair, Pair},
    pem::{BadPem, Details, blocks, certificate_pem},
    server_names::ServerNames,
};

/// How much earlier than its issue a certificate begins, for clients whose clock is behind.
pub const BACKDATE: Duration = Duration::from_hours(1);

/// The end of 9999-12-31, the last moment that X.509 can write (RFC 5280 section 4.1.2.5).
const LAST_MOMENT: Duration = Duration::from_secs(253_402_300_799);

/// A CA certificate and its private key.
pub struct Authority {
    certificate: Trusted,
    key: KeyPair,
}

/// A serving certificate as it was issued.
pub struct Issued {
    /// The certificate, PEM.
    pub certificate: String,
    /// Its private key, PEM (PKCS #8).
    pub key: String,
    /// Both, read back.
    pub pair: Pair,
}

/// Why two PEM texts are not an [`Authority`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAuthority {
    /// A text cannot be read.
    #[error("{0}")]
    Pem(#[from] BadPem),
    /// Not one certificate.
    #[error("one CA certificate is expected, found {0}")]
    Certificates(usize),
    /// A certificate that may sign none.
    #[error("the certificate is not a CA's")]
    NotAnAuthority,
    /// Not one private key.
    #[error("one private key without a passphrase is expected")]
    Key,
    /// The key of another certificate.
    #[error("the private key is not that of the CA certificate")]
    AnotherKey,
}

/// Why a certificate was not issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unissued {
    /// The time cannot be written into a certificate.
    #[error("the clock or the lifetime leads beyond the years 1970 to 9999; set the clock")]
    Time,
    /// The library refused; it says no more.
    #[error("the certificate cannot be made: {0}")]
    Crypto(String),
    /// What was made is not what was wanted.
    #[error("what was issued cannot be used: {0}")]
    Unusable(#[from] BadPair),
}

impl From<rcgen::Error> for Unissued {
    fn from(error: rcgen::Error) -> Self {
        Self::Crypto(error.to_string())
    }
}

impl Authority {
    /// Makes a CA with a new key (ECDSA P-256): it may sign servers' certificates and no further CA.
    pub fn new(now: SystemTime, lifetime: Duration) -> Result<Self, Unissued> {
        let end = now.checked_add(lifetime).ok_or(Unissued::Time)?;
        let key = KeyPair::generate()?;
        let mut params = params(now, end, &format!("alumet-injector CA {}", serial_text(&key)))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?;
        let certificate = Trusted::new(certificate.into())
            .ok_or_else(|| Unissued::Crypto("the CA's certificate cannot be read back".to_owned()))?;
        Ok(Self { certificate, key })
    }

    /// Reads a CA from PEM.
    pub fn read(certificate_pem: &[u8], key_pem: &[u8]) -> Result<Self, BadAuthority> {
        let mut certificates = blocks(certificate_pem)?.certificates;
        let (Some(certificate), 0) = (certificates.pop(), certificates.len()) else {
            return Err(BadAuthority::Certificates(
                blocks(certificate_pem)?.certificates.len(),
            ));
        };
        let certificate = Trusted::new(certificate).ok_or(BadPem::NotX509(1))?;
        if !certificate.details().is_authority {
            return Err(BadAuthority::NotAnAuthority);
        }
        let keys = blocks(key_pem)?.keys;
        let [key] = keys.as_slice() else {
            return Err(BadAuthority::Key);
        };
        let key = KeyPair::try_from(key).map_err(|_| BadAuthority::Key)?;
        if certificate.details().public_key != key.der_bytes() {
            return Err(BadAuthority::AnotherKey);
        }
        Ok(Self { certificate, key })
    }

    /// Issues a serving certificate with a key of its own. It does not outlive the CA.
    pub fn issue(
        &self,
        names: &ServerNames,
        now: SystemTime,
        lifetime: Duration,
    ) -> Result<Issued, Unissued> {
        let end = now.checked_add(lifetime).ok_or(Unissued::Time)?;
        let end = end.min(self.details().not_after);
        let mut params = params(now, end, "alumet-injector")?;
        params.subject_alt_names = CertificateParams::new(names.as_slice())?.subject_alt_names;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let issuer = Issuer::from_ca_cert_der(self.certificate(), &self.key)?;
        let certificate = params.signed_by(&key, &issuer)?.pem();
        let key = key.serialize_pem();
        let pair = Pair::read(certificate.as_bytes(), key.as_bytes())?;
        Ok(Issued {
            certificate,
            key,
            pair,
        })
    }

    /// The CA's certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        self.certificate.certificate()
    }

    /// What the CA's certificate says of itself.
    pub fn details(&self) -> &Details {
        self.certificate.details()
    }

    /// The CA's certificate as a client trusts it.
    pub fn trusted(&self) -> &Trusted {
        &self.certificate
    }

    /// The CA's certificate, PEM.
    pub fn certificate_pem(&self) -> String {
        certificate_pem(self.certificate())
    }

    /// The CA's private key, PEM (PKCS #8).
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Authority")
            .field("details", self.details())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Issued")
            .field("pair", &self.pair)
            .finish_non_exhaustive()
    }
}

/// What both kinds of certificates have. The serial number is left to the library, which takes 159 bits of a hash of
/// the new and therefore random public key.
fn params(now: SystemTime, end: SystemTime, common_name: &str) -> Result<CertificateParams, Unissued> {
    let begin = now.checked_sub(BACKDATE).ok_or(Unissued::Time)?;
    let fits = |moment: SystemTime| {
        moment
            .duration_since(SystemTime::UNIX_EPOCH)
            .is_ok_and(|since| since <= LAST_MOMENT)
    };
    if !fits(begin) || !fits(end) {
        return Err(Unissued::Time);
    }
    let mut params = CertificateParams::default();
    params.not_before = begin.into();
    params.not_after = end.into();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok(params)
}

/// Tells two CAs apart by their names: then a chain has one way to lead, and a person sees which CA it was.
fn serial_text(key: &KeyPair) -> String {
    key.der_bytes()
        .iter()
        .skip(1)
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
