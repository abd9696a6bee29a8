//! Which policies apply to an object, found without looking at those that cannot.
//!
//! Policies are put into tables when they come, and told apart by component, namespace and labels. The selectors of
//! namespaces are tried when a policy or a namespace changes, never for an object.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
};

use super::{
    model::Policy,
    precedence::order,
    selector::{Labels, Selector},
};
use crate::names::Component;

/// Place of a policy in the order of precedence: the lower, the stronger. It is of one index alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank(u32);

/// What is asked about an object.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Its component.
    pub component: Component,
    /// Its namespace; `None` where it is not known.
    pub namespace: Option<&'a str>,
    /// Labels of its pods; `None` for an object that has none, and is the same for all of them.
    pub pods: Option<&'a dyn Labels>,
}

/// So many are enough to say that something is not known; all of them could be every policy, at each call.
pub const MOST_UNDECIDED: usize = 32;

/// The policies that apply, strongest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selected {
    /// Those that apply.
    pub matching: Vec<Rank>,
    /// Those of which it cannot be told, for they look at the namespace, and it or its labels are not known: the
    /// strongest [`MOST_UNDECIDED`].
    pub undecided: Vec<Rank>,
}

/// All policies, and the namespaces whose labels are known. To change it is to make another one: a clone shares the
/// policies and their tables.
#[derive(Debug, Clone, Default)]
pub struct PolicyIndex {
    tables: Arc<Tables>,
    /// For each namespace whose labels are known, the policies that are limited to some namespaces and reach it.
    namespaces: BTreeMap<String, Arc<ByComponent>>,
    /// The tables of those policies by their ranks: namespaces that the same ones reach share theirs.
    groups: BTreeMap<Arc<[Rank]>, Weak<ByComponent>>,
}

/// The policies of an index, without the namespaces that it knows. As long as it is there, no other policies are taken
/// for these.
#[derive(Debug, Clone)]
pub struct SamePolicies(Arc<Tables>);

impl SamePolicies {
    /// Whether an index has these very policies, whatever namespaces it knows.
    pub fn are_of(&self, index: &PolicyIndex) -> bool {
        Arc::ptr_eq(&self.0, &index.tables)
    }
}

/// So many tables that no namespace has any more are kept before they are looked for.
const MOST_UNUSED: usize = 16;

/// The policies by what they are limited to.
#[derive(Debug, Default)]
struct Tables {
    /// Strongest first.
    policies: Vec<Arc<Policy>>,
    /// Those of any namespace.
    everywhere: ByComponent,
    /// Those that name the namespace.
    by_name: BTreeMap<String, ByComponent>,
    /// Those that name none and look at its labels, by the labels of the pods.
    by_selector: ByComponent,
    /// The same ones, by the labels of the namespace.
    by_namespace_labels: ByLabels,
}

impl PolicyIndex {
    /// Takes the policies, whose titles differ, in any order.
    pub fn new(policies: Vec<Policy>) -> Self {
        Self::sharing(policies.into_iter().map(Arc::new).collect())
    }

    /// Like [`PolicyIndex::new`], with policies that somebody else holds, too.
    pub fn sharing(mut policies: Vec<Arc<Policy>>) -> Self {
        policies.sort_by(|a, b| order(a, b));
        let mut tables = Tables::default();
        let demands = Demands::of(policies.iter().map(|policy| &policy.selects.object_selector));
        let of_namespaces = Demands::of(policies.iter().map(|policy| &policy.selects.namespace_selector));
        for (policy, rank) in policies.iter().zip((0..).map(Rank)) {
            let names = policy.namespaces();
            if names.is_empty() && policy.selects.namespace_selector.is_everything() {
                tables.everywhere.add(policy, rank, &demands);
            } else if names.is_empty() {
                tables.by_selector.add(policy, rank, &demands);
                let selector = &policy.selects.namespace_selector;
                tables.by_namespace_labels.add(selector, rank, &of_namespaces);
            }
            for name in names {
                let of_name = tables.by_name.entry(name.clone()).or_default();
                of_name.add(policy, rank, &demands);
            }
        }
        tables.policies = policies;
        Self {
            tables: Arc::new(tables),
            namespaces: BTreeMap::new(),
            groups: BTreeMap::new(),
        }
    }

    /// Whether there is no policy at all.
    pub fn is_empty(&self) -> bool {
        self.tables.policies.is_empty()
    }

