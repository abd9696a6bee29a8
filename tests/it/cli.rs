//! The binary as a user types it: exit codes, what stands on stdout and stderr, and every kind of bad input.

use std::{
    io::{Read as _, Write as _},
    process::{Command, Stdio},
};

/// What a run of the binary gave.
struct Run {
    code: i32,
    stdout: Vec<u8>,
    stderr: String,
}

impl Run {
    fn stdout(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }
}

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alumet-injector"));
    command
        .env_remove("HELM_PLUGIN_NAME")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run_with(mut command: Command, stdin: &[u8]) -> Run {
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let stdin = stdin.to_owned();
    let feeder = std::thread::spawn(move || {
        // A process that refuses early need not read all of it.
        let _closed_early = pipe.write_all(&stdin);
    });
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    Run {
        code: output.status.code().expect("no signal ended it"),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn run(args: &[&str], stdin: &[u8]) -> Run {
    let mut command = binary();
    command.args(args);
    run_with(command, stdin)
}

fn post_render(stdin: impl AsRef<[u8]>) -> Run {
    run(&["post-render"], stdin.as_ref())
}

const MARK: &str = "injector.alumet.dev/component: relay-client";

/// A marked ConfigMap with this values annotation, as the third document of a Helm 3 stream.
fn stream_with_values(values: &str) -> String {
    format!(
        "---\n# Source: a/templates/x.yaml\nkind: A\n---\nkind: B\n---\n# Source: alumet/templates/configmap.yaml\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\n  namespace: ns\n  labels:\n    {MARK}\n  annotations:\n    \
         injector.alumet.dev/values: '{values}'\n"
    )
}

/// A document with the mark in it, whatever else.
fn marked(rest: &str) -> Vec<u8> {
    format!("---\n# Source: alumet/templates/configmap.yaml\n# {MARK}\n{rest}").into_bytes()
}

/// Bad input, id and case: what comes in, and words that the one sentence must have.
fn bad_input() -> Vec<(&'static str, Vec<u8>, Vec<&'static str>)> {
    let origin = "document 1 (alumet/templates/configmap.yaml)";
    let third = "document 3 (alumet/templates/configmap.yaml)";
    let object = "ConfigMap ns/c";
    let mut not_utf8 = marked("a: ");
    not_utf8.extend([0xFF, b'\n']);
    let bomb = {
        let first = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        let level = |level: usize| {
            format!(
                "a{level}: &a{level} [{}]\n",
                vec![format!("*a{}", level - 1); 10].join(", ")
            )
        };
        let text = first + &(1..12).map(level).collect::<String>();
        marked(&text)
    };
    let deep = marked(&format!("a: {}{}\n", "[".repeat(10_000), "]".repeat(10_000)));
    let deep_block = marked(&format!("{}x\n", "- ".repeat(10_000)));
    let large = marked(&format!("a: {}\n", "x".repeat(8 << 20)));
    let long_values = format!(r#"{{"agentVersion":"{}"}}"#, "9".repeat(64 << 10));
    vec![
        ("not-utf-8", not_utf8, vec![origin, "line 4", "not UTF-8"]),
        ("cut-off", marked("metadata: {name: x, labels: {"), vec![origin]),
        ("tab", marked("metadata:\n\tname: x\n"), vec![origin, "line 5", "tab"]),
        ("unclosed-quote", marked("metadata:\n  name: \"x\n"), vec![origin, "quote"]),
        ("undefined-anchor", marked("metadata: *nowhere\n"), vec![origin, "nowhere"]),
        ("alias-bomb", bomb, vec![origin, "alias"]),
        ("deep-flow", deep, vec![origin, "200"]),
        ("deep-block", deep_block, vec![origin, "200"]),
        ("more-than-8-mib", large, vec![origin, "8388608"]),
        ("not-a-mapping", marked("- a\n- b\n"), vec![origin, "list"]),
        ("content-on-the-separator", format!("--- {{a: b}} # {MARK}\n").into_bytes(), vec!["document 1"]),
        ("directive", format!("%TAG ! x\n---\n# {MARK}\na: b\n").into_bytes(), vec!["document"]),
        ("values-not-json", stream_with_values(r#"{"plugins":"#).into_bytes(), vec![third, object, "JSON"]),
        ("values-of-the-wrong-shape", stream_with_values("[1, 2]").into_bytes(), vec![third, object]),
        ("values-too-long", stream_with_values(&long_values).into_bytes(), vec![third, object, "65536"]),
        (
            "literal-secret",
            stream_with_values(r#"{"agentVersion":"0.9.5","server":{"service":"s","port":1},"plugins":{"mongodb":{"enable":true,"database":"d","collection":"c","username":{"fromEnv":"U"},"password":"s3cret-canary"}}}"#)
                .into_bytes(),
            vec![third, object, "plugins.mongodb.password", "literal-secret"],
        ),
        (
            "unknown-component",
            stream_with_values("{}").replace("component: relay-client", "component: relay-clinet").into_bytes(),
            vec![third, object, "relay-clinet", "relay-client, relay-server, agent"],
        ),
        (
            "value-of-a-wrong-type",
            stream_with_values(r#"{"agentVersion":"0.9.5","server":{"service":"s","port":1},"plugins":{"rapl":{"enable":"perhaps"}}}"#).into_bytes(),
            vec![third, object, "plugins.rapl.enable", "wrong-type"],
        ),
        (
            "unknown-plugin",
            stream_with_values(r#"{"agentVersion":"0.9.5","server":{"service":"s","port":1},"plugins":{"rappl":{"enable":true}}}"#).into_bytes(),
            vec![third, object, "plugins.rappl", "rapl"],
        ),
        (
            "unknown-key",
            stream_with_values(r#"{"agentVersion":"0.9.5","server":{"service":"s","port":1},"plugins":{"rapl":{"enable":true,"pol_interval":"1s"}}}"#)
                .into_bytes(),
            vec![third, object, "plugins.rapl.pol_interval", "poll_interval"],
        ),
    ]
}

#[test]
fn bad_input_ends_with_one_sentence_and_nothing_on_stdout() {
    let cases = bad_input();
    assert_eq!(cases.len(), 20);
    for (id, stdin, words) in cases {
        let run = post_render(stdin);
        assert_eq!(run.code, 1, "{id}: {}", run.stderr);
        assert!(run.stdout.is_empty(), "{id}: something is on stdout");
        for word in words {
            assert!(run.stderr.contains(word), "{id}: no `{word}` in: {}", run.stderr);
        }
        assert_eq!(run.stderr.lines().count(), 1, "{id}: {}", run.stderr);
        assert!(!run.stderr.contains("s3cret-canary"), "{id}: {}", run.stderr);
    }
}

#[test]
fn without_the_mark_every_byte_passes() {
    for (id, mut stdin, _) in bad_input() {
        let mark = b"injector.alumet.dev/component";
        while let Some(at) = stdin.windows(mark.len()).position(|window| window == mark) {
            stdin[at] = b'I';
        }
        let run = post_render(&stdin);
        assert_eq!(run.code, 0, "{id}: {}", run.stderr);
        assert!(run.stdout == stdin, "{id}: not the bytes that came in");
    }
}

#[test]
fn two_hundred_megabytes_of_no_text_at_all_pass() {
    let mut stdin = vec![0xFE_u8; 200 << 20];
    for at in (0..stdin.len()).step_by(4096) {
        stdin[at..at + 5].copy_from_slice(b"\n---\n");
    }
    let run = post_render(&stdin);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout == stdin);
}

#[test]
fn empty_stdin_gives_nothing_and_under_helm_4_a_comment() {
    for empty in ["", "\n", "  \n\n"] {
        let run = post_render(empty);
        assert_eq!((run.code, run.stdout()), (0, empty));
        let mut command = binary();
        command
            .arg("post-render")
            .env("HELM_PLUGIN_NAME", "alumet-injector");
        let run = run_with(command, empty.as_bytes());
        assert_eq!((run.code, run.stdout()), (0, "# nothing was rendered\n"));
    }
}

#[test]
fn a_stream_without_a_command_is_told_which_one_to_call() {
    let run = run(&[], b"---\nkind: ConfigMap\n");
    assert_eq!(run.code, 2);
    assert!(run.stdout.is_empty());
    assert!(
        run.stderr.contains("--post-renderer-args post-render"),
        "{}",
        run.stderr
    );
}

#[test]
fn no_command_and_no_stream_show_the_help() {
    let run = run(&[], b"");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("Usage: alumet-injector"), "{}", run.stderr);
}

#[test]
fn a_terminal_as_stdin_is_told_what_to_pipe() {
    let Some(mut command) = terminal() else { return };
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("stdin is a terminal"), "{text}");
    assert!(text.contains("code 2"), "{text}");
}

/// The binary under a terminal of its own, by `script` of util-linux; none on systems that lack it.
fn terminal() -> Option<Command> {
    let script = Command::new("script").arg("--version").output().ok()?;
    if !String::from_utf8_lossy(&script.stdout).contains("util-linux") {
        return None;
    }
    let mut command = Command::new("script");
    let binary = env!("CARGO_BIN_EXE_alumet-injector");
    command
        .args([
            "-qec",
            &format!("{binary} post-render; echo code $?"),
            "/dev/null",
        ])
        .stdin(Stdio::null());
    Some(command)
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut command = binary();
    command.arg("post-render");
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || stdin.write_all(&vec![b'x'; 4 << 20]));
    let mut first = [0; 10];
    let mut stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        stdout.read_exact(&mut first).unwrap();
        drop(stdout);
    });
    feeder.join().unwrap().unwrap();
    reader.join().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_warning_passes_and_fails_under_strict() {
    let stream = stream_with_values(
        r#"{"agentVersion":"latest","server":{"service":"s","port":50051},"plugins":{"k8s":{"enable":true}}}"#,
    );
    let run_plain = post_render(&stream);
    assert_eq!(run_plain.code, 0, "{}", run_plain.stderr);
    assert!(
        run_plain.stderr.contains("warning[version-unknown]"),
        "{}",
        run_plain.stderr
    );
    let strict = run(&["post-render", "--strict"], stream.as_bytes());
    assert_eq!(strict.code, 1);
    assert!(strict.stdout.is_empty());
    assert!(strict.stderr.contains("version-unknown"), "{}", strict.stderr);
}

#[test]
fn the_report_says_where_each_value_came_from() {
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report.json");
    let stream = stream_with_values(r#"{"agentVersion":"0.9.5","server":{"service":"s","port":50051}}"#);
    let run = run(
        &["post-render", "--report", report.to_str().unwrap()],
        stream.as_bytes(),
    );
    assert_eq!(run.code, 0, "{}", run.stderr);
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(report[0]["document"], 3);
    assert_eq!(report[0]["outcome"], "injected");
    let values = report[0]["values"].as_array().unwrap();
    let relay = values
        .iter()
        .find(|row| row["what"] == "data.config plugins.relay-client.relay_server")
        .unwrap();
    assert!(
        relay["source"].as_str().unwrap().starts_with("derived: "),
        "{relay}"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let run = run(&["check", "nowhere.toml"], b"");
    assert_eq!(run.code, 3);
    assert!(
        run.stderr.starts_with("error: cannot read nowhere.toml: "),
        "{}",
        run.stderr
    );
}

#[test]
fn what_post_render_puts_in_uninject_takes_out() {
    let stream = stream_with_values(r#"{"agentVersion":"0.9.5","server":{"service":"s","port":50051}}"#);
    let injected = post_render(&stream);
    assert!(
        injected.stdout().contains("[plugins.relay-client]"),
        "{}",
        injected.stdout()
    );
    let twice = post_render(&injected.stdout);
    assert!(twice.stdout == injected.stdout, "a second time changes no byte");
    let back = run(&["uninject"], &injected.stdout);
    assert_eq!(back.code, 0, "{}", back.stderr);
    assert!(!back.stdout().contains("[plugins"), "{}", back.stdout());
    assert!(
        !back.stdout().contains("injector.alumet.dev/status"),
        "{}",
        back.stdout()
    );
}

#[test]
fn a_refused_stream_has_a_report_that_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report.json");
    let refused = |stdin: &[u8]| -> serde_json::Value {
        let run = run(&["post-render", "--report", report.to_str().unwrap()], stdin);
        assert_eq!((run.code, run.stdout()), (1, ""));
        serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap()
    };
    let of_values = refused(stream_with_values("[]").as_bytes());
    assert_eq!(of_values[0]["document"], 3);
    assert_eq!(of_values[0]["outcome"], "failed");
    assert_eq!(of_values[0]["findings"][0]["severity"], "error");
    let unreadable = refused(&marked("metadata:\n\tname: x\n"));
    assert_eq!(unreadable[0]["outcome"], "refused");
    assert_eq!(unreadable[0]["source"], "alumet/templates/configmap.yaml");
    assert!(
        unreadable[0]["findings"][0]["message"]
            .as_str()
            .unwrap()
            .contains("tab"),
        "{unreadable}"
    );
}

#[test]
fn comments_that_name_the_mark_are_copied_and_a_list_of_texts_is_refused_without_showing_them() {
    let comments = format!("---\n# see {MARK}\n---\nkind: A\n");
    let copied = post_render(&comments);
    assert_eq!((copied.code, copied.stdout()), (0, comments.as_str()));
    let list = post_render(format!("kind: List # {MARK}\nitems: [hunter2]\n"));
    assert_eq!(list.code, 1);
    assert!(
        list.stderr.contains("an item of the list is a text"),
        "{}",
        list.stderr
    );
    assert!(!list.stderr.contains("hunter2"), "{}", list.stderr);
}

#[test]
fn each_object_is_told_but_what_the_values_of_one_component_say_is_told_once() {
    let one = stream_with_values("{bad");
    let both = format!("{one}{}", one.replace("relay-client", "relay-server"));
    let run = post_render(both);
    assert_eq!(run.stderr.lines().count(), 2, "{}", run.stderr);
    let run = post_render(format!("{one}{}", one.replace("name: c\n", "name: d\n")));
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
}

/// kubectl itself runs it so in `tests/cluster`.
#[test]
fn usage_says_what_was_typed() {
    let folder = tempfile::tempdir().unwrap();
    for (file, typed) in [
        ("alumet-injector", "alumet-injector"),
        ("kubectl-alumet_injector", "kubectl alumet-injector"),
        ("kubectl-alumet-injector", "kubectl alumet injector"),
    ] {
        let program = folder.path().join(file);
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_alumet-injector"), &program).unwrap();
        for (arguments, usage) in [
            (
                &["certs", "issue", "--help"][..],
                "certs issue [OPTIONS] --out <DIR>",
            ),
            (&["config"], "config <COMPONENT>"),
            (&["config", "--nope"], "config [OPTIONS] <COMPONENT>"),
            (&[], "[COMMAND]"),
        ] {
            let output = Command::new(&program)
                .args(arguments)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(
                printed.contains(&format!("Usage: {typed} {usage}\n")),
                "{printed}"
            );
        }
    }
}

#[cfg(feature = "server")]
#[test]
fn a_cluster_is_checked_instead_of_files() {
    for (args, expected) in [
        (&["check"] as &[&str], "<FILE>..."),
        (
            &["check", "--cluster", "values.yaml"],
            "'--cluster' cannot be used with",
        ),
        (
            &["check", "--cluster", "--component", "agent"],
            "'--cluster' cannot be used with",
        ),
        (
            &["check", "values.yaml", "--webhook", "alumet-injector"],
            "error: --webhook is for --cluster; add that, or leave --webhook out
",
        ),
        (
            &["check", "values.yaml", "--context", "prod"],
            "error: --context is for --cluster; add that, or leave --context out\n",
        ),
    ] {
        let run = run(args, b"");
        assert_eq!(run.code, 2, "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{args:?}: {}", run.stderr);
    }
}

/// kubectl itself asks it so in `tests/cluster`.
#[test]
fn what_may_follow_the_words_of_kubectl_is_offered() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("kubectl_complete-alumet_injector");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_alumet-injector"), &program).unwrap();
    for (words, expected) in [
        (&["post"][..], &["post-render", ":4"][..]),
        (&["certs", ""], &["issue", "inspect", "help", ":4"]),
        (&["certs", "issue", "--na"], &["--namespace", "--name", ":4"]),
        (
            &["explain", "-n", "certs", "--output", ""],
            &["text", "json", ":4"],
        ),
        (&["explain", "--output", "json", "--outp"], &["--output", ":4"]),
        (&["completions", "f"], &["fish", ":4"]),
        (&["check", "val"], &[":0"]),
        (&["nothing", "--of-that"], &[":0"]),
        (&[], &[":0"]),
    ] {
        let output = Command::new(&program)
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = printed
            .lines()
            .map(|line| line.split('\t').next().unwrap())
            .collect();
        assert_eq!(
            (lines.as_slice(), output.status.code()),
            (expected, Some(0)),
            "{words:?}"
        );
    }
}
