//! A review that takes long holds up no other call, and no more than two are worked on at a time.

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alumet_injector::{
    admission::respond,
    engine::setup::{Fresh, Snapshot},
};
use serde_json::Value;
use tokio::{runtime::Builder, task::JoinSet};

use crate::server_support::{Config, Odd, PATIENCE, review, serve};

/// Opened once, and open from then on.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    /// Whether it was opened in time.
    fn pass(&self, within: Duration) -> bool {
        let open = self.open.lock().unwrap();
        *self
            .opened
            .wait_timeout_while(open, within, |open| !*open)
            .unwrap()
            .0
    }
}

#[test]
fn a_long_review_holds_up_no_other_call() {
    // One thread, as the command has it.
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (gate, working, most) = (
            Arc::new(Gate::default()),
            AtomicUsize::new(0),
            Arc::new(AtomicUsize::new(0)),
        );
        let (at, seen) = (Arc::clone(&gate), Arc::clone(&most));
        let admit = Odd(move |body: &[u8]| {
            if body.len() > 64 << 10 {
                seen.fetch_max(working.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                assert!(at.pass(PATIENCE), "no other call was answered");
                working.fetch_sub(1, Ordering::SeqCst);
            }
            respond(&Snapshot::default(), &Fresh, body)
        });
        let server = Arc::new(
            serve(Config {
                admit: Arc::new(admit),
                ..Config::default()
            })
            .await,
        );
        let mut long = review();
        long["request"]["oldObject"] = Value::from("x".repeat(100 << 10));
        let mut calls = JoinSet::new();
        for _ in 0..4 {
            let (server, body) = (Arc::clone(&server), long.to_string());
            calls.spawn(async move { server.connect().await.post(&body).await.status });
        }
        server.metric_becomes("calls_in_flight", 4.0).await;
        assert_eq!(
            server.connect().await.post(&review().to_string()).await.status,
            200
        );
        assert_eq!(server.admin("/livez").await.status, 200);
        gate.open();
        assert_eq!(calls.join_all().await, [200; 4]);
        assert_eq!(most.load(Ordering::SeqCst), 2, "worked on at a time");
        server.everything_is_given_back().await;
    });
}
