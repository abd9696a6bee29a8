//! What a server meets on a bad day, each case against a server of its own: limits, deadlines, broken clients.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, mpsc},
    time::Instant,
};

use alumet_injector::{
    admission::{Answer, respond},
    engine::setup::{Fresh, Snapshot},
    server::{settings::Limits, tls::TlsMinVersion},
};
use rustls::version::{TLS12, TLS13};
use tokio::{
    io::AsyncWriteExt as _,
    runtime::Builder,
    task::{JoinSet, yield_now},
    time::{sleep, timeout},
};

use crate::server_support::{
    Config, MIB, NAME, Odd, PATIENCE, Running, SOON, call, client_config, handshake, head, limits, review,
    serve, serve_with,
};

type Case = fn() -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Id and case.
macro_rules! cases {
    ($($id:literal => $case:ident,)+) => {
        const CASES: &[(&str, Case)] = &[$(($id, || Box::pin($case()))),+];
    };
}

cases! {
    "a body of 7 MiB and a byte, declared" => a_body_that_is_declared_too_long,
    "a body of 7 MiB and a byte, in chunks" => a_body_that_grows_too_long,
    "a body of 7 MiB and a byte, sent to its end" => a_refused_body_that_is_sent_to_its_end,
    "a body of 7 MiB" => the_longest_body,
    "33 MiB of bodies at once, declared" => more_bytes_than_fit_declared,
    "33 MiB of bodies at once, in chunks" => more_bytes_than_fit_in_chunks,
    "more calls at once than the cap" => more_calls_than_the_cap,
    "calls that send their headers alone" => calls_that_send_headers_alone,
    "more unread answers than the cap" => more_unread_answers_than_the_cap,
    "a body that comes slowly" => a_slow_body,
    "a body that comes byte by byte" => a_trickling_body,
    "a body that comes steadily" => a_steady_body,
    "headers that come slowly" => slow_headers,
    "headers that come slowly, on a used connection" => slow_headers_of_a_second_call,
    "a client that says nothing" => a_connection_without_a_call,
    "a client that says nothing at first" => a_first_call_that_comes_late,
    "a client that says nothing more" => an_idle_connection,
    "a client that does not read its answer" => an_answer_that_nobody_reads,
    "a stalled handshake" => a_stalled_handshake,
    "200 idle connections" => many_idle_connections,
    "more connections than the cap" => more_connections_than_the_cap,
    "idle connections up to the cap" => idle_connections_up_to_the_cap,
    "stalled handshakes up to the cap" => stalled_handshakes_up_to_the_cap,
    "half headers up to the cap" => half_headers_up_to_the_cap,
    "a refused client that sends on, at the cap" => a_refused_client_that_sends_on,
    "plain HTTP on the TLS port" => plain_http,
    "a client that goes away within the body" => a_client_that_goes_away,
    "chunks that cannot be told apart" => broken_chunks,
    "the last call of a connection" => the_last_call_of_a_connection,
    "many calls on one connection" => keep_alive,
    "calls sent before the answers are read" => pipelined_calls,
    "an unknown path" => unknown_paths,
    "another method" => other_methods,
    "another content type" => other_content_types,
    "a content encoding" => a_content_encoding,
    "broken JSON" => broken_json,
    "a review of another version" => another_version,
    "headers that are too long" => long_headers,
    "a body after 100-continue" => expect_continue,
    "a client of HTTP/2 by ALPN" => http_2_by_alpn,
    "the preface of HTTP/2" => the_preface_of_http_2,
    "an unknown server name" => an_unknown_server_name,
    "TLS 1.2" => tls_1_2,
    "TLS 1.2, allowed" => tls_1_2_allowed,
    "no certificate" => no_certificate,
    "a fault in the engine" => a_fault,
}

#[test]
fn every_hard_case_ends_well() {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let failed = runtime.block_on(async {
        let mut running = JoinSet::new();
        for (id, case) in CASES {
            running.spawn(async move {
                let outcome = tokio::spawn(case()).await;
                (id, outcome)
            });
        }
        let mut failed = Vec::new();
        while let Some(ended) = running.join_next().await {
            let (id, outcome) = ended.unwrap();
            if outcome.is_err() {
                failed.push(*id);
            }
        }
        failed
    });
    println!("{} hard cases", CASES.len());
    assert!(
        failed.is_empty(),
        "these failed, their messages are above: {failed:?}"
    );
    assert_eq!(CASES.len(), 46);
}

