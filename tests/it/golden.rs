//! Each directory of `tests/golden` is one case: `object.yaml`, then `change-1.yaml` and so on, which are merge patches
//! (RFC 7386) of what came out of the step before. Each step has an expected patch and an expected report, and is
//! planned a second time, which must find nothing to do. `policies.yaml`, where there is one, has the policies.
//! `BLESS=1` rewrites what is expected.

use std::{fs, path::Path};

use alumet_injector::{
    engine::{
        self,
        facts::{Facts, Known, Operation},
        object::ObjectView,
        report::{Outcome, Reason},
        setup::{Fresh, Snapshot},
    },
    manifest::{load, stream},
};
use serde_json::Value;

use crate::{
    files::{golden, root},
    policies,
};

#[test]
fn every_case_gives_the_expected_patch_and_report() {
    let mut cases: Vec<_> = fs::read_dir(root("tests/golden"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() >= 18, "the cases are there: {}", cases.len());
    for case in cases {
        run(&case);
    }
}

fn run(case: &Path) {
    let mut object = load_file(&case.join("object.yaml"));
    let snapshot = snapshot_of(case);
    for step in 0.. {
        let suffix = if step == 0 {
            String::new()
        } else {
            format!("-{step}")
        };
        if step > 0 {
            let change = case.join(format!("change{suffix}.yaml"));
            if !change.exists() {
                break;
            }
            json_patch::merge(&mut object, &load_file(&change));
        }
        let facts = facts_of(case);
        let plan = engine::plan(&ObjectView::read(&object).unwrap(), &facts, &snapshot, &Fresh);
        golden(
            &case.join(format!("patch{suffix}.json")),
            &format!("{:#}\n", serde_json::to_value(&plan.patch).unwrap()),
        );
        golden(
            &case.join(format!("report{suffix}.txt")),
            &report_text(&plan.report),
        );

        let before = object.clone();
        json_patch::patch(&mut object, &plan.patch).unwrap();
        let again = engine::plan(&ObjectView::read(&object).unwrap(), &facts, &snapshot, &Fresh);
        assert!(
            again.patch.0.is_empty(),
            "{}: a second time: {}",
            case.display(),
            again.patch
        );
        if plan.patch.0.is_empty() {
            assert_eq!(before, object);
        } else {
            // An object that lacks something wanted is planned anew each time.
            let rests = matches!(
                again.report.outcome,
                Outcome::LeftAlone(Reason::UpToDate | Reason::UsersConfig) | Outcome::Unchanged
            );
            assert!(
                rests,
                "{}: step {step}: {:?}",
                case.display(),
                again.report.outcome
            );
        }
    }
}

/// The operation, in the case's name: `at-update-...`, `at-create-...`, else a manifest.
fn facts_of(case: &Path) -> Facts<'static> {
    let name = case.file_name().unwrap().to_str().unwrap();
    let operation = match name {
        _ if name.starts_with("at-update-") => Operation::Update,
        _ if name.starts_with("at-create-") => Operation::Create,
        _ => Operation::Render,
    };
    Facts {
        operation,
        agent_version: Known::Unknown,
        ..Facts::RENDER
    }
}

/// A snapshot with the policies of the case.
pub(crate) fn snapshot_of(case: &Path) -> Snapshot {
    fs::read_to_string(case.join("policies.yaml"))
        .map_or_else(|_| Snapshot::default(), |stream| policies::snapshot(&stream))
}

fn load_file(file: &Path) -> Value {
    let text = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let document = stream::documents(&text).next().unwrap();
    load::read(&document)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        .value
}

fn report_text(report: &engine::report::Report) -> String {
    let mut lines = vec![format!("{}: {}", report.object(), report.outcome.code())];
    for row in &report.rows {
        lines.push(format!(
            "{} {} = {} <- {}",
            row.fate.as_str(),
            row.what,
            row.value,
            row.source
        ));
    }
    lines.extend(report.findings.iter().map(ToString::to_string));
    lines.join("\n") + "\n"
}
