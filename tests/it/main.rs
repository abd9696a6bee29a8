//! The integration tests, one module a subject. They need nothing but Rust: what needs Helm is in `tests/helm`.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "tests panic on purpose, print what they counted, and hold long tables"
)]

/// The cases of `tests/admission`: review, response and decision.
mod admission;
/// Bodies that are no review are refused in one sentence.
mod admission_bad_reviews;
/// Warnings and audit annotations are bounded.
mod admission_bounds;
/// Admission answers with the engine's patch, which is that of post-render but for images.
mod admission_doors;
/// Objects that were made to cost more than they should.
mod admission_hostile;
/// What policies say of objects with errors.
mod admission_policies;
/// No body makes admission panic, and every answer holds.
mod admission_properties;
/// Policies that are written to the API server: each is let in, or refused in its words.
mod admission_validate;
/// The agent's configuration from values: against texts written by hand.
mod agent_config;
/// Agent configurations are checked as the agent reads them.
mod agent_config_check;
/// What holds for all values.
mod agent_config_properties;
/// Values are read as what their keys are.
mod agent_config_reading;
/// The schema and the needs that the charts take from the catalogue.
mod agent_config_schema;
/// References to Secrets and variables, and literals that are refused.
mod agent_config_secrets;
/// The catalogue against the agent's own default file.
mod catalog;
/// `certs issue` and `certs inspect`, as a user types them.
mod certs_command;
/// What is issued is accepted by a TLS client, for its names and in its time.
mod certs_issue;
/// A certificate chain and its key: what is read, and each way in which two texts are no pair.
mod certs_pair;
/// When a CA begins, a certificate is issued and an old CA dropped; and years of it in steps of an hour.
mod certs_renewal;
/// The caBundle of our entries, whatever else a webhook configuration holds.
mod certs_webhook;
/// `check` of a DaemonSet whose plugin needs a GPU, and of the nodes that its pods come to.
mod check_nodes;
/// The binary as a user types it.
mod cli;
/// What a cluster answers to who asks for its policies.
mod cluster_policies;
/// What `diff` shows is what `post-render` does.
mod diff;
/// The documents: examples are run, links followed, lists compared with the code.
mod docs;
/// One object through the doors, and after a warning was heeded.
mod engine_doors;
/// Every plan applies, and taking out gives back what was put in.
mod engine_properties;
/// What policies give stands between defaults and values.
mod engine_snapshot;
/// The examples of the documents, and what is printed for them.
#[path = "../examples.rs"]
#[allow(dead_code, reason = "the tests on a cluster use the rest")]
mod examples;
/// How each command ends.
mod exit_codes;
/// `export map`, as a user types it.
mod export_map;
/// Each known fault of the old charts: comes out right, or is told.
mod faults;
/// The later rows of that table.
mod faults_later_rows;
/// The first rows of that table.
mod faults_rows;
/// Files that tests read, compare and rewrite.
#[path = "../files.rs"]
mod files;
/// Files that are generated from the code are what the code gives now.
mod generated;
/// The cases of `tests/golden`: object, patch and report.
mod golden;
/// Every golden case can be taken out again, and together they show every code.
mod golden_codes;
/// The hard cases of the webhook, each with its test.
mod hard_cases;
/// What goes into the image of the webhook, and as whom it runs.
mod image;
/// The layers of `ARCHITECTURE.md`, read off the sources.
mod layering;
/// What is written is read back as the same.
mod manifest_emit;
/// Lists of objects in one document.
mod manifest_list;
/// YAML is read as Kubernetes reads it.
mod manifest_load;
/// Documents that cannot be read are refused in one sentence.
mod manifest_refusals;
/// Each scalar of a table that Go read.
mod manifest_scalars;
/// Streams are cut without a byte lost.
mod manifest_stream;
/// Markdown, as far as the tests of the documents read it.
#[path = "../markdown.rs"]
mod markdown;
/// Alerts and dashboard against the table of metrics.
mod monitoring;
/// A document made odd in many ways.
#[path = "../odd_documents.rs"]
mod odd_documents;
/// Values that come to stand on an object, and what is found in each.
#[path = "../on_objects.rs"]
#[allow(dead_code, reason = "the tests on a cluster use the rest")]
mod on_objects;
/// Policies for tests.
mod policies;
/// However many policies there are, an object stays within the limits.
mod policy_bounds;
/// The definitions of the custom resources, against the rest of the sources.
mod policy_definition;
/// Documents of policies, and the sentence for each fault.
mod policy_document;
/// Valid policies turn no valid values into an error.
mod policy_errors;
/// The policies of `deploy/policies`, as a user would try them.
mod policy_examples;
/// `--policy`, as a user types it.
mod policy_files;
/// The index of policies against looking at every policy.
mod policy_index;
/// Who wins, row by row.
mod policy_precedence;
/// What policies add can be taken out, and changes nothing of the user's.
mod policy_properties;
/// Label selectors, as Kubernetes has them.
mod policy_selector;
/// Policies that change: the last good form stays, and what is said of the newest one.
mod policy_store;
/// A policy of which it cannot be told offline whether it applies.
mod policy_undecided;
/// Whole streams of any shape: foreign documents stay, ours go in and come out again.
mod post_render_properties;
/// How a server ends.
mod server_end;
/// What a server meets on a bad day: one table.
mod server_hard_cases;
/// The key pair is read anew from its files.
mod server_key_files;
/// A review that takes long holds up no other call.
mod server_long_reviews;
/// The memo changes no answer.
mod server_memo;
/// What is counted, and where it is read.
mod server_metrics;
/// Policies that change while the server runs.
mod server_policies;
/// Files with policies that change while `serve` runs.
mod server_policy_files;
/// The command `serve` as a process: signals, log, exit codes.
mod server_process;
/// A server on loopback, and a client that can misbehave.
mod server_support;
/// Policies are validated on a path of their own, under the same limits.
mod server_validate;
/// Objects as the API server compares them.
mod stored;
/// The standing of objects that a cluster holds.
mod survey;
/// The program as a user types it in a folder.
mod typed;
