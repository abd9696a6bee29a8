//! `check --cluster` finds what is wrong with an installation, and says so in one sentence with its mend.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use alumet_injector::certs::{Authority, ServerNames};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    helm::INJECTOR,
    injector_chart::self_managed,
    support::{
        Case, Cluster, cases,
        cluster::{Ran, run},
        injector::{Injector, Installation, WITH_POLICIES, injects},
        poll::wait_for,
        rest::{Stored, create},
        samples::{config_map, deployment, values},
    },
};

const SOON: Duration = Duration::from_mins(1);

/// With `Fail` the API server says what it could not do.
const FAIL: &[&str] = &["webhook.failurePolicy=Fail"];

pub(crate) fn cases() -> Vec<Case> {
    cases![
        all_is_well_with_a_self_managed_installation,
        all_is_well_with_an_installation_with_files,
        a_webhook_that_is_missing,
        a_webhook_of_policies_that_is_wrong_or_missing,
        a_ca_bundle_of_another_authority,
        a_certificate_that_has_expired,
        no_ready_replica,
        a_right_that_is_missing,
        a_namespace_that_the_selector_leaves_out,
        an_object_that_the_selector_leaves_out,
        a_release_that_was_installed_without_the_injector,
        who_may_see_nothing_is_told_which_rights_are_missing,
        for_programs_it_is_json,
        a_cluster_that_cannot_be_reached_is_no_finding,
    ]
}

/// An installation for one namespace.
struct Place {
    /// The namespace that is served.
    namespace: String,
    injector: Injector,
}

impl Place {
    /// With a pair of files, which stand in the Secret, too.
    fn with_files(cluster: &Cluster, set: &[&str]) -> Self {
        let namespace = cluster.namespace("checked");
        let installation = Installation {
            set,
            ..Installation::serving(&namespace)
        };
        let injector = Injector::install(cluster, &installation);
        let place = Self { namespace, injector };
        place.show_files(cluster);
        place.wait_until_ready(cluster);
        place
    }

    fn self_managed(cluster: &Cluster, set: &[&str]) -> Self {
        let namespace = cluster.namespace("checked");
        let of_test = self_managed(&namespace);
        let installation = Installation {
            set: &[of_test.set, set].concat(),
            ..of_test
        };
        let injector = Injector::install(cluster, &installation);
        let place = Self { namespace, injector };
        place.wait_until_ready(cluster);
        place
    }

    /// The Secret that the chart mounts, with the files that the program reads here.
    fn show_files(&self, cluster: &Cluster) {
        let files = self.injector.files();
        let (chain, key) = (files.join("tls.crt"), files.join("tls.key"));
        cluster
            .kubectl(&[
                "create",
                "secret",
                "tls",
                "serving-cert",
                "--namespace",
                &self.injector.namespace,
                "--cert",
                chain.to_str().unwrap(),
                "--key",
                key.to_str().unwrap(),
            ])
            .ok();
    }

    /// Nothing runs in its pods; but they are there, and the Service leads to them.
    fn wait_until_ready(&self, cluster: &Cluster) {
        let of_service = format!("kubernetes.io/service-name={}", self.injector.release);
        wait_for("a ready endpoint", SOON, || {
            let slices = cluster.get(&[
                "endpointslices",
                "-n",
                &self.injector.namespace,
                "-l",
                &of_service,
            ]);
            let ready = slices["items"][0]["endpoints"][0]["conditions"]["ready"] == json!(true);
            let deployment = cluster.get(&[
                "deployment",
                &self.injector.release,
                "-n",
                &self.injector.namespace,
            ]);
            (ready && deployment["status"]["readyReplicas"] == json!(1)).then_some(())
        });
    }

    /// The `ValidatingWebhookConfiguration`, with a patch of its one entry.
    fn patch_webhook_of_policies(&self, cluster: &Cluster, member: &str, value: &Value) {
        let operation =
            json!([{"op": "add", "path": format!("/webhooks/0/clientConfig/{member}"), "value": value}]);
        let patch = format!("--patch={operation}");
        let webhook = &self.injector.webhook;
        cluster
            .kubectl(&[
                "patch",
                "validatingwebhookconfiguration",
                webhook,
                "--type=json",
                &patch,
            ])
            .ok();
    }

