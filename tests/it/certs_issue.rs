//! What is issued is accepted by a TLS client, for its names and in its time, and by nobody else.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use alumet_injector::certs::{
    Authority, BACKDATE, BadName, Bundle, Pair, ServerNames, Unissued, Untrusted,
    pem::{Details, fingerprint},
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    crypto::aws_lc_rs,
    pki_types::{ServerName, UnixTime},
    time_provider::TimeProvider,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

pub(crate) const DAY: Duration = Duration::from_hours(24);

/// 2026-06-01, 20605 days after 1970-01-01.
pub(crate) fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + 20_605 * DAY
}

fn service() -> ServerNames {
    ServerNames::of_service("injector", "alumet").unwrap()
}

#[derive(Debug)]
struct Clock(SystemTime);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(UnixTime::since_unix_epoch(since))
    }
}

/// A whole TLS 1.3 handshake in memory, at a moment, by a client that trusts the bundle's text and calls the name.
fn handshake(pair: &Pair, bundle_pem: &str, name: &str, now: SystemTime) -> Result<(), rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let clock = Arc::new(Clock(now));
    let server = ServerConfig::builder_with_details(provider.clone(), clock.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(pair.chain().to_vec(), pair.key().clone_key())?;
    let mut roots = RootCertStore::empty();
    for trusted in Bundle::read(bundle_pem.as_bytes()).unwrap().iter() {
        roots.add(trusted.certificate().clone())?;
    }
    let client = ClientConfig::builder_with_details(provider, clock)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut client = ClientConnection::new(Arc::new(client), ServerName::try_from(name.to_owned()).unwrap())?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut bytes.as_slice()).unwrap();
        let of_server = server.process_new_packets().map(|_| ());
        let mut bytes = Vec::new();
        server.write_tls(&mut bytes).unwrap();
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets()?;
        of_server?;
    }
    Ok(())
}

