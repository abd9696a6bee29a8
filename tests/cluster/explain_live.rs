//! `explain KIND/NAME`: what stands on the objects of a cluster, where it came from, and what a policy would change.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alumet_injector::{engine::survey::Standing, names::REFRESH_ANNOTATION as REFRESH};
use serde_json::{Value, json};

use crate::{
    helm::{INJECTOR, Major},
    support::{
        Case, Cluster, cases,
        cluster::{Ran, run},
        injector::{APART_LABEL, injects},
        poll::wait_for,
        release::{CLIENT_NAME, Release, SERVER_NAME, SOON, values},
        rest::{Stored, create},
        samples::{self, config_map, deployment},
    },
};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_live_object_says_which_policy_gave_what_and_what_lost,
        an_object_that_is_not_injected_says_why,
        a_template_of_another_configuration_is_out_of_step,
        what_was_taken_out_while_nobody_was_asked_is_lacking,
    ]
}

/// The policy `team` of a namespace, as a file has it.
pub(crate) fn of_team(namespace: &str, defaults: &Value) -> String {
    samples::policy("team", Some(namespace), &json!({"defaults": defaults})).to_string()
}

/// What a program prints about one object.
pub(crate) fn told(cluster: &Cluster, arguments: &[&str]) -> Value {
    let printed = cluster
        .own(&[&["explain", "--output", "json"], arguments].concat())
        .ok();
    let told: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(told.as_array().map(Vec::len), Some(1), "{told:#}");
    told[0].clone()
}

/// The value of this name.
#[track_caller]
pub(crate) fn value<'t>(told: &'t Value, what: &str) -> &'t Value {
    let values = told["values"].as_array().unwrap();
    let found = values.iter().find(|value| value["what"] == what);
    found.unwrap_or_else(|| panic!("no {what}: {told:#}"))
}

fn a_live_object_says_which_policy_gave_what_and_what_lost(cluster: &Cluster) {
    cluster.policy_resources();
    let namespace = cluster.served_namespace("explained");
    let release = Release::running(cluster, Major::Four, &namespace, &values(&json!({})));
    let n = ["-n", namespace.as_str()];
    let config_map = format!("configmaps/{CLIENT_NAME}-config");
    let clients = format!("ds/{CLIENT_NAME}");
    for object in [&clients, &config_map] {
        let told = told(cluster, &[&[object.as_str()], &n[..]].concat());
        assert_eq!(told["outcome"], "up-to-date", "{told:#}");
        let values = told["values"].as_array().unwrap();
        let stands = |value: &Value| ["kept", "user-wins"].contains(&value["fate"].as_str().unwrap());
        assert!(values.iter().all(stands), "{told:#}");
    }

    // Nobody asked for a refresh yet: what stands there is stale.
    let defaults = json!({
        "plugins": {"k8s": {"poll_interval": "7s"}},
        "tolerations": [{"key": "energy", "operator": "Exists"}],
    });
    release
        .kubectl_with(&["apply", "-f", "-"], &of_team(&namespace, &defaults))
        .ok();
    let stale = told(cluster, &[&["DaemonSet", CLIENT_NAME], &n[..]].concat());
    assert_eq!(stale["outcome"], "stale", "{stale:#}");
    let toleration = value(&stale, "toleration energy op=Exists");
    let source = format!("policy: {namespace}/team");
    assert_eq!(
        toleration,
        &json!({
            "what": "toleration energy op=Exists", "value": r#"{"key":"energy","operator":"Exists"}"#,
            "source": source, "fate": "set", "lost": [],
        })
    );
    let interval = "data.config plugins.k8s.poll_interval";
    let stale = told(
        cluster,
        &[&["cm", &format!("{CLIENT_NAME}-config")], &n[..]].concat(),
    );
    let lost = json!([{"source": "default: k8s.poll_interval", "value": "\"5s\""}]);
    assert_eq!(
        (
            &value(&stale, interval)["source"],
            &value(&stale, interval)["lost"]
        ),
        (&json!(source), &lost)
    );

    // A policy in a file counts as if it were applied: in place of the one of its name, and over the rest.
    let file = cluster.folder().join(format!("{namespace}.policy.json"));
    let again = json!({"plugins": {"k8s": {"poll_interval": "9s"}}});
    fs::write(&file, of_team(&namespace, &again)).unwrap();
    let path = file.to_str().unwrap();
    let tried = told(
        cluster,
        &[&[config_map.as_str(), "--policy", path], &n[..]].concat(),
    );
    assert_eq!(value(&tried, interval)["value"], "\"9s\"", "{tried:#}");
    assert_eq!(value(&tried, interval)["lost"], lost, "{tried:#}");
    let tried = told(cluster, &[&[clients.as_str(), "--policy", path], &n[..]].concat());
    assert_eq!(
        tried["outcome"], "stale",
        "the configuration is another one: {tried:#}"
    );
    assert!(!tried.to_string().contains("toleration energy"), "{tried:#}");

    // For people: no colour in a pipe, and the command that brings the object up to date.
    let text = cluster.own(&[&["explain", &config_map], &n[..]].concat()).ok();
    let head = format!(
        "ConfigMap {namespace}/{CLIENT_NAME}-config (relay-client): stale\n  \
         it belongs to the object's values, but policies and catalogue would give something else now\n  \
         from the cluster\n  \
         to bring it up to date: kubectl -n {namespace} annotate configmap/{CLIENT_NAME}-config {REFRESH}=now --overwrite; then the \
         same for the workloads that mount it\n"
    );
    assert!(text.starts_with(&head), "{text}");
    for line in [
        format!("<- {source}\n"),
        "over default: k8s.poll_interval: \"5s\"\n".to_owned(),
    ] {
        assert!(text.contains(&line), "{text}");
    }

    let pod = release.pods_of(super::support::release::CLIENT)[0]["metadata"]["name"].clone();
    let pod = pod.as_str().unwrap();
    let of_pod = told(cluster, &[&["po", pod], &n[..]].concat());
    assert_eq!(
        (&of_pod["kind"], &of_pod["outcome"]),
        (&json!("Pod"), &json!("up-to-date")),
        "{of_pod:#}"
    );
    assert_eq!(value(&of_pod, "toleration energy op=Exists")["fate"], "set");
    let text = cluster.own(&[&["explain", "po", pod], &n[..]].concat()).ok();
    let line = "\n  a Pod keeps what it was made with; the values are those of one that is made now\n";
    assert!(text.contains(line), "{text}");
}

