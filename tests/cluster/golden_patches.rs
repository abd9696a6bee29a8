//! Every golden case against the real API server: it takes each patch, and through the webhook comes what the patch says.
//!
//! A case is shown twice, in two namespaces that differ in nothing but whether the injector serves them: the object with
//! its golden patch applied here, and the object alone, which the webhook completes. The API server has to take both or
//! neither, and both have to come back the same.

mod comparable;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use alumet_injector::{
    manifest::{load, stream},
    names::COMPONENT_LABEL,
};
use comparable::{TOUCHED, comparable, creatable, in_namespace};
use json_patch::Patch;
use serde_json::{Value, json};

use crate::{
    charts::objects,
    files::root,
    helm::{Helm, Major, Renderer, Template},
    support::{
        Case, Cluster, cases,
        rest::{Stored, create, merge},
    },
};

/// Cases that the API server itself refuses, patched or not: what it says against them.
const REFUSED: [(&str, &str); 4] = [
    ("field-of-a-wrong-type", "cannot unmarshal"),
    (
        // With the account that the API server gave it in the review.
        "mirror-pod",
        "a mirror pod may not reference service accounts",
    ),
    (
        "pod-with-ephemeral-containers",
        "spec.ephemeralContainers: Forbidden: cannot be set on create",
    ),
    ("pod-without-containers", "spec.containers: Required value"),
];

/// Cases that no object can be made for: why.
const NOT_SHOWN: [(&str, &str); 7] = [
    (
        "being-deleted",
        "a deletion begins by DELETE alone: see odd_objects",
    ),
    ("connect", "has options of `kubectl exec` in place of an object"),
    ("delete", "has no object"),
    ("ephemeral-containers", "is for a subresource: see odd_objects"),
    ("scale", "has a Scale in place of an object"),
    (
        "status",
        "is for a subresource, whose change the API server takes from the status alone",
    ),
    ("without-an-object", "has no object"),
];

pub(crate) fn cases() -> Vec<Case> {
    cases![
        each_patch_of_the_engine_is_taken,
        each_patch_of_a_review_is_taken,
        each_object_of_an_installation_is_completed_as_its_golden_file_says,
    ]
}

/// What is done with the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Create,
    /// It is there from a time without the injector, and changes.
    Update,
}

/// Whose golden patch it is. Admission leaves the image of a template as whoever applied it has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    PostRender,
    Admission,
    /// That of files with policies. The webhook of these tests has none, so the patch is applied by hand alone.
    PostRenderWithPolicies,
}

/// An object, and the patch that belongs to it.
#[derive(Debug)]
struct Step {
    name: String,
    way: Way,
    door: Door,
    object: Value,
    patch: Patch,
}

fn each_patch_of_the_engine_is_taken(cluster: &Cluster) {
    let folders = folders("tests/golden");
    let (not_shown, cases): (Vec<_>, Vec<_>) = folders.iter().partition(|case| is_not_shown(case));
    assert_eq!(not_shown.len(), 1, "{not_shown:?}");
    let steps: Vec<Step> = cases.iter().flat_map(|case| steps_of(case)).collect();
    assert!(steps.len() > cases.len(), "some cases have several steps");
    let shown = show(cluster, steps);
    assert_eq!(shown.folders(), cases.len());
    shown.refused_are(&["field-of-a-wrong-type"]);
}

fn each_patch_of_a_review_is_taken(cluster: &Cluster) {
    let folders = folders("tests/admission");
    let (not_shown, cases): (Vec<_>, Vec<_>) = folders.iter().partition(|case| is_not_shown(case));
    assert_eq!(not_shown.len(), NOT_SHOWN.len(), "{not_shown:?}");
    let shown = show(cluster, cases.iter().map(|case| review_of(case)).collect());
    assert_eq!(shown.folders(), cases.len());
    shown.refused_are(&[
        "mirror-pod",
        "pod-with-ephemeral-containers",
        "pod-without-containers",
    ]);
}

fn each_object_of_an_installation_is_completed_as_its_golden_file_says(cluster: &Cluster) {
    let helm = Helm::new(Major::Four);
    let folders = folders("tests/installations");
    let steps: Vec<Step> = folders
        .iter()
        .flat_map(|case| installed_by(case, &helm))
        .collect();
    let shown = show(cluster, steps);
    assert_eq!(shown.folders(), folders.len());
    shown.refused_are(&[]);
}

fn is_not_shown(case: &Path) -> bool {
    NOT_SHOWN.iter().any(|(name, _)| *name == name_of(case))
}

/// The object of a case and then each change of it.
fn steps_of(case: &Path) -> Vec<Step> {
    let mut object = creatable(&yaml(&case.join("object.yaml")), &name_of(case));
    let way = if name_of(case).starts_with("at-update-") {
        Way::Update
    } else {
        Way::Create
    };
    let door = if case.join("policies.yaml").exists() {
        Door::PostRenderWithPolicies
    } else {
        Door::PostRender
    };
    let mut steps = vec![Step {
        name: name_of(case),
        way,
        door,
        patch: patch(&case.join("patch.json")),
        object: object.clone(),
    }];
    for number in 1.. {
        let change = case.join(format!("change-{number}.yaml"));
        if !change.exists() {
            return steps;
        }
        let before = steps.last().expect("there is a step before");
        json_patch::patch(&mut object, &before.patch).unwrap();
        json_patch::merge(&mut object, &yaml(&change));
        let name = format!("{}.{number}", name_of(case));
        let mut object_now = creatable(&object, &name);
        object_now["metadata"]["name"] = json!(name);
        steps.push(Step {
            name,
            way: Way::Update,
            door,
            object: object_now,
            patch: patch(&case.join(format!("patch-{number}.json"))),
        });
    }
    steps
}

