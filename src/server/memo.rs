//! Remembers setups by content: the pods of a DaemonSet all carry the same values.

use std::{
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use quick_cache::{Equivalent, Weighter, sync::Cache};
use serde_json::Value;

use crate::{
    engine::setup::{Fresh, Setup, SetupKey, Setups, Snapshot},
    names::Component,
    policy::index::{Rank, SamePolicies},
    source::Lost,
};

/// How many setups a table is made for at first; it grows.
const EXPECTED: usize = 256;

/// What an entry takes besides its texts: its place in the table, and the head of the setup.
const ENTRY: usize = 64 + size_of::<OwnedKey>() + size_of::<Setup>();

/// How often memos knew, and how often not; goes on from one memo to the next.
#[derive(Debug, Default)]
pub struct Tally {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Tally {
    /// The numbers as of now, with those of a memo of this weight.
    pub fn numbers(&self, bytes: u64) -> MemoNumbers {
        MemoNumbers {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            bytes,
        }
    }
}

/// How a memo does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoNumbers {
    /// Setups that were known.
    pub hits: u64,
    /// Setups that were worked out.
    pub misses: u64,
    /// Bytes of what it holds, about.
    pub bytes: u64,
}

/// The setups of the policies of one snapshot that were asked for lately, in a bounded number of bytes.
#[derive(Debug)]
pub struct Memo {
    policies: SamePolicies,
    known: Cache<OwnedKey, Arc<Setup>, Bytes>,
    tally: Arc<Tally>,
}

impl Memo {
    /// Remembers setups of this snapshot, and of those that have the very same policies, whatever namespaces they know:
    /// which policies apply is part of what is asked.
    pub fn new(snapshot: &Snapshot, max_bytes: u64, tally: Arc<Tally>) -> Self {
        Self {
            policies: snapshot.policies.same_policies(),
            known: Cache::with_weighter(EXPECTED, max_bytes, Bytes),
            tally,
        }
    }

    /// Whether it remembers setups of this snapshot.
    pub fn is_of(&self, snapshot: &Snapshot) -> bool {
        self.policies.are_of(&snapshot.policies)
    }

    /// Bytes of what it holds, about.
    pub fn weight(&self) -> u64 {
        self.known.weight()
    }
}

impl Setups for Memo {
    /// Two that ask for the same unknown setup at once work it out once.
    fn setup(&self, snapshot: &Snapshot, key: SetupKey<'_>) -> Arc<Setup> {
        // What belongs to another snapshot is neither known nor to be remembered here.
        if !self.is_of(snapshot) {
            return Fresh.setup(snapshot, key);
        }
        if let Some(setup) = self.known.get(&Borrowed(key)) {
            self.tally.hits.fetch_add(1, Ordering::Relaxed);
            return setup;
        }
        let mut computed = false;
        let setup = self.known.get_or_insert_with(&OwnedKey::from(key), || {
            computed = true;
            Ok::<_, std::convert::Infallible>(Fresh.setup(snapshot, key))
        });
        let count = if computed {
            &self.tally.misses
        } else {
            &self.tally.hits
        };
        count.fetch_add(1, Ordering::Relaxed);
        match setup {
            Ok(setup) => setup,
            Err(never) => match never {},
        }
    }
}

/// A [`SetupKey`] that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OwnedKey {
    component: Component,
    values: Option<Box<str>>,
    release: Option<Box<str>>,
    namespace: Option<Box<str>>,
    agent_version: Option<Box<str>>,
    policies: Box<[Rank]>,
}

impl OwnedKey {
    fn borrow(&self) -> SetupKey<'_> {
        SetupKey {
            component: self.component,
            values: self.values.as_deref(),
            release: self.release.as_deref(),
            namespace: self.namespace.as_deref(),
            agent_version: self.agent_version.as_deref(),
            policies: &self.policies,
        }
    }
}

impl From<SetupKey<'_>> for OwnedKey {
    fn from(key: SetupKey<'_>) -> Self {
        let SetupKey {
            component,
            values,
            release,
            namespace,
            agent_version,
            policies,
        } = key;
        Self {
            component,
            values: values.map(Box::from),
            release: release.map(Box::from),
            namespace: namespace.map(Box::from),
            agent_version: agent_version.map(Box::from),
            policies: Box::from(policies),
        }
    }
}

impl Hash for OwnedKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Borrowed(self.borrow()).hash(state);
    }
}

/// A [`SetupKey`] to look up with: no text is copied.
struct Borrowed<'a>(SetupKey<'a>);

