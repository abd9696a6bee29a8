//! The command `serve` as a process: what Kubernetes sees of it, from its first line to its exit code.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use rustls::version::{TLS12, TLS13};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use crate::policies::of_cluster;
use crate::server_support::{
    Client, Issued, NAME, PATIENCE, admin, call, client_config, eventually, handshake, head, issue, metric,
    review,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_alumet-injector");

/// A process that serves, ended with the test.
pub(crate) struct Served {
    child: Child,
    lines: UnboundedReceiver<String>,
    issued: Issued,
    https: SocketAddr,
    pub(crate) admin: SocketAddr,
    _folder: TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ended_before = self.child.kill();
        let _ended_before = self.child.wait();
    }
}

/// A folder with a good pair.
fn with_pair() -> (TempDir, Issued) {
    let (folder, issued) = (tempfile::tempdir().unwrap(), issue(Duration::from_hours(1)));
    fs::write(folder.path().join("tls.crt"), &issued.chain).unwrap();
    fs::write(folder.path().join("tls.key"), &issued.key).unwrap();
    (folder, issued)
}

/// `serve` on ports that the system chooses, begun by this command.
async fn served_by(mut command: Command, args: &[&str]) -> Served {
    let (folder, issued) = with_pair();
    let mut child = command
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ])
        .args(["--tls-cert-file", "tls.crt", "--tls-key-file", "tls.key"])
        .args(args)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = child.stderr.take().unwrap();
    let (sender, lines) = unbounded_channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let nowhere = "127.0.0.1:0".parse().unwrap();
    let mut served = Served {
        child,
        lines,
        issued,
        https: nowhere,
        admin: nowhere,
        _folder: folder,
    };
    let serving: Value = serde_json::from_str(&served.line_with("\"serving\"").await).unwrap();
    let address = |name: &str| serving[name].as_str().unwrap().parse().unwrap();
    (served.https, served.admin) = (address("https"), address("admin"));
    served
}

pub(crate) async fn served(args: &[&str]) -> Served {
    served_by(Command::new(PROGRAM), args).await
}

impl Served {
    /// The next line of the log that has this text.
    pub(crate) async fn line_with(&mut self, text: &str) -> String {
        let looking = async {
            while let Some(line) = self.lines.recv().await {
                if line.contains(text) {
                    return line;
                }
            }
            panic!("the log ended without {text:?}");
        };
        timeout(PATIENCE, looking)
            .await
            .unwrap_or_else(|_| panic!("no line with {text:?}"))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) async fn connect(&self) -> Client<TlsStream<TcpStream>> {
        let config = client_config(&self.issued.root, &[&TLS13]);
        handshake(self.https, config, NAME).await.unwrap()
    }

    async fn exit_code(&mut self) -> i32 {
        let mut code = None;
        eventually("the process ends".to_owned(), async || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        })
        .await;
        code.unwrap().code().expect("no signal ended it")
    }
}

#[tokio::test]
async fn sigterm_ends_it_after_the_calls_in_flight() {
    let mut server = served(&[
        "--shutdown-delay",
        "3s",
        "--body-timeout",
        "1m",
        "--request-timeout",
        "1m",
    ])
    .await;
    assert_eq!(admin(server.admin, "/readyz").await.status, 200);
    let body = review().to_string();
    let mut kept = server.connect().await;
    let response = kept.post(&body).await;
    assert_eq!((response.status, response.closes()), (200, false));
    let mut in_flight = server.connect().await;
    let (begin, rest) = body.split_at(1);
    in_flight.send(head(body.len()) + begin).await;
    let address = server.admin;
    eventually("the call is in flight".to_owned(), async move || {
        (metric(address, "body_bytes_in_flight").await - 1.0).abs() < f64::EPSILON
    })
    .await;

    server.signal(Signal::TERM);
    server.line_with("not ready any more").await;
    assert_eq!(admin(server.admin, "/readyz").await.status, 503);
    let response = kept.post(&body).await;
    assert_eq!(
        (response.status, response.closes()),
        (200, true),
        "served within the delay"
    );
    server.line_with("draining").await;
    assert_eq!(
        admin(server.admin, "/livez").await.status,
        200,
        "the admin port is there to the end"
    );
    let response = in_flight.ask(rest).await;
    assert_eq!((response.status, response.closes()), (200, true));
    assert_eq!(server.exit_code().await, 0);
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut server = served(&["--shutdown-delay", "1h"]).await;
    server.signal(Signal::TERM);
    server.line_with("not ready any more").await;
    server.signal(Signal::INT);
    let sentence = server.line_with("error: ").await;
    assert!(sentence.contains("second signal"), "{sentence}");
    assert_eq!(server.exit_code().await, 1);
}