    /// All policies, strongest first.
    pub fn policies(&self) -> &[Arc<Policy>] {
        &self.tables.policies
    }

    /// Its policies, to tell later whether another index has the very same ones, so that a place in one is the same in the
    /// other.
    pub fn same_policies(&self) -> SamePolicies {
        SamePolicies(Arc::clone(&self.tables))
    }

    /// The policy at a place that this index gave; `None` for one of another index.
    pub fn get(&self, rank: Rank) -> Option<&Policy> {
        let policies = &self.tables.policies;
        policies.get(usize::try_from(rank.0).ok()?).map(AsRef::as_ref)
    }

    /// From now on the labels of the namespace are known to be these.
    pub fn know_namespace(&mut self, name: &str, labels: &dyn Labels) {
        let tables = &*self.tables;
        let mut reached = Vec::new();
        if let Some(of_name) = tables.by_name.get(name) {
            reached.extend(of_name.ranks());
        }
        tables
            .by_namespace_labels
            .candidates(Some(labels), &mut |rank| reached.push(rank));
        reached.sort_unstable();
        reached.dedup();
        reached.retain(|rank| {
            let policy = self.get(*rank);
            policy.is_some_and(|policy| policy.selects.namespace_selector.matches(labels))
        });
        let known = self.groups.get(reached.as_slice()).and_then(Weak::upgrade);
        let group = known.unwrap_or_else(|| self.group(&reached));
        self.namespaces.insert(name.to_owned(), group);
    }

    /// The table of these policies, for the namespaces that they reach.
    fn group(&mut self, reached: &[Rank]) -> Arc<ByComponent> {
        let policies = || reached.iter().filter_map(|rank| Some((*rank, self.get(*rank)?)));
        let demands = Demands::of(policies().map(|(_, policy)| &policy.selects.object_selector));
        let mut group = ByComponent::default();
        for (rank, policy) in policies() {
            group.add(policy, rank, &demands);
        }
        if self.groups.len() > 2 * self.namespaces.len() + MOST_UNUSED {
            self.groups.retain(|_, group| group.strong_count() > 0);
        }
        let group = Arc::new(group);
        self.groups.insert(Arc::from(reached), Arc::downgrade(&group));
        group
    }

    /// From now on the labels of the namespace are not known.
    pub fn forget_namespace(&mut self, name: &str) {
        self.namespaces.remove(name);
    }

    /// How many tables of namespaces are held by some index.
    #[cfg(test)]
    pub(crate) fn tables_in_use(&self) -> usize {
        let in_use = |group: &&Weak<ByComponent>| group.strong_count() > 0;
        self.groups.values().filter(in_use).count()
    }

    /// The policies that apply to an object.
    pub fn select(&self, asked: Asked<'_>) -> Selected {
        let mut selected = Selected::default();
        let Selected { matching, .. } = &mut selected;
        let mut undecided = Strongest::default();
        let tables = &*self.tables;
        self.look(&tables.everywhere, asked, &mut |rank, _| matching.push(rank));
        let mut depending = |rank, policy: &Policy| {
            if policy.selects.namespace_selector.is_everything() {
                matching.push(rank);
            } else {
                undecided.push(rank);
            }
        };
        match asked.namespace.map(|name| (name, self.namespaces.get(name))) {
            Some((_, Some(known))) => self.look(known, asked, &mut |rank, _| matching.push(rank)),
            Some((name, None)) => {
                if let Some(of_name) = tables.by_name.get(name) {
                    self.look(of_name, asked, &mut depending);
                }
                self.look(&tables.by_selector, asked, &mut depending);
            }
            None => {
                for limited in tables.by_name.values().chain([&tables.by_selector]) {
                    self.look(limited, asked, &mut |rank, _| undecided.push(rank));
                }
            }
        }
        selected.matching.sort_unstable();
        selected.matching.dedup();
        selected.undecided.extend(undecided.0);
        selected
    }

    /// Visits the policies of a table whose selector of pods holds.
    fn look(&self, table: &ByComponent, asked: Asked<'_>, visit: &mut dyn FnMut(Rank, &Policy)) {
        table.0[asked.component as usize].candidates(asked.pods, &mut |rank| {
            let Some(policy) = self.get(rank) else { return };
            let selector = &policy.selects.object_selector;
            if asked
                .pods
                .map_or_else(|| selector.is_everything(), |labels| selector.matches(labels))
            {
                visit(rank, policy);
            }
        });
    }
}

