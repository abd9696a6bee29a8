//! Policies that stand in the cluster: when they are in force, what is said of them, and what a bad one does not do.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{
    Case, Cluster, cases,
    cluster::NAMESPACE_LABEL,
    injector::{Injector, Installation, UNCHECKED},
    poll::wait_for,
    rest::{Stored, create},
    samples::{pod, policy, record},
};

const SOON: Duration = Duration::from_mins(1);

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_policy_is_in_force_for_the_next_object_and_says_so,
        a_form_with_errors_keeps_the_last_good_one_and_is_told,
        calls_are_answered_while_a_policy_comes_and_goes,
        labels_of_a_namespace_decide_from_the_next_object_on,
        what_is_exported_gives_what_the_cluster_gives,
        replicas_say_the_same_and_then_nothing,
    ]
}

/// A policy of the cluster for one namespace, which gives a variable.
pub(crate) fn of_cluster(namespace: &str, form: &str) -> Value {
    let spec = json!({"match": {"namespaces": [namespace]}, "defaults": {"env": {"FORM": form}}});
    policy(&format!("live-{namespace}"), None, &spec)
}

/// A policy of the namespace, which gives the same variable.
pub(crate) fn of_namespace(namespace: &str, form: &str) -> Value {
    let spec = json!({"defaults": {"env": {"FORM": form}}});
    policy("live", Some(namespace), &spec)
}

#[track_caller]
pub(crate) fn apply(cluster: &Cluster, policy: &Value) {
    cluster
        .kubectl_with(&["apply", "-f", "-"], &policy.to_string())
        .ok();
}

#[track_caller]
pub(crate) fn delete(cluster: &Cluster, policy: &Value) {
    cluster
        .kubectl_with(&["delete", "--wait=false", "-f", "-"], &policy.to_string())
        .ok();
}

/// The variable that a pod of this namespace would be given now. Nothing is stored.
pub(crate) fn form(cluster: &Cluster, namespace: &str) -> Option<String> {
    let made = create(cluster, &pod(namespace, "asks"), Stored::No).unwrap_or_else(|why| panic!("{why}"));
    let env = made["spec"]["containers"][0]["env"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let form = env.iter().find(|variable| variable["name"] == "FORM")?;
    form["value"].as_str().map(str::to_owned)
}

/// Until the next object is given this; how long that took.
#[track_caller]
pub(crate) fn wait_for_form(cluster: &Cluster, namespace: &str, expected: Option<&str>) -> Duration {
    let begun = Instant::now();
    wait_for(&format!("the next object to be given {expected:?}"), SOON, || {
        (form(cluster, namespace).as_deref() == expected).then_some(())
    });
    begun.elapsed()
}

/// The condition of a policy, when it is about the form that stands there.
fn condition(cluster: &Cluster, policy: &Value) -> Option<Value> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, name) = (text(&policy["kind"]), text(&policy["metadata"]["name"]));
    let mut arguments = vec![kind, name];
    if let Some(namespace) = policy["metadata"]["namespace"].as_str() {
        arguments.extend(["-n".to_owned(), namespace.to_owned()]);
    }
    let there = cluster.get(&arguments);
    let conditions = there["status"]["conditions"].as_array()?;
    let accepted = conditions
        .iter()
        .find(|condition| condition["type"] == "Accepted")?;
    (accepted["observedGeneration"] == there["metadata"]["generation"]).then(|| accepted.clone())
}

/// Any injector of the run may have written it: it does not show that the one of the cluster has the policy in force.
#[track_caller]
fn wait_for_condition(cluster: &Cluster, policy: &Value, status: &str, reason: &str) -> Value {
    wait_for(&format!("Accepted={status} ({reason})"), SOON, || {
        condition(cluster, policy).filter(|it| it["status"] == status && it["reason"] == reason)
    })
}