fn review_of(case: &Path) -> Step {
    let read = |file: &str| -> Value { serde_json::from_slice(&fs::read(case.join(file)).unwrap()).unwrap() };
    let (review, mut response) = (read("review.json"), read("response.json"));
    let way = match review["request"]["operation"].as_str().unwrap() {
        "CREATE" => Way::Create,
        "UPDATE" => Way::Update,
        other => panic!("{}: {other}", case.display()),
    };
    let patch = response["patch"].take();
    Step {
        name: name_of(case),
        way,
        door: Door::Admission,
        object: creatable(&review["request"]["object"], &name_of(case)),
        patch: serde_json::from_value(if patch.is_null() { json!([]) } else { patch }).unwrap(),
    }
}

fn installed_by(case: &Path, helm: &Helm) -> Vec<Step> {
    let chart = root("chart");
    let values = root("chart/ci").join(format!("{}-values.yaml", name_of(case)));
    let template = Template {
        values: &[&values],
        renderer: Renderer::None,
        ..Template::of(&chart)
    };
    let rendered = objects(&helm.template(&template).stdout);
    let mut patches: BTreeMap<String, Patch> =
        serde_json::from_slice(&fs::read(case.join("patches.json")).unwrap()).unwrap();
    let steps: Vec<Step> = rendered
        .into_iter()
        .filter(|(_, object)| object["metadata"]["labels"][COMPONENT_LABEL].is_string())
        .map(|(key, object)| Step {
            way: Way::Create,
            door: Door::PostRender,
            patch: patches
                .remove(&key)
                .unwrap_or_else(|| panic!("{}: {key} has a patch", case.display())),
            name: format!("{}.{key}", name_of(case)),
            object,
        })
        .collect();
    assert!(patches.is_empty(), "{}: {patches:?}", case.display());
    steps
}

/// What came of the steps.
#[derive(Debug, Default)]
struct Shown {
    names: Vec<String>,
    /// What was said by hand, and through the webhook.
    refused: BTreeMap<String, [String; 2]>,
}

impl Shown {
    /// How many cases there were, each with one step or more.
    fn folders(&self) -> usize {
        let mut folders: Vec<&str> = self.names.iter().map(|name| case_of(name)).collect();
        folders.dedup();
        folders.len()
    }

    /// Whether these cases were refused, and no others.
    #[track_caller]
    fn refused_are(&self, cases: &[&str]) {
        assert_eq!(self.refused.keys().collect::<Vec<_>>(), cases, "{self:#?}");
        for (case, said) in &self.refused {
            let expected = REFUSED.iter().find(|(name, _)| name == case);
            assert!(
                expected.is_some_and(|(_, words)| said.iter().all(|text| text.contains(words))),
                "{case}: {said:?}"
            );
        }
    }
}

/// Shows every step; the test fails with all that went wrong.
fn show(cluster: &Cluster, steps: Vec<Step>) -> Shown {
    let served = cluster.served_namespace("patched");
    let apart = cluster.namespace("by-hand");
    let later = cluster.namespace("later");
    for step in steps.iter().filter(|step| step.way == Way::Update) {
        let object = in_namespace(&step.object, &later);
        create(cluster, &object, Stored::Yes).unwrap_or_else(|why| panic!("{}: {why}", step.name));
    }
    cluster.serve(&later);

    let (mut shown, mut wrong) = (Shown::default(), Vec::new());
    for step in steps {
        let mut patched = step.object.clone();
        json_patch::patch(&mut patched, &step.patch).unwrap();
        let by_hand = create(cluster, &in_namespace(&patched, &apart), Stored::No);
        if step.door == Door::PostRenderWithPolicies {
            if let Err(said) = by_hand {
                wrong.push(format!("{}: {said}", step.name));
            }
            shown.names.push(step.name);
            continue;
        }
        let by_webhook = match step.way {
            Way::Create => create(cluster, &in_namespace(&step.object, &served), Stored::No),
            Way::Update => merge(
                cluster,
                &in_namespace(&step.object, &later),
                &json!({"metadata": {"annotations": {TOUCHED: "yes"}}}),
            ),
        };
        match (by_hand, by_webhook) {
            (Ok(by_hand), Ok(by_webhook)) => {
                let (expected, found) = (
                    comparable(&by_hand, step.door),
                    comparable(&by_webhook, step.door),
                );
                if expected != found {
                    wrong.push(format!("{}: expected\n{expected:#}\nfound\n{found:#}", step.name));
                }
            }
            (Err(said), Err(again)) => {
                shown.refused.insert(step.name.clone(), [said, again]);
            }
            (by_hand, by_webhook) => wrong.push(format!(
                "{}: by hand {:?}, by the webhook {:?}",
                step.name,
                by_hand.err(),
                by_webhook.err()
            )),
        }
        shown.names.push(step.name);
    }
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    shown
}

/// The cases below a folder, in order.
fn folders(of: &str) -> Vec<PathBuf> {
    let mut folders: Vec<_> = fs::read_dir(root(of))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    folders
}

fn name_of(folder: &Path) -> String {
    folder.file_name().unwrap().to_str().unwrap().to_owned()
}

/// The case that a step belongs to.
fn case_of(step: &str) -> &str {
    step.split('.').next().unwrap_or(step)
}

fn yaml(file: &Path) -> Value {
    let text = fs::read(file).unwrap();
    let document = stream::documents(&text).next().unwrap();
    load::read(&document).unwrap().value
}

fn patch(file: &Path) -> Patch {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}
