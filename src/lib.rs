//! One engine decides what an Alumet object in Kubernetes still needs, and answers with a JSON Patch and a report.
//!
//! The modules stand in layers, and an import only ever points down:
//!
//! ```text
//! L3  main.rs, cli.rs, commands/      parse arguments, read files, wire, exit code
//! L1  manifest/, post_render.rs       bytes <-> model; no file system, environment, network or clock
//! L0  engine/, agent_config/,         values in, values out
//!     names.rs, source.rs, finding.rs
//! ```
//!
//! `ARCHITECTURE.md` says what must always hold, and follows one document through the code.

pub mod finding;
pub mod names;
pub mod source;

pub mod agent_config;

pub mod engine;

pub mod manifest;
pub mod post_render;

pub mod cli;
pub mod commands;
