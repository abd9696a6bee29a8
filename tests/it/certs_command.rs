//! `certs issue` and `certs inspect`, as a user types them.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::files::root;

/// A folder with the files of an issue, the CA's key among them.
fn issued_with_ca_key() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [&ISSUE[..], &["--with-ca-key"]].concat();
    said(&certs(folder.path(), &arguments), 0, "ca.key");
    folder
}

fn certs(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_alumet-injector"))
        .arg("certs")
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[track_caller]
fn said(output: &Output, code: i32, words: &str) -> String {
    let text = String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(words), "{words:?} is not in: {text}");
    // How each PKCS #8 key of P-256 begins, in base64.
    assert!(!text.contains("MIGHAgEAMBMGByqGSM49"), "{text}");
    text
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

const ISSUE: [&str; 7] = [
    "issue",
    "--out",
    "pki/new",
    "--service",
    "injector",
    "--namespace",
    "alumet",
];

#[test]
fn what_was_issued_is_found_good() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    said(
        &certs(folder, &ISSUE),
        0,
        "for injector.alumet.svc, injector.alumet.svc.cluster.local, 365 days",
    );
    let names: Vec<_> = fs::read_dir(folder.join("pki/new"))
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(mode(&folder.join("pki/new/tls.key")), 0o600);
    assert_ne!(mode(&folder.join("pki/new/tls.crt")) & 0o044, 0);

    let inspect = [
        "inspect",
        "pki/new/tls.crt",
        "--key",
        "pki/new/tls.key",
        "--ca",
        "pki/new/ca.crt",
    ];
    let text = said(&certs(folder, &inspect), 0, "364 days left");
    for words in [
        "key: belongs to certificate 1",
        "CA: trusts certificate 1",
        "injector.alumet.svc",
    ] {
        assert!(text.contains(words), "{text}");
    }
    let json = certs(folder, &[&inspect[..], &["--output", "json"]].concat());
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["good"], true);
    assert_eq!(json["certificates"][0]["state"], "valid");
    assert_eq!(json["certificates"][0]["daysLeft"], 364);
    assert_eq!(json["key"]["good"], true);
    assert_eq!(json["ca"]["good"], true);

    let alone = certs(folder, &["inspect", "pki/new/ca.crt"]);
    let text = said(&alone, 0, "CA certificate 1: CN=alumet-injector CA ");
    assert!(
        text.contains("key: not given") && text.contains("CA: not given"),
        "{text}"
    );
}

#[test]
fn files_that_are_there_stay_unless_overwrite_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = |name: &str| folder.join("pki/new").join(name);
    said(
        &certs(folder, &[&ISSUE[..], &["--with-ca-key"]].concat()),
        0,
        "pki/new/ca.key",
    );
    assert_eq!(mode(&file("ca.key")), 0o600);
    let before = fs::read(file("tls.crt")).unwrap();
    said(&certs(folder, &ISSUE), 1, "pki/new/ca.crt is there already");
    assert_eq!(fs::read(file("tls.crt")).unwrap(), before);
    fs::remove_file(file("ca.crt")).unwrap();
    said(&certs(folder, &ISSUE), 1, "pki/new/ca.key is there already");
    assert!(!file("ca.crt").exists());

    // As somebody may have left it.
    fs::set_permissions(file("tls.key"), fs::Permissions::from_mode(0o644)).unwrap();
    said(
        &certs(folder, &[&ISSUE[..], &["--overwrite"]].concat()),
        0,
        "pki/new/ca.crt",
    );
    assert_ne!(fs::read(file("tls.crt")).unwrap(), before);
    assert_eq!(mode(&file("tls.key")), 0o600);
    assert!(!file("ca.key").exists(), "it is the key of a CA that is gone");
}

#[test]
fn what_cannot_be_used_is_told_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for out in ["one", "two"] {
        said(
            &certs(folder, &["issue", "--out", out, "--name", "injector.example.org"]),
            0,
            out,
        );
    }
    let expired = root("tests/fixtures/certificates/expired.crt");
    let expired = expired.to_str().unwrap();
    fs::write(folder.join("none.crt"), "nothing\n").unwrap();
    let both = [
        fs::read(folder.join("one/tls.crt")).unwrap(),
        fs::read(folder.join("two/tls.key")).unwrap(),
    ]
    .concat();
    fs::write(folder.join("both.pem"), both).unwrap();
    let cases: [(&str, &[&str], i32, &str); 12] = [
        (
            "expired",
            &["inspect", expired],
            1,
            "2024-01-01T00:00:00Z to 2025-01-01T00:00:00Z: expired",
        ),
        (
            "another's key",
            &["inspect", "one/tls.crt", "--key", "two/tls.key"],
            1,
            "key: the private key is not that",
        ),
        (
            "another's key in one file",
            &["inspect", "both.pem"],
            1,
            "key: the private key is not that",
        ),
        (
            "another CA",
            &["inspect", "one/tls.crt", "--ca", "two/ca.crt"],
            1,
            "CA: no CA of the bundle signed it",
        ),
        (
            "no key",
            &["inspect", "one/tls.crt", "--key", "one/tls.crt"],
            1,
            "key: the key's PEM has no private key",
        ),
        (
            "no certificate",
            &["inspect", "none.crt"],
            1,
            "none.crt: there is no certificate",
        ),
        (
            "no certificate of a CA",
            &["inspect", "one/tls.crt", "--ca", "none.crt"],
            1,
            "none.crt: there is no",
        ),
        ("no file", &["inspect", "absent.crt"], 3, "cannot read absent.crt"),
        ("no name", &["issue", "--out", "three"], 2, "--name"),
        (
            "service without namespace",
            &["issue", "--out", "three", "--service", "a"],
            2,
            "--namespace",
        ),
        (
            "bad name",
            &["issue", "--out", "three", "--name", "https://a"],
            2,
            "neither a DNS name nor an IP address",
        ),
        (
            "no days",
            &["issue", "--out", "three", "--name", "a.svc", "--days", "0"],
            2,
            "--days",
        ),
    ];
    for (id, args, code, words) in cases {
        println!("{id}");
        said(&certs(folder, args), code, words);
    }
    assert!(!folder.join("three").exists(), "nothing is made of a wrong call");
    let json = certs(folder, &["inspect", expired, "--output", "json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (&json["good"], &json["certificates"][0]["state"]),
        (&Value::from(false), &Value::from("expired"))
    );
}

