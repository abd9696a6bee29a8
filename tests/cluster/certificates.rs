//! The self-managed mode against the real API server: Secret, caBundle, and exactly the verbs that it needs.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use alumet_injector::{
    certs::{Authority, Bundle, Pair, ServerNames, renewal::Lifetimes},
    cluster::{
        self_managed::{self, Settings},
        serving_cert::ServingCert,
        webhook_config::{Configuration, Kind, Target, WebhookConfig, Written},
    },
    telemetry::with_causes,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::StreamExt as _;
use k8s_openapi::{ByteString, api::admissionregistration::v1::MutatingWebhookConfiguration};
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::watcher,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    injector_chart::self_managed as installation,
    support::{
        Case, Cluster, cases,
        injector::{Injector, Installation, WITH_POLICIES, injects},
        poll::wait_for,
    },
};

const SOON: Duration = Duration::from_mins(1);

pub(crate) fn cases() -> Vec<Case> {
    cases![
        an_empty_secret_becomes_a_trusted_certificate_and_entries_are_mended,
        a_new_ca_waits_beside_the_old_one_until_it_is_trusted,
        an_error_keeps_the_api_servers_own_sentence,
        a_patch_for_entries_that_moved_is_outdated_and_no_error,
        a_rival_of_the_ca_bundle_is_answered_later_each_time_and_told_once,
        a_refused_write_for_policies_is_told_and_keeps_no_certificate_from_being_served,
    ]
}

#[expect(clippy::disallowed_methods, reason = "the API server has the same clock")]
fn clock() -> SystemTime {
    SystemTime::now()
}

fn names(namespace: &str) -> ServerNames {
    ServerNames::of_service("injector", namespace).unwrap()
}

fn entry(name: &str, namespace: &str) -> Value {
    json!({
        "name": name,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
        "namespaceSelector": {"matchLabels": {"no.such/namespace": "x"}},
        "clientConfig": {"service": {"namespace": namespace, "name": "injector", "path": "/mutate"}},
    })
}

/// What the chart makes: an empty Secret, the webhook configuration, and the rights of a service account. Names are the
/// namespace's where they are the whole cluster's.
fn install(cluster: &Cluster, namespace: &str) {
    let role = |kind: &str, group: &str, resource: &str, name: &str, verbs: &[&str]| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
            "metadata": {"name": namespace, "namespace": namespace},
            "rules": [{"apiGroups": [group], "resources": [resource], "resourceNames": [name], "verbs": verbs}],
        })
    };
    let binding = |kind: &str, role: &str| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
            "metadata": {"name": namespace, "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": namespace},
            "subjects": [{"kind": "ServiceAccount", "name": "injector", "namespace": namespace}],
        })
    };
    let mut objects = vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "injector", "namespace": namespace}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "serving-cert", "namespace": namespace}}),
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": namespace},
            "webhooks": [entry("mutate.injector.alumet.dev", namespace)],
        }),
        binding("RoleBinding", "Role"),
        binding("ClusterRoleBinding", "ClusterRole"),
    ];
    objects.push(role("Role", "", "secrets", "serving-cert", &["get", "patch"]));
    let (group, resource) = ("admissionregistration.k8s.io", "mutatingwebhookconfigurations");
    objects.push(role(
        "ClusterRole",
        group,
        resource,
        namespace,
        &["list", "watch", "patch"],
    ));
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    cluster
        .kubectl_with(&["apply", "-f", "-"], &list.to_string())
        .ok();
}

/// A client with the rights of the service account alone.
async fn client(kubeconfig: &std::path::Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    Client::try_from(config.unwrap()).unwrap()
}

fn ca_bundles(cluster: &Cluster, namespace: &str) -> Vec<Bundle> {
    let text = cluster
        .kubectl(&["get", "mutatingwebhookconfiguration", namespace, "-o", "json"])
        .ok();
    let object: Value = serde_json::from_str(&text).unwrap();
    let bundle = |entry: &Value| {
        let pem = STANDARD.decode(entry["clientConfig"]["caBundle"].as_str().unwrap_or_default());
        Bundle::read(&pem.unwrap()).unwrap_or_default()
    };
    object["webhooks"]
        .as_array()
        .unwrap()
        .iter()
        .map(bundle)
        .collect()
}

