//! What the Secret of the self-managed mode holds, and what is written into it.

use std::time::SystemTime;

use super::{
    authority::{Authority, Issued, Unissued},
    bundle::{Bundle, Trusted},
    pair::Pair,
    renewal::{Lifetimes, Step},
    server_names::ServerNames,
};

/// The CA that issues: certificate, PEM.
pub const CA_CERTIFICATE: &str = "ca.crt";
/// The CA that issues: private key, PEM.
pub const CA_KEY: &str = "ca.key";
/// The serving certificate, PEM.
pub const CERTIFICATE: &str = "tls.crt";
/// The private key of the serving certificate, PEM.
pub const KEY: &str = "tls.key";
/// Every CA that clients are to trust, PEM: the one that issues, and those that did so before and still may have a
/// living leaf. The caBundle is this text.
pub const BUNDLE: &str = "bundle.crt";

/// Most CAs of a bundle. Of CAs that follow one another in time at most two live at once; more come from clocks that
/// jump or from hands.
const MAX_AUTHORITIES: usize = 8;

/// What the Secret holds, as far as it can be used.
#[derive(Debug, Default)]
pub struct Held {
    /// The CA that issues.
    pub authority: Option<Authority>,
    /// The CAs that clients are to trust.
    pub bundle: Bundle,
    /// The serving certificate and its key.
    pub leaf: Option<Pair>,
    /// What is there and cannot be used: the key of the Secret, and why. Never a value.
    pub unusable: Vec<(&'static str, String)>,
}

/// Keys of the Secret and their new values.
pub type Change = Vec<(&'static str, String)>;

impl Held {
    /// Reads the entries of the Secret; an entry that is missing or empty holds nothing.
    pub fn read<'a>(entry: impl Fn(&str) -> Option<&'a [u8]>) -> Self {
        let entry = |key: &str| entry(key).filter(|value| !value.is_empty());
        let mut held = Self::default();
        match entry(BUNDLE).map(Bundle::read) {
            Some(Ok(bundle)) => held.bundle = bundle.filtered(|trusted| trusted.details().is_authority),
            Some(Err(error)) => held.unusable.push((BUNDLE, error.to_string())),
            None => {}
        }
        match (entry(CA_CERTIFICATE), entry(CA_KEY)) {
            (Some(certificate), Some(key)) => match Authority::read(certificate, key) {
                Ok(authority) => held.authority = Some(authority),
                Err(error) => held.unusable.push((CA_CERTIFICATE, error.to_string())),
            },
            (None, None) => {}
            (None, Some(_)) => held.unusable.push((CA_CERTIFICATE, missing(CA_KEY))),
            (Some(_), None) => held.unusable.push((CA_KEY, missing(CA_CERTIFICATE))),
        }
        // Also without its key it may be the one that issued the leaf.
        let issuers = entry(CA_CERTIFICATE).and_then(|pem| Bundle::read(pem).ok());
        let issuers = issuers.unwrap_or_default();
        let issuers = issuers.filtered(|trusted| trusted.details().is_authority);
        held.bundle = held.bundle.with(issuers.iter().cloned());
        match (entry(CERTIFICATE), entry(KEY)) {
            (Some(chain), Some(key)) => match Pair::read(chain, key) {
                Ok(pair) => held.leaf = Some(pair),
                Err(error) => held.unusable.push((CERTIFICATE, error.to_string())),
            },
            (None, None) => {}
            (None, Some(_)) => held.unusable.push((CERTIFICATE, missing(KEY))),
            (Some(_), None) => held.unusable.push((KEY, missing(CERTIFICATE))),
        }
        held
    }

    /// What has to be written for a step; nothing where the step is to wait.
    pub fn carry_out(
        &self,
        step: Step,
        names: &ServerNames,
        now: SystemTime,
        lifetimes: Lifetimes,
    ) -> Result<Change, Unissued> {
        match step {
            Step::Wait => Ok(Vec::new()),
            Step::BeginAuthority => {
                let authority = Authority::new(now, lifetimes.authority)?;
                let bundle = self.bundle_with(authority.trusted(), now);
                Ok(vec![
                    (CA_CERTIFICATE, authority.certificate_pem()),
                    (CA_KEY, authority.key_pem()),
                    (BUNDLE, bundle.pem()),
                ])
            }
            Step::IssueLeaf => {
                let Some(authority) = &self.authority else {
                    return Ok(Vec::new());
                };
                let Issued { certificate, key, .. } = authority.issue(names, now, lifetimes.leaf)?;
                Ok(vec![(CERTIFICATE, certificate), (KEY, key)])
            }
            Step::DropAuthorities => Ok(vec![(BUNDLE, self.bundle.living(now).pem())]),
        }
    }

    /// The bundle with one more CA: without those that have expired, and without the oldest where there are too many.
    /// The one that signed the leaf stays.
    fn bundle_with(&self, newest: &Trusted, now: SystemTime) -> Bundle {
        let issuer = self.leaf.as_ref().map(|leaf| leaf.details().issuer.as_str());
        let mut bundle = self.bundle.living(now).with([newest.clone()]);
        while bundle.len() > MAX_AUTHORITIES {
            let Some(oldest) = bundle
                .iter()
                .find(|trusted| *trusted != newest && Some(trusted.details().subject.as_str()) != issuer)
                .cloned()
            else {
                break;
            };
            bundle = bundle.filtered(|trusted| *trusted != oldest);
        }
        bundle
    }
}

fn missing(other: &str) -> String {
    format!("it is missing, though {other} is there")
}
