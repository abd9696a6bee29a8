//! What the Secret of the self-managed mode holds, and what is written into it.

use std::time::SystemTime;

use super::{
    authority::{Authority, Issued, Unissued},
    bundle::{Bundle, Trusted},
    pair::Pair,
    pem::Life,
    renewal::{Lifetimes, Step},
    server_names::ServerNames,
};

/// The CA that issues: certificate, PEM.
pub const CA_CERTIFICATE: &str = "ca.crt";
/// The CA that issues: private key, PEM.
pub const CA_KEY: &str = "ca.key";
/// The CA that issues next, once every API server trusts it: certificate, PEM.
pub const NEXT_CERTIFICATE: &str = "next.crt";
/// The CA that issues next: private key, PEM.
pub const NEXT_KEY: &str = "next.key";
/// The serving certificate, PEM.
pub const CERTIFICATE: &str = "tls.crt";
/// The private key of the serving certificate, PEM.
pub const KEY: &str = "tls.key";
/// Every CA that clients are to trust, PEM: the one that issues, the one that does so next, and those that did so before
/// and still may have a living leaf. The caBundle is this text.
pub const BUNDLE: &str = "bundle.crt";

/// Most CAs of a bundle. Of CAs that follow one another in time at most two live at once; more come from clocks that
/// jump or from hands.
const MAX_AUTHORITIES: usize = 8;

/// What the Secret holds, as far as it can be used.
#[derive(Debug, Default)]
pub struct Held {
    /// The CA that issues.
    pub authority: Option<Authority>,
    /// The CA that issues next.
    pub next: Option<Authority>,
    /// The CAs that clients are to trust.
    pub bundle: Bundle,
    /// The serving certificate and its key.
    pub leaf: Option<Pair>,
    /// What is there and cannot be used: the key of the Secret, and why. Never a value.
    pub unusable: Vec<(&'static str, String)>,
}

/// Keys of the Secret and their new values; without a value the key goes.
pub type Change = Vec<(&'static str, Option<String>)>;

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
        held.authority = held.pair(&entry, CA_CERTIFICATE, CA_KEY, Authority::read);
        held.next = held.pair(&entry, NEXT_CERTIFICATE, NEXT_KEY, Authority::read);
        // Also without its key it may be the one that issued the leaf.
        for key in [CA_CERTIFICATE, NEXT_CERTIFICATE] {
            let issuers = entry(key).and_then(|pem| Bundle::read(pem).ok());
            let issuers = issuers.unwrap_or_default();
            let issuers = issuers.filtered(|trusted| trusted.details().is_authority);
            held.bundle = held.bundle.with(issuers.iter().cloned());
        }
        held.leaf = held.pair(&entry, CERTIFICATE, KEY, Pair::read);
        held
    }

    /// What two entries that belong together hold; takes note of what cannot be used.
    fn pair<'a, T, E: ToString>(
        &mut self,
        entry: &impl Fn(&str) -> Option<&'a [u8]>,
        certificate: &'static str,
        key: &'static str,
        read: impl Fn(&[u8], &[u8]) -> Result<T, E>,
    ) -> Option<T> {
        let (at, why) = match (entry(certificate), entry(key)) {
            (Some(pem), Some(key_pem)) => match read(pem, key_pem) {
                Ok(pair) => return Some(pair),
                Err(error) => (certificate, error.to_string()),
            },
            (None, None) => return None,
            (None, Some(_)) => (certificate, missing(key)),
            (Some(_), None) => (key, missing(certificate)),
        };
        self.unusable.push((at, why));
        None
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
                let mut change = self.without_dead_next(now);
                change.extend([
                    (CA_CERTIFICATE, Some(authority.certificate_pem())),
                    (CA_KEY, Some(authority.key_pem())),
                    (BUNDLE, Some(bundle.pem())),
                ]);
                Ok(change)
            }
            Step::PrepareAuthority => {
                let next = Authority::new(now, lifetimes.authority)?;
                let bundle = self.bundle_with(next.trusted(), now);
                Ok(vec![
                    (NEXT_CERTIFICATE, Some(next.certificate_pem())),
                    (NEXT_KEY, Some(next.key_pem())),
                    (BUNDLE, Some(bundle.pem())),
                ])
            }
            Step::PromoteAuthority => {
                let Some(next) = &self.next else {
                    return Ok(Vec::new());
                };
                Ok(vec![
                    (CA_CERTIFICATE, Some(next.certificate_pem())),
                    (CA_KEY, Some(next.key_pem())),
                    (NEXT_CERTIFICATE, None),
                    (NEXT_KEY, None),
                    // The CA of before may have stood in `ca.crt` alone.
                    (BUNDLE, Some(self.bundle.living(now).pem())),
                ])
            }
            Step::IssueLeaf => {
                let Some(authority) = &self.authority else {
                    return Ok(Vec::new());
                };
                let Issued { certificate, key, .. } = authority.issue(names, now, lifetimes.leaf)?;
                Ok(vec![(CERTIFICATE, Some(certificate)), (KEY, Some(key))])
            }
            Step::DropAuthorities => {
                let mut change = self.without_dead_next(now);
                change.push((BUNDLE, Some(self.bundle.living(now).pem())));
                Ok(change)
            }
        }
    }

    /// Takes out a next CA that has expired or cannot be used: its certificate would come back into the bundle with each
    /// reading. What still lives of it stands in `bundle.crt`, which is written along with this.
    fn without_dead_next(&self, now: SystemTime) -> Change {
        match &self.next {
            Some(next) if next.details().life(now) != Life::Expired => Vec::new(),
            _ => vec![(NEXT_CERTIFICATE, None), (NEXT_KEY, None)],
        }
    }

    /// The bundle with one more CA: without those that have expired, and without the oldest where there are too many.
    /// The one that issues and the one that signed the leaf stay.
    fn bundle_with(&self, newest: &Trusted, now: SystemTime) -> Bundle {
        let issuer = self.leaf.as_ref().map(|leaf| leaf.details().issuer.as_str());
        let is_needed = |trusted: &Trusted| {
            let own = self.authority.as_ref().map(Authority::trusted);
            own == Some(trusted) || issuer == Some(trusted.details().subject.as_str())
        };
        let mut bundle = self.bundle.living(now).with([newest.clone()]);
        while bundle.len() > MAX_AUTHORITIES {
            let Some(oldest) = bundle
                .iter()
                .find(|trusted| *trusted != newest && !is_needed(trusted))
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