/// A self-managed mode that runs beside the test.
struct Running<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
    handed: Arc<Mutex<Vec<Pair>>>,
    task: JoinHandle<()>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<'a> Running<'a> {
    fn start(cluster: &'a Cluster, namespace: &'a str, clock: fn() -> SystemTime) -> Self {
        install(cluster, namespace);
        let kubeconfig = cluster.kubeconfig_of(namespace, "injector");
        let settings = Settings {
            namespace: namespace.to_owned(),
            service: "injector".to_owned(),
            secret: "serving-cert".to_owned(),
            webhook: namespace.to_owned(),
            validating_webhook: None,
            names: names(namespace),
            lifetimes: Lifetimes::default(),
            clock,
        };
        let handed: Arc<Mutex<Vec<Pair>>> = Arc::default();
        let to = Arc::clone(&handed);
        let task = cluster.start_task(async move {
            let take = move |pair: &Pair| {
                to.lock().unwrap().push(pair.clone());
                Ok(())
            };
            self_managed::run(client(&kubeconfig).await, settings, take).await;
        });
        Self {
            cluster,
            namespace,
            handed,
            task,
        }
    }

    /// One of the certificates that were handed over, counted from 0.
    #[track_caller]
    fn pair(&self, count: usize) -> Pair {
        wait_for("a certificate", SOON, || {
            self.handed.lock().unwrap().get(count).cloned()
        })
    }

    fn keys_of_the_secret(&self) -> Vec<String> {
        let secret = self
            .cluster
            .get(&["secret", "serving-cert", "-n", self.namespace]);
        secret["data"].as_object().unwrap().keys().cloned().collect()
    }

    /// A change of the webhook configuration begins a round sooner than the clock would.
    fn wake(&self, value: &str) {
        let touched = format!("touched={value}");
        self.cluster
            .kubectl(&[
                "annotate",
                "mutatingwebhookconfiguration",
                self.namespace,
                &touched,
                "--overwrite",
            ])
            .ok();
    }
}

/// How far ahead the clock of the one test is that sets it, in seconds.
static AHEAD: AtomicU64 = AtomicU64::new(0);

fn clock_ahead() -> SystemTime {
    clock() + Duration::from_secs(AHEAD.load(Ordering::Relaxed))
}

fn a_new_ca_waits_beside_the_old_one_until_it_is_trusted(cluster: &Cluster) {
    let namespace = cluster.namespace("next");
    let running = Running::start(cluster, &namespace, clock_ahead);
    let first = running.pair(0);
    let former = ca_bundles(cluster, &namespace).remove(0);

    let days = Lifetimes::default().authority / 3 * 2;
    AHEAD.store(days.as_secs() + 1, Ordering::Relaxed);
    running.wake("due");
    // The old CA goes on: the leaf of so long ago is replaced by one of it.
    let second = running.pair(1);
    former.trusts(second.chain(), clock_ahead()).unwrap();
    let both = wait_for("the caBundle to have both", SOON, || {
        let now = ca_bundles(cluster, &namespace).remove(0);
        (now.len() == 2).then_some(now)
    });
    assert_eq!(
        running.keys_of_the_secret(),
        [
            "bundle.crt",
            "ca.crt",
            "ca.key",
            "next.crt",
            "next.key",
            "tls.crt",
            "tls.key"
        ]
    );

    AHEAD.fetch_add(2 * Lifetimes::default().settle.as_secs(), Ordering::Relaxed);
    running.wake("settled");
    let third = running.pair(2);
    former.trusts(third.chain(), clock_ahead()).unwrap_err();
    both.trusts(third.chain(), clock_ahead()).unwrap();
    assert_eq!(
        running.keys_of_the_secret(),
        ["bundle.crt", "ca.crt", "ca.key", "tls.crt", "tls.key"]
    );
    assert_ne!(first, second);
}

