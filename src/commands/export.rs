//! `export`: what a cluster has, in another form.

use serde_json::Value;

use super::{
    cluster::with_client,
    exit::{Exit, Failure},
    io,
    policies::of_files,
};
use crate::{
    cli::{Export, ExportCommand, ExportMap, ExportPolicies},
    cluster::policies,
    export_map::{self, Exported},
    finding::any_error,
    manifest::emit::to_yaml,
    policy_document::{Problem, policy},
};

/// What kubectl writes for itself: the object as somebody applied it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

pub(super) fn run(args: Export) -> Result<Exit, Failure> {
    match args.command {
        ExportCommand::Policies(args) => export_policies(&args),
        ExportCommand::Map(args) => export_map(&args),
    }
}

/// Those that cannot be read are not in force, and are left out: the stream gives what the cluster gives.
fn export_policies(args: &ExportPolicies) -> Result<Exit, Failure> {
    let documents = with_client(&args.cluster, async |client| {
        Ok(policies::documents(client).await?)
    })?;
    let (stream, told) = written(documents);
    for line in told {
        io::complain(&format!("{line}\n"));
    }
    io::print_text(&stream)?;
    Ok(Exit::Done)
}

/// The policies as a stream, and what there is to say.
fn written(documents: Vec<Value>) -> (String, Vec<String>) {
    let mut told = Vec::new();
    if documents.is_empty() {
        told.push("the cluster has no policies".to_owned());
    }
    let mut stream = String::new();
    for document in documents {
        let (_, findings) = policy(&document);
        let left_out = any_error(&findings);
        let place = policies::place(&document);
        let problems = findings.into_iter().map(|finding| {
            let place = place.clone();
            Problem { place, finding }.to_string()
        });
        told.extend(problems);
        if left_out {
            told.push(format!("{place}: left out, for it is not in force as it stands"));
        } else {
            stream += "---\n";
            stream += &to_yaml(&as_written(document));
        }
    }
    (stream, told)
}

/// Nothing is written where nothing could be given, or where `--strict` has a warning fail.
fn export_map(args: &ExportMap) -> Result<Exit, Failure> {
    let policies = of_files(&args.policies)?;
    if policies.is_empty() {
        return Err(Failure::Usage(
            "export map: there is no policy; name a file or a directory with --policy".to_owned(),
        ));
    }
    let Exported { objects, findings } = export_map::export(policies, &args.name);
    for (title, finding) in &findings {
        io::complain(&format!("policy {title}: {finding}\n"));
    }
    if objects.is_empty() {
        return Err(Failure::Refused(
            "the policies give nothing that a MutatingAdmissionPolicy could give; use the webhook or post-render"
                .to_owned(),
        ));
    }
    if args.strict && !findings.is_empty() {
        return Err(Failure::Refused(match findings.len() {
            1 => "--strict: one part of the policies cannot be exported as it is".to_owned(),
            parts => format!("--strict: {parts} parts of the policies cannot be exported as they are"),
        }));
    }
    let stream: String = objects
        .iter()
        .map(|object| format!("---\n{}", to_yaml(object)))
        .collect();
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::written;

    #[test]
    fn a_stream_has_what_is_in_force_and_the_rest_is_told() {
        let policy = |name: &str, spec| {
            json!({
                "apiVersion": "injector.alumet.dev/v1alpha1", "kind": "ClusterInjectionPolicy",
                "metadata": {"name": name}, "spec": spec,
            })
        };
        let good = policy("good", json!({"defaults": {"env": {"A": "b"}}}));
        let bad = policy("bad", json!({"defaults": {"env": {"!": "b"}}}));
        let (stream, told) = written(vec![bad.clone(), good]);
        assert!(
            stream.contains("name: good") && !stream.contains("name: bad"),
            "{stream}"
        );
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(
            told[1],
            "ClusterInjectionPolicy bad: left out, for it is not in force as it stands"
        );

        let (stream, told) = written(vec![bad]);
        assert_eq!((stream.as_str(), told.len()), ("", 2), "{told:?}");
        assert_eq!(
            written(Vec::new()),
            (String::new(), vec!["the cluster has no policies".to_owned()])
        );
    }
}
