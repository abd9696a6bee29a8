//! What the tests of the cluster are made of.
//!
//! A test is a function of the shared `Cluster`, listed by `cases!` in its module; `main.rs` lists the modules. Tests run
//! beside each other: each makes its own namespace, and waits with `poll::wait_for`.

mod certificates;
pub(crate) mod cluster;
pub(crate) mod control_plane;
pub(crate) mod guardian;
mod http;
pub(crate) mod injector;
pub(crate) mod joined;
pub(crate) mod kubelet;
pub(crate) mod other_webhook;
pub(crate) mod poll;
mod ports;
pub(crate) mod processes;
pub(crate) mod release;
pub(crate) mod rest;
pub(crate) mod samples;

pub(crate) use cluster::{Cluster, Folder};

/// One test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// `MODULE::FUNCTION`.
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Cluster),
}

/// The functions of a module that are its tests, as `Vec<Case>`.
macro_rules! cases {
    ($($function:ident),+ $(,)?) => {
        vec![$($crate::support::Case {
            name: concat!(module_path!(), "::", stringify!($function)),
            run: $function,
        }),+]
    };
}
pub(crate) use cases;
