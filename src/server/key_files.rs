//! The key pair from two files, read again by content: it does not matter how the files are exchanged.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{task::spawn_blocking, time::sleep};
use xxhash_rust::xxh3::Xxh3;

use super::{metrics::Metrics, now, tls::Certificate};
use crate::{
    certs::{BadPair, Life, Pair},
    telemetry::with_causes,
};

/// How often a reading is repeated until two in a row are the same.
const READINGS: usize = 5;

/// Why there is no pair.
#[derive(Debug, thiserror::Error)]
pub enum KeyFilesError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The files are being exchanged again and again.
    #[error("{} and {} change while they are read", chain.display(), key.display())]
    Changing {
        /// The chain's file.
        chain: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// What the files hold is no pair.
    #[error("{} and {} cannot be served with", chain.display(), key.display())]
    Bad {
        /// The chain's file.
        chain: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: BadPair,
    },
    /// The certificate has expired, and the one that is served has not.
    #[error("{} has expired", chain.display())]
    Expired {
        /// The chain's file.
        chain: PathBuf,
    },
    /// The TLS library refuses the pair.
    #[error("{} cannot be served with", chain.display())]
    Refused {
        /// The chain's file.
        chain: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// Where a certificate chain and its key lie, both in PEM, and what was seen there last.
#[derive(Debug)]
pub struct KeyFiles {
    chain: PathBuf,
    key: PathBuf,
    certificate: Arc<Certificate>,
    last_seen: Seen,
    /// A pair whose life has not begun, and which would take the place of one that is good now.
    waiting: Option<Pair>,
}

/// What became of a new pair.
#[derive(Debug, PartialEq, Eq)]
enum News {
    /// It is served.
    Served,
    /// It will be, from this moment on.
    Waits(SystemTime),
}

/// What a look at the files came to.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// Texts, by their hash: whether they are a pair or not, they are not looked at twice.
    Contents(u128),
    /// They cannot be read, and why.
    Nothing(String),
}

/// A pair of texts.
#[derive(PartialEq, Eq)]
struct Contents {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Contents {
    fn hash(&self) -> u128 {
        let mut hash = Xxh3::new();
        hash.update(&self.chain.len().to_le_bytes());
        hash.update(&self.chain);
        hash.update(&self.key);
        hash.digest128()
    }
}

impl KeyFiles {
    /// Reads the pair and installs it.
    pub fn open(chain: PathBuf, key: PathBuf, certificate: Arc<Certificate>) -> Result<Self, KeyFilesError> {
        let mut files = Self {
            chain,
            key,
            certificate,
            last_seen: Seen::Nothing(String::new()),
            waiting: None,
        };
        let contents = files.read()?;
        let pair = files.pair(&contents)?;
        files.install(&pair)?;
        files.last_seen = Seen::Contents(contents.hash());
        Ok(files)
    }

    /// Looks again and again, and installs each new pair. A bad one is told once, and the last good one stays.
    pub(super) async fn keep_installed(mut self, every: Duration, metrics: Arc<Metrics>) {
        loop {
            sleep(every).await;
            let look = spawn_blocking(move || {
                let news = self.look(now());
                (self, news)
            });
            let Ok((files, news)) = look.await else {
                // The task ends, and the process with it.
                return;
            };
            self = files;
            match news {
                None => {}
                Some(Ok(News::Served)) => {
                    tracing::info!(chain = %self.chain.display(), "a new certificate is served");
                }
                Some(Ok(News::Waits(from))) => tracing::info!(
                    chain = %self.chain.display(),
                    from = %humantime::format_rfc3339_seconds(from),
                    "a new certificate is not valid yet; the last good one stays until then"
                ),
                Some(Err(error)) => {
                    metrics.reload_failed();
                    let error = with_causes(&error);
                    tracing::error!(%error, "the new certificate is not served; the last good one stays");
                }
            }
        }
    }

    /// What is new.
    fn look(&mut self, now: SystemTime) -> Option<Result<News, KeyFilesError>> {
        let (seen, news) = match self.read() {
            Ok(contents) => (Seen::Contents(contents.hash()), Ok(contents)),
            Err(error) => (Seen::Nothing(with_causes(&error)), Err(error)),
        };
        if seen == self.last_seen {
            let none_is_good = self.certificate.unusable(now).is_some();
            let due = self
                .waiting
                .take_if(|pair| none_is_good || pair.details().life(now) != Life::NotYet)?;
            return Some(self.replace(due, now));
        }
        self.last_seen = seen;
        self.waiting = None;
        Some(
            news.and_then(|contents| self.pair(&contents))
                .and_then(|pair| self.replace(pair, now)),
        )
    }

    /// Serves with another pair, unless clients trust that of now and would not trust the other.
    fn replace(&mut self, pair: Pair, now: SystemTime) -> Result<News, KeyFilesError> {
        if self.certificate.unusable(now).is_none() {
            match pair.details().life(now) {
                Life::Valid => {}
                Life::NotYet => return Ok(News::Waits(self.waiting.insert(pair).not_before())),
                Life::Expired => {
                    return Err(KeyFilesError::Expired {
                        chain: self.chain.clone(),
                    });
                }
            }
        }
        self.install(&pair)?;
        Ok(News::Served)
    }

    fn pair(&self, contents: &Contents) -> Result<Pair, KeyFilesError> {
        Pair::read(&contents.chain, &contents.key).map_err(|source| KeyFilesError::Bad {
            chain: self.chain.clone(),
            key: self.key.clone(),
            source,
        })
    }

    fn install(&self, pair: &Pair) -> Result<(), KeyFilesError> {
        self.certificate
            .install(pair)
            .map_err(|source| KeyFilesError::Refused {
                chain: self.chain.clone(),
                source,
            })
    }

    /// Both files as of one moment: what two readings in a row find the same. A kubelet exchanges both at once; other
    /// tools write one after the other, and then the pair may not fit until the next look.
    fn read(&self) -> Result<Contents, KeyFilesError> {
        let mut before = self.read_once()?;
        for _ in 1..READINGS {
            let after = self.read_once()?;
            if before == after {
                return Ok(after);
            }
            before = after;
        }
        Err(KeyFilesError::Changing {
            chain: self.chain.clone(),
            key: self.key.clone(),
        })
    }

    fn read_once(&self) -> Result<Contents, KeyFilesError> {
        Ok(Contents {
            chain: read_file(&self.chain)?,
            key: read_file(&self.key)?,
        })
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, KeyFilesError> {
    fs::read(path).map_err(|source| KeyFilesError::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn issued(not_before: SystemTime, not_after: SystemTime) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["a.b.svc".to_owned()]).unwrap();
        params.not_before = not_before.into();
        params.not_after = not_after.into();
        let certificate = params.self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Two files that are exchanged.
    struct Files {
        folder: tempfile::TempDir,
    }

    impl Files {
        fn of(pair: &(String, String)) -> (Self, KeyFiles) {
            let files = Self {
                folder: tempfile::tempdir().unwrap(),
            };
            files.write(&pair.0, &pair.1);
            let opened = KeyFiles::open(files.path("c"), files.path("k"), Arc::default()).unwrap();
            (files, opened)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn write(&self, chain: &str, key: &str) {
            fs::write(self.path("c"), chain).unwrap();
            fs::write(self.path("k"), key).unwrap();
        }
    }

    #[test]
    fn what_was_seen_is_not_looked_at_twice() {
        let at = now();
        let [one, other] = [(); 2].map(|()| issued(at - HOUR, at + HOUR));
        let (on_disk, mut files) = Files::of(&one);
        assert!(files.look(at).is_none(), "it was installed at the start");
        on_disk.write(&other.0, &one.1);
        assert!(matches!(files.look(at), Some(Err(KeyFilesError::Bad { .. }))));
        assert!(files.look(at).is_none(), "a bad pair is told once");
        on_disk.write(&other.0, &other.1);
        assert!(matches!(files.look(at), Some(Ok(News::Served))));
        assert!(files.look(at).is_none());
        fs::remove_file(on_disk.path("k")).unwrap();
        assert!(matches!(files.look(at), Some(Err(KeyFilesError::Read { .. }))));
        assert!(files.look(at).is_none(), "that there is nothing is told once");
        on_disk.write(&other.0, &other.1);
        assert!(
            matches!(files.look(at), Some(Ok(News::Served))),
            "what came back is good again"
        );
    }

    #[test]
    fn a_pair_that_is_not_valid_now_takes_the_place_of_no_good_one() {
        let at = SystemTime::UNIX_EPOCH + 1_000_000 * HOUR;
        let good = issued(at - HOUR, at + 3 * HOUR);
        let (on_disk, mut files) = Files::of(&good);
        let served = |files: &KeyFiles| files.certificate.not_after().unwrap();

        let (begin, end) = (at + HOUR, at + 9 * HOUR);
        let next = issued(begin, end);
        on_disk.write(&next.0, &next.1);
        assert_eq!(files.look(at).unwrap().unwrap(), News::Waits(begin));
        assert!(files.look(at).is_none(), "it is told once");
        assert_eq!(served(&files), at + 3 * HOUR);
        assert_eq!(files.look(begin).unwrap().unwrap(), News::Served);
        assert_eq!(served(&files), end);
        assert!(files.look(begin).is_none());

        let expired = issued(at - HOUR, at);
        on_disk.write(&expired.0, &expired.1);
        assert!(matches!(
            files.look(begin),
            Some(Err(KeyFilesError::Expired { .. }))
        ));
        assert_eq!(served(&files), end);

        let late = issued(end + HOUR, end + 2 * HOUR);
        on_disk.write(&late.0, &late.1);
        assert_eq!(files.look(begin).unwrap().unwrap(), News::Waits(end + HOUR));
        on_disk.write(&good.0, &good.1);
        assert_eq!(
            files.look(begin).unwrap().unwrap(),
            News::Served,
            "it came back before the late one began"
        );
        assert!(files.look(end + HOUR).is_none(), "the late one is forgotten");
    }

    #[test]
    fn any_pair_takes_the_place_of_one_that_is_not_valid_now() {
        let at = now();
        let (on_disk, mut files) = Files::of(&issued(at - 2 * HOUR, at - HOUR));
        let next = issued(at + HOUR, at + 2 * HOUR);
        on_disk.write(&next.0, &next.1);
        assert_eq!(files.look(at).unwrap().unwrap(), News::Served);
    }

    #[test]
    fn a_pair_that_waits_takes_the_place_of_one_that_expires_meanwhile() {
        let at = SystemTime::UNIX_EPOCH + 1_000_000 * HOUR;
        let (begin, end) = (at + 3 * HOUR, at + 9 * HOUR);
        let (on_disk, mut files) = Files::of(&issued(at - HOUR, at + HOUR));
        let next = issued(begin, end);
        on_disk.write(&next.0, &next.1);
        assert_eq!(files.look(at).unwrap().unwrap(), News::Waits(begin));
        assert!(files.look(at + HOUR).is_none(), "its last moment");
        assert_eq!(files.look(at + 2 * HOUR).unwrap().unwrap(), News::Served);
        assert_eq!(files.certificate.not_after(), Some(end));
        assert!(files.look(begin).is_none(), "it is told once");
    }
}