#[test]
fn a_client_accepts_what_was_issued_for_each_of_its_names() {
    let names = [
        "injector.alumet.svc",
        "injector.alumet.svc.cluster.local",
        "10.1.2.3",
        "fd00::7",
        "*.example.org",
    ];
    let names = ServerNames::new(names.map(str::to_owned)).unwrap();
    let authority = Authority::new(start(), 365 * DAY).unwrap();
    let pair = authority.issue(&names, start(), 30 * DAY).unwrap().pair;
    let bundle = authority.certificate_pem();
    let called = [
        "injector.alumet.svc",
        "injector.alumet.svc.cluster.local",
        "10.1.2.3",
        "fd00::7",
        "a.example.org",
    ];
    for name in called {
        handshake(&pair, &bundle, name, start()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for name in ["injector.other.svc", "injector", "10.1.2.4", "example.org"] {
        let error = handshake(&pair, &bundle, name, start()).expect_err(name);
        assert!(
            error.to_string().contains("not valid for name"),
            "{name}: {error}"
        );
    }
}

#[test]
fn what_was_issued_lives_as_long_as_it_says() {
    let authority = Authority::new(start(), 365 * DAY).unwrap();
    let pair = authority.issue(&service(), start(), 30 * DAY).unwrap().pair;
    let bundle = Bundle::from_iter([authority.trusted().clone()]);
    let second = Duration::from_secs(1);
    let end = start() + 30 * DAY;
    for (now, expected) in [
        (start() - BACKDATE - second, Err(Untrusted::NotYetValid)),
        (start() - BACKDATE, Ok(())),
        (start(), Ok(())),
        (end, Ok(())),
        (end + second, Err(Untrusted::Expired)),
    ] {
        // Before its begin the CA is not valid either, and a client that looks for CAs first says so.
        let ours = bundle.trusts(pair.chain(), now);
        let theirs = handshake(&pair, &bundle.pem(), "injector.alumet.svc", now);
        assert_eq!(ours.is_ok(), expected.is_ok(), "{now:?}: {ours:?}");
        assert_eq!(theirs.is_ok(), expected.is_ok(), "{now:?}: {theirs:?}");
        if expected == Err(Untrusted::Expired) {
            assert_eq!(ours, expected);
        }
    }
}

#[test]
fn only_the_authority_that_issued_it_is_trusted() {
    let (one, other) = (
        Authority::new(start(), 365 * DAY).unwrap(),
        Authority::new(start(), 365 * DAY).unwrap(),
    );
    let pair = one.issue(&service(), start(), 30 * DAY).unwrap().pair;
    let both = Bundle::from_iter([one.trusted().clone(), other.trusted().clone()]);
    let wrong = Bundle::from_iter([other.trusted().clone()]);
    assert_eq!(both.trusts(pair.chain(), start()), Ok(()));
    assert_eq!(wrong.trusts(pair.chain(), start()), Err(Untrusted::UnknownIssuer));
    assert_eq!(
        Bundle::default().trusts(pair.chain(), start()),
        Err(Untrusted::UnknownIssuer)
    );
    handshake(&pair, &both.pem(), "injector.alumet.svc", start()).unwrap();
    handshake(&pair, &wrong.pem(), "injector.alumet.svc", start()).unwrap_err();

    let own_certificate = Bundle::read(one.certificate_pem().as_bytes()).unwrap();
    let chain = [one.certificate().clone()];
    assert_eq!(wrong.trusts(&chain, start()), Err(Untrusted::NotAServers));
    assert_eq!(
        own_certificate.trusts(&chain, start()),
        Ok(()),
        "as the API server's client takes it"
    );
}

#[test]
fn a_leaf_does_not_outlive_its_authority_and_an_expired_authority_signs_nothing() {
    let authority = Authority::new(start(), 10 * DAY).unwrap();
    let pair = authority.issue(&service(), start(), 30 * DAY).unwrap().pair;
    assert_eq!(pair.not_after(), start() + 10 * DAY);
    let bundle = Bundle::from_iter([authority.trusted().clone()]);
    let later = start() + 11 * DAY;
    assert!(bundle.trusts(pair.chain(), later).is_err());
    assert!(bundle.living(later).is_empty());
    assert_eq!(bundle.living(start() + 10 * DAY), bundle);
}

#[test]
fn the_extensions_say_what_each_certificate_is_for() {
    let authority = Authority::new(start(), 365 * DAY).unwrap();
    let issued = authority.issue(&service(), start(), 30 * DAY).unwrap();
    let (_, ca) = X509Certificate::from_der(authority.certificate()).unwrap();
    let constraints = ca.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = ca.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.key_cert_sign() && !usage.value.digital_signature());
    assert!(ca.extended_key_usage().unwrap().is_none());

    let (_, leaf) = X509Certificate::from_der(&issued.pair.chain()[0]).unwrap();
    assert!(!leaf.basic_constraints().unwrap().unwrap().value.ca);
    let usage = leaf.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.digital_signature() && !usage.value.key_cert_sign());
    let extended = leaf.extended_key_usage().unwrap().unwrap();
    assert!(extended.value.server_auth && !extended.value.client_auth && !extended.value.any);
    assert_eq!(leaf.issuer(), ca.subject());
    assert!(
        leaf.public_key().subject_public_key.data.len() == 65,
        "a point of P-256, uncompressed"
    );

    let again = authority.issue(&service(), start(), 30 * DAY).unwrap();
    let (_, other) = X509Certificate::from_der(&again.pair.chain()[0]).unwrap();
    assert_ne!(leaf.raw_serial(), other.raw_serial());
    assert!(
        (8..=20).contains(&leaf.raw_serial().len()),
        "{:?}",
        leaf.raw_serial()
    );
    assert_ne!(
        leaf.public_key().raw,
        other.public_key().raw,
        "each leaf has a key of its own"
    );
}

#[test]
fn an_authority_is_read_back_and_goes_on_issuing() {
    let authority = Authority::new(start(), 365 * DAY).unwrap();
    let (certificate, key) = (authority.certificate_pem(), authority.key_pem());
    let same = Authority::read(certificate.as_bytes(), key.as_bytes()).unwrap();
    let pair = same.issue(&service(), start(), 30 * DAY).unwrap().pair;
    handshake(&pair, &certificate, "injector.alumet.svc", start()).unwrap();

    let leaf = same.issue(&service(), start(), 30 * DAY).unwrap();
    let other = Authority::new(start(), 365 * DAY).unwrap();
    let both = certificate.clone() + &other.certificate_pem();
    for (id, certificate, key, words) in [
        (
            "empty",
            "",
            key.as_str(),
            "one CA certificate is expected, found 0",
        ),
        ("two", &both, &key, "one CA certificate is expected, found 2"),
        ("no key", &certificate, "", "one private key"),
        (
            "another's key",
            &certificate,
            &other.key_pem(),
            "not that of the CA certificate",
        ),
        ("leaf", &leaf.certificate, &leaf.key, "not a CA's"),
    ] {
        let error = Authority::read(certificate.as_bytes(), key.as_bytes()).expect_err(id);
        assert!(error.to_string().contains(words), "{id}: {error}");
    }
}