#[expect(clippy::print_stdout, reason = "a time is told, never asserted")]
fn a_policy_is_in_force_for_the_next_object_and_says_so(cluster: &Cluster) {
    cluster.policy_resources();
    let namespace = cluster.served_namespace("live");
    assert_eq!(form(cluster, &namespace), None);
    let mut times = Vec::new();
    let mut becomes = |policy: Option<&Value>, expected| {
        if let Some(policy) = policy {
            apply(cluster, policy);
        }
        times.push(wait_for_form(cluster, &namespace, expected).as_millis());
    };
    let first = of_cluster(&namespace, "one");
    becomes(Some(&first), Some("one"));
    let said = wait_for_condition(cluster, &first, "True", "Accepted");
    assert_eq!(said["message"], "in force");

    becomes(Some(&of_cluster(&namespace, "two")), Some("two"));
    let later = wait_for_condition(cluster, &first, "True", "Accepted");
    assert_eq!(
        later["lastTransitionTime"], said["lastTransitionTime"],
        "it is accepted since then"
    );

    let stronger = of_namespace(&namespace, "of the namespace");
    becomes(Some(&stronger), Some("of the namespace"));
    wait_for_condition(cluster, &stronger, "True", "Accepted");
    delete(cluster, &stronger);
    becomes(None, Some("two"));
    delete(cluster, &first);
    becomes(None, None);
    println!("milliseconds until the next object was given it: {times:?}");
}

/// Waits until the injector of the cluster says this of a policy, and gives the line.
#[track_caller]
fn wait_for_line(cluster: &Cluster, policy: &Value, said: &str) -> String {
    let title = format!(
        "ClusterInjectionPolicy {}",
        policy["metadata"]["name"].as_str().unwrap()
    );
    wait_for(&format!("{said:?} of {title} in the log"), SOON, || {
        let log = cluster.injector().log();
        let line = log
            .lines()
            .find(|line| line.contains(&title) && line.contains(said))?;
        Some(line.to_owned())
    })
}

/// Stores a policy that nobody checks. The API server learns of the condition of a webhook a moment after its installation.
#[track_caller]
fn store_unchecked(cluster: &Cluster, policy: &Value) {
    wait_for("the form with errors to be stored", SOON, || {
        let applied = cluster.kubectl_with(&["apply", "-f", "-"], &policy.to_string());
        (applied.code == Some(0)).then_some(())
    });
}

fn a_form_with_errors_keeps_the_last_good_one_and_is_told(cluster: &Cluster) {
    cluster.policy_resources();
    let namespace = cluster.served_namespace("kept");
    let mut policy = of_cluster(&namespace, "good");
    policy["metadata"]["name"] = json!(format!("{UNCHECKED}{namespace}"));
    apply(cluster, &policy);
    wait_for_form(cluster, &namespace, Some("good"));
    let accepted = wait_for_condition(cluster, &policy, "True", "Accepted");

    let mut bad = policy.clone();
    bad["spec"]["defaults"]["env"]["FORM"] = json!("bad");
    bad["spec"]["defaults"]["plugins"] = json!({"rapll": {"enable": true}});
    store_unchecked(cluster, &bad);
    let said = wait_for_condition(cluster, &bad, "False", "Invalid");
    let message = said["message"].as_str().unwrap();
    assert!(
        message.starts_with(
            "error[unknown-plugin]: spec.defaults.plugins.rapll: unknown plugin `rapll`; did you mean `rapl`?\n"
        ),
        "{message}"
    );
    assert!(said["lastTransitionTime"].as_str() >= accepted["lastTransitionTime"].as_str());
    let line = wait_for_line(cluster, &bad, "its last good form stays in force");
    assert!(
        line.contains("rapll") && line.contains("\"level\":\"WARN\""),
        "{line}"
    );
    wait_for("it to be counted", SOON, || {
        let rejected = cluster
            .injector()
            .sample(cluster, "alumet_injector_rejected_policies");
        (rejected >= 1).then_some(())
    });
    assert_eq!(
        form(cluster, &namespace).as_deref(),
        Some("good"),
        "the last good form is in force"
    );

    policy["spec"]["defaults"]["env"]["FORM"] = json!("mended");
    apply(cluster, &policy);
    wait_for_form(cluster, &namespace, Some("mended"));
    wait_for_line(cluster, &policy, "the policy is rejected no longer");
    wait_for_condition(cluster, &policy, "True", "Accepted");

    // One that never was good is told, too, and gives nothing.
    delete(cluster, &policy);
    wait_for_form(cluster, &namespace, None);
    store_unchecked(cluster, &bad);
    wait_for_line(cluster, &bad, "the policy is rejected, and is not in force");
    wait_for_condition(cluster, &bad, "False", "Invalid");
    assert_eq!(form(cluster, &namespace), None);
    delete(cluster, &bad);
}

