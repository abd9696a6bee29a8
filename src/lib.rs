//! One engine decides what an Alumet object in Kubernetes still needs, and answers with a JSON Patch and a report.
//!
//! The modules stand in layers, and an import only ever points down:
//!
//! ```text
//! L3  main.rs, cli.rs, commands/      parse arguments, read files, wire, exit code
//! L2  server/, cluster/, telemetry.rs network, cluster, clock
//! L1  manifest/, policy_document/,    bytes <-> model; no file system, environment, network or clock
//!     post_render.rs, admission/,
//!     certs/, export_map/
//! L0  engine/, policy/, agent_config/ values in, values out
//!     names.rs, source.rs, finding.rs,
//!     kubernetes.rs, text.rs
//! ```
//!
//! `ARCHITECTURE.md` says what must always hold, and follows one document through the code.

pub mod finding;
pub mod kubernetes;
pub mod names;
pub mod source;
mod text;

pub mod agent_config;
pub mod policy;

pub mod engine;

pub mod admission;
pub mod certs;
pub mod export_map;
pub mod manifest;
pub mod policy_document;
pub mod post_render;

#[cfg(feature = "server")]
pub mod cluster;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod telemetry;

pub mod cli;
pub mod commands;