/// A ConfigMap, and a Deployment whose agent mounts it, in a namespace that the cluster's injector serves.
fn made(cluster: &Cluster, base: &str) -> String {
    cluster.policy_resources();
    let namespace = cluster.served_namespace(base);
    for object in [
        config_map(&namespace, "agent-config"),
        deployment(&namespace, "server", &samples::values()),
    ] {
        create(cluster, &object, Stored::Yes).unwrap();
    }
    namespace
}

/// What is said of an object: its code, and what stands between its head and its values.
#[track_caller]
fn head(ran: &Ran) -> (String, String) {
    let mut lines = ran.stdout.lines();
    let code = lines.next().and_then(|line| line.rsplit_once(": "));
    let rest: Vec<&str> = lines
        .take_while(|line| {
            !["  set ", "  kept ", "  removed ", "  user-wins "]
                .iter()
                .any(|fate| line.starts_with(fate))
        })
        .map(str::trim)
        .collect();
    let (_, code) = code.unwrap_or_else(|| panic!("{ran}"));
    (code.to_owned(), rest.join("; "))
}

/// `explain` and `status` say this code of the object, and `explain` says what it means and this mend.
#[track_caller]
fn assert_stands(cluster: &Cluster, namespace: &str, object: &str, standing: Standing, mend: &str) {
    let ran = cluster.own(&["explain", object, "-n", namespace]);
    let expected = format!("{}; from the cluster; {mend}", standing.sentence());
    assert_eq!(head(&ran), (standing.code().to_owned(), expected), "{ran}");
    assert_eq!((ran.code, ran.said()), (Some(0), String::new()), "{ran}");

    let status = cluster.own(&["status", "-n", namespace, "-o", "json"]).ok();
    let status: Value = serde_json::from_str(&status).unwrap();
    let (kind, name) = object.split_once('/').unwrap();
    let objects = status["objects"].as_array().unwrap();
    let entry = objects
        .iter()
        .find(|entry| entry["name"] == name && entry["kind"].as_str().unwrap().eq_ignore_ascii_case(kind));
    let entry = entry.unwrap_or_else(|| panic!("no {object}: {status:#}"));
    assert_eq!(
        (&entry["standing"], &entry["mend"]),
        (&json!(standing.code()), &json!(mend)),
        "{status:#}"
    );
}