fn calls_are_answered_while_a_policy_comes_and_goes(cluster: &Cluster) {
    cluster.policy_resources();
    let namespace = cluster.served_namespace("toggled");
    let policy = of_cluster(&namespace, "on");
    let (mut with, mut without) = (0, 0);
    thread::scope(|scope| {
        let toggling = scope.spawn(|| {
            for _ in 0..4 {
                apply(cluster, &policy);
                delete(cluster, &policy);
            }
            apply(cluster, &policy);
        });
        // Until the last change is through and both answers were seen; each call is answered.
        wait_for("objects with it and without it", SOON, || {
            match form(cluster, &namespace).as_deref() {
                Some("on") => with += 1,
                None => without += 1,
                other => panic!("{other:?}"),
            }
            (toggling.is_finished() && with > 0 && without > 0).then_some(())
        });
    });
    wait_for_form(cluster, &namespace, Some("on"));
    delete(cluster, &policy);
    wait_for_form(cluster, &namespace, None);
}

fn labels_of_a_namespace_decide_from_the_next_object_on(cluster: &Cluster) {
    cluster.policy_resources();
    let namespace = cluster.served_namespace("labelled");
    let first = cluster.served_namespace("labelled-first");
    let label = |which: &str, label: &str| {
        cluster
            .kubectl(&["label", "namespace", which, "--overwrite", label])
            .ok()
    };
    let selected = format!("live={namespace}");
    label(&first, &selected);
    let mut policy = of_cluster(&namespace, "labelled");
    policy["spec"]["match"] = json!({"namespaceSelector": {"matchLabels": {"live": namespace}}});
    apply(cluster, &policy);
    wait_for_condition(cluster, &policy, "True", "Accepted");
    wait_for_form(cluster, &first, Some("labelled"));
    assert_eq!(
        form(cluster, &namespace),
        None,
        "it is in force, and this one does not have the label"
    );
    label(&namespace, &selected);
    wait_for_form(cluster, &namespace, Some("labelled"));
    label(&namespace, "live=another");
    wait_for_form(cluster, &namespace, None);
    label(&namespace, &selected);
    wait_for_form(cluster, &namespace, Some("labelled"));
    delete(cluster, &policy);
    wait_for_form(cluster, &namespace, None);
}