fn an_empty_secret_becomes_a_trusted_certificate_and_entries_are_mended(cluster: &Cluster) {
    let namespace = cluster.namespace("self-managed");
    let running = Running::start(cluster, &namespace, clock);
    let namespace = namespace.as_str();
    let first = running.pair(0);
    assert_eq!(first.names(), names(namespace).as_slice());
    let bundles = ca_bundles(cluster, namespace);
    assert_eq!(bundles.len(), 1);
    bundles[0].trusts(first.chain(), clock()).unwrap();
    assert_eq!(
        running.keys_of_the_secret(),
        ["bundle.crt", "ca.crt", "ca.key", "tls.crt", "tls.key"]
    );

    // As an upgrade of the chart does it: one entry renamed, one added, one of somebody else.
    let mut foreign = entry("foreign.example.org", namespace);
    foreign["clientConfig"]["service"]["name"] = json!("another");
    let entries = [
        foreign,
        entry("renamed.injector.alumet.dev", namespace),
        entry("added.injector.alumet.dev", namespace),
    ];
    let patch = json!({"webhooks": entries}).to_string();
    cluster
        .kubectl(&[
            "patch",
            "mutatingwebhookconfiguration",
            namespace,
            "--type",
            "merge",
            "--patch",
            &patch,
        ])
        .ok();
    wait_for("the caBundle of a renamed and of a new entry", SOON, || {
        let now = ca_bundles(cluster, namespace);
        (now[0].is_empty() && now[1] == bundles[0] && now[2] == bundles[0]).then_some(())
    });

    // The command of the README.
    let emptied = json!({"data": {"tls.crt": null, "tls.key": null}}).to_string();
    cluster
        .kubectl(&[
            "patch",
            "secret",
            "serving-cert",
            "-n",
            namespace,
            "--type",
            "merge",
            "--patch",
            &emptied,
        ])
        .ok();
    running.wake("yes");
    let second = running.pair(1);
    assert_ne!(second, first);
    bundles[0].trusts(second.chain(), clock()).unwrap();
}

fn an_error_keeps_the_api_servers_own_sentence(cluster: &Cluster) {
    let namespace = cluster.namespace("absent");
    let secret = ServingCert::new(cluster.client(), &namespace, "none");
    let error = with_causes(&cluster.block_on(secret.read()).unwrap_err());
    let (ours, theirs) = (
        format!("there is no Secret {namespace}/none; "),
        r#": secrets "none" not found: NotFound"#,
    );
    assert!(error.starts_with(&ours) && error.ends_with(theirs), "{error}");
}

/// A bundle that nobody else has.
fn a_bundle() -> Bundle {
    let authority = Authority::new(clock(), Duration::from_hours(1)).unwrap();
    Bundle::from_iter([authority.trusted().clone()])
}

fn a_patch_for_entries_that_moved_is_outdated_and_no_error(cluster: &Cluster) {
    let namespace = cluster.namespace("moved");
    install(cluster, &namespace);
    let target = Target {
        namespace: namespace.clone(),
        service: "injector".to_owned(),
        names: names(&namespace),
    };
    let webhook = WebhookConfig::new(cluster.client(), Kind::Mutating, &namespace, target);
    let seen = || {
        let object = cluster.get(&["mutatingwebhookconfiguration", &namespace]);
        serde_json::from_value::<Configuration>(object).unwrap()
    };
    let replace_entries = |entries: &Value| {
        let patch = json!({"webhooks": entries}).to_string();
        let arguments = [
            "patch",
            "mutatingwebhookconfiguration",
            &namespace,
            "--type=merge",
            "--patch",
            &patch,
        ];
        cluster.kubectl(&arguments).ok();
    };
    let write = |config: &Configuration| cluster.block_on(webhook.write(config, &a_bundle()));
    let before = seen();
    for entries in [
        json!([entry("renamed.injector.alumet.dev", &namespace)]),
        // The place of our entry is there no more.
        json!([]),
    ] {
        replace_entries(&entries);
        let written = write(&before);
        let Ok(Written::Outdated(refusal)) = written else {
            panic!("{written:?}");
        };
        let refusal = with_causes(&refusal);
        let (ours, theirs) = (
            format!("cannot patch the MutatingWebhookConfiguration {namespace}: "),
            "the server rejected our request",
        );
        assert!(
            refusal.starts_with(&ours) && refusal.contains(theirs),
            "{refusal}"
        );
    }
    // And what is seen again can be written.
    replace_entries(&json!([entry("mutate.injector.alumet.dev", &namespace)]));
    assert!(matches!(write(&seen()), Ok(Written::Changed(_))));
}

/// Ends with the test, however that ends.
struct Quarrel(JoinHandle<()>);

