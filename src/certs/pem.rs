//! The blocks of a PEM text (RFC 7468), bounded, and what a certificate says of itself.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject as _, SectionKind},
};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer as _, X509Certificate},
    time::ASN1Time,
};

/// Longest PEM text that is read. A chain of ten certificates with keys of RSA 4096 has 20 KiB, and a Secret may not
/// be larger than 1 MiB.
pub const MAX_PEM_BYTES: usize = 256 << 10;

/// Most certificates of a chain or bundle that are read.
pub const MAX_CERTIFICATES: usize = 32;

/// Why a PEM text cannot be used, whatever it was to hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPem {
    /// Longer than any text of certificates.
    #[error(
        "{0} bytes are more than the {MAX_PEM_BYTES} that are read; leave in it only what belongs to this server"
    )]
    TooLarge(usize),
    /// More certificates than any chain has.
    #[error(
        "more than {MAX_CERTIFICATES} certificates; leave in it only the server's own and those that lead to its CA"
    )]
    TooMany,
    /// Not PEM, or cut off.
    #[error("the PEM text is broken, {0}; copy it again, from BEGIN line to END line")]
    Broken(&'static str),
    /// A certificate that is none.
    #[error("certificate {0} is not an X.509 certificate; export it again, in PEM")]
    NotX509(usize),
}

/// What a text of PEM blocks holds. What is neither certificate nor private key is left out.
pub(super) struct Blocks {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) keys: Vec<PrivateKeyDer<'static>>,
    /// A private key that a passphrase protects.
    pub(super) has_encrypted_key: bool,
}

/// Reads the blocks of a text.
pub(super) fn blocks(text: &[u8]) -> Result<Blocks, BadPem> {
    if text.len() > MAX_PEM_BYTES {
        return Err(BadPem::TooLarge(text.len()));
    }
    // PKCS #8 (RFC 5958) says it in the label, the older form of OpenSSL in a header (RFC 1421), which no reader of
    // PEM blocks takes.
    let has = |needle: &str| memchr::memmem::find(text, needle.as_bytes()).is_some();
    let has_header = has("Proc-Type: 4,ENCRYPTED");
    let mut blocks = Blocks {
        certificates: Vec::new(),
        keys: Vec::new(),
        has_encrypted_key: has_header || has("-----BEGIN ENCRYPTED PRIVATE KEY-----"),
    };
    for block in <(SectionKind, Vec<u8>)>::pem_slice_iter(text) {
        match block {
            Ok((SectionKind::Certificate, der)) => blocks.certificates.push(CertificateDer::from(der)),
            Ok((kind, der)) => blocks.keys.extend(PrivateKeyDer::from_pem(kind, der)),
            Err(pem::Error::Base64Decode(_)) if has_header => {}
            Err(error) => return Err(BadPem::Broken(what_is_broken(&error))),
        }
    }
    if blocks.certificates.len() > MAX_CERTIFICATES {
        return Err(BadPem::TooMany);
    }
    Ok(blocks)
}

/// Whether there is a private key in a text, encrypted or not.
pub fn has_key(text: &[u8]) -> bool {
    blocks(text).is_ok_and(|blocks| blocks.has_encrypted_key || !blocks.keys.is_empty())
}

/// A certificate as a block of its own.
pub(super) fn certificate_pem(certificate: &CertificateDer<'_>) -> String {
    let config = ::pem::EncodeConfig::new().set_line_ending(::pem::LineEnding::LF);
    ::pem::encode_config(&::pem::Pem::new("CERTIFICATE", certificate.to_vec()), config)
}

/// SHA-256 of a certificate, as `openssl x509 -fingerprint -sha256` shows it.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    let bytes: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}

/// The library's own words show bytes of the text, which may be those of a key.
fn what_is_broken(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a BEGIN line has no END line",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line does not end in five hyphens",
        pem::Error::Base64Decode(_) => "a block is not base64",
        _ => "a block cannot be read",
    }
}

/// What is read of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// Subject, as RFC 4514 writes it, nearly.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// DNS names and IP addresses for which it may stand.
    pub names: Vec<String>,
    /// First moment of its life.
    pub not_before: SystemTime,
    /// Last moment of its life.
    pub not_after: SystemTime,
    /// Whether it may sign other certificates.
    pub is_authority: bool,
    /// Public key: the content of the BIT STRING (RFC 5280 section 4.1).
    pub(super) public_key: Vec<u8>,
}

/// Where a moment lies in the life of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Before it.
    NotYet,
    /// In it. The first and the last moment belong to it (RFC 5280 section 4.1.2.5).
    Valid,
    /// After it.
    Expired,
}

impl Details {
    /// Where this moment lies in the certificate's life.
    pub fn life(&self, now: SystemTime) -> Life {
        match now {
            now if now < self.not_before => Life::NotYet,
            now if now > self.not_after => Life::Expired,
            _ => Life::Valid,
        }
    }
}

/// Reads what a certificate says of itself, or nothing where it is none.
pub(super) fn details(certificate: &CertificateDer<'_>) -> Option<Details> {
    let (rest, x509) = X509Certificate::from_der(certificate).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let names = match x509.subject_alternative_name() {
        Ok(Some(extension)) => extension.value.general_names.iter().filter_map(name).collect(),
        Ok(None) => Vec::new(),
        Err(_) => return None,
    };
    Some(Details {
        subject: x509.subject().to_string(),
        issuer: x509.issuer().to_string(),
        names,
        not_before: moment(x509.validity().not_before),
        not_after: moment(x509.validity().not_after),
        is_authority: x509.is_ca(),
        public_key: x509.public_key().subject_public_key.data.to_vec(),
    })
}

/// The two kinds of names that a TLS client compares with an address.
fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(IpAddr::from),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(IpAddr::from),
            _ => None,
        }
        .map(|address| address.to_string()),
        _ => None,
    }
}

/// A moment of X.509 has whole seconds, and may lie before 1970.
fn moment(time: ASN1Time) -> SystemTime {
    let seconds = Duration::from_secs(time.timestamp().unsigned_abs());
    let moment = if time.timestamp() < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(seconds)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(seconds)
    };
    moment.unwrap_or(SystemTime::UNIX_EPOCH)
}
