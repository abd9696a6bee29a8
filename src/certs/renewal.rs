//! When a new CA begins, when a serving certificate is issued, when an old CA is dropped.
//!
//! The order keeps every handshake good. A new CA is first written beside the one that issues, and into the bundle; it
//! takes its place, and a leaf of it is issued, only when the caBundle has had it for a while; and an old CA stays in the
//! bundle until it expires, which no leaf of it survives. So whatever leaf stands in the Secret may be served by every
//! replica that reads it, and at every moment there is the key of a CA that is trusted, to issue another.

use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;

use super::{
    authority::{Authority, BACKDATE},
    bundle::Bundle,
    held::Held,
    pair::Pair,
    pem::{Details, Life},
    server_names::ServerNames,
};

/// A certificate is valid in its last second, too.
const SECOND: Duration = Duration::from_secs(1);

/// How long things last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// A CA, from its issue.
    pub authority: Duration,
    /// A serving certificate, from its issue.
    pub leaf: Duration,
    /// From the moment that a caBundle has a CA to the moment that every API server uses it. Each of them follows the
    /// webhook configurations by a watch, which takes seconds at most.
    pub settle: Duration,
}

/// A leaf is renewed every 20 days, a CA every 8 months: often enough that it is known to work, and long enough that an
/// injector which is away for days comes back to a certificate that is valid.
impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            authority: Duration::from_hours(365 * 24),
            leaf: Duration::from_hours(30 * 24),
            settle: Duration::from_mins(1),
        }
    }
}

/// What to do to the Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing for now.
    Wait,
    /// Make a CA, for there is none that can issue, and put it into the bundle. A next CA that is dead goes.
    BeginAuthority,
    /// Make the CA that is to issue next, and put it into the bundle; the one that issues goes on.
    PrepareAuthority,
    /// Let the next CA take the place of the one that issues.
    PromoteAuthority,
    /// Issue a serving certificate.
    IssueLeaf,
    /// Take the expired CAs out of the bundle, and a next CA that is dead.
    DropAuthorities,
}

/// A step, why, and when to ask again at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What to do.
    pub step: Step,
    /// Why, in a few words; for the log.
    pub reason: &'static str,
    /// When the answer may change though nothing else does. A timer must not be trusted with it: timers stand still
    /// while a machine is suspended, so ask every minute.
    pub again: SystemTime,
}