/// A server with other limits.
async fn limited(change: impl FnOnce(&mut Limits)) -> Running {
    let mut limits = limits();
    change(&mut limits);
    serve(Config {
        limits,
        ..Config::default()
    })
    .await
}

async fn refused(server: &Running, cause: &str, times: f64) {
    server
        .metric_becomes(&format!("refused_calls_total{{cause=\"{cause}\"}}"), times)
        .await;
}

async fn refused_once(server: &Running, cause: &str) {
    let sample = format!("refused_calls_total{{cause=\"{cause}\"}}");
    assert!(
        (server.metric(&sample).await - 1.0).abs() < f64::EPSILON,
        "{sample}"
    );
}

async fn cut_once(server: &Running, cause: &str) {
    server
        .metric_becomes(&format!("cut_connections_total{{cause=\"{cause}\"}}"), 1.0)
        .await;
}

/// A review with so many bytes of white space before it that it has this length.
fn padded(length: usize) -> String {
    let review = review().to_string();
    " ".repeat(length - review.len()) + &review
}

const CHUNKED: &str = "POST /mutate HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunk(bytes: &str) -> String {
    format!("{:x}\r\n{bytes}\r\n", bytes.len())
}

async fn a_body_that_is_declared_too_long() {
    let server = serve(Config::default()).await;
    // Answered at once: not a byte of the body was sent.
    let response = server.connect().await.ask(head(7 * MIB + 1)).await;
    assert_eq!(response.status, 413);
    assert!(response.text().contains("longer"), "{response:?}");
    refused_once(&server, "body-too-long").await;
    server.everything_is_given_back().await;
}

async fn a_body_that_grows_too_long() {
    let server = serve(Config::default()).await;
    let mut client = server.connect().await;
    client.send(CHUNKED).await;
    for _ in 0..7 {
        client.send(chunk(&" ".repeat(MIB))).await;
    }
    let response = client.ask(chunk(" ")).await;
    assert_eq!(response.status, 413);
    drop(client);
    server.everything_is_given_back().await;
}

/// The API server's client sends all of it before it looks at the answer: it must not find the connection reset.
async fn a_refused_body_that_is_sent_to_its_end() {
    let server = serve(Config::default()).await;
    let mut client = server.connect().await;
    client.send(head(7 * MIB + 1)).await;
    refused(&server, "body-too-long", 1.0).await;
    for _ in 0..7 {
        client
            .stream
            .write_all(&vec![b' '; MIB])
            .await
            .expect("the connection is not reset");
    }
    assert_eq!(client.ask(" ").await.status, 413);
    drop(client);
    server.everything_is_given_back().await;
}

async fn the_longest_body() {
    let server = serve(Config::default()).await;
    let mut client = server.connect().await;
    assert_eq!(client.post(&padded(7 * MIB)).await.status, 200);
    client.send(CHUNKED).await;
    let body = padded(7 * MIB);
    for part in body.as_bytes().chunks(MIB / 2) {
        client.send(chunk(std::str::from_utf8(part).unwrap())).await;
    }
    let response = client.ask("0\r\n\r\n").await;
    assert_eq!(response.status, 200, "{response:?}");
    drop(client);
    server.everything_is_given_back().await;
}

async fn more_bytes_than_fit_declared() {
    let server = serve(Config::default()).await;
    let body = padded(7 * MIB);
    let (most, rest) = body.split_at(body.len() - 100);
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = server.connect().await;
        client.send(head(body.len()) + most).await;
        clients.push(client);
    }
    let held = 4 * most.len();
    #[expect(clippy::cast_precision_loss, reason = "it is exact below 2^52")]
    server.metric_becomes("body_bytes_in_flight", held as f64).await;

    let response = server.connect().await.ask(head(5 * MIB)).await;
    assert_eq!(response.status, 429);
    assert_eq!(response.header("retry-after"), Some("1"));
    refused_once(&server, "bytes-in-flight").await;

    for mut client in clients {
        assert_eq!(client.ask(rest).await.status, 200);
    }
    server.everything_is_given_back().await;
    server.serves().await;
}

