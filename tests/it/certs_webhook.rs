//! The caBundle of our entries, whatever else a webhook configuration holds: patches, applied by the crate json-patch.

use alumet_injector::{
    certs::{Authority, Bundle, ServerNames},
    cluster::webhook_config::{Configuration, Target},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::certs_issue::{DAY, start};

const ENTRY: &str = "mutate.injector.alumet.dev";

fn target() -> Target {
    let service = ServerNames::of_service("injector", "alumet").unwrap();
    let names = service.as_slice().iter().cloned();
    Target {
        namespace: "alumet".to_owned(),
        service: "injector".to_owned(),
        names: ServerNames::new(names.chain(["injector.example.org".to_owned(), "fd00::7".to_owned()]))
            .unwrap(),
    }
}

fn bundle() -> Bundle {
    let authority = |age| {
        Authority::new(start() - age * DAY, 365 * DAY)
            .unwrap()
            .trusted()
            .clone()
    };
    [authority(0), authority(200)].into_iter().collect()
}

fn ours(name: &str) -> Value {
    json!({
        "name": name,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"service": {"namespace": "alumet", "name": "injector", "path": "/mutate", "port": 443}},
        "aFieldOfTheFuture": {"x": [1]},
    })
}

fn by_url(name: &str, url: &str) -> Value {
    let mut entry = ours(name);
    entry["clientConfig"] = json!({"url": url});
    entry
}

fn another(name: &str) -> Value {
    let mut entry = ours(name);
    entry["clientConfig"]["service"]["name"] = json!("another");
    entry
}

fn with_bundle(mut entry: Value, pem: &[u8]) -> Value {
    entry["clientConfig"]["caBundle"] = json!(STANDARD.encode(pem));
    entry
}

fn configuration(entries: &[Value]) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "injector", "resourceVersion": "7"},
        "webhooks": entries,
    })
}

fn typed(configuration: &Value) -> Configuration {
    serde_json::from_value(configuration.clone()).unwrap()
}

/// Id, the entries, and which of them are to get the caBundle; no list where none is ours.
type Row = (&'static str, Vec<Value>, Option<&'static [usize]>);

fn rows(pem: &[u8]) -> Vec<Row> {
    let old = Authority::new(start(), DAY).unwrap().certificate_pem();
    vec![
        ("one", vec![ours(ENTRY)], Some(&[0])),
        ("behind-another", vec![another("a"), ours(ENTRY)], Some(&[1])),
        ("renamed", vec![ours("renamed.injector.alumet.dev")], Some(&[0])),
        (
            "two-of-ours",
            vec![ours("a"), another("b"), ours("c")],
            Some(&[0, 2]),
        ),
        (
            "by-url",
            vec![by_url("a", "https://injector.example.org/mutate")],
            Some(&[0]),
        ),
        (
            "by-url-with-port",
            vec![by_url("a", "https://injector.example.org:9443/mutate")],
            Some(&[0]),
        ),
        (
            "by-url-of-ipv6",
            vec![by_url("a", "https://[fd00::7]:9443/mutate")],
            Some(&[0]),
        ),
        (
            "already-right",
            vec![with_bundle(ours("a"), pem), another("b")],
            Some(&[]),
        ),
        (
            "one-of-two-right",
            vec![with_bundle(ours("a"), pem), ours("b")],
            Some(&[1]),
        ),
        (
            "old-bundle",
            vec![with_bundle(ours("a"), old.as_bytes())],
            Some(&[0]),
        ),
        (
            "garbage-bundle",
            vec![with_bundle(ours("a"), b"garbage")],
            Some(&[0]),
        ),
        ("empty-bundle", vec![with_bundle(ours("a"), b"")], Some(&[0])),
        ("no-entry", vec![], None),
        ("none-of-ours", vec![another("a"), another(ENTRY)], None),
        (
            "service-of-another-namespace",
            vec![{
                let mut entry = ours(ENTRY);
                entry["clientConfig"]["service"]["namespace"] = json!("other");
                entry
            }],
            None,
        ),
        (
            "url-of-another",
            vec![by_url("a", "https://injector.example.org.evil.example/mutate")],
            None,
        ),
        (
            "url-that-is-none",
            vec![by_url("a", "injector.example.org")],
            None,
        ),
    ]
}

#[test]
fn our_entries_get_the_ca_bundle_and_nothing_else_changes() {
    let bundle = bundle();
    let rows = rows(bundle.pem().as_bytes());
    for (id, entries, expected) in &rows {
        let before = configuration(entries);
        let patch = target().patch(&typed(&before), &bundle);
        let Some(expected) = expected else {
            assert_eq!(patch, None, "{id}");
            assert!(target().everywhere(&typed(&before)).is_empty(), "{id}");
            continue;
        };
        let patch = patch.unwrap_or_else(|| panic!("{id}: no entry is ours"));
        assert_eq!(patch.len(), 2 * expected.len(), "{id}: {patch:?}");
        let mut after = before.clone();
        json_patch::patch(&mut after, &patch).unwrap_or_else(|error| panic!("{id}: {error}"));
        let mut wanted = before;
        for &at in *expected {
            let entry = wanted["webhooks"][at].take();
            wanted["webhooks"][at] = with_bundle(entry, bundle.pem().as_bytes());
        }
        assert_eq!(after, wanted, "{id}");
        assert_eq!(target().everywhere(&typed(&after)), bundle, "{id}");
        let again = target().patch(&typed(&after), &bundle).unwrap();
        assert!(again.is_empty(), "{id}: {again:?}");
    }
    println!("{} webhook configurations were patched", rows.len());
    assert_eq!(rows.len(), 17);
}