/// A kubeconfig of somebody who may do this in the namespace, and see policies and namespaces.
fn somebody(cluster: &Cluster, namespace: &str, name: &str, verb: &str, resource: &str) -> PathBuf {
    let account = format!("--serviceaccount={namespace}:{name}");
    let role_of_policies = format!("{namespace}-{name}");
    for words in [
        &["create", "serviceaccount", name][..],
        &["create", "role", name, "--verb", verb, "--resource", resource],
        &["create", "rolebinding", name, "--role", name, &account],
        &[
            "create",
            "clusterrole",
            &role_of_policies,
            "--verb=list",
            "--resource=namespaces,injectionpolicies.injector.alumet.dev,clusterinjectionpolicies.injector.alumet.dev",
        ],
        &[
            "create",
            "clusterrolebinding",
            &role_of_policies,
            "--clusterrole",
            &role_of_policies,
            &account,
        ],
    ] {
        cluster.kubectl(&[words, &["-n", namespace]].concat()).ok();
    }
    cluster.kubeconfig_of(namespace, name)
}

fn a_template_of_another_configuration_is_out_of_step(cluster: &Cluster) {
    let namespace = made(cluster, "out-of-step");
    let n = ["-n", namespace.as_str()];
    let in_step = told(cluster, &[&["deploy/server"], &n[..]].concat());
    assert_eq!(in_step["outcome"], "up-to-date", "{in_step:#}");

    // Of a refresh of both the first half alone was done.
    let defaults = json!({"plugins": {"csv": {"enable": true}}});
    cluster
        .kubectl_with(&["apply", "-f", "-"], &of_team(&namespace, &defaults))
        .ok();
    wait_for("a refresh to write another configuration", SOON, || {
        let refresh = format!("{REFRESH}=now");
        cluster
            .kubectl(
                &[
                    &["annotate", "--overwrite", "configmap/agent-config", &refresh],
                    &n[..],
                ]
                .concat(),
            )
            .ok();
        let config_map = cluster.get(&[&["configmap", "agent-config"], &n[..]].concat());
        let config = config_map["data"]["config"].as_str()?;
        config.contains("[plugins.csv]").then_some(())
    });
    let refresh = format!("kubectl -n {namespace} annotate deployment/server {REFRESH}=now --overwrite");
    let mend = format!("to have it completed: {refresh}");
    assert_stands(
        cluster,
        &namespace,
        "deployment/server",
        Standing::OutOfStep,
        &mend,
    );

    // Who may not see the ConfigMap is told the rest.
    let ask = |kubeconfig: &Path, more: &[&str]| {
        let mut command = cluster.command(Path::new(INJECTOR));
        command
            .args(["explain", "deploy/server"])
            .args(more)
            .env("KUBECONFIG", kubeconfig);
        run(command, "")
    };
    let kubeconfig = somebody(cluster, &namespace, "looks", "get", "deployments.apps");
    let ran = ask(&kubeconfig, &n);
    assert_eq!(head(&ran).0, "stale", "{ran}");
    assert_eq!(ran.code, Some(0), "{ran}");
    let warning = format!(
        "warning: it cannot be told whether the object is out-of-step: may not get ConfigMap \
         {namespace}/agent-config; give the account the verb \"get\" for this resource: "
    );
    assert!(
        ran.said().starts_with(&warning) && ran.said().lines().count() == 1,
        "{ran}"
    );
    let both = "deployments.apps,configmaps";
    let kubeconfig = somebody(cluster, &namespace, "looks-closely", "get", both);
    let ran = ask(&kubeconfig, &n);
    assert_eq!(
        (head(&ran).0.as_str(), ran.said().as_str()),
        ("out-of-step", ""),
        "{ran}"
    );
    // The namespace of the context is the one that nobody names.
    let file = kubeconfig.to_str().unwrap();
    let set = ["config", "set-context", "--current", "--kubeconfig", file];
    cluster
        .kubectl(&[&set[..], &["--namespace", &namespace]].concat())
        .ok();
    assert_eq!(ask(&kubeconfig, &[]).stdout, ran.stdout);

    // Nothing is in step, or out of it, with what is not there.
    cluster
        .kubectl(&[&["delete", "configmap", "agent-config"], &n[..]].concat())
        .ok();
    let ran = cluster.own(&[&["explain", "deploy/server"], &n[..]].concat());
    assert_eq!(
        (head(&ran).0.as_str(), ran.said().as_str()),
        ("stale", ""),
        "{ran}"
    );
}

