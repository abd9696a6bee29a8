//! `--policy`: policies from files and directories.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{exit::Failure, io};
#[cfg(feature = "server")]
use crate::cluster::policies::{Policies, fetch};
use crate::{
    cli::{FactsArgs, PolicyArgs},
    engine::setup::Snapshot,
    policy::{index::PolicyIndex, model::Policy},
    policy_document::{PolicyReader, Problem, any_error},
};

/// Endings of the files of a directory that hold policies.
const ENDINGS: [&str; 3] = ["json", "yaml", "yml"];

/// More problems help nobody.
const MOST_SHOWN: usize = 100;

/// What the command line says of policies, and of the namespace that they look at.
pub(super) fn snapshot(facts: &FactsArgs) -> Result<Snapshot, Failure> {
    let policies = PolicyIndex::new(of_files(&facts.policies)?);
    Ok(knowing(policies, facts))
}

/// What a cluster would have if the policies of all files were applied to it, and what the command line says of the
/// namespace. What is wrong with the cluster's own is on stderr by then; one that cannot be read is not in force.
#[cfg(feature = "server")]
pub(super) async fn of_cluster(client: kube::Client, facts: &FactsArgs) -> Result<Snapshot, Failure> {
    let applied = of_files(&facts.policies)?;
    let Policies { index, problems } = fetch(client, applied).await?;
    for line in lines(&problems) {
        io::complain(&format!("{line}\n"));
    }
    Ok(knowing(index, facts))
}

fn knowing(mut policies: PolicyIndex, facts: &FactsArgs) -> Snapshot {
    if let (Some(name), Some(labels)) = (&facts.namespace, &facts.namespace_labels) {
        let labels: BTreeMap<String, String> = labels.iter().cloned().collect();
        policies.know_namespace(name, &labels);
    }
    Snapshot { policies }
}

/// The policies of all files. What is worth a warning is on stderr by then; any error fails.
pub(super) fn of_files(args: &PolicyArgs) -> Result<Vec<Policy>, Failure> {
    let (policies, warnings) = parse(&texts(args)?)?;
    for warning in warnings {
        io::complain(&format!("{warning}\n"));
    }
    Ok(policies)
}

/// A file, and what is in it.
pub(super) type Text = (PathBuf, Vec<u8>);

/// The texts of all files.
pub(super) fn texts(args: &PolicyArgs) -> Result<Vec<Text>, Failure> {
    let mut texts = Vec::new();
    let mut seen = BTreeSet::new();
    for path in &args.policy {
        for file in files(path)? {
            if !seen.insert(io::real_path(&file)?) {
                let file = file.display();
                return Err(Failure::Usage(format!(
                    "--policy: {file} is named twice; name each file once, by itself or by its directory"
                )));
            }
            let bytes = io::read(&file)?;
            texts.push((file, bytes));
        }
    }
    Ok(texts)
}

/// The policies in texts, and a sentence for each warning. Any error fails.
pub(super) fn parse(texts: &[Text]) -> Result<(Vec<Policy>, Vec<String>), Failure> {
    let mut reader = PolicyReader::default();
    for (file, bytes) in texts {
        reader.read(&file.display().to_string(), bytes);
    }
    let (policies, problems) = reader.finish();
    let lines = lines(&problems);
    if any_error(&problems) {
        return Err(Failure::Refused(lines.join("\n")));
    }
    Ok((policies, lines))
}

/// A line for each problem, up to a number that helps.
fn lines(problems: &[Problem]) -> Vec<String> {
    let mut lines: Vec<String> = problems
        .iter()
        .take(MOST_SHOWN)
        .map(ToString::to_string)
        .collect();
    if problems.len() > MOST_SHOWN {
        lines.push(format!("and {} more", problems.len() - MOST_SHOWN));
    }
    lines
}

/// The file, or those of the directory.
fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if path == Path::new("-") {
        return Err(Failure::Usage(
            "--policy: policies are not read from stdin; write them into a file".to_owned(),
        ));
    }
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let files = io::files_in(path, &ENDINGS)?;
    if files.is_empty() {
        return Err(Failure::Refused(format!(
            "--policy: the directory {} has no policies, which are in files that end in .{}; name another one",
            path.display(),
            ENDINGS.join(", .")
        )));
    }
    Ok(files)
}
