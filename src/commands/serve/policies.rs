//! The policies of `serve`: those of files, looked at again and again, and those of a cluster.

use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt as _, StreamExt as _,
    stream::{BoxStream, unfold},
};
use tokio::{task::spawn_blocking, time::sleep};
use xxhash_rust::xxh3::Xxh3;

use super::super::{
    exit::Failure,
    now,
    policies::{self, Text},
};
use crate::{
    cli::PolicyArgs,
    cluster::policies::{Statuses, watch},
    policy::model::Policy,
    policy_document::store::{Change, Store, Watched},
    server::{
        policies::{Policies, Unwritten, Which, Written},
        world::Worlds,
    },
    telemetry::with_causes,
};

/// How often files with policies are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often a reading is repeated until two in a row are the same: a kubelet exchanges all files of a directory at once,
/// and a reading may begin before it and end after it.
const READINGS: usize = 5;

/// Files with policies, and what they held last.
pub(super) struct PolicyFiles {
    args: PolicyArgs,
    seen: Seen,
}

/// What a look at the files came to.
#[derive(PartialEq, Eq)]
enum Seen {
    /// Texts, by their hash: whether they are policies or not, they are not read twice.
    Texts(u128),
    /// They cannot be read, and why.
    Nothing(String),
}

impl PolicyFiles {
    /// Reads them for the first time. What is worth a warning is on stderr by then; any error fails.
    pub(super) fn open(args: PolicyArgs) -> Result<(Self, Vec<Policy>), Failure> {
        let texts = read(&args)?;
        let (policies, warnings) = policies::parse(&texts)?;
        for warning in warnings {
            super::super::io::complain(&format!("{warning}\n"));
        }
        let seen = Seen::Texts(hash(&texts));
        Ok((Self { args, seen }, policies))
    }

    /// What becomes of them. It ends only with a fault of the program.
    fn changes(self) -> BoxStream<'static, Change> {
        unfold(self, async |mut files| {
            loop {
                sleep(LOOK_EVERY).await;
                let look = spawn_blocking(move || {
                    let change = files.look();
                    (files, change)
                });
                let change;
                (files, change) = look.await.ok()?;
                if let Some(change) = change {
                    return Some((change, files));
                }
            }
        })
        .boxed()
    }

    /// What is new.
    fn look(&mut self) -> Option<Change> {
        let (seen, read) = match read(&self.args) {
            Ok(texts) => (Seen::Texts(hash(&texts)), Ok(texts)),
            Err(failure) => (Seen::Nothing(with_causes(&failure)), Err(failure)),
        };
        if seen == self.seen {
            return None;
        }
        self.seen = seen;
        Some(match read.and_then(|texts| policies::parse(&texts)) {
            Ok((policies, warnings)) => {
                for warning in warnings {
                    tracing::warn!(warning, "a file of --policy");
                }
                Change::Files(policies)
            }
            Err(failure) => Change::FilesRefused(with_causes(&failure)),
        })
    }
}

/// All texts as of one moment: what two readings in a row find the same.
fn read(args: &PolicyArgs) -> Result<Vec<Text>, Failure> {
    let mut before = policies::texts(args)?;
    for _ in 1..READINGS {
        let after = policies::texts(args)?;
        if before == after {
            return Ok(after);
        }
        before = after;
    }
    Err(Failure::Refused(
        "--policy: the files change while they are read".to_owned(),
    ))
}

fn hash(texts: &[Text]) -> u128 {
    let mut hash = Xxh3::new();
    for (file, bytes) in texts {
        for part in [file.as_os_str().as_encoded_bytes(), bytes] {
            hash.update(&part.len().to_le_bytes());
            hash.update(part);
        }
    }
    hash.digest128()
}

/// The policies of these files, and of a cluster where there is a client for one. Nothing where neither can change.
pub(super) fn keeper(
    files: PolicyFiles,
    policies: Vec<Policy>,
    client: Option<kube::Client>,
    worlds: Arc<Worlds>,
) -> Option<Policies> {
    let watched = match client {
        Some(_) => Watched::Cluster,
        None => Watched::Nothing,
    };
    let mut changes = Vec::new();
    if !files.args.policy.is_empty() {
        changes.push(files.changes());
    }
    changes.extend(client.iter().flat_map(watch));
    let statuses = client.map(|client| Statuses::new(client, now));
    (!changes.is_empty()).then(|| Policies {
        store: Store::new(policies, watched),
        changes,
        worlds,
        write: Arc::new(move |write| {
            let statuses = statuses.clone();
            async move {
                // Without a cluster there is no policy that has a condition.
                let Some(statuses) = statuses else {
                    return Ok(Written::Outdated);
                };
                match statuses.write(&write).await {
                    Ok(true) => Ok(Written::Done),
                    Ok(false) => Ok(Written::Outdated),
                    Err(error) => Err(Unwritten {
                        which: if error.is_of_the_object() {
                            Which::ThisOne
                        } else {
                            Which::All
                        },
                        why: with_causes(&error),
                    }),
                }
            }
            .boxed()
        }),
    })
}