/// The strongest of those that come, each once.
#[derive(Debug, Default)]
struct Strongest(BTreeSet<Rank>);

impl Strongest {
    fn push(&mut self, rank: Rank) {
        if self.0.len() == MOST_UNDECIDED && self.0.last().is_some_and(|weakest| *weakest <= rank) {
            return;
        }
        self.0.insert(rank);
        if self.0.len() > MOST_UNDECIDED {
            self.0.pop_last();
        }
    }
}

/// A table for each component.
#[derive(Debug, Default, PartialEq)]
struct ByComponent([ByLabels; Component::ALL.len()]);

impl ByComponent {
    fn add(&mut self, policy: &Policy, rank: Rank, demands: &Demands<'_>) {
        for component in Component::ALL {
            if policy.selects.has(component) {
                self.0[component as usize].add(&policy.selects.object_selector, rank, demands);
            }
        }
    }

    fn ranks(&self) -> impl Iterator<Item = Rank> {
        self.0.iter().flat_map(ByLabels::ranks)
    }
}

/// Policies by a label that whatever they select must have.
#[derive(Debug, Default, PartialEq)]
struct ByLabels {
    /// Those that demand none by its value.
    rest: Vec<Rank>,
    /// Key and value of the label.
    by_label: BTreeMap<String, BTreeMap<String, Vec<Rank>>>,
}

impl ByLabels {
    fn add(&mut self, selector: &Selector, rank: Rank, demands: &Demands<'_>) {
        let Some((key, values)) = demands.rarest(selector) else {
            return self.rest.push(rank);
        };
        let by_value = self.by_label.entry(key.to_owned()).or_default();
        for value in values {
            by_value.entry(value.clone()).or_default().push(rank);
        }
    }

    fn ranks(&self) -> impl Iterator<Item = Rank> {
        let by_label = self.by_label.values().flat_map(BTreeMap::values).flatten();
        self.rest.iter().chain(by_label).copied()
    }

    /// Those that may select what has these labels; without labels, those that may select whatever it is.
    fn candidates(&self, labels: Option<&dyn Labels>, visit: &mut dyn FnMut(Rank)) {
        self.rest.iter().copied().for_each(&mut *visit);
        let Some(labels) = labels.filter(|_| !self.by_label.is_empty()) else {
            return;
        };
        labels.each(&mut |key, value| {
            let ranks = self.by_label.get(key).and_then(|by_value| by_value.get(value));
            ranks.into_iter().flatten().copied().for_each(&mut *visit);
        });
    }
}

/// How many selectors demand each label: the rarest one tells the most.
struct Demands<'s>(BTreeMap<(&'s str, &'s str), usize>);

impl<'s> Demands<'s> {
    fn of(selectors: impl Iterator<Item = &'s Selector>) -> Self {
        let mut counts = BTreeMap::new();
        for (key, values) in selectors.flat_map(Selector::demands) {
            for value in values {
                *counts.entry((key, value.as_str())).or_default() += 1;
            }
        }
        Self(counts)
    }

    fn rarest<'d>(&self, selector: &'d Selector) -> Option<(&'d str, &'d [String])> {
        let of_label =
            |key: &str, value: &String| self.0.get(&(key, value.as_str())).copied().unwrap_or_default();
        selector
            .demands()
            .min_by_key(|(key, values)| values.iter().map(|value| of_label(key, value)).sum::<usize>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::model::{Defaults, Match, Scope};

    #[test]
    fn a_copy_shares_what_grows_with_policies_and_namespaces() {
        let policy = Policy {
            scope: Scope::Namespace("a".to_owned()),
            name: "p".to_owned(),
            priority: 0,
            selects: Match::default(),
            defaults: Defaults::default(),
            on_error: None,
        };
        let mut index = PolicyIndex::new(vec![policy]);
        index.know_namespace("a", &BTreeMap::new());
        let copy = index.clone();
        let places = |index: &PolicyIndex| -> Vec<*const Rank> {
            let ranks = index.groups.keys().map(|ranks| ranks.as_ptr());
            ranks.collect()
        };
        assert_eq!(
            index.groups.keys().map(|ranks| ranks.len()).collect::<Vec<_>>(),
            [1]
        );
        assert_eq!(places(&index), places(&copy));
        let tables = |index: &PolicyIndex| Arc::as_ptr(&index.namespaces["a"]);
        assert!(std::ptr::eq(tables(&index), tables(&copy)));
    }
}
