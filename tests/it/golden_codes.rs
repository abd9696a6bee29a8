//! The golden cases taken together: each can be taken out again, and every code of the engine is shown by one of them.

use std::{collections::BTreeSet, fs, path::PathBuf};

use alumet_injector::{
    engine::{
        self,
        facts::Facts,
        object::ObjectView,
        report::{Note, Outcome, Reason},
        setup::Fresh,
    },
    manifest::{load, stream},
    names::STATUS_ANNOTATION,
};
use serde_json::Value;

use crate::{files::root, golden::snapshot_of, stored::stored};

fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(root("tests/golden")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn object_of(case: &std::path::Path) -> Value {
    let text = fs::read(case.join("object.yaml")).unwrap();
    load::read(&stream::documents(&text).next().unwrap())
        .unwrap()
        .value
}

/// The codes that stand in a report: the outcome's behind the object, a finding's in brackets behind its severity.
fn codes_in(report: &str) -> impl Iterator<Item = &str> {
    let (outcome, findings) = report.split_once('\n').unwrap();
    let findings = findings.lines().filter_map(|line| {
        let (severity, rest) = line.split_once('[')?;
        ["error", "warning"]
            .contains(&severity)
            .then(|| rest.split(']').next())?
    });
    outcome.rsplit(": ").take(1).chain(findings)
}

#[test]
fn every_code_of_the_engine_is_shown_by_a_golden_case() {
    let mut seen = BTreeSet::new();
    for case in cases() {
        for entry in fs::read_dir(&case).unwrap() {
            let file = entry.unwrap().path();
            if file.extension().is_some_and(|extension| extension == "txt") {
                let report = fs::read_to_string(&file).unwrap();
                seen.extend(codes_in(&report).map(str::to_owned));
            }
        }
        // A code of taking out, for which there are no files.
        let object = object_of(&case);
        let outcome = engine::unplan(&ObjectView::read(&object).unwrap()).report.outcome;
        if outcome == Outcome::LeftAlone(Reason::NoRecord) {
            seen.insert(outcome.code().to_owned());
        }
    }
    let reasons = Reason::ALL.iter().map(|reason| reason.code());
    let notes = Note::ALL.iter().map(|note| note.code());
    let others = [Outcome::Injected, Outcome::Failed].map(Outcome::code);
    let missing: Vec<&str> = reasons
        .chain(notes)
        .chain(others)
        .filter(|code| !seen.contains(*code))
        .collect();
    assert!(missing.is_empty(), "no golden case shows {missing:?}");
}

#[test]
fn every_golden_case_comes_out_as_it_went_in() {
    let mut taken_out = 0;
    for case in cases() {
        let object = object_of(&case);
        let annotations = ["/metadata/annotations", "/spec/template/metadata/annotations"];
        let recorded = |place: &&str| {
            object
                .pointer(place)
                .and_then(|all| all.get(STATUS_ANNOTATION))
                .is_some()
        };
        if annotations.iter().any(recorded) {
            continue;
        }
        let patch = fs::read_to_string(case.join("patch.json")).unwrap();
        let patch: json_patch::Patch = serde_json::from_str(&patch).unwrap();
        let mut injected = object.clone();
        json_patch::patch(&mut injected, &patch)
            .unwrap_or_else(|error| panic!("{}: {error}", case.display()));
        let plan = engine::unplan(&ObjectView::read(&injected).unwrap());
        let mut back = injected.clone();
        json_patch::patch(&mut back, &plan.patch).unwrap();
        assert_eq!(stored(&back), stored(&object), "{}", case.display());
        taken_out += usize::from(!patch.0.is_empty());
        // What a manifest gets at its first rendering is what it gets after that.
        let again = engine::plan(
            &ObjectView::read(&back).unwrap(),
            &Facts::RENDER,
            &snapshot_of(&case),
            &Fresh,
        );
        let mut anew = back;
        json_patch::patch(&mut anew, &again.patch).unwrap();
        if !case.file_name().unwrap().to_string_lossy().starts_with("at-") {
            assert_eq!(stored(&anew), stored(&injected), "{}", case.display());
        }
    }
    assert!(taken_out >= 20, "{taken_out} cases were taken out");
}
