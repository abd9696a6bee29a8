//! The injector itself in the cluster: how it is installed, and what it may do there.

use crate::support::{
    Case, Cluster, cases,
    injector::{Injector, Installation, injects},
};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        the_api_server_asks_it,
        a_namespace_that_stands_apart_has_an_injector_of_its_own,
    ]
}

fn the_api_server_asks_it(cluster: &Cluster) {
    let namespace = cluster.served_namespace("asked");
    assert!(injects(cluster, &namespace), "{}", cluster.injector().log());
    let metrics = cluster.injector().metrics(cluster);
    assert!(metrics.contains("alumet_injector_"), "{metrics}");
}

fn a_namespace_that_stands_apart_has_an_injector_of_its_own(cluster: &Cluster) {
    let namespace = cluster.namespace("apart");
    assert!(!injects(cluster, &namespace), "nobody is asked");
    let injector = Injector::install(cluster, &Installation::serving(&namespace));
    assert!(injects(cluster, &namespace), "{}", injector.log());
    injector.stop();
    assert!(!injects(cluster, &namespace), "nobody answers");
}