    fn without_webhook_of_policies(&self, cluster: &Cluster) {
        let webhook = &self.injector.webhook;
        cluster
            .kubectl(&["delete", "validatingwebhookconfiguration", webhook])
            .ok();
    }

    /// What is told, without the lines that say that all is well, and without the policies, which are the cluster's.
    #[track_caller]
    fn problems(&self, cluster: &Cluster) -> (Vec<String>, Ran) {
        self.problems_in(cluster, &self.namespace)
    }

    #[track_caller]
    fn problems_in(&self, cluster: &Cluster, namespace: &str) -> (Vec<String>, Ran) {
        let ran = check(cluster, &["--webhook", &self.injector.webhook, "-n", namespace]);
        (problems(&ran), ran)
    }
}

/// The lines that do not say that all is well. Policies are the cluster's, and so is who checks them.
fn problems(ran: &Ran) -> Vec<String> {
    let is_problem =
        |line: &String| !line.starts_with("ok[") && !line.starts_with("warning[policy-webhook]: ");
    lines(ran).into_iter().filter(is_problem).collect()
}

/// The lines about checks, without those of the policies.
fn lines(ran: &Ran) -> Vec<String> {
    let lines = ran
        .stdout
        .lines()
        .filter(|line| line.contains("]: ") && !line.contains("[policies]: "));
    lines.map(str::to_owned).collect()
}

fn command(cluster: &Cluster, arguments: &[&str]) -> Command {
    let mut command = cluster.command(Path::new(INJECTOR));
    command.args(["check", "--cluster"]).args(arguments);
    command
}

fn check(cluster: &Cluster, arguments: &[&str]) -> Ran {
    run(command(cluster, arguments), "")
}

