//! Policies that change while the server runs: what reviews are answered from, `/readyz`, metrics, and the conditions
//! that are written.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use alumet_injector::{
    engine::setup::Snapshot,
    policy_document::store::{Cause, Change, PolicyObject, Resource, StatusWrite, Store, Watched},
    server::{
        ServerError,
        policies::{Policies, Unwritten, Which, WriteStatus, Written},
        world::Worlds,
    },
};
use futures::{FutureExt as _, StreamExt as _, channel::mpsc};
use tokio::time::timeout;

use crate::{
    policy_store::{bad, good, is_there, key, listed},
    server_support::{Config, PATIENCE, Running, eventually, review, serve},
};

/// A server whose policies come from a test, and what it writes.
struct Watching {
    server: Running,
    changes: mpsc::UnboundedSender<Change>,
    writes: Arc<Mutex<Vec<StatusWrite>>>,
}

async fn watching(
    result: impl Fn(&StatusWrite) -> Result<Written, Unwritten> + Send + Sync + 'static,
) -> Watching {
    let (changes, received) = mpsc::unbounded();
    let writes = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&writes);
    let write: WriteStatus = Arc::new(move |write| {
        let result = result(&write);
        noted.lock().unwrap().push(write);
        // As a request does; without it, one that fails at once and is tried at once would stop the test, and not fail it.
        async move {
            tokio::task::yield_now().await;
            result
        }
        .boxed()
    });
    let worlds = Arc::new(Worlds::new(Snapshot::default(), 1 << 20));
    let server = serve(Config {
        admit: Arc::clone(&worlds) as _,
        policies: Some(Policies {
            store: Store::new(Vec::new(), Watched::Cluster),
            changes: vec![received.boxed()],
            worlds,
            write,
        }),
        ..Config::default()
    })
    .await;
    Watching {
        server,
        changes,
        writes,
    }
}

impl Watching {
    fn send(&self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            self.changes.unbounded_send(change).unwrap();
        }
    }

    fn writes(&self) -> usize {
        self.writes.lock().unwrap().len()
    }

    async fn is_ready(&self) {
        eventually("it is ready".to_owned(), async || {
            self.server.admin("/readyz").await.status == 200
        })
        .await;
    }
}

