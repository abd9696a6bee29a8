//! A certificate chain and its key: what is read, and each way in which two texts are no pair.

use std::time::{Duration, SystemTime};

use alumet_injector::certs::{
    Pair,
    pem::{MAX_CERTIFICATES, MAX_PEM_BYTES},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256, SignatureAlgorithm,
    date_time_ymd,
};

const NAME: &str = "injector.alumet.svc";

/// A CA, a leaf of it, and the leaf's key, all in PEM.
struct Issued {
    authority: String,
    leaf: String,
    key: String,
}

fn issue(names: &[&str], algorithm: &'static SignatureAlgorithm) -> Issued {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate_for(algorithm).unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    let leaf = params.signed_by(&key, &authority).unwrap();
    Issued {
        authority: authority.pem(),
        leaf: leaf.pem(),
        key: key.serialize_pem(),
    }
}

fn p256() -> Issued {
    issue(&[NAME], &PKCS_ECDSA_P256_SHA256)
}

/// 2026-01-01 and 2027-01-01 as `date -u +%s` counts them.
const BEGIN: u64 = 1_767_225_600;
const END: u64 = 1_798_761_600;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn a_chain_and_its_key_are_read() {
    let Issued { authority, leaf, key } = issue(
        &[NAME, "10.0.0.7", "fd00::7", "*.example.org"],
        &PKCS_ECDSA_P256_SHA256,
    );
    let pair = Pair::read((leaf.clone() + &authority).as_bytes(), key.as_bytes()).unwrap();
    assert_eq!(pair.chain().len(), 2);
    assert_eq!(pair.names(), [NAME, "10.0.0.7", "fd00::7", "*.example.org"]);
    assert_eq!((pair.not_before(), pair.not_after()), (at(BEGIN), at(END)));
    assert!(!pair.details().is_authority);
    let der = pair.key().secret_der().to_vec();
    assert_eq!(der, KeyPair::from_pem(&key).unwrap().serialize_der());

    let noise = "subject=CN = x\r\n";
    let windows = leaf.replace('\n', "\r\n");
    let same = Pair::read(
        format!("{noise}{windows}{key}{authority}").as_bytes(),
        key.as_bytes(),
    )
    .unwrap();
    assert_eq!(
        same, pair,
        "line ends, remarks and a key among the certificates change nothing"
    );
    let other = p256();
    let other = Pair::read(other.leaf.as_bytes(), other.key.as_bytes()).unwrap();
    assert_ne!(other, pair);
}

#[test]
fn every_kind_of_key_is_told_from_another_of_its_kind() {
    let kinds = [
        &PKCS_ECDSA_P256_SHA256,
        &PKCS_ECDSA_P384_SHA384,
        &PKCS_ECDSA_P521_SHA512,
        &PKCS_ED25519,
        &PKCS_RSA_SHA256,
    ];
    for kind in kinds {
        let (one, other) = (issue(&[NAME], kind), issue(&[NAME], kind));
        Pair::read(one.leaf.as_bytes(), one.key.as_bytes())
            .unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        let error = Pair::read(one.leaf.as_bytes(), other.key.as_bytes()).unwrap_err();
        assert!(
            error.to_string().contains("not that of the certificate"),
            "{kind:?}: {error}"
        );
    }
}

#[test]
fn a_pair_that_is_shown_does_not_show_its_key() {
    let Issued { leaf, key, .. } = p256();
    let pair = Pair::read(leaf.as_bytes(), key.as_bytes()).unwrap();
    let shown = format!("{pair:?} {pair:#?}");
    assert!(shown.contains(NAME), "{shown}");
    let der = pair.key().secret_der();
    assert!(
        !shown.contains(&format!("{:?}", &der[..8]).replace(['[', ']'], "")),
        "{shown}"
    );
    assert!(!shown.contains(key.lines().nth(1).unwrap()), "{shown}");
}