fn what_is_exported_gives_what_the_cluster_gives(cluster: &Cluster) {
    cluster.policy_resources();
    let namespace = cluster.served_namespace("exported");
    let (of_cluster, of_namespace) = (
        of_cluster(&namespace, "weaker"),
        of_namespace(&namespace, "stronger"),
    );
    let mut labelled = of_cluster.clone();
    labelled["metadata"]["name"] = json!(format!("labelled-{namespace}"));
    labelled["metadata"]["labels"] = json!({"team": "hpc"});
    labelled["spec"] = json!({
        "match": {"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: namespace}}},
        "defaults": {"env": {"LABELLED": "yes"}, "tolerations": [{"operator": "Exists"}]},
    });
    for policy in [&of_cluster, &of_namespace, &labelled] {
        apply(cluster, policy);
        wait_for_condition(cluster, policy, "True", "Accepted");
    }
    // Either of those that give something may come into force last.
    let titles = json!([format!("{namespace}/live"), format!("labelled-{namespace}")]);
    let by_webhook = wait_for("both to be in force", SOON, || {
        let made = create(cluster, &pod(&namespace, "asks"), Stored::No).unwrap();
        (record(&made["metadata"])["from"] == titles).then_some(made)
    });

    let exported = cluster.own(&["export", "policies"]).ok();
    for text in [
        "managedFields",
        "last-applied",
        "resourceVersion",
        "uid:",
        "status:",
    ] {
        assert!(!exported.contains(text), "{text}: {exported}");
    }
    assert!(exported.contains("team: hpc"), "{exported}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policies.yaml");
    std::fs::write(&file, exported).unwrap();
    let labels = format!("{NAMESPACE_LABEL}={namespace}");
    let rendering = [
        "post-render",
        "--namespace",
        &namespace,
        "--namespace-labels",
        &labels,
        "--policy",
        file.to_str().unwrap(),
    ];
    let rendered = cluster
        .own_with(&rendering, &pod(&namespace, "asks").to_string())
        .ok();
    let rendered = cluster
        .kubectl_with(
            &["create", "--dry-run=client", "-o", "json", "-f", "-"],
            &rendered,
        )
        .ok();
    let by_file: Value = serde_json::from_str(&rendered).unwrap();
    assert_eq!(
        by_file["spec"]["containers"][0]["env"],
        by_webhook["spec"]["containers"][0]["env"]
    );
    let annotations = |pod: &Value| pod["metadata"]["annotations"].clone();
    assert_eq!(annotations(&by_file), annotations(&by_webhook), "the same record");
    for policy in [&of_cluster, &of_namespace, &labelled] {
        delete(cluster, policy);
    }
}

fn replicas_say_the_same_and_then_nothing(cluster: &Cluster) {
    cluster.policy_resources();
    let namespace = cluster.namespace("replicas");
    let served = cluster.served_namespace("replicas");
    // Beside the cluster-wide one.
    let other = Injector::install(cluster, &Installation::serving(&namespace));
    let both_give = |form| {
        wait_for_form(cluster, &namespace, Some(form));
        wait_for_form(cluster, &served, Some(form));
    };
    let selects = json!({"namespaces": [namespace, served]});
    let mut policy = of_cluster(&namespace, "one");
    policy["spec"]["match"] = selects.clone();
    let name = policy["metadata"]["name"].as_str().unwrap().to_owned();
    apply(cluster, &policy);
    wait_for_condition(cluster, &policy, "True", "Accepted");
    both_give("one");
    let version = || cluster.get(&["cinjpol", &name])["metadata"]["resourceVersion"].clone();
    let settled = version();
    // Whatever each of the two still had to write comes before what it writes of the next policy.
    let mut next = of_cluster(&namespace, "two");
    let next_name = format!("next-{namespace}");
    next["metadata"]["name"] = json!(next_name);
    next["spec"]["match"] = selects;
    next["spec"]["priority"] = json!(1);
    apply(cluster, &next);
    wait_for_condition(cluster, &next, "True", "Accepted");
    both_give("two");
    assert_eq!(version(), settled, "nobody wrote again");
    let is_done = |event: &Value| event["responseStatus"]["code"] == 200;
    let writes_of = |name: &str| {
        cluster.audit_events(|event| {
            event["objectRef"]["name"] == name
                && event["objectRef"]["subresource"] == "status"
                && event["stage"] == "ResponseComplete"
        })
    };
    wait_for("the audit log to have the later write", SOON, || {
        writes_of(&next_name).iter().any(is_done).then_some(())
    });
    let writes = writes_of(&name);
    assert_eq!(
        writes.iter().filter(|event| is_done(event)).count(),
        1,
        "whoever came second had nothing to write: {writes:?}"
    );
    // The injectors of other tests watch policies, too, and may be refused beside these.
    for injector in [cluster.injector(), &other] {
        let account = injector.account();
        let of_it = writes
            .iter()
            .filter(|event| event["user"]["username"] == account.as_str());
        assert!(of_it.count() <= 1, "{account}: {writes:?}");
    }
    delete(cluster, &next);
    delete(cluster, &policy);
    other.stop();
}
