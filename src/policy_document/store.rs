//! The policies of files and of a cluster as changes to them come in: the last good form of each, and what is wrong with
//! the newest one.
//!
//! It is told what a watch sees and what files hold, and gives a [`PolicyIndex`] whenever one of them changed what is in
//! force. It waits for nothing and reads no clock.

mod change;
mod condition;
mod held;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

use self::held::Held;
pub use self::{
    change::{Cause, Change, Key, PolicyObject, Resource},
    condition::{Condition, ConditionReason},
};
use crate::policy::{
    index::PolicyIndex,
    model::{Policy, Scope},
};

/// What is worth a line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The newest form of a policy is not accepted.
    Rejected {
        /// Kind, namespace and name.
        policy: String,
        /// Why.
        condition: Condition,
        /// Whether an earlier form stays in force.
        stays: bool,
    },
    /// A policy that was rejected is accepted.
    Mended(String),
}

/// What `status.conditions` of a policy should be.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusWrite {
    /// Which policy.
    pub key: Key,
    /// Tells it from one of the same name that was there before.
    pub uid: Option<String>,
    /// The form that it is said of; of any other it may not be true.
    pub resource_version: String,
    /// Our condition.
    pub condition: Condition,
    /// All conditions as they are, with those of others.
    pub seen: Vec<Value>,
}

/// How many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Policies of files.
    pub from_files: usize,
    /// Policies of the cluster that are in force, in their newest form or an earlier one.
    pub from_cluster: usize,
    /// Policies of the cluster whose newest form is not accepted.
    pub rejected: usize,
}

/// Where policies come from, besides files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// Files are all.
    Nothing,
    /// A cluster, too.
    Cluster,
}

/// A listing that has begun.
#[derive(Debug, Default)]
struct Listing {
    came: BTreeSet<Key>,
    changed: bool,
}

/// The policies of files and of a cluster, and the labels of namespaces.
#[derive(Debug)]
pub struct Store {
    files: BTreeMap<Scope, BTreeMap<String, Arc<Policy>>>,
    policies: BTreeMap<Key, Held>,
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    listings: BTreeMap<Resource, Listing>,
    /// What was listed, or is known not to be for now.
    answered: BTreeSet<Resource>,
    index: PolicyIndex,
    policies_changed: bool,
    changed_namespaces: BTreeSet<String>,
    /// Those whose condition may be another one now.
    touched: BTreeSet<Key>,
    /// Those whose condition in the cluster may be another one than it should be.
    unwritten: BTreeSet<Key>,
    /// Conditions of those that are rejected, as they were told.
    rejected: BTreeMap<Key, Condition>,
}

impl Store {
    /// Begins with the policies of files.
    pub fn new(files: Vec<Policy>, watched: Watched) -> Self {
        let mut store = Self {
            files: BTreeMap::new(),
            policies: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            listings: BTreeMap::new(),
            answered: BTreeSet::new(),
            index: PolicyIndex::default(),
            policies_changed: false,
            changed_namespaces: BTreeSet::new(),
            touched: BTreeSet::new(),
            unwritten: BTreeSet::new(),
            rejected: BTreeMap::new(),
        };
        if watched == Watched::Nothing {
            store.answered.extend(Resource::ALL);
        }
        store.set_files(files);
        store.rebuild();
        store
    }

    /// What holds now.
    pub fn index(&self) -> &PolicyIndex {
        &self.index
    }

    /// Whether each resource was listed once, or it was answered that it cannot be.
    pub fn is_read(&self) -> bool {
        self.answered.len() == Resource::ALL.len()
    }

    /// How many policies there are.
    pub fn counts(&self) -> Counts {
        let from_files = self.files.values().map(BTreeMap::len).sum();
        let all = self.index.policies().len();
        Counts {
            from_files,
            from_cluster: all.saturating_sub(from_files),
            rejected: self.rejected.len(),
        }
    }

    /// Takes a change. It is in force when [`Store::renewed`] says so.
    pub fn take(&mut self, change: Change) {
        match change {
            Change::Listing(resource) => self.listings.entry(resource).or_default().came.clear(),
            Change::Policy(object) => self.take_policy(*object),
            Change::Namespace(name, labels) => {
                let key = Key {
                    resource: Resource::Namespaces,
                    namespace: None,
                    name,
                };
                if self.namespaces.get(&key.name) != Some(&labels) {
                    self.namespaces.insert(key.name.clone(), labels);
                    self.changed_namespaces.insert(key.name.clone());
                }
                self.came(key);
            }
            Change::Gone(key) => {
                let changed = self.drop_object(&key);
                self.note(key.resource, changed);
            }
            Change::Listed(resource) => self.end_listing(resource),
            Change::Failed(resource, Cause::Forbidden | Cause::NotInstalled, _) => {
                self.answered.insert(resource);
            }
            Change::Failed(_, Cause::Unavailable, _) | Change::FilesRefused(_) => {}
            Change::Files(files) => self.set_files(files),
        }
    }

    /// What holds from now on, where that is something else than before. Nothing before everything was read once, nor
    /// for what a listing has brought so far.
    pub fn renewed(&mut self) -> Option<PolicyIndex> {
        if !self.is_read() {
            return None;
        }
        if self.policies_changed {
            self.rebuild();
        } else if !self.changed_namespaces.is_empty() && !self.listings.contains_key(&Resource::Namespaces) {
            for name in std::mem::take(&mut self.changed_namespaces) {
                match self.namespaces.get(&name) {
                    Some(labels) => self.index.know_namespace(&name, labels),
                    None => self.index.forget_namespace(&name),
                }
            }
        } else {
            return None;
        }
        Some(self.index.clone())
    }

