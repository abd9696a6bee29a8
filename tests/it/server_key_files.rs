//! The key pair is read anew from its files, however they are exchanged, and a bad one never replaces a good one.

use std::{fs, os::unix::fs::symlink, path::Path, sync::Arc, time::Duration};

use alumet_injector::{
    certs::Pair,
    server::{
        key_files::KeyFiles,
        tls::{Certificate, provider},
    },
    telemetry::with_causes,
};
use rustls::version::TLS13;
use tempfile::TempDir;

use crate::server_support::{
    Config, Issued, NAME, Running, client_config, eventually, handshake, issue, issue_for, now, review,
    serve_with,
};

const HOUR: Duration = Duration::from_hours(1);

/// A folder as a kubelet mounts a Secret: the files are links through `..data`, which is exchanged as a whole.
struct Mount(TempDir);

impl Mount {
    fn new(issued: &Issued) -> Self {
        let mount = Self(tempfile::tempdir().unwrap());
        for name in ["tls.crt", "tls.key"] {
            symlink(format!("..data/{name}"), mount.path(name)).unwrap();
        }
        mount.swap("..first", &issued.chain, &issued.key);
        mount
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn swap(&self, folder: &str, chain: &str, key: &str) {
        fs::create_dir(self.path(folder)).unwrap();
        fs::write(self.path(folder).join("tls.crt"), chain).unwrap();
        fs::write(self.path(folder).join("tls.key"), key).unwrap();
        let before = fs::read_link(self.path("..data")).ok();
        symlink(folder, self.path("..data_tmp")).unwrap();
        fs::rename(self.path("..data_tmp"), self.path("..data")).unwrap();
        if let Some(before) = before {
            fs::remove_dir_all(self.path("").join(before)).unwrap();
        }
    }

    async fn serve(&self, issued: &Issued) -> Running {
        let certificate = Arc::new(Certificate::default());
        let files = KeyFiles::open(
            self.path("tls.crt"),
            self.path("tls.key"),
            Arc::clone(&certificate),
        )
        .unwrap();
        let config = Config {
            certificate,
            key_files: Some(files),
            ..Config::default()
        };
        serve_with(config, issued.root.clone()).await
    }
}

/// Whether a new connection is shown this certificate.
async fn is_shown(server: &Running, issued: &Issued) -> bool {
    let config = client_config(&issued.root, &[&TLS13]);
    handshake(server.https, config, NAME).await.is_ok()
}

async fn is_shown_in_time(server: &Running, new: &Issued) {
    eventually("the new certificate is shown".to_owned(), async || {
        is_shown(server, new).await
    })
    .await;
}

const FAILED: &str = "failed_certificate_reloads_total";
const NOT_AFTER: &str = "certificate_not_after_timestamp_seconds";

#[tokio::test]
async fn a_swap_of_the_mounted_secret_is_seen_each_time() {
    let first = issue(HOUR);
    let mount = Mount::new(&first);
    let server = mount.serve(&first).await;
    let mut kept = server.connect().await;
    let mut expires = server.metric(NOT_AFTER).await;
    for (round, name) in ["..second", "..third", "..fourth"].into_iter().enumerate() {
        let new = issue(HOUR * (u32::try_from(round).unwrap() + 2));
        mount.swap(name, &new.chain, &new.key);
        is_shown_in_time(&server, &new).await;
        let expires_now = server.metric(NOT_AFTER).await;
        assert!(expires_now > expires, "{expires_now} > {expires}");
        expires = expires_now;
    }
    assert_eq!(
        kept.post(&review().to_string()).await.status,
        200,
        "an open connection goes on"
    );
    assert!(server.metric(FAILED).await.abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_bad_pair_keeps_the_last_good_one_and_is_told_once() {
    let (good, other) = (issue(HOUR), issue(HOUR * 2));
    let mount = Mount::new(&good);
    let server = mount.serve(&good).await;
    let expires = server.metric(NOT_AFTER).await;
    let half = &other.chain[..other.chain.len() / 2];
    let bad = [
        ("..another-key", other.chain.as_str(), good.key.as_str()),
        ("..half", half, other.key.as_str()),
        ("..empty", "", ""),
    ];
    let mut count = 0.0;
    for (folder, chain, key) in bad {
        mount.swap(folder, chain, key);
        count += 1.0;
        server.metric_becomes(FAILED, count).await;
        assert!(is_shown(&server, &good).await, "{folder}");
    }
    fs::remove_file(mount.path("..data")).unwrap();
    server.metric_becomes(FAILED, 4.0).await;
    assert!(is_shown(&server, &good).await);
    assert_eq!(server.admin("/readyz").await.status, 200);
    assert!((server.metric(NOT_AFTER).await - expires).abs() < f64::EPSILON);

    mount.swap("..good", &other.chain, &other.key);
    is_shown_in_time(&server, &other).await;
    assert!(
        (server.metric(FAILED).await - 4.0).abs() < f64::EPSILON,
        "each was told once"
    );
}

#[tokio::test]
async fn two_files_may_be_written_one_after_the_other() {
    let (old, new) = (issue(HOUR), issue(HOUR * 2));
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    fs::write(&chain, &old.chain).unwrap();
    fs::write(&key, &old.key).unwrap();
    let certificate = Arc::new(Certificate::default());
    let files = KeyFiles::open(chain.clone(), key.clone(), Arc::clone(&certificate)).unwrap();
    let config = Config {
        certificate,
        key_files: Some(files),
        ..Config::default()
    };
    let server = serve_with(config, old.root.clone()).await;
    fs::write(&chain, &new.chain).unwrap();
    server.metric_becomes(FAILED, 1.0).await;
    assert!(is_shown(&server, &old).await);
    fs::write(&key, &new.key).unwrap();
    is_shown_in_time(&server, &new).await;
}

#[test]
fn no_server_starts_without_a_pair() {
    let (one, other) = (issue(HOUR), issue(HOUR));
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (chain, key) = (write("c.pem", &one.chain), write("k.pem", &one.key));
    let missing = folder.path().join("missing.pem");
    let cases: [(&Path, &Path, &[&str]); 4] = [
        (&missing, &key, &["cannot read", "missing.pem"]),
        (
            &chain,
            &write("other.pem", &other.key),
            &["c.pem", "other.pem", "not that of the certificate"],
        ),
        (&key, &chain, &["c.pem", "k.pem", "each other's place"]),
        (
            &write("text.pem", "no pem"),
            &key,
            &["text.pem", "no certificate"],
        ),
    ];
    for (chain, key, words) in cases {
        let opened = KeyFiles::open(chain.to_owned(), key.to_owned(), Arc::default());
        let sentence = with_causes(&opened.unwrap_err());
        for word in words {
            assert!(sentence.contains(word), "{sentence:?} lacks {word:?}");
        }
        assert!(!sentence.contains("PRIVATE KEY-----\n"), "{sentence}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_now_is_not_ready() {
    let (past, future) = (now() - HOUR, now() + HOUR);
    for (issued, status, words) in [
        (issue_for(past, past + HOUR / 2), 503, "expired"),
        (issue_for(future, future + HOUR), 503, "not valid yet"),
        (issue_for(past, future), 200, "ok"),
    ] {
        let certificate = Arc::new(Certificate::default());
        let pair = Pair::read(issued.chain.as_bytes(), issued.key.as_bytes()).unwrap();
        certificate.install(&pair).unwrap();
        let config = Config {
            certificate,
            ..Config::default()
        };
        let server = serve_with(config, issued.root).await;
        let ready = server.admin("/readyz").await;
        assert_eq!(ready.status, status, "{ready:?}");
        assert!(ready.text().contains(words), "{ready:?}");
    }
}

#[test]
fn there_is_one_cryptography() {
    assert!(Arc::ptr_eq(provider(), provider()));
}
