//! Policies as documents, YAML or JSON: the same in a file and as a custom resource.

mod defaults;
pub mod definition;
pub mod fields;
mod read;
mod resources;
mod shape;
pub mod store;

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

pub use self::read::policy;
use self::shape::Problems;
use crate::{
    engine::report::codes,
    finding::{Finding, Severity},
    manifest::{list, load, stream},
    policy::model::{Policy, Scope},
    text::printable,
};

/// The group of the custom resources.
pub const GROUP: &str = "injector.alumet.dev";

/// The version of their form that is read.
pub const VERSION: &str = "v1alpha1";

/// The kinds.
pub const KINDS: [&str; 2] = ["ClusterInjectionPolicy", "InjectionPolicy"];

codes! {
    /// What may be wrong with a document of policies. What is wrong with plugin settings in it has the codes of those.
    Code {
        Unreadable = "policy-unreadable": "a document of policies cannot be read",
        NoPolicy = "policy-none": "a document, file or folder has no policy where one is expected",
        OtherVersion = "policy-version": "the document has a form of another version",
        UnknownField = "policy-field": "a policy has no field of this name there",
        WrongType = "policy-type": "a field of a policy has another type",
        BadValue = "policy-value": "Kubernetes or the injector knows no such value there",
        Missing = "policy-missing": "a field that a policy needs is not there",
        Privilege = "policy-privilege": "a policy asks for a privilege of the pod",
        OutOfReach = "policy-reach": "a policy looks at, or gives to, what it cannot reach",
        Twice = "policy-twice": "two policies have one kind, namespace and name, or one policy says something twice",
    }
}

/// Something wrong with a document, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File, number of the document in it, and policy, each as far as it is known.
    pub place: String,
    /// What is wrong. Its path is one of the document.
    pub finding: Finding,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names and keys are what somebody wrote into a file, and this goes to terminals.
        f.write_str(&printable(&format!("{}: {}", self.place, self.finding)))
    }
}

/// The policies of some files, as they are read one after the other.
#[derive(Debug, Default)]
pub struct PolicyReader {
    policies: Vec<Policy>,
    places: BTreeMap<(Scope, String), String>,
    problems: Vec<Problem>,
}

impl PolicyReader {
    /// Reads the documents of a file. What is wrong is kept, and the rest goes on.
    pub fn read(&mut self, file: &str, bytes: &[u8]) {
        self.read_those(file, bytes, |_| true);
    }

    /// The same with a file that may hold other objects, too: those with an `apiVersion` of another group.
    pub fn read_among_others(&mut self, file: &str, bytes: &[u8]) {
        self.read_those(file, bytes, |object| {
            let api_version = object.get("apiVersion").and_then(Value::as_str);
            api_version.is_none_or(|version| version.split('/').next() == Some(GROUP))
        });
    }

    fn read_those(&mut self, file: &str, bytes: &[u8], is_meant: fn(&Value) -> bool) {
        let mut number = 0;
        for document in stream::documents(bytes) {
            if document.head().len() == document.body().len() {
                continue;
            }
            number += 1;
            let place = format!("{file}: document {number}");
            match load::read(&document) {
                Ok(loaded) => {
                    self.complain(&place, loaded.findings);
                    for item in list::objects(&loaded.value) {
                        if is_meant(item.object) {
                            self.add(&format!("{place}{}", item.pointer), item.object);
                        }
                    }
                }
                Err(error) => {
                    let mut problems = Problems::default();
                    problems.error(Code::Unreadable, "", error.to_string(), "");
                    self.complain(&place, problems.0);
                }
            }
        }
        if number == 0 {
            let mut problems = Problems::default();
            problems.error(
                Code::NoPolicy,
                "",
                "the file holds no policy",
                "write one into it, or leave it out",
            );
            self.complain(file, problems.0);
        }
    }

    fn add(&mut self, place: &str, object: &Value) {
        let (read, findings) = policy(object);
        let place = match described(object) {
            Some(name) => format!("{place}: {name}"),
            None => place.to_owned(),
        };
        self.complain(&place, findings);
        let Some(policy) = read else { return };
        let key = (policy.scope.clone(), policy.name.clone());
        if let Some(first) = self.places.get(&key) {
            let mut problems = Problems::default();
            problems.error(
                Code::Twice,
                "metadata.name",
                format!("another policy has the same kind, namespace and name: {first}"),
                "rename or remove one of the two",
            );
            return self.complain(&place, problems.0);
        }
        self.places.insert(key, place);
        self.policies.push(policy);
    }

    fn complain(&mut self, place: &str, findings: Vec<Finding>) {
        let problem = |finding| Problem {
            place: place.to_owned(),
            finding,
        };
        self.problems.extend(findings.into_iter().map(problem));
    }

    /// The policies that were read, and what was wrong. A policy with an error is not among them.
    pub fn finish(self) -> (Vec<Policy>, Vec<Problem>) {
        (self.policies, self.problems)
    }
}

/// Whether any of the problems is an error.
pub fn any_error(problems: &[Problem]) -> bool {
    problems
        .iter()
        .any(|problem| problem.finding.severity == Severity::Error)
}

/// Kind and name of what is, or was meant as, a policy.
fn described(object: &Value) -> Option<String> {
    let kind = object.get("kind")?.as_str()?;
    let name = object.pointer("/metadata/name")?.as_str()?;
    // Whatever else stands there is none of ours, and may be long.
    (KINDS.contains(&kind) && name.len() <= 253).then(|| format!("{kind} {name}"))
}