fn what_was_taken_out_while_nobody_was_asked_is_lacking(cluster: &Cluster) {
    let namespace = made(cluster, "lacking");
    let n = ["-n", namespace.as_str()];
    let mut cron_job = deployment(&namespace, "hourly", &samples::values());
    let mut template = cron_job["spec"]["template"].take();
    template["spec"]["restartPolicy"] = json!("Never");
    cron_job["apiVersion"] = json!("batch/v1");
    cron_job["kind"] = json!("CronJob");
    cron_job["spec"] =
        json!({"schedule": "0 * * * *", "suspend": true, "jobTemplate": {"spec": {"template": template}}});
    cluster
        .kubectl_with(&["create", "-f", "-"], &cron_job.to_string())
        .ok();
    let told = told(cluster, &[&["cj/hourly"], &n[..]].concat());
    assert_eq!(told["outcome"], "up-to-date", "{told:#}");
    assert_eq!(value(&told, "toleration gpu op=Exists")["fate"], "kept");

    let apart = format!("{APART_LABEL}=true");
    cluster.kubectl(&["label", "namespace", &namespace, &apart]).ok();
    wait_for("nobody to be asked", SOON, || {
        (!injects(cluster, &namespace)).then_some(())
    });
    for (object, path) in [
        ("configmap/agent-config", "/data/config"),
        ("deployment/server", "/spec/template/spec/tolerations"),
    ] {
        let removal = json!([{"op": "remove", "path": path}]).to_string();
        cluster
            .kubectl(&[&["patch", object, "--type=json", "--patch", &removal], &n[..]].concat())
            .ok();
        let mend = format!(
            "to have it completed: kubectl -n {namespace} annotate {object} {REFRESH}=now --overwrite"
        );
        assert_stands(cluster, &namespace, object, Standing::Lacking, &mend);
    }
    // The values are those that it is to have.
    let told = self::told(cluster, &[&["deploy/server"], &n[..]].concat());
    assert_eq!(
        value(&told, "toleration gpu op=Exists")["fate"],
        "set",
        "{told:#}"
    );
}

fn an_object_that_is_not_injected_says_why(cluster: &Cluster) {
    cluster.policy_resources();
    let namespace = cluster.served_namespace("unexplained");
    let release = Release::running(cluster, Major::Four, &namespace, &values(&json!({})));
    let n = ["-n", namespace.as_str()];
    let server = format!("deployments.apps/{SERVER_NAME}");
    release
        .kubectl(&["create", "configmap", "plain", "--from-literal=a=b"])
        .ok();
    release
        .kubectl(&[
            "label",
            "deployment",
            SERVER_NAME,
            "injector.alumet.dev/inject=false",
        ])
        .ok();
    for (object, head) in [
        (
            "cm/plain",
            format!(
                "ConfigMap {namespace}/plain: not-ours\n  \
                 the object does not carry the component label, or is of a kind that nothing is injected into\n  \
                 from the cluster\n"
            ),
        ),
        (
            &server,
            format!(
                "Deployment {namespace}/{SERVER_NAME} (relay-server): opted-out\n  \
                 the label injector.alumet.dev/inject says \"false\"\n  \
                 from the cluster\n  \
                 warning[opted-out-left]: the object opted out after something was injected, which stays\n    \
                 --> metadata.labels[injector.alumet.dev/inject]\n    \
                 = take it out with `alumet-injector uninject`\n"
            ),
        ),
    ] {
        assert_eq!(cluster.own(&[&["explain", object], &n[..]].concat()).ok(), head);
    }
    for (arguments, code, sentence) in [
        (
            ["explain", "svc/kubernetes"],
            2,
            "error: nothing is injected into objects of the kind `svc`; name one of a ConfigMap, DaemonSet, \
             Deployment, StatefulSet, CronJob, Job, Pod\n"
                .to_owned(),
        ),
        (
            ["explain", "ds/none"],
            3,
            format!(
                "error: there is no DaemonSet {namespace}/none; name another one, or its namespace with -n"
            ),
        ),
    ] {
        let ran = cluster.own(&[&arguments[..], &n[..]].concat());
        assert_eq!(ran.code, Some(code), "{ran}");
        assert!(ran.said().starts_with(&sentence), "{ran}");
    }
}