async fn more_bytes_than_fit_in_chunks() {
    let server = serve(Config::default()).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = server.connect().await;
        client.send(CHUNKED).await;
        client.send(chunk(&" ".repeat(6 * MIB))).await;
        clients.push(client);
    }
    server
        .metric_becomes("body_bytes_in_flight", 24.0 * 1024.0 * 1024.0)
        .await;
    let mut last = server.connect().await;
    last.send(CHUNKED).await;
    last.send(chunk(&" ".repeat(6 * MIB))).await;
    server
        .metric_becomes("body_bytes_in_flight", 30.0 * 1024.0 * 1024.0)
        .await;
    // Where the others have not gone too far, one byte above the sum does.
    clients.pop();
    server
        .metric_becomes("body_bytes_in_flight", 24.0 * 1024.0 * 1024.0)
        .await;
    let mut clients_more = Vec::new();
    for mut client in clients {
        client.send(chunk(&" ".repeat(MIB - 1))).await;
        clients_more.push(client);
    }
    let mut first = server.connect().await;
    first.send(CHUNKED).await;
    let response = first.ask(chunk(&" ".repeat(6 * MIB))).await;
    assert_eq!(response.status, 429);
    assert_eq!(response.header("retry-after"), Some("1"));
    drop((first, last, clients_more));
    server.everything_is_given_back().await;
}

async fn more_calls_than_the_cap() {
    let mut limits = limits();
    limits.calls.max_calls_in_flight = 1;
    let (go_on, wait) = mpsc::channel();
    let wait = Mutex::new(wait);
    let admit = Odd(move |review: &[u8]| {
        wait.lock().unwrap().recv().unwrap();
        respond(&Snapshot::default(), &Fresh, review)
    });
    let server = serve(Config {
        limits,
        admit: Arc::new(admit),
        ..Config::default()
    })
    .await;
    let mut first = server.connect().await;
    // So long that it is not worked on by the thread that serves.
    first.send(call(&padded(MIB))).await;
    server.metric_becomes("calls_in_flight", 1.0).await;
    let response = server.connect().await.post(&review().to_string()).await;
    assert_eq!(response.status, 429);
    assert_eq!(response.header("retry-after"), Some("1"));
    refused_once(&server, "calls-in-flight").await;
    go_on.send(()).unwrap();
    assert_eq!(first.answer().await.unwrap().status, 200);
    drop(first);
    server.everything_is_given_back().await;
}

async fn calls_that_send_headers_alone() {
    let server = limited(|limits| limits.calls.max_calls_in_flight = 1).await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        let mut client = server.connect().await;
        client.send(head(100)).await;
        silent.push(client);
    }
    server.serves().await;
}

async fn a_slow_body() {
    let server = limited(|limits| limits.connections.body_timeout = SOON).await;
    let mut client = server.connect().await;
    let response = client.ask(head(100) + "{").await;
    assert_eq!(response.status, 408);
    assert!(client.is_closed().await, "the rest of the body is not waited for");
    refused_once(&server, "body-deadline").await;
    server.everything_is_given_back().await;
}

/// Byte by byte, it would hold what came of it for the time of a whole body.
async fn a_trickling_body() {
    let server = limited(|limits| {
        limits.calls.step_timeout = SOON;
        limits.connections.body_timeout = 10 * PATIENCE;
        limits.connections.request_timeout = 10 * PATIENCE;
    })
    .await;
    let mut client = server.connect().await;
    client.send(head(7 * MIB) + &" ".repeat(MIB)).await;
    let trickling = async {
        loop {
            client.send(" ").await;
            if let Ok(answer) = timeout(SOON / 10, client.answer()).await {
                return answer.expect("there is an answer").status;
            }
        }
    };
    let status = timeout(PATIENCE, trickling).await.expect("it is ended in time");
    assert_eq!(status, 408);
    refused_once(&server, "body-deadline").await;
    drop(client);
    server.everything_is_given_back().await;
}

/// As long as each part of it comes in time, the whole may take longer than a part.
async fn a_steady_body() {
    let step_timeout = 10 * SOON;
    let server = limited(|limits| limits.calls.step_timeout = step_timeout).await;
    let mut client = server.connect().await;
    let body = padded(MIB);
    client.send(head(body.len())).await;
    let begin = Instant::now();
    for part in body.as_bytes().chunks(64 << 10) {
        client.send(part).await;
        sleep(SOON).await;
    }
    assert!(begin.elapsed() > step_timeout);
    assert_eq!(client.answer().await.unwrap().status, 200);
}