impl Hash for Borrowed<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let SetupKey {
            component,
            values,
            release,
            namespace,
            agent_version,
            policies,
        } = self.0;
        (
            component.as_str(),
            values,
            release,
            namespace,
            agent_version,
            policies,
        )
            .hash(state);
    }
}

impl Equivalent<OwnedKey> for Borrowed<'_> {
    fn equivalent(&self, key: &OwnedKey) -> bool {
        self.0 == key.borrow()
    }
}

/// Weighs entries in bytes: the texts that they hold and an estimate of the rest.
#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<OwnedKey, Arc<Setup>> for Bytes {
    fn weight(&self, key: &OwnedKey, setup: &Arc<Setup>) -> u64 {
        (ENTRY + weight_of_key(key) + weight_of(setup)) as u64
    }
}

fn weight_of_key(key: &OwnedKey) -> usize {
    let texts = [&key.values, &key.release, &key.namespace, &key.agent_version];
    let length: usize = texts.into_iter().flatten().map(|text| text.len()).sum();
    length + size_of_val(&key.policies[..])
}

/// What a setup holds besides itself. Elements of lists count with their size and their texts; a source or a path is
/// taken for as long as its value.
fn weight_of(setup: &Setup) -> usize {
    let texts = |wanted: &Value, shown: &str| 2 * weight_of_value(wanted) + 2 * shown.len();
    let config = setup.config.as_ref().map_or(0, |config| {
        config.text.len() + config.bytes.len() + config.content.len()
    });
    let lists = size_of_val(&setup.env[..])
        + size_of_val(&setup.pull_secrets[..])
        + size_of_val(&setup.tolerations[..])
        + size_of_val(&setup.fields[..])
        + size_of_val(&setup.annotations[..])
        + size_of_val(&setup.settings[..])
        + size_of_val(&setup.findings[..])
        + size_of_val(&setup.of_pods[..])
        + size_of_val(&setup.policies[..]);
    let env: usize = setup.env.iter().map(|it| texts(&it.entry, &it.shown)).sum();
    let pull_secrets: usize = setup
        .pull_secrets
        .iter()
        .map(|it| texts(&it.entry, &it.shown))
        .sum();
    let tolerations: usize = setup
        .tolerations
        .iter()
        .map(|it| texts(&it.entry, &it.shown))
        .sum();
    let fields: usize = setup.fields.iter().map(|it| texts(&it.entry, &it.shown)).sum();
    let settings: usize = setup
        .settings
        .iter()
        .map(|it| 2 * it.path.len() + 2 * it.value.len())
        .sum();
    let findings: usize = setup
        .findings
        .iter()
        .chain(&setup.of_pods)
        .map(|it| it.path.len() + it.message.len() + it.mend.len())
        .sum();
    let weaker = [
        setup.env.iter().map(|it| weight_of_lost(&it.lost)).sum(),
        setup.tolerations.iter().map(|it| weight_of_lost(&it.lost)).sum(),
        setup.fields.iter().map(|it| weight_of_lost(&it.lost)).sum(),
        setup.settings.iter().map(|it| weight_of_lost(&it.lost)).sum(),
        setup.registry.as_ref().map_or(0, |it| weight_of_lost(&it.lost)),
    ];
    let weaker: usize = weaker.into_iter().sum();
    config + lists + env + pull_secrets + tolerations + fields + settings + findings + weaker
}

fn weight_of_lost(lost: &[Lost]) -> usize {
    let texts: usize = lost.iter().map(|one| 2 * one.value.len()).sum();
    size_of_val(lost) + texts
}

fn weight_of_value(value: &Value) -> usize {
    let inside = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(weight_of_value).sum(),
        Value::Object(map) => map
            .iter()
            // A member has its name, its hash and its place in the order.
            .map(|(name, member)| name.len() + size_of::<String>() + 24 + weight_of_value(member))
            .sum(),
    };
    size_of::<Value>() + inside
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::policy::index::PolicyIndex;

    #[test]
    fn it_holds_nothing_of_namespaces_that_are_gone() {
        let mut policies = PolicyIndex::default();
        policies.know_namespace("a", &BTreeMap::new());
        let snapshot = Snapshot {
            policies: policies.clone(),
        };
        let memo = Memo::new(&snapshot, 1 << 10, Arc::default());
        drop(snapshot);
        policies.forget_namespace("a");
        assert_eq!(policies.tables_in_use(), 0);
        assert!(memo.is_of(&Snapshot { policies }));
        assert!(!memo.is_of(&Snapshot::default()));
    }
}