    /// What is worth a line in the log since it was asked for last.
    pub fn news(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        for key in std::mem::take(&mut self.touched) {
            let Some(held) = self.policies.get(&key) else {
                if self.rejected.remove(&key).is_some() {
                    news.push(News::Mended(key.title()));
                }
                continue;
            };
            let condition = self.condition(&key, held);
            if condition.reason == ConditionReason::Accepted {
                if self.rejected.remove(&key).is_some() {
                    news.push(News::Mended(key.title()));
                }
            } else if self.rejected.get(&key) != Some(&condition) {
                news.push(News::Rejected {
                    policy: key.title(),
                    condition: condition.clone(),
                    stays: condition.reason == ConditionReason::Invalid && held.good.is_some(),
                });
                self.rejected.insert(key.clone(), condition);
            }
            self.unwritten.insert(key);
        }
        news
    }

    /// The next condition that is to be written, if there is one. It is not given again before its policy comes in
    /// another form, or [`Store::write_again`] asks for it.
    pub fn next_write(&mut self) -> Option<StatusWrite> {
        while let Some(key) = self.unwritten.pop_first() {
            let Some(held) = self.policies.get(&key) else {
                continue;
            };
            let condition = self.condition(&key, held);
            if let Some(resource_version) = &held.resource_version
                && !condition.is_among(&held.conditions)
            {
                return Some(StatusWrite {
                    uid: held.uid.clone(),
                    resource_version: resource_version.clone(),
                    seen: held.conditions.clone(),
                    condition,
                    key,
                });
            }
        }
        None
    }

    /// How many policies of the cluster there are, whatever they are worth.
    pub fn held(&self) -> usize {
        self.policies.len()
    }

    /// Whether there is such a policy in the cluster.
    pub fn holds(&self, key: &Key) -> bool {
        self.policies.contains_key(key)
    }

    /// Has the condition of a policy written after all.
    pub fn write_again(&mut self, key: Key) {
        self.unwritten.insert(key);
    }

    fn take_policy(&mut self, object: PolicyObject) {
        let key = object.key.clone();
        let changed = if let Some(held) = self.policies.get_mut(&key) {
            held.replace(object)
        } else {
            let held = Held::new(object);
            let changed = held.good.is_some();
            self.policies.insert(key.clone(), held);
            changed
        };
        self.note(key.resource, changed);
        self.touched.insert(key.clone());
        self.came(key);
    }

    fn came(&mut self, key: Key) {
        if let Some(listing) = self.listings.get_mut(&key.resource) {
            listing.came.insert(key);
        }
    }

    /// Takes note of whether what is in force changed: at once, or when the listing is whole.
    fn note(&mut self, resource: Resource, changed: bool) {
        match self.listings.get_mut(&resource) {
            Some(listing) => listing.changed |= changed,
            None => self.policies_changed |= changed,
        }
    }

    /// Forgets an object. Says whether a policy was in force.
    fn drop_object(&mut self, key: &Key) -> bool {
        if key.resource == Resource::Namespaces {
            if self.namespaces.remove(&key.name).is_some() {
                self.changed_namespaces.insert(key.name.clone());
            }
            return false;
        }
        let held = self.policies.remove(key);
        if held.is_some() {
            self.touched.insert(key.clone());
        }
        held.is_some_and(|held| held.good.is_some())
    }

    fn end_listing(&mut self, resource: Resource) {
        let Listing { came, mut changed } = self.listings.remove(&resource).unwrap_or_default();
        let gone: Vec<Key> = if resource == Resource::Namespaces {
            let names = self.namespaces.keys().map(|name| Key {
                resource,
                namespace: None,
                name: name.clone(),
            });
            names.filter(|key| !came.contains(key)).collect()
        } else {
            let keys = self.policies.keys().filter(|key| key.resource == resource);
            keys.filter(|key| !came.contains(key)).cloned().collect()
        };
        for key in gone {
            changed |= self.drop_object(&key);
        }
        self.note(resource, changed);
        self.answered.insert(resource);
    }

    fn set_files(&mut self, files: Vec<Policy>) {
        let mut by_scope: BTreeMap<Scope, BTreeMap<String, Arc<Policy>>> = BTreeMap::new();
        for policy in files {
            let of_scope = by_scope.entry(policy.scope.clone()).or_default();
            of_scope.insert(policy.name.clone(), Arc::new(policy));
        }
        if by_scope != self.files {
            self.files = by_scope;
            self.policies_changed = true;
            self.touched.extend(self.policies.keys().cloned());
        }
    }

    fn rebuild(&mut self) {
        let of_cluster = self
            .policies
            .iter()
            .filter(|(key, _)| !self.is_in_file(key))
            .filter_map(|(_, held)| held.good.as_ref());
        let of_files = self.files.values().flat_map(BTreeMap::values);
        let mut index = PolicyIndex::sharing(of_files.chain(of_cluster).map(Arc::clone).collect());
        for (name, labels) in &self.namespaces {
            index.know_namespace(name, labels);
        }
        self.index = index;
        self.policies_changed = false;
        self.changed_namespaces.clear();
    }

    fn is_in_file(&self, key: &Key) -> bool {
        let scope = key.namespace.clone().map_or(Scope::Cluster, Scope::Namespace);
        self.files
            .get(&scope)
            .is_some_and(|of_scope| of_scope.contains_key(&key.name))
    }

    fn condition(&self, key: &Key, held: &Held) -> Condition {
        held.condition(|| self.is_in_file(key))
    }
}