#[test]
fn entries_that_moved_meanwhile_are_not_mistaken_for_one_another() {
    let bundle = bundle();
    let read = configuration(&[another("a"), ours("b"), ours("c")]);
    let patch = target().patch(&typed(&read), &bundle).unwrap();
    for entries in [
        vec![ours("b"), another("a"), ours("c")],
        vec![another("a"), ours("c")],
        vec![another("a"), ours("b"), ours("renamed")],
        vec![],
    ] {
        let mut now = configuration(&entries);
        let before = now.clone();
        json_patch::patch(&mut now, &patch).expect_err("the test on the name fails");
        assert_eq!(now, before);
    }
    // What was added behind them, or changed in them, does no harm.
    let mut now = configuration(&[another("a"), ours("b"), ours("c"), another("d")]);
    now["webhooks"][1]["failurePolicy"] = json!("Fail");
    json_patch::patch(&mut now, &patch).unwrap();
    assert_eq!(now["webhooks"][1]["failurePolicy"], "Fail");
}

#[test]
fn a_ca_is_in_place_when_every_entry_of_ours_trusts_it() {
    let bundle = bundle();
    let first: Bundle = bundle.iter().take(1).cloned().collect();
    let (all, one) = (bundle.pem(), first.pem());
    for (id, entries, expected) in [
        (
            "both",
            vec![
                with_bundle(ours("a"), all.as_bytes()),
                with_bundle(ours("b"), all.as_bytes()),
            ],
            &bundle,
        ),
        (
            "one lags",
            vec![
                with_bundle(ours("a"), all.as_bytes()),
                with_bundle(ours("b"), one.as_bytes()),
            ],
            &first,
        ),
        (
            "one has none",
            vec![with_bundle(ours("a"), all.as_bytes()), ours("b")],
            &Bundle::default(),
        ),
        (
            "another has none",
            vec![with_bundle(ours("a"), all.as_bytes()), another("b")],
            &bundle,
        ),
    ] {
        assert_eq!(
            &target().everywhere(&typed(&configuration(&entries))),
            expected,
            "{id}"
        );
    }
}

/// What `managedFields` have for a manager that wrote the caBundle of these entries.
fn wrote(manager: &str, entries: &[&str]) -> Value {
    let fields = entries.iter().map(|name| {
        let key = format!("k:{}", json!({"name": name}));
        (key, json!({"f:clientConfig": {"f:caBundle": {}}}))
    });
    json!({
        "manager": manager,
        "operation": "Update",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:webhooks": fields.collect::<serde_json::Map<_, _>>()},
    })
}

#[test]
fn rivals_are_those_who_wrote_a_ca_bundle_that_is_to_be_written() {
    let bundle = bundle();
    let pem = bundle.pem();
    let right = |entry| with_bundle(entry, pem.as_bytes());
    let wrong = |entry| with_bundle(entry, b"wrong");
    let rows = [
        (
            "one",
            vec![wrong(ours("a"))],
            vec![wrote("rival", &["a"])],
            "rival",
        ),
        (
            "one of two",
            vec![right(ours("a")), wrong(ours("b"))],
            vec![wrote("alumet-injector", &["a"]), wrote("rival", &["b"])],
            "rival",
        ),
        (
            "another's entry",
            vec![wrong(ours("a")), wrong(another("b"))],
            vec![wrote("rival", &["a"]), wrote("cert-manager", &["b"])],
            "rival",
        ),
        (
            "two",
            vec![wrong(ours("a")), wrong(ours("b"))],
            vec![wrote("rival", &["a"]), wrote("helm", &["b"])],
            "helm, rival",
        ),
        (
            "a second injector",
            vec![wrong(ours("a"))],
            vec![wrote("alumet-injector", &["a"])],
            "another alumet-injector",
        ),
        (
            "removed",
            vec![ours("a")],
            vec![wrote("helm", &[])],
            "unknown, for it was removed",
        ),
        (
            "removed from one of two",
            vec![right(ours("a")), ours("b")],
            vec![wrote("alumet-injector", &["a"])],
            "unknown, for it was removed",
        ),
        ("without managedFields", vec![wrong(ours("a"))], vec![], "unknown"),
    ];
    for (id, entries, managers, expected) in rows {
        let mut config = configuration(&entries);
        config["metadata"]["managedFields"] = Value::from(managers);
        assert_eq!(target().rivals(&typed(&config), &bundle), expected, "{id}");
    }
}
