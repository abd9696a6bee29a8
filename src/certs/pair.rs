//! A certificate chain and the private key of its first certificate: what a TLS server needs.

use std::{fmt, time::SystemTime};

use rcgen::{KeyPair, PublicKeyData as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::pem::{BadPem, Details, blocks, details};

/// A certificate chain and its private key.
///
/// Whoever has one may serve with it: the key is that of the first certificate, and the certificate has names. Whether
/// it has expired is not asked here, since no clock is: see [`Pair::not_after`].
pub struct Pair {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    leaf: Details,
}

/// Why two PEM texts are not a [`Pair`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPair {
    /// The text of the chain cannot be read.
    #[error("the certificate's PEM: {0}")]
    Chain(BadPem),
    /// The text of the key cannot be read.
    #[error("the key's PEM: {0}")]
    Key(BadPem),
    /// No certificate where one belongs.
    #[error("the certificate's PEM has no certificate; it must have a block `-----BEGIN CERTIFICATE-----`")]
    NoCertificate,
    /// The two texts are in each other's place.
    #[error(
        "the certificate's PEM has a private key and no certificate; are the two files in each other's place?"
    )]
    Swapped,
    /// No private key where one belongs.
    #[error("the key's PEM has no private key; it must have a block `-----BEGIN PRIVATE KEY-----`")]
    NoKey,
    /// More than one private key.
    #[error("the key's PEM has {0} private keys; leave only that of the certificate in it")]
    SeveralKeys(usize),
    /// A key that only its passphrase opens.
    #[error(
        "the private key is encrypted, and a server cannot be asked for a passphrase; decrypt it: openssl pkey"
    )]
    EncryptedKey,
    /// A key of a kind that is not served with, or no key at all.
    #[error(
        "the private key cannot be read; use ECDSA P-256, P-384 or P-521, RSA of 2048 bits or more, or Ed25519"
    )]
    UnknownKey,
    /// The key belongs to another certificate of the chain.
    #[error("the private key is that of certificate {0} of the chain; put that certificate first")]
    WrongOrder(usize),
    /// The key belongs to none of the certificates.
    #[error("the private key is not that of the certificate; take both from the same issue")]
    AnotherKey,
    /// A certificate without subject alternative names.
    #[error(
        "the certificate has no DNS name and no IP address among its subject alternative names, and the API server \
         looks nowhere else; issue it for SERVICE.NAMESPACE.svc"
    )]
    NoNames,
}

impl Pair {
    /// Reads a chain, the server's own certificate first, and the key of that certificate.
    ///
    /// The chain's text may hold the key too, as some tools write it; the key is taken from the key's text alone.
    pub fn read(chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, BadPair> {
        let key_blocks = blocks(key_pem).map_err(BadPair::Key)?;
        if key_blocks.has_encrypted_key {
            return Err(BadPair::EncryptedKey);
        }
        let chain_blocks = blocks(chain_pem).map_err(BadPair::Chain)?;
        let chain = chain_blocks.certificates;
        let details: Vec<Details> = chain
            .iter()
            .enumerate()
            .map(|(at, certificate)| details(certificate).ok_or(BadPem::NotX509(at + 1)))
            .collect::<Result<_, _>>()
            .map_err(BadPair::Chain)?;
        let has_key = !chain_blocks.keys.is_empty() || chain_blocks.has_encrypted_key;
        let Some(leaf) = details.first().cloned() else {
            return Err(if has_key {
                BadPair::Swapped
            } else {
                BadPair::NoCertificate
            });
        };
        let mut keys = key_blocks.keys;
        let key = match (keys.pop(), keys.len()) {
            (None, _) => return Err(BadPair::NoKey),
            (Some(key), 0) => key,
            (Some(_), others) => return Err(BadPair::SeveralKeys(others + 1)),
        };
        let public = KeyPair::try_from(&key).map_err(|_| BadPair::UnknownKey)?;
        match details
            .iter()
            .position(|certificate| certificate.public_key == public.der_bytes())
        {
            Some(0) => {}
            Some(at) => return Err(BadPair::WrongOrder(at + 1)),
            None => return Err(BadPair::AnotherKey),
        }
        if leaf.names.is_empty() {
            return Err(BadPair::NoNames);
        }
        Ok(Self { chain, key, leaf })
    }

    /// The certificates, the server's own first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The private key of the first certificate.
    pub fn key(&self) -> &PrivateKeyDer<'static> {
        &self.key
    }

    /// The first moment at which clients accept the server's own certificate.
    pub fn not_before(&self) -> SystemTime {
        self.leaf.not_before
    }

    /// The last moment at which they do.
    pub fn not_after(&self) -> SystemTime {
        self.leaf.not_after
    }

    /// The DNS names and IP addresses of the server's own certificate.
    pub fn names(&self) -> &[String] {
        &self.leaf.names
    }

    /// What the server's own certificate says of itself.
    pub fn details(&self) -> &Details {
        &self.leaf
    }
}

impl Clone for Pair {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
            leaf: self.leaf.clone(),
        }
    }
}

/// By content, so that a reload can tell whether there is anything new.
impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain && self.key == other.key
    }
}

impl Eq for Pair {}

impl fmt::Debug for Pair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pair")
            .field("certificates", &self.chain.len())
            .field("leaf", &self.leaf)
            .finish_non_exhaustive()
    }
}