async fn slow_headers() {
    let server = limited(|limits| limits.connections.header_timeout = SOON).await;
    let mut client = server.connect().await;
    client.send("POST /mutate HTTP/1.1\r\nhost: ").await;
    assert!(client.is_closed().await);
    cut_once(&server, "headers").await;
    server.everything_is_given_back().await;
}

async fn slow_headers_of_a_second_call() {
    let server = limited(|limits| limits.connections.header_timeout = SOON).await;
    let mut client = server.connect().await;
    assert_eq!(client.post(&review().to_string()).await.status, 200);
    client.send("POST /mu").await;
    assert!(client.is_closed().await);
    cut_once(&server, "headers").await;
}

async fn a_connection_without_a_call() {
    let server = limited(|limits| {
        limits.connections.idle_timeout = SOON;
        limits.connections.header_timeout = PATIENCE;
    })
    .await;
    assert!(server.connect().await.is_closed().await);
    cut_once(&server, "new").await;
    server.everything_is_given_back().await;
}

/// Go's client dials ahead, and a connection may wait for its first call.
async fn a_first_call_that_comes_late() {
    let server = limited(|limits| limits.connections.header_timeout = SOON).await;
    let mut client = server.connect().await;
    let mut other = server.connect().await;
    other.send("POST /mu").await;
    assert!(other.is_closed().await, "the time for headers has passed");
    assert_eq!(client.post(&review().to_string()).await.status, 200);
}

async fn an_idle_connection() {
    let server = limited(|limits| {
        limits.connections.idle_timeout = SOON;
        limits.connections.header_timeout = PATIENCE;
    })
    .await;
    let mut client = server.connect().await;
    assert_eq!(client.post(&review().to_string()).await.status, 200);
    assert!(client.is_closed().await);
    cut_once(&server, "idle").await;
    server.everything_is_given_back().await;
}

async fn an_answer_that_nobody_reads() {
    let server = with_answers_of_64_mib(|limits| limits.connections.request_timeout = SOON).await;
    let mut client = server.connect().await;
    client.send(call(&review().to_string())).await;
    cut_once(&server, "answer").await;
    server.everything_is_given_back().await;
}

async fn more_unread_answers_than_the_cap() {
    let server = with_answers_of_64_mib(|limits| limits.calls.max_calls_in_flight = 1).await;
    let body = review().to_string();
    let mut first = server.connect().await;
    first.send(call(&body)).await;
    server.metric_becomes("calls_in_flight", 1.0).await;
    assert_eq!(server.connect().await.post(&body).await.status, 429);
    assert_eq!(first.answer().await.unwrap().body.len(), 64 * MIB);
    drop(first);
    server.everything_is_given_back().await;
}

/// A server whose answers are longer than what lies in the buffers of a connection.
async fn with_answers_of_64_mib(change: impl FnOnce(&mut Limits)) -> Running {
    let mut limits = limits();
    change(&mut limits);
    let admit = Odd(|review: &[u8]| {
        let answer = respond(&Snapshot::default(), &Fresh, review)?;
        let body = vec![b' '; 64 * MIB];
        Ok(Answer { body, ..answer })
    });
    serve(Config {
        limits,
        admit: Arc::new(admit),
        ..Config::default()
    })
    .await
}

async fn a_stalled_handshake() {
    let server = limited(|limits| limits.handshake_timeout = SOON).await;
    let mut silent = server.connect_plain().await;
    // The beginning of a record that holds a ClientHello.
    let mut half = server.connect_plain().await;
    half.send([22, 3, 1, 2, 0, 1]).await;
    assert!(silent.is_closed().await);
    assert!(half.is_closed().await);
    server
        .metric_becomes("failed_handshakes_total{cause=\"deadline\"}", 2.0)
        .await;
    server.everything_is_given_back().await;
}

async fn many_idle_connections() {
    let server = serve(Config::default()).await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(server.connect_plain().await);
    }
    server.metric_becomes("connections", 200.0).await;
    server.serves().await;
    drop(idle);
    server.everything_is_given_back().await;
}

async fn more_connections_than_the_cap() {
    let server = limited(|limits| limits.connections.max_connections = 3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut client = server.connect().await;
        client.send(head(100) + "0").await;
        held.push(client);
    }
    server.metric_becomes("body_bytes_in_flight", 3.0).await;
    for _ in 0..2 {
        assert!(server.connect_plain().await.is_closed().await);
    }
    assert!((server.metric("refused_connections_total").await - 2.0).abs() < f64::EPSILON);
    held.pop();
    server.metric_becomes("connections", 2.0).await;
    server.serves().await;
}

