//! The key pair from two files, read again by content: it does not matter how the files are exchanged.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{task::spawn_blocking, time::sleep};
use xxhash_rust::xxh3::Xxh3;

use super::{metrics::Metrics, tls::Certificate};
use crate::{
    certs::{BadPair, Pair},
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
        };
        let contents = files.read()?;
        files.install(&contents)?;
        files.last_seen = Seen::Contents(contents.hash());
        Ok(files)
    }

    /// Looks again and again, and installs each new pair. A bad one is told once, and the last good one stays.
    pub(super) async fn keep_installed(mut self, every: Duration, metrics: Arc<Metrics>) {
        loop {
            sleep(every).await;
            let look = spawn_blocking(move || {
                let news = self.look();
                (self, news)
            });
            let Ok((files, news)) = look.await else {
                // The task ends, and the process with it.
                return;
            };
            self = files;
            match news {
                None => {}
                Some(Ok(())) => tracing::info!(chain = %self.chain.display(), "a new certificate is served"),
                Some(Err(error)) => {
                    metrics.reload_failed();
                    let error = with_causes(&error);
                    tracing::error!(%error, "the new certificate is not served; the last good one stays");
                }
            }
        }
    }

    /// What is new.
    fn look(&mut self) -> Option<Result<(), KeyFilesError>> {
        let (seen, news) = match self.read() {
            Ok(contents) => (Seen::Contents(contents.hash()), Ok(contents)),
            Err(error) => (Seen::Nothing(with_causes(&error)), Err(error)),
        };
        if seen == self.last_seen {
            return None;
        }
        self.last_seen = seen;
        Some(news.and_then(|contents| self.install(&contents)))
    }

    fn install(&self, contents: &Contents) -> Result<(), KeyFilesError> {
        let pair = Pair::read(&contents.chain, &contents.key).map_err(|source| KeyFilesError::Bad {
            chain: self.chain.clone(),
            key: self.key.clone(),
            source,
        })?;
        self.certificate
            .install(&pair)
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

    fn issued() -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["a.b.svc".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn what_was_seen_is_not_looked_at_twice() {
        let folder = tempfile::tempdir().unwrap();
        let (chain, key) = (folder.path().join("c"), folder.path().join("k"));
        let write = |chain_pem: &str, key_pem: &str| {
            fs::write(&chain, chain_pem).unwrap();
            fs::write(&key, key_pem).unwrap();
        };
        let (one, other) = (issued(), issued());
        write(&one.0, &one.1);
        let mut files = KeyFiles::open(chain.clone(), key.clone(), Arc::default()).unwrap();
        assert!(files.look().is_none(), "it was installed at the start");
        write(&other.0, &one.1);
        assert!(matches!(files.look(), Some(Err(KeyFilesError::Bad { .. }))));
        assert!(files.look().is_none(), "a bad pair is told once");
        write(&other.0, &other.1);
        assert!(matches!(files.look(), Some(Ok(()))));
        assert!(files.look().is_none());
        fs::remove_file(&key).unwrap();
        assert!(matches!(files.look(), Some(Err(KeyFilesError::Read { .. }))));
        assert!(files.look().is_none(), "that there is nothing is told once");
        write(&other.0, &other.1);
        assert!(
            matches!(files.look(), Some(Ok(()))),
            "what came back is good again"
        );
    }
}