#[test]
fn a_bundle_is_the_same_text_for_the_same_set() {
    let authorities: Vec<Authority> = (0..4)
        .map(|month| Authority::new(start() + 30 * DAY * month, 365 * DAY).unwrap())
        .collect();
    let trusted = |order: &[usize]| -> Bundle {
        order
            .iter()
            .map(|&at| authorities[at].trusted().clone())
            .collect()
    };
    let bundle = trusted(&[0, 1, 2, 3]);
    for order in [&[3, 2, 1, 0][..], &[2, 0, 3, 1, 1, 2], &[0, 0, 0, 1, 2, 3]] {
        assert_eq!(trusted(order).pem(), bundle.pem());
    }
    assert_eq!(trusted(&[0, 2]).with(trusted(&[3, 1, 2]).iter().cloned()), bundle);
    assert_eq!(Bundle::read(bundle.pem().as_bytes()).unwrap(), bundle);
    let begins: Vec<SystemTime> = bundle.iter().map(|it| it.details().not_before).collect();
    assert!(begins.is_sorted());
    assert!(
        Bundle::read(b"")
            .unwrap_err()
            .to_string()
            .contains("no certificate")
    );
}

#[test]
fn names_that_no_certificate_can_have_are_refused() {
    for (names, words) in [
        (vec![], "needs a name"),
        (
            vec!["https://a.example.org"],
            "neither a DNS name nor an IP address",
        ),
        (vec!["a.example.org:443"], "neither"),
        (vec!["a b"], "neither"),
        (vec![""], "neither"),
        (vec!["good.svc", "*.*.svc"], "\"*.*.svc\""),
        (vec!["ä.example.org"], "neither"),
    ] {
        let error = ServerNames::new(names.iter().map(|&name| name.to_owned())).unwrap_err();
        assert!(error.to_string().contains(words), "{names:?}: {error}");
    }
    let many = (0..40).map(|number| format!("n{number}.svc"));
    assert_eq!(ServerNames::new(many).unwrap_err(), BadName::TooMany(40));
    let twice = ServerNames::new(["A.svc", "a.svc"].map(str::to_owned)).unwrap();
    assert_eq!(twice.as_slice(), ["a.svc"]);
}

#[test]
fn a_time_that_cannot_be_written_is_refused() {
    let far = start() + 3_000_000 * DAY;
    for (now, lifetime) in [
        (SystemTime::UNIX_EPOCH, DAY),
        (start(), 3_000_000 * DAY),
        (far, DAY),
        (start(), Duration::MAX),
    ] {
        assert_eq!(Authority::new(now, lifetime).unwrap_err(), Unissued::Time);
    }
}

#[test]
fn neither_an_authority_nor_what_it_issues_shows_its_key() {
    let authority = Authority::new(start(), 365 * DAY).unwrap();
    let issued = authority.issue(&service(), start(), 30 * DAY).unwrap();
    for (shown, key) in [
        (format!("{authority:?}"), authority.key_pem()),
        (format!("{issued:?}"), issued.key.clone()),
    ] {
        assert!(shown.contains("alumet-injector"), "{shown}");
        assert!(
            !shown.contains("PRIVATE") && !shown.contains(key.lines().nth(1).unwrap()),
            "{shown}"
        );
    }
}

#[test]
fn fingerprints_are_those_of_openssl() {
    // From: openssl x509 -noout -fingerprint -sha256
    let pem = include_str!("../fixtures/certificates/expired.crt");
    let bundle = Bundle::read(pem.as_bytes()).unwrap();
    let expired = bundle.iter().next().unwrap();
    let expected = include_str!("../fixtures/certificates/expired.fingerprint");
    assert_eq!(fingerprint(expired.certificate()), expected.trim());
    let Details { subject, .. } = expired.details();
    assert_eq!(subject, "CN=expired");
}