#[tokio::test]
async fn it_is_ready_when_policies_were_read_and_answers_from_them() {
    let watching = watching(|_| Ok(Written::Done)).await;
    let server = &watching.server;
    let unready = server.admin("/readyz").await;
    assert_eq!(
        (unready.status, unready.text().trim()),
        (503, "policies have not been read yet")
    );
    watching.send(listed([good("a", 1), bad("b", 1)]));
    watching.is_ready().await;
    let body = server.connect().await.post(&review().to_string()).await.json();
    let patch = patch_of(&body);
    assert!(
        patch.contains("[plugins.rapl]\\npoll_interval = \\\"2s"),
        "{patch}"
    );
    server.metric_becomes(r#"policies{source="cluster"}"#, 1.0).await;
    server.metric_becomes("rejected_policies", 1.0).await;
    server.metric_becomes("policy_changes_total", 1.0).await;
    assert!(server.metric("policies_changed_timestamp_seconds").await > 1.0e9);

    watching.send([is_there(good("a", 2)), Change::Gone(key("b"))]);
    server.metric_becomes("policy_changes_total", 2.0).await;
    let body = server.connect().await.post(&review().to_string()).await.json();
    assert!(patch_of(&body).contains("[plugins.rapl]\\npoll_interval = \\\"1s"));
    server.metric_becomes("rejected_policies", 0.0).await;
}

/// The patch of an answer, as text.
fn patch_of(answer: &serde_json::Value) -> String {
    use base64::Engine as _;
    let patch = answer["response"]["patch"].as_str().expect("there is a patch");
    let bytes = base64::engine::general_purpose::STANDARD.decode(patch).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn changes_that_come_together_are_one() {
    let watching = watching(|_| Ok(Written::Done)).await;
    watching.send(listed([]));
    watching.is_ready().await;
    watching.send((0..5_000).map(|number| is_there(good(&format!("p{number}"), 1))));
    let server = &watching.server;
    server
        .metric_becomes(r#"policies{source="cluster"}"#, 5_000.0)
        .await;
    // A thousand at a time at most, and the first ones may be taken as they come.
    let changes = server.metric("policy_changes_total").await;
    assert!((5.0..=20.0).contains(&changes), "{changes}");
    eventually("each has a condition".to_owned(), async || {
        watching.writes() == 5_000
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_listed_is_counted_and_keeps_nobody_waiting() {
    let watching = watching(|_| Ok(Written::Done)).await;
    let server = &watching.server;
    let failed = |resource, cause| Change::Failed(resource, cause, "no".to_owned());
    watching.send([
        failed(Resource::ClusterPolicies, Cause::NotInstalled),
        failed(Resource::NamespacedPolicies, Cause::Unavailable),
        failed(Resource::Namespaces, Cause::Forbidden),
    ]);
    for (resource, cause) in [
        ("clusterinjectionpolicies", "not-installed"),
        ("injectionpolicies", "unavailable"),
        ("namespaces", "forbidden"),
    ] {
        let sample = format!(r#"failed_watches_total{{resource="{resource}",cause="{cause}"}}"#);
        server.metric_becomes(&sample, 1.0).await;
    }
    assert_eq!(server.admin("/readyz").await.status, 503, "one may answer yet");
    watching.send([failed(Resource::NamespacedPolicies, Cause::Forbidden)]);
    watching.is_ready().await;
    // The right comes.
    watching.send(listed([good("a", 1)]));
    server.metric_becomes(r#"policies{source="cluster"}"#, 1.0).await;
}

#[tokio::test]
async fn a_condition_that_cannot_be_written_is_written_later_and_holds_up_nothing() {
    let may_write = Arc::new(AtomicBool::new(false));
    let allowed = Arc::clone(&may_write);
    let watching = watching(move |_| {
        if allowed.load(Ordering::Relaxed) {
            Ok(Written::Done)
        } else {
            Err(Unwritten {
                which: Which::All,
                why: "may not patch".to_owned(),
            })
        }
    })
    .await;
    let server = &watching.server;
    let begun = Instant::now();
    watching.send(listed((0..100).map(|number| good(&format!("p{number}"), 1))));
    server
        .metric_becomes(r#"policies{source="cluster"}"#, 100.0)
        .await;
    eventually("a write fails".to_owned(), async || {
        server.metric("failed_policy_status_writes_total").await >= 1.0
    })
    .await;
    // Four at a time, and pauses of one second, two, four: in this time no more can have begun, however long it was.
    let (writes, seconds) = (watching.writes(), begun.elapsed().as_secs());
    let most = 4 * (1 + (seconds + 1).ilog2() as usize);
    assert!(writes <= most, "the others wait: {writes} in {seconds} s");
    may_write.store(true, Ordering::Relaxed);
    eventually("all are written".to_owned(), async || {
        let writes = watching.writes.lock().unwrap();
        let keys: std::collections::BTreeSet<_> = writes.iter().map(|write| write.key.clone()).collect();
        keys.len() == 100 && writes.len() >= 100
    })
    .await;
}

#[tokio::test]
async fn policies_whose_conditions_are_refused_hold_up_no_other() {
    // They come first, and are as many as are written at a time.
    let is_refused = |write: &StatusWrite| write.key.name.starts_with("a-refused");
    let watching = watching(move |write| {
        if is_refused(write) {
            Err(Unwritten {
                which: Which::ThisOne,
                why: "status.conditions: must have at most 8 items".to_owned(),
            })
        } else {
            Ok(Written::Done)
        }
    })
    .await;
    let refused = (0..4).map(|number| good(&format!("a-refused-{number}"), 1));
    let others = (0..50).map(|number| good(&format!("b{number}"), 1));
    watching.send(listed(refused.chain(others)));
    eventually(
        "all are tried, and the refused ones again".to_owned(),
        async || {
            let writes = watching.writes.lock().unwrap();
            let others = writes.iter().filter(|write| !is_refused(write)).count();
            others == 50 && writes.len() - others >= 8
        },
    )
    .await;
    let failed = watching.server.metric("failed_policy_status_writes_total").await;
    assert!(
        (8.0..=40.0).contains(&failed),
        "each waits longer each time: {failed}"
    );
}

#[tokio::test]
async fn a_policy_that_is_made_again_has_its_condition_at_once() {
    let watching = watching(|_| Ok(Written::Done)).await;
    watching.send(listed([good("a", 1)]));
    eventually("it is written".to_owned(), async || watching.writes() == 1).await;
    watching.send([Change::Gone(key("a"))]);
    let again = PolicyObject {
        uid: Some("second".to_owned()),
        ..good("a", 1)
    };
    watching.send([is_there(again)]);
    // Sooner than the condition of the same policy would be put back.
    eventually("it is written again".to_owned(), async || watching.writes() == 2).await;
}

#[tokio::test]
async fn what_was_written_is_not_written_again_at_once_and_what_is_outdated_waits_for_the_next_form() {
    for outcome in [Written::Done, Written::Outdated] {
        let watching = watching(move |_| Ok(outcome)).await;
        watching.send(listed([good("a", 1)]));
        eventually("it is written".to_owned(), async || watching.writes() == 1).await;
        watching.is_ready().await;
        // Somebody else says otherwise, in turns: the form stays, the condition does not.
        for _ in 0..3 {
            watching.send([
                is_there(good("a", 1)),
                is_there(good("b", 1)),
                Change::Gone(key("b")),
            ]);
            let changes = watching.server.metric("policy_changes_total").await;
            watching.send([is_there(good("c", 1))]);
            eventually("it is looked at".to_owned(), async || {
                watching.server.metric("policy_changes_total").await > changes
            })
            .await;
            watching.send([Change::Gone(key("c"))]);
            eventually("it is looked at again".to_owned(), async || {
                (watching.server.metric(r#"policies{source="cluster"}"#).await - 1.0).abs() < f64::EPSILON
            })
            .await;
        }
        let of_a = || {
            let writes = watching.writes.lock().unwrap();
            writes.iter().filter(|write| write.key == key("a")).count()
        };
        match outcome {
            Written::Done => assert_eq!(of_a(), 1, "two that differ do not write in turns"),
            // Each time the policy comes as it was, there is something to write still.
            Written::Outdated => assert!(of_a() >= 2),
        }
    }
}

#[tokio::test]
async fn a_watch_that_ends_ends_the_process() {
    let watching = watching(|_| Ok(Written::Done)).await;
    let Watching { server, changes, .. } = watching;
    drop(changes);
    let ended = timeout(PATIENCE, server.ended).await.expect("it ends").unwrap();
    let Err(error @ ServerError::TaskEnded(_)) = ended else {
        panic!("{ended:?}")
    };
    assert!(error.to_string().starts_with("the watch on policies"), "{error}");
}

/// Until there is one more answer of a kind.
async fn grows(what: &str, answers: &AtomicUsize) {
    let before = answers.load(Ordering::Relaxed);
    eventually(format!("a call is answered {what}"), async || {
        answers.load(Ordering::Relaxed) > before
    })
    .await;
}

#[tokio::test]
async fn calls_go_on_while_policies_come_and_go() {
    let watching = watching(|_| Ok(Written::Done)).await;
    watching.send(listed([]));
    watching.is_ready().await;
    let server = &watching.server;
    let (with, without) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let is_over = AtomicBool::new(false);
    let calls = async {
        let mut client = server.connect().await;
        let body = review().to_string();
        while !is_over.load(Ordering::Relaxed) {
            let answer = client.post(&body).await;
            assert_eq!(answer.status, 200);
            let has = patch_of(&answer.json()).contains("[plugins.rapl]");
            if has { &with } else { &without }.fetch_add(1, Ordering::Relaxed);
            if answer.closes() {
                client = server.connect().await;
            }
        }
    };
    let changes = async {
        for generation in 1..10 {
            watching.send([is_there(good("a", generation))]);
            server.metric_becomes(r#"policies{source="cluster"}"#, 1.0).await;
            grows("with the policy", &with).await;
            watching.send([Change::Gone(key("a"))]);
            server.metric_becomes(r#"policies{source="cluster"}"#, 0.0).await;
            grows("without the policy", &without).await;
        }
        is_over.store(true, Ordering::Relaxed);
    };
    futures::join!(calls, changes);
    println!("{with:?} with it, {without:?} without");
}
