//! How a server ends: what is being answered is answered, what waits is let go, and nothing lasts for ever.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use alumet_injector::{
    admission::respond,
    engine::setup::{Fresh, Snapshot},
    server::{Listeners, settings::Leaving},
};

use crate::server_support::{Config, Odd, PATIENCE, Running, SOON, call, eventually, head, review, serve};

async fn leaving(shutdown_delay: Duration, drain_timeout: Duration) -> Running {
    serve(Config {
        leaving: Leaving {
            shutdown_delay,
            drain_timeout,
        },
        ..Config::default()
    })
    .await
}

#[tokio::test]
async fn within_the_delay_it_is_not_ready_and_serves_on() {
    let server = leaving(PATIENCE, PATIENCE).await;
    assert_eq!(server.admin("/readyz").await.status, 200);
    let mut kept = server.connect().await;
    assert!(!kept.post(&review().to_string()).await.closes());
    let Running { stop, ended, .. } = server;
    stop.send(()).unwrap();
    let admin = server.admin;
    eventually("it is not ready".to_owned(), async || {
        crate::server_support::admin(admin, "/readyz").await.status == 503
    })
    .await;
    let ready = crate::server_support::admin(admin, "/readyz").await;
    assert!(ready.text().contains("ending"), "{ready:?}");
    assert_eq!(crate::server_support::admin(admin, "/livez").await.status, 200);
    let last = kept.post(&review().to_string()).await;
    assert_eq!((last.status, last.closes()), (200, true));
    assert!(kept.is_closed().await);
    ended.abort();
}

#[tokio::test]
async fn what_is_being_sent_is_answered_and_what_is_idle_is_closed() {
    let server = leaving(Duration::ZERO, PATIENCE).await;
    let body = review().to_string();
    let mut idle = server.connect().await;
    assert_eq!(idle.post(&body).await.status, 200);
    let mut in_body = server.connect().await;
    let (begin, rest) = body.split_at(1);
    in_body.send(head(body.len()) + begin).await;
    server.metric_becomes("body_bytes_in_flight", 1.0).await;
    let mut in_headers = server.connect().await;
    in_headers.send("POST /mut").await;
    server.metric_becomes("connections", 3.0).await;

    server.stop.send(()).unwrap();
    assert!(idle.is_closed().await);
    let response = in_body.ask(rest).await;
    assert_eq!((response.status, response.closes()), (200, true));
    let response = in_headers.ask(call(&body).trim_start_matches("POST /mut")).await;
    assert_eq!((response.status, response.closes()), (200, true));
    server.ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_was_sent_is_answered() {
    let server = leaving(Duration::ZERO, PATIENCE).await;
    let body = review().to_string();
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = server.connect().await;
        assert_eq!(client.post(&body).await.status, 200);
        clients.push(client);
    }
    for client in &mut clients {
        client.send(call(&body)).await;
    }
    server.stop.send(()).unwrap();
    for client in &mut clients {
        let response = client.answer().await.expect("the call is answered");
        assert_eq!(response.status, 200);
        assert!(client.is_closed().await);
    }
    server.ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn nothing_is_accepted_any_more() {
    let server = leaving(Duration::ZERO, PATIENCE).await;
    let mut holding = server.connect().await;
    holding.send(head(10) + "0").await;
    server.metric_becomes("body_bytes_in_flight", 1.0).await;
    server.stop.send(()).unwrap();
    let https = server.https;
    eventually("the port is closed".to_owned(), async move || {
        tokio::net::TcpStream::connect(https).await.is_err()
    })
    .await;
    holding.send("123456789").await;
    drop(holding);
    server.ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_drain_has_an_end() {
    let server = leaving(Duration::ZERO, SOON).await;
    let mut holding = server.connect().await;
    holding.send(head(10) + "0").await;
    server.metric_becomes("body_bytes_in_flight", 1.0).await;
    server.stop.send(()).unwrap();
    server.ended.await.unwrap().unwrap();
    assert!(holding.is_closed().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_the_engine_has_is_answered() {
    let (enter, entered) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let released = std::sync::Mutex::new(released);
    let admit = Odd(move |body: &[u8]| {
        enter.send(()).unwrap();
        released.lock().unwrap().recv().unwrap();
        respond(&Snapshot::default(), &Fresh, body)
    });
    let server = serve(Config {
        admit: Arc::new(admit),
        ..Config::default()
    })
    .await;
    let mut client = server.connect().await;
    client.send(call(&review().to_string())).await;
    tokio::task::spawn_blocking(move || entered.recv().unwrap())
        .await
        .unwrap();
    server.stop.send(()).unwrap();
    let https = server.https;
    eventually("the port is closed".to_owned(), async move || {
        tokio::net::TcpStream::connect(https).await.is_err()
    })
    .await;
    release.send(()).unwrap();
    let response = client.answer().await.unwrap();
    assert_eq!((response.status, response.closes()), (200, true));
    server.ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let server = leaving(Duration::ZERO, PATIENCE).await;
    let free = "127.0.0.1:0".parse().unwrap();
    let (address, error) = Listeners::bind(free, server.https).await.unwrap_err();
    assert_eq!(
        (address, error.kind()),
        (server.https, std::io::ErrorKind::AddrInUse)
    );
}
