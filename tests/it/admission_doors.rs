//! Admission and `post-render` are two doors of one engine: what they write into a template is the same.

use std::{fs, path::PathBuf};

use alumet_injector::{
    admission::Whose,
    engine::{
        self, Plan,
        facts::{Facts, Known, Operation},
        object::ObjectView,
        setup::{Fresh, Snapshot},
    },
    manifest::{load, stream},
    names::STATUS_ANNOTATION,
};
use json_patch::PatchOperation;
use serde_json::{Value, json};

use crate::{
    admission::{answered, review},
    files::root,
};

/// The golden cases: name and object.
fn golden_objects() -> Vec<(String, Value)> {
    let mut cases: Vec<PathBuf> = fs::read_dir(root("tests/golden"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    cases
        .into_iter()
        .map(|case| {
            let text = fs::read(case.join("object.yaml")).unwrap();
            let object = load::read(&stream::documents(&text).next().unwrap())
                .unwrap()
                .value;
            (case.file_name().unwrap().to_str().unwrap().to_owned(), object)
        })
        .collect()
}

fn plan(object: &Value, facts: &Facts<'_>) -> Plan {
    let view = ObjectView::read(object).unwrap();
    engine::plan(&view, facts, &Snapshot::default(), &Fresh)
}

#[test]
fn an_answer_holds_the_engines_patch_and_no_other() {
    let mut with_patch = 0;
    for (case, object) in golden_objects() {
        for (operation, word) in [(Operation::Create, "CREATE"), (Operation::Update, "UPDATE")] {
            let own = object.pointer("/metadata/namespace").and_then(Value::as_str);
            for namespace in [own, Some(own.unwrap_or("elsewhere"))] {
                let facts = Facts {
                    operation,
                    namespace: namespace.map_or(Known::Unknown, Known::Known),
                    ..Facts::RENDER
                };
                let Plan { patch, report } = plan(&object, &facts);
                let (answer, _, answered) = answered(&review(word, namespace, &object));
                assert_eq!(answered, patch, "{case}: {word}");
                assert_eq!(answer.decision.report.as_ref(), Some(&report), "{case}: {word}");
                assert_eq!(report.namespace.as_deref(), namespace, "{case}: {word}");
                with_patch += usize::from(!patch.0.is_empty());
            }
        }
        // The cases that are planned at an operation say by their files what it gives.
        for (prefix, word) in [("at-create-", "CREATE"), ("at-update-", "UPDATE")] {
            if case.starts_with(prefix) {
                let file = fs::read_to_string(root("tests/golden").join(&case).join("patch.json")).unwrap();
                let expected: json_patch::Patch = serde_json::from_str(&file).unwrap();
                assert_eq!(answered(&review(word, None, &object)).2, expected, "{case}");
            }
        }
    }
    println!("{with_patch} answers with a patch");
    assert!(with_patch >= 60, "{with_patch}");
}

/// The operations but for the image rows: those on an image, and what the record says of them.
fn without_images(plan: &Plan) -> Vec<Value> {
    let is_on_an_image = |operation: &&PatchOperation| operation.path().to_string().ends_with("/image");
    let operations = plan.patch.0.iter().filter(|operation| !is_on_an_image(operation));
    operations
        .map(|operation| {
            let mut operation = serde_json::to_value(operation).unwrap();
            let status = operation.pointer_mut("/value").filter(|value| value.is_string());
            if let Some(value) = status
                && let Ok(Value::Object(mut record)) = serde_json::from_str(value.as_str().unwrap())
            {
                record.remove("image");
                *value = json!(Value::Object(record).to_string());
            }
            // A template without annotations gets the whole map.
            let within = format!("/value/{}", STATUS_ANNOTATION.replace('/', "~1"));
            if let Some(value) = operation.pointer_mut(&within) {
                let mut record: Value = serde_json::from_str(value.as_str().unwrap()).unwrap();
                record.as_object_mut().unwrap().remove("image");
                *value = json!(record.to_string());
            }
            operation
        })
        .collect()
}

#[test]
fn a_template_is_given_at_its_creation_what_post_render_gives_it_but_for_the_image() {
    let (mut templates, mut with_image) = (0, 0);
    for (case, object) in golden_objects() {
        if object.pointer("/spec/template").is_none() && object.pointer("/spec/jobTemplate").is_none() {
            continue;
        }
        let rendered = plan(&object, &Facts::RENDER);
        let created = plan(
            &object,
            &Facts {
                operation: Operation::Create,
                ..Facts::RENDER
            },
        );
        assert_eq!(without_images(&created), without_images(&rendered), "{case}");
        assert_eq!(created.report.findings, rendered.report.findings, "{case}");
        templates += usize::from(!rendered.patch.0.is_empty());
        with_image += usize::from(created.patch != rendered.patch);
    }
    println!("{templates} templates, {with_image} of them with an image to decide");
    assert!(templates >= 15, "{templates}");
    assert!(with_image >= 2, "{with_image}");
}

#[test]
fn the_namespace_of_the_request_counts_where_the_object_says_none() {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"generateName": "alumet-", "labels": {"injector.alumet.dev/component": "agent"}},
        "spec": {"containers": [{"name": "agent"}]},
    });
    let (answer, _, _) = answered(&review("CREATE", Some("of-the-request"), &pod));
    let report = answer.decision.report.unwrap();
    assert_eq!(report.object(), "Pod of-the-request/alumet-");
    assert_eq!(answer.decision.namespace.as_deref(), Some("of-the-request"));
    assert_eq!(answer.decision.name, "alumet-");
}