async fn idle_connections_up_to_the_cap() {
    let server = limited(|limits| limits.connections.max_connections = 3).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    let mut busy = server.connect().await;
    let body = review().to_string();
    let (begin, rest) = body.split_at(1);
    busy.send(head(body.len()) + begin).await;
    server.metric_becomes("body_bytes_in_flight", 1.0).await;
    assert_eq!(
        first.post(&body).await.status,
        200,
        "now the second has idled longest"
    );
    server.serves().await;
    assert!(second.is_closed().await);
    cut_once(&server, "displaced").await;
    assert_eq!(first.post(&body).await.status, 200);
    assert_eq!(busy.ask(rest).await.status, 200);
    assert!(server.metric("refused_connections_total").await < f64::EPSILON);
}

async fn stalled_handshakes_up_to_the_cap() {
    let server = limited(|limits| limits.connections.max_connections = 3).await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(server.connect_plain().await);
    }
    server.metric_becomes("connections", 3.0).await;
    server.serves().await;
    assert!(silent[0].is_closed().await);
    cut_once(&server, "displaced").await;
}

async fn half_headers_up_to_the_cap() {
    let server = limited(|limits| limits.connections.max_connections = 2).await;
    let mut halves = Vec::new();
    for _ in 0..2 {
        let mut client = server.connect().await;
        assert_eq!(client.post(&review().to_string()).await.status, 200);
        client.send("POST /mu").await;
        halves.push(client);
    }
    server.serves().await;
    // Which one depends on whether the server has read both halves by then.
    let mut answers = Vec::new();
    for half in &mut halves {
        half.send(call(&review().to_string()).trim_start_matches("POST /mu"))
            .await;
        answers.push(half.answer().await.map(|response| response.status));
    }
    answers.sort();
    assert_eq!(
        answers,
        [None, Some(200)],
        "one place was needed, and one was taken"
    );
}

/// What a refused client still sends is thrown away, which must not take more places than there are.
async fn a_refused_client_that_sends_on() {
    let server = limited(|limits| {
        limits.connections.max_connections = 1;
        limits.connections.body_timeout = 10 * PATIENCE;
    })
    .await;
    let mut refused = server.connect().await;
    assert_eq!(refused.ask(head(7 * MIB + 1)).await.status, 413);
    assert!(refused.is_closed().await, "there is no other answer");
    server.serves().await;
    let sending = async {
        while refused.stream.write_all(&[b' '; 4096]).await.is_ok() {
            yield_now().await;
        }
    };
    timeout(PATIENCE, sending)
        .await
        .expect("what it sends is not taken any more");
}

async fn plain_http() {
    let server = serve(Config::default()).await;
    let mut client = server.connect_plain().await;
    client.send(call(&review().to_string())).await;
    let answer = client.answer().await;
    assert!(answer.is_none(), "{answer:?}");
    server
        .metric_becomes("failed_handshakes_total{cause=\"failed\"}", 1.0)
        .await;
    server.everything_is_given_back().await;
}

async fn a_client_that_goes_away() {
    let server = serve(Config::default()).await;
    let mut client = server.connect().await;
    client.send(head(1000) + &"x".repeat(500)).await;
    server.metric_becomes("body_bytes_in_flight", 500.0).await;
    drop(client);
    server.everything_is_given_back().await;
}

async fn broken_chunks() {
    let server = serve(Config::default()).await;
    let mut client = server.connect().await;
    let response = client.ask(format!("{CHUNKED}xyz\r\n")).await;
    assert_eq!(response.status, 400);
    refused_once(&server, "body-broken").await;
    assert!(client.is_closed().await);
}

async fn the_last_call_of_a_connection() {
    let server = limited(|limits| limits.connections.max_requests_per_connection = 3).await;
    let mut client = server.connect().await;
    let mut closes = Vec::new();
    for _ in 0..3 {
        let response = client.post(&review().to_string()).await;
        assert_eq!(response.status, 200);
        closes.push(response.closes());
    }
    assert_eq!(closes, [false, false, true]);
    assert!(client.is_closed().await);
}

