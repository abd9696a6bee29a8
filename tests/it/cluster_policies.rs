//! The policies of a cluster, read once and watched: what the API server may answer, and what becomes of it.

#![expect(
    clippy::needless_pass_by_value,
    reason = "what is answered is written where it is used"
)]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::ready,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use alumet_injector::{
    cluster::{
        Error,
        policies::{self, Statuses},
    },
    names::Component,
    policy::{index::Asked, model::Policy},
    policy_document::{
        PolicyReader,
        store::{Change, Store, Watched},
    },
};
use axum::body::Body;
use futures::{StreamExt as _, stream::BoxStream};
use hyper::http::{Request, Response};
use kube::Client;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    policies as in_files,
    policy_store::{good, listed},
    server_support::PATIENCE,
};

const CLUSTER: &str = "/apis/injector.alumet.dev/v1alpha1/clusterinjectionpolicies";
const OF_NAMESPACES: &str = "/apis/injector.alumet.dev/v1alpha1/injectionpolicies";
const NAMESPACES: &str = "/api/v1/namespaces";

/// What is answered at a path: status and body.
type Answers = Vec<(&'static str, u16, Value)>;

/// An API server that gives these answers by path, and 404 to all else.
fn client(answers: Answers) -> Client {
    let answers: BTreeMap<&str, (u16, Value)> = answers
        .into_iter()
        .map(|(path, code, body)| (path, (code, body)))
        .collect();
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let (code, body) = answers
            .get(request.uri().path())
            .cloned()
            .unwrap_or_else(|| failure(404, "NotFound"));
        let response = Response::builder()
            .status(code)
            .body(Body::from(body.to_string()));
        ready(Ok::<_, Infallible>(response.unwrap()))
    });
    Client::new(service, "default")
}

fn failure(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("{reason}, says the API server"), "reason": reason, "code": code,
    });
    (code, status)
}

fn list(kind: &str, items: Value) -> Value {
    json!({"apiVersion": "injector.alumet.dev/v1alpha1", "kind": kind, "metadata": {"resourceVersion": "7"}, "items": items})
}

fn policy(kind: &str, metadata: Value, spec: Value) -> Value {
    json!({"apiVersion": "injector.alumet.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec,
        "status": {"conditions": []}})
}

fn two_namespaces() -> Value {
    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList", "metadata": {}, "items": [
        {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "a", "labels": {"team": "hpc"}}},
        {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "b"}},
    ]})
}

fn fetched(answers: Answers) -> Result<policies::Policies, Error> {
    fetched_beside(Vec::new(), answers)
}

/// The same, with the policies of files.
fn fetched_beside(of_files: Vec<Policy>, answers: Answers) -> Result<policies::Policies, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { policies::fetch(client(answers), of_files).await })
}

#[test]
fn policies_and_labels_of_namespaces_are_read_and_what_cannot_be_read_is_told() {
    let of_cluster = json!([
        policy(
            "ClusterInjectionPolicy",
            json!({"name": "by-labels"}),
            json!({"match": {"namespaceSelector": {"matchLabels": {"team": "hpc"}}}})
        ),
        policy(
            "ClusterInjectionPolicy",
            json!({"name": "wrong"}),
            json!({"prio": 1})
        ),
    ]);
    let of_namespaces = json!([policy(
        "InjectionPolicy",
        json!({"name": "team", "namespace": "b"}),
        json!({})
    )]);
    let read = fetched(vec![
        (CLUSTER, 200, list("ClusterInjectionPolicyList", of_cluster)),
        (OF_NAMESPACES, 200, list("InjectionPolicyList", of_namespaces)),
        (NAMESPACES, 200, two_namespaces()),
    ])
    .unwrap();
    let titles = |namespace| {
        let selected = read.index.select(Asked {
            component: Component::RelayClient,
            namespace: Some(namespace),
            pods: None,
        });
        assert!(selected.undecided.is_empty(), "{namespace} is known");
        let matching = selected.matching.into_iter();
        matching
            .map(|rank| read.index.get(rank).unwrap().title())
            .collect::<Vec<_>>()
    };
    assert_eq!(titles("a"), ["by-labels"]);
    assert_eq!(titles("b"), ["b/team"]);
    let problems: Vec<String> = read.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "ClusterInjectionPolicy wrong: error[policy-field]: spec.prio: a policy has no field `prio` here; known are `defaults`, `match`, `onError`, `priority`"
        ]
    );
}