/// Each moment as `TIME`.
fn timeless(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let is_time = word.len() == 20 && word.starts_with("20") && word.ends_with('Z');
        if is_time { "TIME" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn assert_well(cluster: &Cluster, place: &Place, secret: &str, rights: &str) {
    create(
        cluster,
        &config_map(&place.namespace, "agent-config"),
        Stored::Yes,
    )
    .unwrap();
    create(
        cluster,
        &deployment(&place.namespace, "server", &values()),
        Stored::Yes,
    )
    .unwrap();
    // The authority is written to the webhook of policies a moment after the other.
    let ran = wait_for("all to be well", SOON, || {
        let (problems, ran) = place.problems(cluster);
        problems.is_empty().then_some(ran)
    });
    let Injector {
        namespace,
        release,
        webhook,
        ..
    } = &place.injector;
    let policy = if secret == "serving-cert" {
        "Ignore"
    } else {
        "Fail"
    };
    let told: Vec<String> = lines(&ran).iter().map(|line| timeless(line)).collect();
    let version = &told[0];
    assert!(
        version.starts_with("ok[api-server]: Kubernetes v1.") && version.ends_with(" answers"),
        "{ran}"
    );
    let expected = [
        format!(
            "ok[webhook]: MutatingWebhookConfiguration {webhook}: the entry mutate.injector.alumet.dev leads to Service \
             {namespace}/{release}, failurePolicy {policy}"
        ),
        format!(
            "ok[policy-webhook]: ValidatingWebhookConfiguration {webhook}: the entry validate.injector.alumet.dev leads to \
             Service {namespace}/{release}, failurePolicy Ignore"
        ),
        format!("ok[service]: Service {namespace}/{release}: it has the port 8443"),
        format!("ok[deployment]: Deployment {namespace}/{release}: 1 of 1 replicas are ready"),
        format!("ok[endpoints]: Service {namespace}/{release}: it leads to 1 ready pod"),
        format!("ok[certificate]: Secret {namespace}/{secret}: its certificate is valid until TIME"),
        format!(
            "ok[ca-bundle]: MutatingWebhookConfiguration {webhook}: its caBundle trusts the certificate in Secret \
             {namespace}/{secret}"
        ),
        format!(
            "ok[ca-bundle]: ValidatingWebhookConfiguration {webhook}: its caBundle trusts the certificate in Secret \
             {namespace}/{secret}"
        ),
        format!("ok[rights]: ServiceAccount {namespace}/{rights}"),
        format!(
            "ok[injection]: Namespace {}: a marked ConfigMap comes back complete (dry run)",
            place.namespace
        ),
        "ok[selectors]: all 2 marked objects are ones that the webhook is asked about".to_owned(),
        "ok[releases]: all 2 marked objects are complete".to_owned(),
    ];
    assert_eq!(told[1..], expected, "{ran}");
    let last = ran.stdout.lines().last().unwrap();
    assert!(last.starts_with("13 checks: "), "{ran}");
    if !ran.stdout.contains("[policies]: ") || ran.stdout.contains("ok[policies]: ") {
        assert_eq!(last, "13 checks: 0 errors, 0 warnings, 0 skipped");
        assert_eq!(ran.code, Some(0), "{ran}");
    }
}

fn all_is_well_with_a_self_managed_installation(cluster: &Cluster) {
    let place = Place::self_managed(cluster, &[WITH_POLICIES]);
    let secret = format!("{}-serving-cert", place.injector.release);
    let rights = format!(
        "{}: it has the 17 rights that the injector needs in this mode",
        place.injector.release
    );
    assert_well(cluster, &place, &secret, &rights);
    place.without_webhook_of_policies(cluster);
}

fn all_is_well_with_an_installation_with_files(cluster: &Cluster) {
    let place = Place::with_files(cluster, &[WITH_POLICIES]);
    let rights = format!(
        "{}: it has the 9 rights that the injector needs in this mode",
        place.injector.release
    );
    assert_well(cluster, &place, "serving-cert", &rights);
    place.without_webhook_of_policies(cluster);
}

fn a_webhook_that_is_missing(cluster: &Cluster) {
    let place = Place::with_files(cluster, &[]);
    let webhook = &place.injector.webhook;
    cluster
        .kubectl(&["delete", "mutatingwebhookconfiguration", webhook])
        .ok();
    let (problems, ran) = place.problems(cluster);
    assert_eq!(
        problems[0],
        format!(
            "error[webhook]: there is no MutatingWebhookConfiguration {webhook} with an entry \
             mutate.injector.alumet.dev, so nothing is injected; install the injector (chart deploy/injector), or use \
             the post-renderer"
        )
    );
    // What cannot be looked at without a webhook.
    for problem in &problems[1..] {
        assert!(problem.starts_with("skipped["), "{ran}");
        assert!(problem.ends_with("]: there is no webhook to look at"), "{ran}");
    }
    assert_eq!(ran.code, Some(1), "{ran}");
}

fn a_webhook_of_policies_that_is_wrong_or_missing(cluster: &Cluster) {
    let place = Place::with_files(cluster, &[WITH_POLICIES]);
    assert_eq!(place.problems(cluster).0, [""; 0]);
    let Injector {
        namespace,
        release,
        webhook,
        ..
    } = &place.injector;

    let entry = cluster.get(&["validatingwebhookconfiguration", webhook]);
    let trusted = &entry["webhooks"][0]["clientConfig"]["caBundle"];
    let other = cluster.get(&["configmap", "kube-root-ca.crt", "-n", namespace]);
    let other = STANDARD.encode(other["data"]["ca.crt"].as_str().unwrap());
    place.patch_webhook_of_policies(cluster, "caBundle", &json!(other));
    let (problems, ran) = place.problems(cluster);
    let expected = format!(
        "error[ca-bundle]: ValidatingWebhookConfiguration {webhook}: its caBundle does not trust the certificate in Secret \
         {namespace}/serving-cert: no CA of the bundle signed it, or that CA has expired; write the authority that issued \
         the certificate into the caBundle, or restart the injector"
    );
    assert_eq!((problems, ran.code), (vec![expected], Some(1)), "{ran}");
    place.patch_webhook_of_policies(cluster, "caBundle", trusted);

    place.patch_webhook_of_policies(cluster, "service/port", &json!(1));
    let (problems, ran) = place.problems(cluster);
    let expected = format!(
        "error[service]: Service {namespace}/{release}: it has the ports 8443, and the ValidatingWebhookConfiguration \
         {webhook} calls port 1; set service.port of the injector's chart, and upgrade it"
    );
    assert_eq!((problems, ran.code), (vec![expected], Some(1)), "{ran}");

    place.patch_webhook_of_policies(cluster, "service/name", &json!("nobody"));
    let (problems, ran) = place.problems(cluster);
    let expected = format!(
        "error[service]: Service {namespace}/nobody: it is not there, and the ValidatingWebhookConfiguration {webhook} \
         leads to it; install the injector again, or take the webhook away"
    );
    assert!(problems.contains(&expected), "{ran}");

    place.without_webhook_of_policies(cluster);
    let of_policies = || {
        let arguments = ["--webhook", webhook, "-n", &place.namespace];
        let ran = check(cluster, &arguments);
        let told = lines(&ran);
        let told = told
            .into_iter()
            .filter(|line| line.contains("[policy-webhook]: "));
        (told.collect::<Vec<_>>(), ran.code)
    };
    let deployment = format!("Deployment {namespace}/{release}");
    let expected = format!(
        "warning[policy-webhook]: {deployment}: it watches policies, and there is no ValidatingWebhookConfiguration \
         {webhook} with an entry validate.injector.alumet.dev, so that one with errors is taken, and is not in force; set \
         webhook.policies.enabled of the injector's chart"
    );
    assert_eq!(of_policies(), (vec![expected], Some(0)));

    let pointer = "/spec/template/spec/containers/0/args";
    let object = cluster.get(&["deployment", release, "-n", namespace]);
    let arguments = object.pointer(pointer).and_then(Value::as_array).unwrap().iter();
    let others: Vec<&Value> = arguments
        .filter(|argument| *argument != "--watch-policies")
        .collect();
    let patch = format!(
        "--patch={}",
        json!([{"op": "replace", "path": pointer, "value": others}])
    );
    cluster
        .kubectl(&[
            "patch",
            "deployment",
            release,
            "-n",
            namespace,
            "--type=json",
            &patch,
        ])
        .ok();
    let expected = format!(
        "ok[policy-webhook]: {deployment}: it watches no policies, so that none has to be checked as it is written"
    );
    assert_eq!(of_policies().0, [expected]);
}

fn a_ca_bundle_of_another_authority(cluster: &Cluster) {
    let place = Place::with_files(cluster, FAIL);
    let other = place.injector.prepare_files();
    place.injector.trust(cluster, &other.authority);
    wait_for("the API server to trust the other", SOON, || {
        (!injects(cluster, &place.namespace)).then_some(())
    });
    let (problems, ran) = place.problems(cluster);
    let Injector {
        namespace, webhook, ..
    } = &place.injector;
    assert_eq!(problems.len(), 2, "{ran}");
    assert_eq!(
        problems[0],
        format!(
            "error[ca-bundle]: MutatingWebhookConfiguration {webhook}: its caBundle does not trust the certificate in \
             Secret {namespace}/serving-cert: no CA of the bundle signed it, or that CA has expired; write the authority \
             that issued the certificate into the caBundle, or restart the injector"
        )
    );
    let injection = &problems[1];
    assert!(
        injection.starts_with(&format!(
            "error[injection]: Namespace {}: a marked ConfigMap is refused (dry run): Internal error occurred: failed \
             calling webhook \"mutate.injector.alumet.dev\": ",
            place.namespace
        )),
        "{ran}"
    );
    assert!(
        injection.contains("x509: certificate signed by unknown authority"),
        "{ran}"
    );
    assert!(
        injection
            .ends_with("; write the authority that issued the certificate into the caBundle of the webhook"),
        "{ran}"
    );
    assert_eq!(ran.code, Some(1), "{ran}");
}

/// Writes a pair whose life is over into the place of the files.
#[expect(clippy::disallowed_methods, reason = "the API server has the same clock")]
fn expire(injector: &Injector) -> String {
    let then = SystemTime::now() - Duration::from_hours(48);
    let authority = Authority::new(then, Duration::from_hours(480)).unwrap();
    let names = ServerNames::new([format!("{}.{}.svc", injector.release, injector.namespace)]).unwrap();
    let issued = authority.issue(&names, then, Duration::from_hours(24)).unwrap();
    for (file, text) in [("tls.crt", issued.certificate), ("tls.key", issued.key)] {
        fs::write(injector.files().join(file), text).unwrap();
    }
    authority.certificate_pem()
}

fn a_certificate_that_has_expired(cluster: &Cluster) {
    let namespace = cluster.namespace("expired");
    let installation = Installation {
        set: FAIL,
        ..Installation::serving(&namespace)
    };
    let injector = Injector::install_only(cluster, &installation);
    let authority = expire(&injector);
    injector.begin(cluster);
    injector.trust(cluster, &authority);
    let place = Place { namespace, injector };
    place.show_files(cluster);
    place.wait_until_ready(cluster);
    let ended_in = |ran: &Ran, end: &str| lines(ran).iter().any(|line| line.contains(end));
    let ran = wait_for("the API server to have met the certificate", SOON, || {
        let (_, ran) = place.problems(cluster);
        ended_in(&ran, "x509: ").then_some(ran)
    });
    let problems = problems(&ran);
    assert_eq!(problems.len(), 2, "{ran}");
    assert_eq!(
        timeless(&problems[0].replace("Z;", "Z ;")),
        format!(
            "error[certificate]: Secret {}/serving-cert: its certificate expired at TIME ; renew it: whoever wrote the \
             Secret, such as cert-manager or `alumet-injector certs issue`",
            place.injector.namespace
        )
    );
    assert!(problems[1].starts_with("error[injection]: "), "{ran}");
    assert!(
        problems[1].contains("x509: certificate has expired or is not yet valid"),
        "{ran}"
    );
    assert!(
        problems[1].ends_with("; renew the certificate; the injector's log says why it was not renewed"),
        "{ran}"
    );
    assert_eq!(ran.code, Some(1), "{ran}");
}

fn no_ready_replica(cluster: &Cluster) {
    let place = Place::with_files(cluster, &[]);
    let Injector {
        namespace, release, ..
    } = &place.injector;
    let scale = ["scale", "deployment", release, "-n", namespace, "--replicas=0"];
    cluster.kubectl(&scale).ok();
    let expected = [
        format!(
            "error[deployment]: Deployment {namespace}/{release}: it has no ready replica, for none is wanted; kubectl -n \
             {namespace} scale deployment {release} --replicas=1"
        ),
        format!(
            "error[endpoints]: Service {namespace}/{release}: it leads to no pod; see that its selector has the labels of \
             the injector's pods, and why these are not ready"
        ),
    ];
    wait_for("both to be told", SOON, || {
        let (problems, ran) = place.problems(cluster);
        (problems == expected && ran.code == Some(1)).then_some(())
    });
    // And pods that do not begin.
    let nowhere =
        json!({"spec": {"replicas": 2, "template": {"spec": {"nodeSelector": {"no.such/node": "x"}}}}});
    let patch = format!("--patch={nowhere}");
    cluster
        .kubectl(&["patch", "deployment", release, "-n", namespace, &patch])
        .ok();
    let expected = [
        format!(
            "error[deployment]: Deployment {namespace}/{release}: it has no ready replica of 2; see why: kubectl -n \
             {namespace} describe pods; kubectl -n {namespace} logs deployment/{release}"
        ),
        format!(
            "error[endpoints]: Service {namespace}/{release}: it leads to no pod; see that its selector has the labels of \
             the injector's pods, and why these are not ready"
        ),
    ];
    wait_for("both to be told", SOON, || {
        let (problems, _) = place.problems(cluster);
        (problems == expected).then_some(())
    });
}

fn a_right_that_is_missing(cluster: &Cluster) {
    let place = Place::self_managed(cluster, &[]);
    let Injector {
        namespace, release, ..
    } = &place.injector;
    let patch = r#"--patch=[{"op": "replace", "path": "/rules/0/verbs", "value": ["get"]}]"#;
    cluster
        .kubectl(&["patch", "role", release, "-n", namespace, "--type=json", patch])
        .ok();
    let expected = format!(
        "error[rights]: ServiceAccount {namespace}/{release}: it may not patch secrets/{release}-serving-cert in namespace \
         {namespace}; give it a role with that right; the injector's chart has one"
    );
    wait_for("the right to be missed", SOON, || {
        let (problems, ran) = place.problems(cluster);
        (problems == [expected.clone()] && ran.code == Some(1)).then_some(())
    });
}

fn a_namespace_that_the_selector_leaves_out(cluster: &Cluster) {
    let place = Place::with_files(cluster, &[]);
    let outside = cluster.namespace("outside");
    create(cluster, &config_map(&outside, "agent-config"), Stored::Yes).unwrap();
    let (problems, ran) = place.problems_in(cluster, &outside);
    let webhook = &place.injector.webhook;
    assert_eq!(problems.len(), 3, "{ran}");
    assert_eq!(
        problems[0],
        format!("skipped[injection]: no webhook serves the namespace {outside}")
    );
    assert_eq!(
        problems[1],
        format!(
            "error[selectors]: Namespace {outside}: it has 1 marked object, and the namespaceSelector of \
             MutatingWebhookConfiguration {webhook} leaves it out; set webhook.namespaceSelector of the injector's chart, \
             or label the namespace; or use the post-renderer"
        )
    );
    assert!(problems[2].starts_with("error[releases]: "), "{ran}");
    assert_eq!(ran.code, Some(1), "{ran}");

    // One that somebody else completed works, until it is changed.
    let outside = cluster.namespace("outside");
    let object = config_map(&outside, "agent-config").to_string();
    let completed = cluster.own_with(&["post-render"], &object).ok();
    cluster.kubectl_with(&["create", "-f", "-"], &completed).ok();
    let (problems, ran) = place.problems_in(cluster, &outside);
    let begin = format!(
        "warning[selectors]: Namespace {outside}: it has 1 marked object, and the namespaceSelector of "
    );
    assert_eq!(problems.len(), 2, "{ran}");
    assert!(problems[1].starts_with(&begin), "{ran}");
    assert_eq!(ran.code, Some(0), "{ran}");
}

fn an_object_that_the_selector_leaves_out(cluster: &Cluster) {
    let namespace = cluster.namespace("labelled");
    let installation = Installation {
        set: &["webhook.objectSelector.matchLabels.team=hpc"],
        ..Installation::serving(&namespace)
    };
    let injector = Injector::install_only(cluster, &installation);
    injector.start(cluster);
    let place = Place { namespace, injector };
    create(
        cluster,
        &config_map(&place.namespace, "agent-config"),
        Stored::Yes,
    )
    .unwrap();
    // What the dry run creates has the label.
    let (problems, ran) = wait_for("the API server to ask", SOON, || {
        let (problems, ran) = place.problems(cluster);
        ran.stdout.contains("ok[injection]: ").then_some((problems, ran))
    });
    let expected = format!(
        "error[selectors]: Namespace {}: the objectSelector of MutatingWebhookConfiguration {} leaves out 1 marked object: \
         ConfigMap agent-config; set webhook.objectSelector of the injector's chart, or label the objects",
        place.namespace, place.injector.webhook
    );
    assert!(problems.contains(&expected), "{ran}");
    assert_eq!(ran.code, Some(1), "{ran}");
}

fn a_release_that_was_installed_without_the_injector(cluster: &Cluster) {
    let place = Place::with_files(cluster, &[]);
    let namespace = &place.namespace;
    place.injector.stop();
    for mut object in [
        config_map(namespace, "agent-config"),
        deployment(namespace, "server", &values()),
    ] {
        object["metadata"]["labels"]["app.kubernetes.io/instance"] = json!("alumet");
        create(cluster, &object, Stored::Yes).unwrap();
    }
    place.injector.start(cluster);
    wait_for("the API server to ask again", SOON, || {
        injects(cluster, namespace).then_some(())
    });
    let (problems, ran) = place.problems(cluster);
    let mend = format!(
        "kubectl -n {namespace} annotate configmap/agent-config deployment/server injector.alumet.dev/refresh=now \
         --overwrite"
    );
    assert_eq!(
        problems,
        [format!(
            "error[releases]: release {namespace}/alumet: it has objects that are not complete: ConfigMap agent-config \
             (missed), Deployment server (missed); {mend}"
        )]
    );
    assert_eq!(ran.code, Some(1), "{ran}");
    // The mend is one.
    let words: Vec<&str> = mend.split(' ').skip(1).collect();
    cluster.kubectl(&words).ok();
    assert_eq!(place.problems(cluster).0, Vec::<String>::new());
}

fn who_may_see_nothing_is_told_which_rights_are_missing(cluster: &Cluster) {
    let place = Place::with_files(cluster, &[]);
    let kubeconfig = cluster.kubeconfig_of(&place.namespace, "default");
    let arguments = ["--webhook", &place.injector.webhook, "-n", &place.namespace];
    let mut command = command(cluster, &arguments);
    command.env("KUBECONFIG", kubeconfig);
    let ran = run(command, "");
    let told = lines(&ran);
    let skipped = |code: &str| {
        let begin = format!("skipped[{code}]: ");
        told.iter()
            .find_map(|line| line.strip_prefix(&begin))
            .unwrap_or_else(|| panic!("{code}: {ran}"))
            .to_owned()
    };
    assert!(told[0].starts_with("ok[api-server]: "), "{ran}");
    let mend = "; let somebody look who may";
    for code in [
        "webhook",
        "service",
        "deployment",
        "endpoints",
        "certificate",
        "ca-bundle",
        "rights",
        "selectors",
    ] {
        assert_eq!(
            skipped(code),
            format!("you may not list mutatingwebhookconfigurations.admissionregistration.k8s.io{mend}"),
            "{code}"
        );
    }
    assert_eq!(
        skipped("policy-webhook"),
        format!("you may not list validatingwebhookconfigurations.admissionregistration.k8s.io{mend}")
    );
    let namespace = &place.namespace;
    assert_eq!(
        skipped("injection"),
        format!(
            "Namespace {namespace}: you may not create configmaps in namespace {namespace}, which the dry run needs{mend}"
        )
    );
    assert_eq!(skipped("releases"), format!("you may not list configmaps{mend}"));
    assert_eq!(ran.code, Some(0), "{ran}");
}

fn for_programs_it_is_json(cluster: &Cluster) {
    let ran = check(cluster, &["--webhook", "no-such-webhook", "--output", "json"]);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    let webhook = told
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["code"] == "webhook")
        .unwrap();
    assert_eq!(
        *webhook,
        json!({
            "code": "webhook",
            "outcome": "error",
            "place": "",
            "message": "there is no MutatingWebhookConfiguration no-such-webhook with an entry \
                        mutate.injector.alumet.dev, so nothing is injected",
            "mend": "install the injector (chart deploy/injector), or use the post-renderer",
        })
    );
    assert_eq!(ran.code, Some(1), "{ran}");
}

fn a_cluster_that_cannot_be_reached_is_no_finding(cluster: &Cluster) {
    let ran = check(cluster, &["--context", "no-such-context"]);
    assert_eq!(ran.code, Some(3), "{ran}");
    assert_eq!(ran.stdout, "");
    assert!(
        ran.stderr
            .contains("context \"no-such-context\" of the kubeconfig cannot be used"),
        "{ran}"
    );
}