/// Bad input: id, chain, key, and words that the one sentence must have.
fn bad_pairs() -> Vec<(&'static str, Vec<u8>, Vec<u8>, &'static str)> {
    let Issued { authority, leaf, key } = p256();
    let other = p256();
    let nameless = issue(&[], &PKCS_ECDSA_P256_SHA256);
    let text = |text: &str| text.as_bytes().to_vec();
    let der = KeyPair::from_pem(&key).unwrap().serialize_der();
    let cut_off = leaf.split_once("-----END").unwrap().0.to_owned();
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIHsMFc=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let header = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMIHs\n\
                  -----END RSA PRIVATE KEY-----\n";
    let public = KeyPair::from_pem(&key).unwrap().public_key_pem();
    let no_x509 = "-----BEGIN CERTIFICATE-----\nMIHs\n-----END CERTIFICATE-----\n";
    let longer = {
        let mut der = Pair::read(leaf.as_bytes(), key.as_bytes()).unwrap().chain()[0].to_vec();
        der.push(0);
        format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der)
        )
    };
    let chain_place = "the certificate's PEM";
    vec![
        (
            "chain-empty",
            text(""),
            text(&key),
            "the certificate's PEM has no certificate",
        ),
        (
            "chain-der",
            der.clone(),
            text(&key),
            "the certificate's PEM has no certificate",
        ),
        (
            "chain-cut-off",
            text(&cut_off),
            text(&key),
            "a BEGIN line has no END line",
        ),
        (
            "chain-bad-begin-line",
            text(&leaf.replacen("CERTIFICATE-----", "CERTIFICATE--", 1)),
            text(&key),
            "five hyphens",
        ),
        (
            "chain-not-base64",
            text(&leaf.replacen("MII", "M!I", 1)),
            text(&key),
            "not base64",
        ),
        (
            "chain-not-x509",
            text(no_x509),
            text(&key),
            "certificate 1 is not an X.509 certificate",
        ),
        (
            "chain-second-not-x509",
            text(&(leaf.clone() + no_x509)),
            text(&key),
            "certificate 2 is not",
        ),
        (
            "chain-bytes-after-certificate",
            text(&longer),
            text(&key),
            "certificate 1 is not",
        ),
        (
            "chain-too-large",
            vec![b'x'; MAX_PEM_BYTES + 1],
            text(&key),
            chain_place,
        ),
        (
            "chain-too-many",
            text(&leaf.repeat(MAX_CERTIFICATES + 1)),
            text(&key),
            "more than 32 certificates",
        ),
        ("swapped", text(&key), text(&leaf), "in each other's place"),
        (
            "key-empty",
            text(&leaf),
            text(""),
            "the key's PEM has no private key",
        ),
        ("key-der", text(&leaf), der, "the key's PEM has no private key"),
        (
            "key-public",
            text(&leaf),
            text(&public),
            "the key's PEM has no private key",
        ),
        (
            "key-cut-off",
            text(&leaf),
            text(&key[..key.len() / 2]),
            "the key's PEM: ",
        ),
        ("key-encrypted", text(&leaf), text(encrypted), "encrypted"),
        ("key-encrypted-by-header", text(&leaf), text(header), "encrypted"),
        (
            "key-twice",
            text(&leaf),
            text(&(key.clone() + &other.key)),
            "has 2 private keys",
        ),
        (
            "key-of-no-kind",
            text(&leaf),
            text("-----BEGIN PRIVATE KEY-----\nMIHs\n-----END PRIVATE KEY-----\n"),
            "cannot be read; use ECDSA",
        ),
        (
            "key-too-large",
            text(&leaf),
            vec![b'x'; MAX_PEM_BYTES + 1],
            "the key's PEM: 262145 bytes",
        ),
        (
            "key-of-another",
            text(&leaf),
            text(&other.key),
            "not that of the certificate",
        ),
        (
            "authority-first",
            text(&(authority + &leaf)),
            text(&key),
            "certificate 2 of the chain; put that",
        ),
        (
            "no-names",
            text(&nameless.leaf),
            text(&nameless.key),
            "no DNS name and no IP address",
        ),
    ]
}

#[test]
fn what_is_no_pair_is_refused_in_one_sentence() {
    let cases = bad_pairs();
    for (id, chain, key, words) in &cases {
        let error = Pair::read(chain, key).expect_err(id);
        let sentence = error.to_string();
        assert!(sentence.contains(words), "{id}: {sentence}");
        assert!(
            !sentence.contains('\n') && !sentence.ends_with('.'),
            "{id}: {sentence}"
        );
        let secret = String::from_utf8_lossy(key);
        let secret = secret
            .lines()
            .find(|line| line.len() > 40 && !line.starts_with('-'));
        assert!(
            secret.is_none_or(|line| !sentence.contains(line) && !format!("{error:?}").contains(line)),
            "{id} shows its key"
        );
    }
    println!("{} bad pairs were refused", cases.len());
    assert_eq!(cases.len(), 23);
}
