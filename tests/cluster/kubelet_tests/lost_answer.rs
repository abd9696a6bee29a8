//! The kubelet of the tests writes a status, and the answer does not come: what was written counts once.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use hyper::http::{Method, Request};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, client::Body};
use serde_json::json;
use tower::service_fn;

use super::{Place, agent, agent_pod, config_map};
use crate::support::{Case, Cluster, cases, kubelet::worker::Worker};

pub(super) fn cases() -> Vec<Case> {
    cases![a_restart_whose_answer_is_lost_counts_once]
}

/// A client that waits for ever for the answer to its first change of a status, which was made.
fn losing_an_answer(client: &Client) -> Client {
    let (client, lost) = (client.clone(), Arc::new(AtomicBool::new(false)));
    let service = service_fn(move |request: Request<Body>| {
        let changes_status = request.method() == Method::PATCH && request.uri().path().ends_with("/status");
        let loses = changes_status && !lost.swap(true, Ordering::Relaxed);
        let client = client.clone();
        async move {
            let answer = client.send(request).await;
            if loses { pending().await } else { answer }
        }
    });
    Client::new(service, "default")
}

/// The shared kubelet let the pod through, and has nothing more to do with it.
fn a_restart_whose_answer_is_lost_counts_once(cluster: &Cluster) {
    let place = Place::new(cluster);
    place.apply(&config_map("settings", &json!({"config": "a = 1"})));
    place.apply(&agent_pod("agent", true, &agent("settings", &json!({}))));
    place.runs("agent", "0");

    let key = (place.namespace.clone(), "agent".to_owned());
    let pods: Api<Pod> = Api::namespaced(cluster.client(), &place.namespace);
    cluster.block_on(async {
        let mut worker = Worker::new(losing_an_answer(&cluster.client()), Arc::default());
        let trouble = worker.restart(&key).await.unwrap_err();
        assert!(trouble.contains("no answer within"), "{trouble}");
        // The watch tells of what was written; then it is tried again.
        let written = pods.get("agent").await.unwrap();
        let status = written.status.clone().unwrap();
        assert_eq!(status.container_statuses.unwrap()[0].restart_count, 1);
        worker.see(written).await;
        worker.look_again().await;
    });
    place.runs("agent", "1");
}