#[test]
fn a_file_stands_in_the_place_of_the_policy_of_its_kind_namespace_and_name() {
    let priority = |priority: i32| json!({"priority": priority});
    let of_cluster = ["same", "other"].map(|name| {
        let metadata = json!({"name": name});
        policy("ClusterInjectionPolicy", metadata, priority(1))
    });
    let of_namespaces = ["a", "b"].map(|namespace| {
        let metadata = json!({"name": "same", "namespace": namespace});
        policy("InjectionPolicy", metadata, priority(2))
    });
    let answers = vec![
        (
            CLUSTER,
            200,
            list("ClusterInjectionPolicyList", json!(of_cluster)),
        ),
        (
            OF_NAMESPACES,
            200,
            list("InjectionPolicyList", json!(of_namespaces)),
        ),
        (NAMESPACES, 200, two_namespaces()),
    ];
    let mut reader = PolicyReader::default();
    let files =
        in_files::of_cluster("same", "{priority: 8}") + &in_files::of_namespace("a", "same", "{priority: 9}");
    reader.read("files", files.as_bytes());
    let read = fetched_beside(reader.finish().0, answers).unwrap();
    let mut all: Vec<(String, i32)> = read
        .index
        .policies()
        .iter()
        .map(|policy| (policy.title(), policy.priority))
        .collect();
    all.sort();
    let expected = [("a/same", 9), ("b/same", 2), ("other", 1), ("same", 8)];
    assert_eq!(
        all,
        expected.map(|(title, priority)| (title.to_owned(), priority))
    );
}

/// An API server that answers each request with this status, and keeps what was sent.
fn keeping(code: u16, reason: &'static str) -> (Client, Arc<Mutex<Vec<Value>>>) {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&sent);
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let kept = Arc::clone(&kept);
        async move {
            let body = request.into_body().collect_bytes().await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            kept.lock().unwrap().push(body);
            let answer = match code {
                200 => policy("ClusterInjectionPolicy", json!({"name": "a"}), json!({})),
                _ => failure(code, reason).1,
            };
            let response = Response::builder()
                .status(code)
                .body(Body::from(answer.to_string()));
            Ok::<_, Infallible>(response.unwrap())
        }
    });
    (Client::new(service, "default"), sent)
}

#[tokio::test]
async fn a_condition_is_written_onto_the_form_that_it_is_said_of_and_onto_no_other() {
    let mut store = Store::new(Vec::new(), Watched::Cluster);
    for change in listed([good("a", 1)]) {
        store.take(change);
    }
    store.news();
    let write = store.next_write().unwrap();
    for (code, reason, written) in [
        (200, "", Some(true)),
        (409, "Conflict", Some(false)),
        (404, "NotFound", Some(false)),
        (403, "Forbidden", None),
        (500, "InternalError", None),
    ] {
        let (client, sent) = keeping(code, reason);
        let result = Statuses::new(client, || SystemTime::UNIX_EPOCH)
            .write(&write)
            .await;
        assert_eq!(result.ok(), written, "{code}");
        let sent = sent.lock().unwrap();
        assert_eq!(sent.len(), 1, "{code}: {sent:?}");
        // The API server refuses it where the policy has another one by now.
        assert_eq!(sent[0]["metadata"], json!({"resourceVersion": "v1"}), "{code}");
        assert_eq!(sent[0]["status"]["conditions"][0]["status"], "True", "{code}");
    }
}

#[test]
fn a_cluster_without_the_kinds_has_no_policies() {
    let read = fetched(vec![(NAMESPACES, 200, two_namespaces())]).unwrap();
    assert!(read.index.is_empty() && read.problems.is_empty());
}