impl Drop for Quarrel {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Puts its own caBundle back as soon as it sees another one.
async fn rival(client: Client, name: String, pem: String) {
    let api: Api<MutatingWebhookConfiguration> = Api::all(client);
    let mut changes = pin!(watcher::watch_object(api.clone(), &name));
    let params = PatchParams {
        field_manager: Some("rival".to_owned()),
        ..PatchParams::default()
    };
    let own = ByteString(pem.into_bytes());
    let patch = json!([{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": own}]);
    let patch = Patch::<()>::Json(serde_json::from_value(patch).unwrap());
    while let Some(Ok(change)) = changes.next().await {
        if let Some(config) = change
            && config.webhooks.unwrap()[0].client_config.ca_bundle.as_ref() != Some(&own)
        {
            let _gone = api.patch(&name, &params, &patch).await;
        }
    }
}

fn a_rival_of_the_ca_bundle_is_answered_later_each_time_and_told_once(cluster: &Cluster) {
    let namespace = cluster.namespace("rival");
    let injector = Injector::install(cluster, &installation(&namespace));
    let count = |words: &str| injector.log().matches(words).count();
    let sentence = "somebody else changes the caBundle again and again";
    let writes = || u32::try_from(count("caBundle written")).unwrap();
    // With a caBundle written once while it was installed, or oftener.
    let before = writes();
    let began = Instant::now();
    let quarrel = rival(cluster.client(), injector.webhook.clone(), a_bundle().pem());
    let quarrel = Quarrel(cluster.start_task(quarrel));
    wait_for("it to be told", SOON, || (count(sentence) > 0).then_some(()));
    let writes = writes();
    assert!(before >= 1 && writes >= 4, "{}", injector.log());
    // Of the writes of the quarrel the first is made at once, and after the n-th of all there are 2^(n-1) seconds to the
    // next, whatever the rival does.
    let least = (before + 1..writes)
        .map(|n| 1_u64.checked_shl(n - 1))
        .sum::<Option<u64>>();
    assert!(
        least.is_some_and(|least| began.elapsed() >= Duration::from_secs(least)),
        "{writes} writes within {:?}",
        began.elapsed()
    );
    assert_eq!(count(sentence), 1, "{}", injector.log());
    assert!(injector.log().contains(r#""by":"rival""#), "{}", injector.log());
    drop(quarrel);
    wait_for("the caBundle to be put back", SOON, || {
        injects(cluster, &namespace).then_some(())
    });
    assert_eq!(count(sentence), 1, "{}", injector.log());
}

/// As an administrator who lets nobody change webhooks that validate.
fn a_refused_write_for_policies_is_told_and_keeps_no_certificate_from_being_served(cluster: &Cluster) {
    let namespace = cluster.namespace("refused");
    let installation = Installation {
        set: &[WITH_POLICIES],
        ..installation(&namespace)
    };
    let injector = Injector::install_only(cluster, &installation);
    let name = injector.webhook.as_str();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": ["admissionregistration.k8s.io"], "apiVersions": ["v1"], "operations": ["UPDATE"],
                    "resources": ["validatingwebhookconfigurations"], "resourceNames": [name],
                }]},
                "validations": [{"expression": "false", "message": "nobody changes it"}],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    ]});
    cluster
        .kubectl_with(&["apply", "-f", "-"], &list.to_string())
        .ok();
    let touch = |value: &str| {
        let touched = format!("touched={value}");
        let arguments = [
            "annotate",
            "validatingwebhookconfiguration",
            name,
            &touched,
            "--overwrite",
        ];
        cluster.kubectl(&arguments).code == Some(0)
    };
    let mut count = 0;
    wait_for("its changes to be refused", SOON, || {
        count += 1;
        (!touch(&format!("before-{count}"))).then_some(())
    });

    injector.begin(cluster);
    wait_for("it to be ready all the same", SOON, || {
        injector.is_ready(cluster).then_some(())
    });
    let sentence = "the caBundle for policies is not kept";
    wait_for("it to be told", SOON, || {
        injector.log().contains(sentence).then_some(())
    });
    let log = injector.log();
    assert!(log.contains("nobody changes it"), "{log}");
    assert_eq!(log.matches(sentence).count(), 1, "{log}");

    cluster
        .kubectl(&[
            "delete",
            "validatingadmissionpolicybinding,validatingadmissionpolicy",
            name,
        ])
        .ok();
    wait_for("its changes to be taken", SOON, || touch("after").then_some(()));
    wait_for("both configurations to trust the same", SOON, || {
        let bundle = |kind: &str| {
            let config = cluster.get(&[kind, name]);
            let bundle = &config["webhooks"][0]["clientConfig"]["caBundle"];
            bundle.as_str().map(str::to_owned)
        };
        let both = ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"].map(bundle);
        (both[0].is_some() && both[0] == both[1]).then_some(())
    });
    injector.stop();
}
