//! Whole streams: what is not ours comes through byte for byte and in its place, what is ours is completed once, and
//! comes out again as it was.

use std::fs;

use alumet_injector::{
    engine::{
        self, Plan,
        facts::Facts,
        object::ObjectView,
        setup::{Fresh, Snapshot},
    },
    manifest::{document::Document, emit, list, load, stream},
    post_render::{Strictness, run},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{engine_properties::object, files::root, stored::stored};

const FILENAME: &str = "postrenderer.helm.sh/postrender-filename";

fn through(stream: &[u8], planner: &dyn Fn(&ObjectView<'_>) -> Plan) -> Vec<u8> {
    let rendered = run(stream, Strictness::Errors, planner)
        .unwrap_or_else(|refused| panic!("{refused}\n{}", String::from_utf8_lossy(stream)));
    rendered.parts.concat()
}

fn completed(stream: &[u8]) -> Vec<u8> {
    through(stream, &|object| {
        engine::plan(object, &Facts::RENDER, &Snapshot::default(), &Fresh)
    })
}

fn taken_out(stream: &[u8]) -> Vec<u8> {
    through(stream, &engine::unplan)
}

fn documents(stream: &[u8]) -> Vec<Document<'_>> {
    stream::documents(stream).collect()
}

/// The marked objects, as the API server stores them.
fn objects(stream: &[u8]) -> Vec<Value> {
    documents(stream)
        .iter()
        .filter(|document| document.is_marked())
        .flat_map(|document| {
            let value = load::read(document).unwrap().value;
            let objects: Vec<Value> = list::objects(&value)
                .iter()
                .map(|item| stored(item.object))
                .collect();
            objects
        })
        .collect()
}

/// What has to stay of a document.
#[derive(Debug, PartialEq)]
struct Kept {
    /// All of it, where it is not ours.
    foreign: Option<Vec<u8>>,
    /// Where it came from.
    source: Option<String>,
    /// The separator line and the comments at its head.
    head: Vec<u8>,
}

/// What has to stay of each document, in their order.
fn kept(stream: &[u8]) -> Vec<Kept> {
    documents(stream)
        .iter()
        .map(|document| Kept {
            foreign: (!document.is_marked()).then(|| document.bytes().to_vec()),
            source: document.source().map(str::to_owned),
            head: [document.separator(), document.head()].concat(),
        })
        .collect()
}

/// All that is promised of one stream.
fn hold(stream: &[u8]) {
    let once = completed(stream);
    let told = || String::from_utf8_lossy(stream).into_owned();
    assert!(
        completed(&once) == once,
        "a second time changes bytes: {}",
        told()
    );
    let back = taken_out(&once);
    assert_eq!(objects(&back), objects(stream), "taken out again: {}", told());
    assert_eq!(kept(&once), kept(stream), "completed: {}", told());
    assert_eq!(kept(&back), kept(stream), "taken out: {}", told());
    let again = completed(&back);
    assert_eq!(objects(&again), objects(&once), "completed again: {}", told());
}

/// How an object of ours stands in a stream.
#[derive(Debug, Clone, Copy)]
enum Style {
    /// With the comment that Helm 3 writes.
    Comment,
    /// With the annotation that Helm 4 writes.
    Annotation,
    Json,
    /// Among other objects in one document.
    List,
}

/// A document of ours, without its separator line.
fn ours() -> impl Strategy<Value = Vec<u8>> {
    let style = prop::sample::select(vec![Style::Comment, Style::Annotation, Style::Json, Style::List]);
    (object(), object(), style, any::<bool>()).prop_map(|(mut object, other, style, crlf)| {
        let text = match style {
            Style::Comment => format!("# Source: alumet/templates/x.yaml\n{}", emit::to_yaml(&object)),
            Style::Annotation => {
                object["metadata"]["annotations"][FILENAME] = json!("alumet/templates/x.yaml");
                emit::to_yaml(&object)
            }
            Style::Json => object.to_string(),
            Style::List => {
                let foreign = json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"on": "0o17"}});
                emit::to_yaml(&json!({"apiVersion": "v1", "kind": "List", "items": [object, foreign, other]}))
            }
        };
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        text.into_bytes()
    })
}

/// A document of somebody else: anything at all but the mark, and but a directive, which belongs to the next document.
fn foreign() -> impl Strategy<Value = Vec<u8>> {
    let usual = [
        "",
        "# only a comment",
        "\n\n",
        "a: 1 # by hand\nb: 'yes'",
        "a: 1\r\nb: \"0550\"\r",
        "# Source: other/templates/y.yaml\nkind: ConfigMap\ndata: {on: \"off\", x: 1e3}",
        "metadata:\n  annotations:\n    postrenderer.helm.sh/postrender-filename: other/y.yaml",
        "{\"kind\": \"Secret\", \"n\": 1_000}",
        "text: |+\n  kept\n\n",
        "quote: \"not closed",
        "\tno: yaml",
        "a: &a [*a, *b]",
        "kind: List\nitems: []",
        "---",
        "--- {a: b}",
        "...",
        "... text",
    ];
    prop_oneof![
        3 => prop::sample::select(usual.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>().prop_map(|byte| if byte == b'%' { b'p' } else { byte }), 0..40),
    ]
}

/// A stream, with and without a byte order mark and a first separator.
fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let document = prop_oneof![3 => foreign(), 2 => ours()];
    let separator = prop::sample::select(vec!["---\n", "---\r\n", "--- # next\n"]);
    let documents = prop::collection::vec((separator, document), 0..6);
    (documents, any::<bool>(), any::<bool>()).prop_map(|(documents, mark, bare)| {
        let mut stream = Vec::new();
        if mark {
            stream.extend_from_slice("\u{feff}".as_bytes());
        }
        for (index, (separator, document)) in documents.iter().enumerate() {
            if index > 0 || !bare {
                stream.extend_from_slice(separator.as_bytes());
            }
            stream.extend_from_slice(document);
            stream.push(b'\n');
        }
        stream
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn completing_twice_and_taking_out_hold_for_any_stream(stream in any_stream()) {
        hold(&stream);
    }

    #[test]
    fn a_stream_without_the_mark_is_copied(parts in prop::collection::vec(foreign(), 0..6)) {
        let stream = parts.join(&b"\n---\n"[..]);
        prop_assert_eq!(completed(&stream), stream.clone());
        prop_assert_eq!(taken_out(&stream), stream);
    }
}

#[test]
fn the_streams_of_both_helms_keep_what_is_foreign_and_where_it_came_from() {
    for (file, trace) in [("helm3.yaml", "# Source: "), ("helm4.yaml", FILENAME)] {
        let stream = fs::read(root("tests/streams").join(file)).unwrap();
        hold(&stream);
        assert_eq!(
            objects(&stream).len(),
            4,
            "{file}: two agents, each with its ConfigMap"
        );
        let traces = |bytes: &[u8]| String::from_utf8_lossy(bytes).matches(trace).count();
        assert_eq!(traces(&completed(&stream)), traces(&stream), "{file}");
        assert_eq!(
            traces(&stream),
            documents(&stream).len(),
            "{file}: {trace} on each"
        );
    }
}