#[test]
fn a_missing_right_and_a_form_of_another_version_are_one_sentence_each() {
    let (_, forbidden) = failure(403, "Forbidden");
    let none = |kind| list(kind, json!([]));
    let groups = json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [
        {"name": "injector.alumet.dev", "versions": [{"groupVersion": "injector.alumet.dev/v1", "version": "v1"}]},
    ]});
    for (answers, expected) in [
        (
            vec![(CLUSTER, 403, forbidden.clone())],
            "may not list clusterinjectionpolicies.injector.alumet.dev; give the account the verb \"list\" for this resource",
        ),
        (
            vec![
                (CLUSTER, 200, none("ClusterInjectionPolicyList")),
                (OF_NAMESPACES, 200, none("InjectionPolicyList")),
                (NAMESPACES, 403, forbidden),
            ],
            "may not list namespaces; give the account the verb \"list\" for this resource",
        ),
        (
            vec![("/apis", 200, groups)],
            "the cluster has injector.alumet.dev as v1, and this injector reads v1alpha1; install the \
             CustomResourceDefinitions of this injector, or an injector that reads that version",
        ),
    ] {
        let error = fetched(answers).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

/// What a watch says, one after the other, in words.
async fn heard(mut changes: BoxStream<'static, Change>, count: usize) -> Vec<String> {
    let mut words = Vec::new();
    while words.len() < count {
        let change = timeout(PATIENCE, changes.next()).await.expect("it goes on");
        words.push(match change.expect("it does not end") {
            Change::Listing(resource) => format!("listing {}", resource.as_str()),
            Change::Listed(resource) => format!("listed {}", resource.as_str()),
            Change::Policy(object) => {
                let version = object.resource_version.unwrap_or_default();
                format!("{} {version} {}", object.key.title(), object.document["spec"])
            }
            Change::Namespace(name, labels) => format!("Namespace {name} {labels:?}"),
            Change::Gone(key) => format!("gone {}", key.title()),
            Change::Failed(resource, cause, sentence) => {
                format!("{} {}: {sentence}", resource.as_str(), cause.as_str())
            }
            other => panic!("{other:?}"),
        });
    }
    words
}

/// One event of a watch for each object, and then nothing more for as long as the test lasts.
fn events(events: &[Value]) -> Body {
    let lines: Vec<String> = events.iter().map(|event| format!("{event}\n")).collect();
    let lines = futures::stream::iter(lines.into_iter().map(Ok::<_, Infallible>));
    Body::from_stream(lines.chain(futures::stream::pending()))
}

#[tokio::test]
async fn a_watch_says_what_is_missing_and_goes_on_when_it_is_there() {
    let asked = AtomicUsize::new(0);
    let of_cluster = |spec: Value, version: &str| {
        policy(
            "ClusterInjectionPolicy",
            json!({"name": "a", "resourceVersion": version, "generation": 1}),
            spec,
        )
    };
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let (path, query) = (
            request.uri().path().to_owned(),
            request.uri().query().unwrap_or_default().to_owned(),
        );
        let is_watch = query.contains("watch=true");
        let answer = |(code, body): (u16, Value)| {
            Response::builder()
                .status(code)
                .body(Body::from(body.to_string()))
        };
        let response = match (path.as_str(), is_watch) {
            ("/apis", _) => answer((
                200,
                json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []}),
            )),
            (CLUSTER, false) => answer(match asked.fetch_add(1, Ordering::Relaxed) {
                0 => failure(404, "NotFound"),
                1 => failure(403, "Forbidden"),
                2 => failure(500, "InternalError"),
                _ => (
                    200,
                    list("ClusterInjectionPolicyList", json!([of_cluster(json!({}), "7")])),
                ),
            }),
            (CLUSTER, true) => match asked.fetch_add(1, Ordering::Relaxed) {
                4 => answer(failure(403, "Forbidden")),
                _ => Response::builder().status(200).body(events(&[
                    json!({"type": "MODIFIED", "object": of_cluster(json!({"priority": 1}), "8")}),
                    json!({"type": "DELETED", "object": of_cluster(json!({"priority": 1}), "9")}),
                ])),
            },
            _ => answer(failure(404, "NotFound")),
        };
        ready(Ok::<_, Infallible>(response.unwrap()))
    });
    let [of_cluster, ..] = policies::watch(&Client::new(service, "default"));
    let heard = heard(of_cluster, 12).await;
    let resource = "clusterinjectionpolicies";
    let (begin, mend): (Vec<&str>, Vec<&str>) = (
        heard
            .iter()
            .map(|words| words.split(": ").next().unwrap())
            .collect(),
        heard
            .iter()
            .map(|words| words.split(": ").nth(1).unwrap_or_default())
            .collect(),
    );
    let failed = |cause: &str| format!("{resource} {cause}");
    let title = "ClusterInjectionPolicy a";
    let (seven, eight) = (format!("{title} 7 {{}}"), format!("{title} 8 {{\"priority\":1}}"));
    assert_eq!(
        begin,
        [
            "listing clusterinjectionpolicies",
            &failed("not-installed"),
            "listing clusterinjectionpolicies",
            &failed("forbidden"),
            "listing clusterinjectionpolicies",
            &failed("unavailable"),
            "listing clusterinjectionpolicies",
            &seven,
            "listed clusterinjectionpolicies",
            &failed("forbidden"),
            &eight,
            "gone ClusterInjectionPolicy a",
        ],
        "{heard:?}"
    );
    assert_eq!(
        mend[1],
        "there is no clusterinjectionpolicies.injector.alumet.dev; install the CustomResourceDefinitions, which `alumet-injector crds` prints"
    );
    for (at, verb) in [(3, "list"), (9, "watch")] {
        assert_eq!(
            mend[at],
            format!(
                "may not {verb} clusterinjectionpolicies.injector.alumet.dev; give the account the verb \"{verb}\" for this resource"
            )
        );
    }
}
