//! `export`: what a cluster has, in another form.

use serde_json::Value;

use super::{
    cluster::with_client,
    exit::{Exit, Failure},
    io,
};
use crate::{
    cli::{Export, ExportCommand, ExportPolicies},
    cluster::policies,
    finding::any_error,
    manifest::emit::to_yaml,
    policy_document::{Problem, policy},
};

/// What kubectl writes for itself: the object as somebody applied it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

pub(super) fn run(args: Export) -> Result<Exit, Failure> {
    match args.command {
        ExportCommand::Policies(args) => export_policies(&args),
    }
}

/// Those that cannot be read are not in force, and are left out: the stream gives what the cluster gives.
fn export_policies(args: &ExportPolicies) -> Result<Exit, Failure> {
    let documents = with_client(&args.cluster, async |client| {
        Ok(policies::documents(client).await?)
    })?;
    let mut stream = String::new();
    for document in documents {
        let (_, findings) = policy(&document);
        let left_out = any_error(&findings);
        let place = policies::place(&document);
        for finding in findings {
            let place = place.clone();
            io::complain(&format!("{}\n", Problem { place, finding }));
        }
        if left_out {
            io::complain(&format!(
                "{place}: left out, for it is not in force as it stands\n"
            ));
        } else {
            stream += "---\n";
            stream += &to_yaml(&as_written(document));
        }
    }
    if stream.is_empty() {
        io::complain("the cluster has no policies\n");
    }
    io::print_text(&stream)?;
    Ok(Exit::Done)
}

/// The document without what the cluster and its tools added.
fn as_written(mut document: Value) -> Value {
    if let Some(table) = document.as_object_mut() {
        table.shift_remove("status");
    }
    if let Some(metadata) = document.get_mut("metadata").and_then(Value::as_object_mut)
        && let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
    {
        annotations.shift_remove(LAST_APPLIED);
        if annotations.is_empty() {
            metadata.shift_remove("annotations");
        }
    }
    document
}