#[tokio::test]
async fn sigint_of_a_terminal_ends_it_too() {
    let mut server = served(&["--shutdown-delay", "0s"]).await;
    server.signal(Signal::INT);
    assert_eq!(server.exit_code().await, 0);
}

#[tokio::test]
async fn each_object_has_a_line_and_no_line_has_its_body() {
    let mut server = served(&["--tls-min-version", "1.2"]).await;
    let config = client_config(&server.issued.root, &[&TLS12]);
    let mut client = handshake(server.https, config, NAME).await.unwrap();
    let mut review = review();
    let object = &mut review["request"]["object"];
    object["data"] = serde_json::json!({"password": "canary-of-the-data"});
    object["metadata"]["annotations"]["note"] = "canary-of-an-annotation".into();
    object["metadata"]["annotations"]["injector.alumet.dev/values"] =
        r#"{"agentVersion": "0.9.5", "plugins": {"canary-of-the-values": {}, "rapl": {"enable": true}}}"#
            .into();
    review["request"]["dryRun"] = true.into();
    assert_eq!(client.post(&review.to_string()).await.status, 200);
    let line = server.line_with("\"reviewed\"").await;
    assert!(!line.contains("canary"), "{line}");
    let line: Value = serde_json::from_str(&line).unwrap();
    for (field, expected) in [
        ("level", "INFO".into()),
        ("uid", review["request"]["uid"].clone()),
        ("operation", "CREATE".into()),
        ("kind", "ConfigMap".into()),
        ("namespace", "measure".into()),
        ("name", "demo-config".into()),
        ("component", "relay-client".into()),
        ("outcome", "failed".into()),
        ("operations", 0.into()),
        ("dry_run", true.into()),
    ] {
        assert_eq!(line[field], expected, "{field} of {line}");
    }
    assert!(
        line["findings"].as_str().unwrap().contains("unknown-plugin"),
        "{line}"
    );
    assert!(line["microseconds"].is_u64(), "{line}");
}

#[tokio::test]
async fn policies_from_files_hold_for_every_review() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sampling.yaml");
    let spec = "{onError: Deny, defaults: {plugins: {rapl: {enable: true, poll_interval: 11s}}}}";
    fs::write(&file, of_cluster("sampling", spec)).unwrap();
    let server = served(&["--policy", file.to_str().unwrap()]).await;
    let mut client = server.connect().await;
    let mut review = review();
    let audit = "/response/auditAnnotations/policies";
    for (values, allowed, policies) in [
        (
            r#"{"agentVersion": "0.9.5", "server": {"service": "s", "port": 50051}}"#,
            true,
            Some("sampling"),
        ),
        (
            r#"{"agentVersion": "0.9.5", "plugins": {"rapll": {}}}"#,
            false,
            None,
        ),
    ] {
        review["request"]["object"]["metadata"]["annotations"]["injector.alumet.dev/values"] = values.into();
        let answer = client.post(&review.to_string()).await;
        assert_eq!(answer.status, 200);
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer["response"]["allowed"], allowed, "{answer}");
        assert_eq!(
            answer.pointer(audit).and_then(Value::as_str),
            policies,
            "{answer}"
        );
    }
}

#[tokio::test]
async fn at_debug_it_is_told_why_a_call_was_refused() {
    let mut server = served(&["--log-level", "debug"]).await;
    let mut client = server.connect().await;
    assert_eq!(client.post("{\"canary\": 1}").await.status, 400);
    let line = server.line_with("a call is refused").await;
    assert!(
        line.contains("\"cause\":\"bad-review\"") && !line.contains("canary"),
        "{line}"
    );
}

