//! Any documents of policies: no panic; and under those that are policies every plan of the objects here applies, is
//! found complete the next time, and can be taken out again.

#![no_main]

use std::{collections::BTreeMap, sync::LazyLock};

use alumet_injector::{
    engine::{
        self,
        facts::{Facts, Known, Operation},
        object::ObjectView,
        setup::{Fresh, Snapshot},
    },
    policy::index::PolicyIndex,
    policy_document::PolicyReader,
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// One object of each form that something is injected into, for each component that has one.
static OBJECTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let mut objects = Vec::new();
    for component in ["relay-client", "relay-server"] {
        let metadata = json!({
            "name": "x",
            "namespace": "n",
            "labels": {"injector.alumet.dev/component": component, "team": "hpc"},
            "annotations": {"injector.alumet.dev/values": r#"{"agentVersion":"0.9.5"}"#},
        });
        let template = json!({
            "metadata": metadata,
            "spec": {"containers": [{"name": "agent", "image": "ghcr.io/alumet-dev/alumet-agent:0.9.5"}]},
        });
        objects.push(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}));
        objects.push(json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": {"template": template}}));
        objects.push(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}));
    }
    objects
});

fuzz_target!(|bytes: &[u8]| {
    let mut reader = PolicyReader::default();
    reader.read("policies.yaml", bytes);
    let (policies, problems) = reader.finish();
    for problem in &problems {
        assert!(!problem.to_string().contains('\n'), "a message is one line: {problem:?}");
    }
    if policies.is_empty() {
        return;
    }
    let mut index = PolicyIndex::new(policies);
    index.know_namespace("n", &BTreeMap::from([("team".to_owned(), "hpc".to_owned())]));
    let snapshot = Snapshot { policies: index };
    let facts = Facts { operation: Operation::Create, namespace: Known::Known("n"), ..Facts::RENDER };
    for original in OBJECTS.iter() {
        let mut object = original.clone();
        let view = ObjectView::read(&object).expect("it is an object");
        let plan = engine::plan(&view, &facts, &snapshot, &Fresh);
        json_patch::patch(&mut object, &plan.patch).expect("every plan applies");
        let view = ObjectView::read(&object).expect("it is still an object");
        let again = engine::plan(&view, &facts, &snapshot, &Fresh);
        assert!(again.patch.0.is_empty(), "{}", again.patch);
        let back = engine::unplan(&view);
        json_patch::patch(&mut object, &back.patch).expect("every plan applies");
        assert_eq!(&object, original, "{}", back.patch);
    }
});