/// The CAs that the caBundle of every entry has, and since when this process has seen them there.
#[derive(Debug, Clone, Default)]
pub struct InPlace(Vec<(CertificateDer<'static>, SystemTime)>);

impl InPlace {
    /// Takes note of what every caBundle has now.
    pub fn observe(&mut self, everywhere: &Bundle, now: SystemTime) {
        let since = |certificate: &CertificateDer<'_>| {
            let seen = self.0.iter().find(|(known, _)| known == certificate);
            // A clock that was set back must not make the wait longer.
            seen.map_or(now, |(_, since)| (*since).min(now))
        };
        self.0 = everywhere
            .iter()
            .map(|trusted| (trusted.certificate().clone(), since(trusted.certificate())))
            .collect();
    }

    /// Since when it has been there.
    fn since(&self, certificate: &CertificateDer<'_>) -> Option<SystemTime> {
        let (_, since) = self.0.iter().find(|(known, _)| known == certificate)?;
        Some(*since)
    }
}

/// Whether a pair may be handed to the server: clients accept it now.
pub fn may_serve(pair: &Pair, everywhere: &Bundle, now: SystemTime) -> bool {
    everywhere.trusts(pair.chain(), now).is_ok()
}

/// What to do, by the first row that fits. The next CA counts when it can be used and is valid now; a CA is in place when
/// the caBundle has it, and settled when it has been there for long enough.
///
/// | CA in the Secret | the next CA | leaf in the Secret | step |
/// |---|---|---|---|
/// | none, unusable or not valid now | there | | `PromoteAuthority` |
/// | none, unusable or not valid now | none | | `BeginAuthority` |
/// | good | settled | | `PromoteAuthority` |
/// | in its last third | none | | `PrepareAuthority` |
/// | not in place | | | `Wait` |
/// | in place | | unusable, not valid now, lacks a name, or of no CA of the bundle | `IssueLeaf` |
/// | in place, not settled | | of another CA | `Wait` |
/// | settled | | of another CA | `IssueLeaf` |
/// | in place | | in its last third, and not ended by its CA's end | `IssueLeaf` |
/// | in place | | good, and the bundle has an expired CA | `DropAuthorities` |
/// | in place | | good | `Wait` |
pub fn decide(
    held: &Held,
    in_place: &InPlace,
    names: &ServerNames,
    now: SystemTime,
    lifetimes: Lifetimes,
) -> Decision {
    let at_once = |step, reason| Decision {
        step,
        reason,
        again: now,
    };
    let settled = |authority: &Authority| {
        let since = in_place.since(authority.certificate())?;
        Some(since.checked_add(lifetimes.settle).unwrap_or(since))
    };
    let next = held.next.as_ref().filter(|next| is_valid(next.details(), now));
    let Some(authority) = &held.authority else {
        return at_once(instead(next), "the Secret has no CA that can issue");
    };
    let own_age = age(authority.details(), now);
    match own_age {
        Age::Early => return at_once(instead(next), "the CA begins in the future"),
        Age::Expired => return at_once(instead(next), "the CA has expired"),
        Age::Good | Age::LastThird => {}
    }
    let next_settled = next.and_then(settled);
    if next_settled.is_some_and(|settled| settled <= now) {
        return at_once(Step::PromoteAuthority, "the next CA is trusted");
    }
    if own_age == Age::LastThird && next.is_none() {
        return at_once(Step::PrepareAuthority, "the CA is in the last third of its life");
    }

    let wait = |reason, moments: &[SystemTime]| {
        let of_authorities = [Some(two_thirds(authority.details())), next_settled];
        Decision {
            step: Step::Wait,
            reason,
            again: of_authorities
                .into_iter()
                .flatten()
                .chain(moments.iter().copied())
                .filter(|moment| *moment > now)
                .fold(authority.details().not_after + SECOND, SystemTime::min),
        }
    };
    let Some(own_settled) = settled(authority) else {
        return wait("the caBundle does not have the CA yet", &[]);
    };
    let Some(leaf) = &held.leaf else {
        return at_once(
            Step::IssueLeaf,
            "the Secret has no serving certificate that can be used",
        );
    };
    let leaf_age = age(leaf.details(), now);
    match leaf_age {
        Age::Early => return at_once(Step::IssueLeaf, "the serving certificate begins in the future"),
        Age::Expired => return at_once(Step::IssueLeaf, "the serving certificate has expired"),
        Age::Good | Age::LastThird => {}
    }
    if !names.as_slice().iter().all(|name| leaf.names().contains(name)) {
        return at_once(Step::IssueLeaf, "the serving certificate lacks a name");
    }
    if held.bundle.trusts(leaf.chain(), now).is_err() {
        return at_once(
            Step::IssueLeaf,
            "no CA of the Secret issued the serving certificate",
        );
    }
    let own = Bundle::from_iter([authority.trusted().clone()]);
    if own.trusts(leaf.chain(), now).is_err() {
        return if now < own_settled {
            wait("the CA has not been in the caBundle for long", &[own_settled])
        } else {
            at_once(Step::IssueLeaf, "there is a new CA")
        };
    }
    // Another leaf would end with the CA as well.
    let can_be_longer = leaf.not_after() < authority.details().not_after;
    if leaf_age == Age::LastThird && can_be_longer {
        return at_once(
            Step::IssueLeaf,
            "the serving certificate is in the last third of its life",
        );
    }
    if held.bundle.living(now) != held.bundle {
        return at_once(Step::DropAuthorities, "a CA of the bundle has expired");
    }
    let ends = held.bundle.iter().map(|trusted| trusted.details().not_after);
    let first_end = ends.min().unwrap_or(now) + SECOND;
    wait("everything is in order", &[two_thirds(leaf.details()), first_end])
}

/// What to do when the CA cannot issue.
fn instead(next: Option<&Authority>) -> Step {
    match next {
        Some(_) => Step::PromoteAuthority,
        None => Step::BeginAuthority,
    }
}

/// How far into its life a certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Early,
    Good,
    LastThird,
    Expired,
}

fn is_valid(details: &Details, now: SystemTime) -> bool {
    details.life(now) == Life::Valid
}

fn age(details: &Details, now: SystemTime) -> Age {
    match details.life(now) {
        Life::NotYet => Age::Early,
        Life::Expired => Age::Expired,
        Life::Valid if now >= two_thirds(details) => Age::LastThird,
        Life::Valid => Age::Good,
    }
}

/// The moment at which two thirds of its life are over, counted from its issue.
fn two_thirds(details: &Details) -> SystemTime {
    let issue = details.not_before + BACKDATE;
    let life = details.not_after.duration_since(issue).unwrap_or_default();
    issue + life / 3 * 2
}