#[tokio::test]
async fn it_recovers_when_there_are_no_file_descriptors() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 40; exec \"$@\"", "sh", PROGRAM]);
    let mut server = served_by(shell, &[]).await;
    let mut held = Vec::new();
    for _ in 0..60 {
        held.push(TcpStream::connect(server.https).await.unwrap());
    }
    server.line_with("a connection cannot be accepted").await;
    drop(held);
    let address = server.admin;
    assert!(metric(address, "failed_accepts_total").await > 0.0);
    let response = server.connect().await.ask(call(&review().to_string())).await;
    assert_eq!(response.status, 200);
}

/// Files, other arguments, the exit code and words of the one sentence.
type Refused<'a> = (&'a [&'a str], &'a [&'a str], i32, &'a [&'a str]);

#[test]
fn what_cannot_be_served_is_said_in_one_sentence() {
    let (folder, _issued) = with_pair();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let pair = ["--tls-cert-file", "tls.crt", "--tls-key-file", "tls.key"];
    let swapped = ["--tls-cert-file", "tls.key", "--tls-key-file", "tls.crt"];
    let missing = ["--tls-cert-file", "no.crt", "--tls-key-file", "tls.key"];
    let listen = |address| ["--listen", address, "--admin-listen", "127.0.0.1:0"];
    let cases: [Refused<'_>; 9] = [
        (&missing, &[], 3, &["cannot read no.crt"]),
        (&swapped, &[], 1, &["tls.key", "each other's place"]),
        (&pair, &listen(&taken), 3, &["cannot listen on", &taken]),
        (
            &pair,
            &["--max-body-bytes", "33554433"],
            2,
            &["--max-bytes-in-flight"],
        ),
        (&pair, &["--max-connections", "0"], 2, &["1 or more"]),
        (&pair, &["--body-timeout", "0s"], 2, &["longer than zero"]),
        (&pair, &["--body-timeout", "5"], 2, &["--body-timeout"]),
        (&pair, &["--tls-min-version", "1.1"], 2, &["1.2"]),
        (&[], &[], 2, &["--tls-cert-file"]),
    ];
    for (files, args, code, words) in cases {
        let output = Command::new(PROGRAM)
            .arg("serve")
            .args(files)
            .args(args)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty());
        for word in words {
            assert!(stderr.contains(word), "{stderr:?} lacks {word:?}");
        }
    }
}

#[tokio::test]
async fn without_an_api_server_policies_are_not_read_and_it_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    // Nobody listens there.
    let kubeconfig = "{apiVersion: v1, kind: Config, current-context: c, \
        clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}], \
        contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u, user: {}}]}";
    fs::write(&file, kubeconfig).unwrap();
    let mut command = Command::new(PROGRAM);
    command.env("KUBECONFIG", &file);
    let mut server = served_by(command, &["--watch-policies"]).await;
    for resource in ["clusterinjectionpolicies", "injectionpolicies", "namespaces"] {
        let sample = format!(r#"failed_watches_total{{resource="{resource}",cause="unavailable"}}"#);
        eventually(format!("{sample} is counted"), async || {
            metric(server.admin, &sample).await >= 1.0
        })
        .await;
    }
    let line: Value = serde_json::from_str(&server.line_with("changes are not seen").await).unwrap();
    assert_eq!(
        (&line["level"], &line["cause"]),
        (&"WARN".into(), &"unavailable".into())
    );
    let ready = admin(server.admin, "/readyz").await;
    assert_eq!(
        (ready.status, ready.text().trim()),
        (503, "policies have not been read yet")
    );
    assert_eq!(admin(server.admin, "/livez").await.status, 200);
}

#[test]
fn a_cluster_that_cannot_be_found_is_said_at_the_start() {
    let (folder, _) = with_pair();
    let output = Command::new(PROGRAM)
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ])
        .args([
            "--tls-cert-file",
            "tls.crt",
            "--tls-key-file",
            "tls.key",
            "--watch-policies",
        ])
        .current_dir(folder.path())
        .env("KUBECONFIG", "none")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with(
            "error: the cluster cannot be found; set KUBECONFIG, or run in a pod with a service account"
        ),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(1));
}