async fn keep_alive() {
    let server = serve(Config::default()).await;
    let mut client = server.connect().await;
    for _ in 0..50 {
        let response = client.post(&review().to_string()).await;
        assert_eq!((response.status, response.closes()), (200, false));
    }
    assert!((server.metric("connections").await - 1.0).abs() < f64::EPSILON);
    let sample = "admission_requests_total{operation=\"CREATE\",kind=\"ConfigMap\",outcome=\"injected\"}";
    assert!((server.metric(sample).await - 50.0).abs() < f64::EPSILON);
    assert!((server.metric("admission_duration_seconds_count").await - 50.0).abs() < f64::EPSILON);
    assert!((server.metric("memo_misses_total").await - 1.0).abs() < f64::EPSILON);
    assert!((server.metric("memo_hits_total").await - 49.0).abs() < f64::EPSILON);
}

async fn pipelined_calls() {
    let server = serve(Config::default()).await;
    let mut client = server.connect().await;
    let body = |uid: &str| {
        let mut review = review();
        review["request"]["uid"] = uid.into();
        review.to_string()
    };
    client
        .send(call(&body("first")) + &call("{") + &call(&body("third")))
        .await;
    let first = client.answer().await.unwrap();
    assert_eq!(first.json()["response"]["uid"], "first");
    assert_eq!(client.answer().await.unwrap().status, 400);
    let third = client.answer().await.unwrap();
    assert_eq!(third.json()["response"]["uid"], "third");
}

async fn unknown_paths() {
    let server = serve(Config::default()).await;
    let mut client = server.connect().await;
    for path in [
        "/",
        "/mutate/",
        "/mutate/x",
        "/Mutate",
        "//mutate",
        "/validate/",
        "/Validate",
        "/metrics",
        "/livez",
    ] {
        for method in ["POST", "GET"] {
            let response = client
                .ask(format!("{method} {path} HTTP/1.1\r\nhost: a\r\n\r\n"))
                .await;
            assert_eq!(
                (response.status, response.header("location")),
                (404, None),
                "{path}"
            );
            assert!(response.text().contains("/mutate"), "{response:?}");
        }
    }
}

async fn other_methods() {
    let server = serve(Config::default()).await;
    let mut client = server.connect().await;
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
        let response = client
            .ask(format!("{method} /mutate HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        assert_eq!(
            (response.status, response.header("allow")),
            (405, Some("POST")),
            "{method}"
        );
    }
    // A query does not change the path; the API server sends `?timeout=10s`.
    let body = review().to_string();
    let response = client
        .ask(call(&body).replacen("/mutate", "/mutate?timeout=10s", 1))
        .await;
    assert_eq!(response.status, 200);
}

async fn other_content_types() {
    let server = serve(Config::default()).await;
    let mut client = server.connect().await;
    let body = review().to_string();
    for (content_type, expected) in [
        ("content-type: application/json", 200),
        ("content-type: application/json; charset=utf-8", 200),
        ("content-type: Application/JSON;charset=utf-8", 200),
        ("x-nothing: at-all", 415),
        ("content-type: text/plain", 415),
        ("content-type: application/jsonx", 415),
        ("content-type: application/yaml", 415),
        ("content-type: application/vnd.kubernetes.protobuf", 415),
    ] {
        let request = call(&body).replacen("content-type: application/json", content_type, 1);
        let response = client.ask(request).await;
        assert_eq!(response.status, expected, "{content_type}");
        if expected == 415 {
            assert!(response.text().contains("application/json"), "{response:?}");
            // What was not read cannot be told from the next call.
            client = server.connect().await;
        }
    }
}

async fn a_content_encoding() {
    let server = serve(Config::default()).await;
    for (coding, expected) in [("identity", 200), ("gzip", 415)] {
        let request =
            call(&review().to_string()).replacen("host: a", &format!("content-encoding: {coding}"), 1);
        let response = server.connect().await.ask(request).await;
        assert_eq!(response.status, expected, "{coding}");
    }
}

