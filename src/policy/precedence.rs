//! Who wins where several say something.

use std::cmp::Ordering;

use super::model::{Defaults, Policy};

/// The order of policies, strongest first.
///
/// Highest first; whoever has a value decides over all below, and `-` says nothing:
///
/// | object | agent values | `InjectionPolicy` | `ClusterInjectionPolicy` | catalogue | who wins |
/// |---|---|---|---|---|---|
/// | set | any | any | any | any | the object |
/// | - | set | any | any | any | the values |
/// | - | - | set | any | any | the `InjectionPolicy` |
/// | - | - | - | set | any | the `ClusterInjectionPolicy` |
/// | - | - | - | - | set | the catalogue |
///
/// And among policies:
///
/// | scope | priority | name | who wins |
/// |---|---|---|---|
/// | differs | any | any | the one of the namespace |
/// | same | differs | any | the higher priority |
/// | same | same | differs | the name that comes first |
///
/// This function is the second table. The first one holds because the engine asks in that order: `engine::setup` puts
/// the values over the policies and those over the catalogue, and the mutations put the object over the setup.
pub fn order(one: &Policy, other: &Policy) -> Ordering {
    one.scope
        .cmp(&other.scope)
        .then(other.priority.cmp(&one.priority))
        .then_with(|| one.name.cmp(&other.name))
}

/// What all policies have, the strongest policy's first: the elements of a list, or a single value. Elements that are the
/// same to Kubernetes are left for whoever puts them into a list, which takes the first.
pub fn all<'p, T: 'p, I: IntoIterator<Item = T>>(
    policies: &[&'p Policy],
    of: impl Fn(&'p Defaults) -> I,
) -> impl Iterator<Item = (&'p Policy, T)> {
    policies.iter().flat_map(move |policy| {
        of(&policy.defaults)
            .into_iter()
            .map(move |element| (*policy, element))
    })
}
