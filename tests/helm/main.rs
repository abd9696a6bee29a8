//! The tests that run real Helm 3 and Helm 4. `make test` gets both and runs these; a bare `cargo test` leaves them out.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests panic on purpose")]

mod chart;
#[path = "../charts.rs"]
mod charts;
mod docs;
mod documented_paths;
#[path = "../files.rs"]
mod files;
mod injector_arguments;
mod injector_chart;
mod injector_docs;
mod injector_install;
mod installation;
#[path = "../markdown.rs"]
mod markdown;
mod notes;
mod older_values;
mod plugin;
mod policies;
mod post_render;
mod privileges;
mod refused_lists;
mod release;
mod renders;
mod round_trip;
mod secrets;
#[path = "../it/stored.rs"]
mod stored;
mod streams;
mod support;
mod tools;
mod versions;