async fn broken_json() {
    let server = serve(Config::default()).await;
    let mut client = server.connect().await;
    for body in ["", "{", "[]", "null", "{}", "\u{feff}{}"] {
        let response = client.post(body).await;
        assert_eq!(response.status, 400, "{body:?}");
        assert!(response.text().contains("AdmissionReview"), "{response:?}");
        assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    let sample = "refused_calls_total{cause=\"bad-review\"}";
    assert!((server.metric(sample).await - 6.0).abs() < f64::EPSILON);
}

async fn another_version() {
    let server = serve(Config::default()).await;
    let mut review = review();
    review["apiVersion"] = "admission.k8s.io/v1beta1".into();
    let response = server.connect().await.post(&review.to_string()).await;
    assert_eq!(response.status, 400);
    assert!(
        response.text().contains("admission.k8s.io/v1beta1"),
        "{response:?}"
    );
}

async fn long_headers() {
    let server = serve(Config::default()).await;
    let mut client = server.connect().await;
    let name = "x".repeat(16 * 1024);
    let response = client
        .ask(format!(
            "POST /mutate HTTP/1.1\r\nhost: a\r\nlong: {name}\r\n\r\n"
        ))
        .await;
    assert_eq!(response.status, 431);
    assert!(client.is_closed().await);
    cut_once(&server, "broken").await;
    server.everything_is_given_back().await;
}

async fn expect_continue() {
    let server = serve(Config::default()).await;
    let body = review().to_string();
    let expecting = |length| head(length).replacen("host: a", "host: a\r\nexpect: 100-continue", 1);
    let mut client = server.connect().await;
    assert_eq!(client.ask(expecting(body.len())).await.status, 100);
    assert_eq!(client.ask(&body).await.status, 200);
    let refused = server.connect().await.ask(expecting(8 * MIB)).await;
    assert_eq!(refused.status, 413, "the body is not asked for");
}

async fn http_2_by_alpn() {
    let server = serve(Config::default()).await;
    for (protocols, is_served) in [(&["h2", "http/1.1"][..], true), (&["h2"], false)] {
        let mut config = client_config(&server.root, &[&TLS13]);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let connected = handshake(server.https, config, NAME).await;
        assert_eq!(connected.is_ok(), is_served, "{protocols:?}");
        if let Ok(client) = connected {
            let (_, session) = client.stream.get_ref();
            assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
        }
    }
}

async fn the_preface_of_http_2() {
    let server = serve(Config::default()).await;
    let mut client = server.connect().await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let status = client.answer().await.map(|response| response.status);
    assert!(status.is_none_or(|status| status == 400), "{status:?}");
    assert!(client.is_closed().await);
    cut_once(&server, "broken").await;
}

async fn an_unknown_server_name() {
    let server = serve(Config::default()).await;
    let mut config = client_config(&server.root, &[&TLS13]);
    config.enable_sni = false;
    let mut unnamed = handshake(server.https, config, NAME).await.unwrap();
    assert_eq!(unnamed.post(&review().to_string()).await.status, 200);
    // The client finds that the certificate is not for this name; the server would have served it.
    let error = server
        .try_connect(&[&TLS13], "somebody.else")
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("not valid for name"), "{error}");
}

async fn tls_1_2() {
    let server = serve(Config::default()).await;
    assert!(server.try_connect(&[&TLS12], NAME).await.is_err());
    server
        .metric_becomes("failed_handshakes_total{cause=\"failed\"}", 1.0)
        .await;
    server.serves().await;
}

async fn tls_1_2_allowed() {
    let server = serve(Config {
        min_version: TlsMinVersion::Tls12,
        ..Config::default()
    })
    .await;
    let mut client = server.try_connect(&[&TLS12], NAME).await.unwrap();
    assert_eq!(client.post(&review().to_string()).await.status, 200);
    server.serves().await;
}

async fn no_certificate() {
    let root = crate::server_support::issue(PATIENCE).root;
    let server = serve_with(Config::default(), root).await;
    assert!(server.try_connect(&[&TLS13], NAME).await.is_err());
    let ready = server.admin("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("no certificate"), "{ready:?}");
    assert_eq!(server.admin("/livez").await.status, 200);
    assert!(
        server
            .metric("certificate_not_after_timestamp_seconds")
            .await
            .abs()
            < f64::EPSILON
    );
}

async fn a_fault() {
    let admit = Odd(|body: &[u8]| {
        assert!(body != b"{}", "a fault that a test makes");
        respond(&Snapshot::default(), &Fresh, body)
    });
    let server = serve(Config {
        admit: Arc::new(admit),
        ..Config::default()
    })
    .await;
    let mut client = server.connect().await;
    let response = client.post("{}").await;
    assert_eq!(response.status, 500);
    assert!(!response.text().contains("a test makes"), "{response:?}");
    assert_eq!(
        client.post(&review().to_string()).await.status,
        200,
        "the connection goes on"
    );
    refused_once(&server, "panic").await;
    drop(client);
    server.everything_is_given_back().await;
}
