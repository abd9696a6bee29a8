//! What the API server says when it cannot ask the injector, and what `docs/troubleshooting.md` has people type then.
//!
//! One title has no test, `no endpoints available for service`: an API server with `--enable-aggregator-routing` says it,
//! which this one is not; the words are those of its source, `k8s.io/apiserver/pkg/util/proxy`.

use std::{fs, net::TcpListener};

use crate::{
    files::root,
    markdown::fences,
    support::{
        Case, Cluster, cases,
        cluster::Ran,
        injector::{Injector, Installation, PORT, make_pair},
        poll::wait_for,
        release::SOON,
        rest::{Stored, create},
        samples::config_map,
    },
    webhook_down::typed,
};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        under_another_authority_the_call_fails_and_inspect_says_why,
        without_a_listener_the_connection_is_refused,
        without_an_answer_the_deadline_is_exceeded,
        without_its_service_that_is_not_found,
    ]
}

/// An injector that is asked, by a webhook that fails closed and waits a second. Its Secret is there, for people look into
/// it, and its pod does not start without.
fn asked(cluster: &Cluster) -> (String, Injector) {
    let namespace = cluster.namespace("failed");
    let installation = Installation {
        set: &["webhook.failurePolicy=Fail", "webhook.timeoutSeconds=1"],
        ..Installation::serving(&namespace)
    };
    let injector = Injector::install(cluster, &installation);
    let file = |name: &str| injector.files().join(name).display().to_string();
    let secret = [
        "create",
        "secret",
        "tls",
        "serving-cert",
        "-n",
        &injector.namespace,
    ];
    let pair = [
        format!("--cert={}", file("tls.crt")),
        format!("--key={}", file("tls.key")),
    ];
    let arguments: Vec<&str> = secret
        .into_iter()
        .chain(pair.iter().map(String::as_str))
        .collect();
    cluster.kubectl(&arguments).ok();
    (namespace, injector)
}

/// Until a marked object is refused with the words of a section's title. New connections are not always made at once.
#[track_caller]
fn wait_until_refused(cluster: &Cluster, namespace: &str, title: &str) {
    // The Service that is not found has its name in the middle.
    let words: Vec<&str> = match title.split_once(' ') {
        Some(("service", end)) => vec!["service \"", end],
        _ => vec![title],
    };
    let refused = || create(cluster, &config_map(namespace, "refused"), Stored::No).err();
    let why = wait_for(title, SOON, || {
        refused().filter(|why| words.iter().all(|words| why.contains(words)))
    });
    let begin = "failed calling webhook \"mutate.injector.alumet.dev\": failed to call webhook: ";
    assert!(why.contains(begin), "{why}");
}

/// Types the commands of a section, for this installation; in a folder of its own, for they write files.
fn type_commands(cluster: &Cluster, injector: &Injector, title: &str) -> Ran {
    let text = fs::read_to_string(root("docs/troubleshooting.md")).expect("the document is there");
    let (_, section) = text
        .split_once(&format!("# {title}\n"))
        .unwrap_or_else(|| panic!("there is no section {title:?}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let section = section.split("\n### ").next().unwrap_or_default();
    let block = fences(section).into_iter().find(|fence| fence.info == "sh");
    let mut commands = block
        .unwrap_or_else(|| panic!("no commands: {section}"))
        .body
        .to_owned();
    for (written, here) in [
        ("-n alumet-injector ", format!("-n {} ", injector.namespace)),
        (
            "mutatingwebhookconfiguration alumet-injector ",
            format!("mutatingwebhookconfiguration {} ", injector.webhook),
        ),
        (
            "secret alumet-injector-serving-cert ",
            "secret serving-cert ".to_owned(),
        ),
        ("service alumet-injector", format!("service {}", injector.release)),
        (
            "service-name=alumet-injector",
            format!("service-name={}", injector.release),
        ),
    ] {
        commands = commands.replace(written, &here);
    }
    let folder = tempfile::tempdir().expect("a folder can be made");
    typed(cluster, &format!("cd '{}'\n{commands}", folder.path().display()))
}

fn under_another_authority_the_call_fails_and_inspect_says_why(cluster: &Cluster) {
    let title = "x509: certificate signed by unknown authority";
    let (namespace, injector) = asked(cluster);
    let good = type_commands(cluster, &injector, title).ok();
    assert!(good.ends_with("\nCA: trusts certificate 1\n"), "{good}");

    let folder = tempfile::tempdir().unwrap();
    injector.trust(cluster, &make_pair(&folder.path().join("other"), "other.svc"));
    wait_until_refused(cluster, &namespace, title);
    let bad = type_commands(cluster, &injector, title);
    assert!(
        bad.stdout.contains("\nCA: no CA of the bundle signed it"),
        "{bad}"
    );
    injector.trust(cluster, "");
    let none = type_commands(cluster, &injector, title);
    assert!(none.stderr.contains("there is no certificate"), "{none}");
}

fn without_a_listener_the_connection_is_refused(cluster: &Cluster) {
    let title = "connect: connection refused";
    let (namespace, injector) = asked(cluster);
    let good = wait_for("an endpoint", SOON, || {
        let told = type_commands(cluster, &injector, title).ok();
        told.contains("1/1").then_some(told)
    });
    assert!(good.contains("ENDPOINTS"), "{good}");
    let all = type_commands(cluster, &injector, "Failed calling webhook").ok();
    for shown in [
        "deployment.apps/",
        "pod/",
        "Running",
        "endpointslice.discovery.k8s.io/",
        "8443",
    ] {
        assert!(all.contains(shown), "{shown}: {all}");
    }
    injector.stop();
    wait_until_refused(cluster, &namespace, title);
}

fn without_an_answer_the_deadline_is_exceeded(cluster: &Cluster) {
    let title = "context deadline exceeded";
    let (namespace, injector) = asked(cluster);
    injector.stop();
    // The system takes the connection, and nobody ever says a word.
    let silent = TcpListener::bind((injector.address, PORT)).expect("the port is free again");
    wait_until_refused(cluster, &namespace, title);
    let told = type_commands(cluster, &injector, title).ok();
    assert!(told.ends_with(&injector.address.to_string()), "{told}");
    drop(silent);
}

fn without_its_service_that_is_not_found(cluster: &Cluster) {
    let title = "service not found";
    let (namespace, injector) = asked(cluster);
    let good = type_commands(cluster, &injector, title).ok();
    assert_eq!(good.matches(&injector.release).count(), 2, "{good}");
    // With it go the connections, for which no Service has to be found.
    injector.stop();
    let arguments = ["delete", "service", &injector.release, "-n", &injector.namespace];
    cluster.kubectl(&arguments).ok();
    wait_until_refused(cluster, &namespace, title);
    let bad = type_commands(cluster, &injector, title);
    assert!(bad.stderr.contains("(NotFound)"), "{bad}");
}
