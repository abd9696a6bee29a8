//! `--policy`: policies from files and directories.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{exit::Failure, io};
use crate::{
    cli::{FactsArgs, PolicyArgs},
    engine::setup::Snapshot,
    policy::index::PolicyIndex,
    policy_document::{PolicyReader, any_error},
};

/// Endings of the files of a directory that hold policies.
const ENDINGS: [&str; 3] = ["json", "yaml", "yml"];

/// More problems help nobody.
const MOST_SHOWN: usize = 100;

/// What the command line says of policies, and of the namespace that they look at.
pub(super) fn snapshot(facts: &FactsArgs) -> Result<Snapshot, Failure> {
    let mut policies = index(&facts.policies)?;
    if let (Some(name), Some(labels)) = (&facts.namespace, &facts.namespace_labels) {
        let labels: BTreeMap<String, String> = labels.iter().cloned().collect();
        policies.know_namespace(name, &labels);
    }
    Ok(Snapshot { policies })
}

/// The policies of all files. What is worth a warning is on stderr by then; any error fails.
pub(super) fn index(args: &PolicyArgs) -> Result<PolicyIndex, Failure> {
    let mut reader = PolicyReader::default();
    let mut seen = BTreeSet::new();
    for path in &args.policy {
        for file in files(path)? {
            if !seen.insert(io::real_path(&file)?) {
                let file = file.display();
                return Err(Failure::Usage(format!(
                    "--policy: {file} is named twice; name each file once, by itself or by its directory"
                )));
            }
            reader.read(&file.display().to_string(), &io::read(&file)?);
        }
    }
    let (policies, problems) = reader.finish();
    let mut lines: Vec<String> = problems
        .iter()
        .take(MOST_SHOWN)
        .map(ToString::to_string)
        .collect();
    if problems.len() > MOST_SHOWN {
        lines.push(format!("and {} more", problems.len() - MOST_SHOWN));
    }
    if any_error(&problems) {
        return Err(Failure::Refused(lines.join("\n")));
    }
    for line in lines {
        io::complain(&format!("{line}\n"));
    }
    Ok(PolicyIndex::new(policies))
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