#[test]
fn nobody_is_told_of_an_object_that_has_no_name_yet() {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": "backup", "labels": {"injector.alumet.dev/component": "agent"},
            "annotations": {"injector.alumet.dev/values": "{"},
        },
        "spec": {"template": {"spec": {"containers": [{"name": "agent"}]}}},
    });
    let about = |job: &Value| answered(&review("CREATE", Some("n"), job)).0.decision.about;
    assert_eq!(about(&job).map(|about| about.name).as_deref(), Some("backup"));
    let metadata = job["metadata"].as_object_mut().unwrap();
    metadata.remove("name");
    // The API server makes a name of it after admission, and another object may have the bare one.
    metadata.insert("generateName".to_owned(), json!("backup-"));
    assert_eq!(about(&job), None);
}

#[test]
fn the_controller_of_a_pod_is_told_and_no_other_owner() {
    let owner = |kind: &str, rest: Value| {
        let mut owner =
            json!({"apiVersion": "apps/v1", "kind": kind, "name": format!("a-{kind}"), "uid": "u"});
        owner
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        owner
    };
    let other = owner("Other", json!({}));
    let denied = owner("Denied", json!({"controller": false}));
    let controller = owner("DaemonSet", json!({"controller": true}));
    for (kind, owners, expected) in [
        (
            "Pod",
            json!([other, denied, controller]),
            ("DaemonSet", "a-DaemonSet", Whose::Controller),
        ),
        ("Pod", json!([other, denied]), ("Pod", "itself", Whose::Own)),
        ("Pod", json!([]), ("Pod", "itself", Whose::Own)),
        // Only pods come and go.
        (
            "ConfigMap",
            json!([controller]),
            ("ConfigMap", "itself", Whose::Own),
        ),
    ] {
        let object = json!({
            "apiVersion": "v1", "kind": kind,
            "metadata": {
                "name": "itself", "ownerReferences": owners,
                "labels": {"injector.alumet.dev/component": "agent"},
                "annotations": {"injector.alumet.dev/values": "{"},
            },
            "spec": {"containers": [{"name": "agent"}]},
        });
        let about = answered(&review("CREATE", Some("n"), &object))
            .0
            .decision
            .about
            .unwrap();
        assert_eq!(about.namespace, "n");
        assert_eq!(
            (about.kind.as_str(), about.name.as_str(), about.whose),
            expected,
            "{object:#}"
        );
    }
}