#[test]
fn a_certificate_comes_from_stdin() {
    let pem = fs::File::open(root("tests/fixtures/certificates/expired.crt")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_alumet-injector"))
        .args(["certs", "inspect"])
        .stdin(pem)
        .output()
        .unwrap();
    said(&output, 1, "certificate 1: CN=expired");
}

/// The first write beyond a limit kills the program, as a power failure would: before any file is moved to its place.
#[test]
fn a_crash_before_the_files_are_moved_leaves_the_old_ones_and_hinders_nobody() {
    let folder = issued_with_ca_key();
    let folder = folder.path();
    let names = ["ca.crt", "ca.key", "tls.crt", "tls.key"];
    let read = || names.map(|name| fs::read(folder.join("pki/new").join(name)).unwrap());
    let before = read();
    let crashed = Command::new("sh")
        .args([
            "-c",
            "ulimit -f 0; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_alumet-injector"),
            "certs",
        ])
        .args(ISSUE)
        .arg("--overwrite")
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(!crashed.status.success(), "{crashed:?}");
    assert_eq!(read(), before);
    said(
        &certs(folder, &[&ISSUE[..], &["--overwrite"]].concat()),
        0,
        "pki/new/ca.crt",
    );
    assert_ne!(fs::read(folder.join("pki/new/tls.key")).unwrap(), before[3]);
}

/// What a crash between two moves leaves.
#[test]
fn files_of_two_issues_are_told_and_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    said(&certs(folder, &ISSUE), 0, "tls.crt");
    let file = |name: &str| folder.join("pki/new").join(name);
    let old_key = fs::read(file("tls.key")).unwrap();
    let again = [&ISSUE[..], &["--overwrite"]].concat();
    said(&certs(folder, &again), 0, "tls.crt");
    fs::write(file("tls.key"), old_key).unwrap();
    let inspect = [
        "inspect",
        "pki/new/tls.crt",
        "--key",
        "pki/new/tls.key",
        "--ca",
        "pki/new/ca.crt",
    ];
    said(&certs(folder, &inspect), 1, "key: the private key is not that");
    said(&certs(folder, &again), 0, "tls.key");
    said(&certs(folder, &inspect), 0, "key: belongs to certificate 1");
}

#[test]
fn one_file_that_cannot_be_written_leaves_all_as_they_were() {
    let folder = issued_with_ca_key();
    let folder = folder.path();
    let file = |name: &str| folder.join("pki/new").join(name);
    fs::remove_file(file("tls.key")).unwrap();
    fs::create_dir(file("tls.key")).unwrap();
    let names = ["ca.crt", "ca.key", "tls.crt"];
    let before = names.map(|name| fs::read(file(name)).unwrap());
    said(
        &certs(folder, &[&ISSUE[..], &["--overwrite"]].concat()),
        3,
        "cannot write pki/new/tls.key",
    );
    assert_eq!(names.map(|name| fs::read(file(name)).unwrap()), before);
    assert_eq!(fs::read_dir(folder.join("pki/new")).unwrap().count(), 4);
}

/// ESC begins a terminal's commands, and so does the one character U+009B.
#[test]
fn no_name_of_a_certificate_commands_the_terminal() {
    let hostile = "a\u{1b}[2J\u{9b}2Jb\r\nCA: trusts certificate 1";
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, hostile);
    let ascii = hostile.replace('\u{9b}', "");
    params.subject_alt_names = vec![rcgen::SanType::DnsName(ascii.try_into().unwrap())];
    let pem = params
        .self_signed(&rcgen::KeyPair::generate().unwrap())
        .unwrap()
        .pem();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hostile.crt"), pem).unwrap();
    let is_control = |letter: char| letter != '\n' && letter.is_control();

    let text = said(
        &certs(folder.path(), &["inspect", "hostile.crt"]),
        0,
        "certificate 1: ",
    );
    assert!(!text.contains(is_control), "{text:?}");
    assert_eq!(text.lines().count(), 7, "{text:?}");
    assert!(
        !text.lines().any(|line| line.starts_with("CA: trusts")),
        "{text:?}"
    );

    let json = certs(folder.path(), &["inspect", "hostile.crt", "--output", "json"]);
    let json = String::from_utf8(json.stdout).unwrap();
    assert!(!json.contains(is_control), "{json:?}");
    let json: Value = serde_json::from_str(&json).unwrap();
    let subject = json["certificates"][0]["subject"].as_str().unwrap();
    assert!(subject.contains(hostile), "{subject:?}");
}
