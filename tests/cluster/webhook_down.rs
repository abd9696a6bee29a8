//! The injector is away, or was never there: what comes in meanwhile, what is refused, and what leads out.

mod fail;

use std::{collections::BTreeSet, env, fs, path::Path};

use alumet_injector::names::{COMPONENT_LABEL, Component, REFRESH_ANNOTATION, STATUS_ANNOTATION};
use serde_json::{Value, json};

use crate::{
    files::root,
    helm::{INJECTOR, Major, program},
    markdown::fences,
    support::{
        Case, Cluster, cases,
        cluster::{Ran, run},
        injector::{Injector, Installation, injects},
        poll::wait_for,
        release::{
            CLIENT, MARKED, Release, SERVER, SOON, assert_nobody_owns_what_is_injected, tolerated, values,
            variable,
        },
    },
};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = cases![
        a_release_installed_without_an_injector_is_made_right_by_what_the_documents_say,
        the_next_upgrade_completes_what_was_missed_with_helm_4_alone,
        what_was_missed_is_completed_when_server_side_apply_sends_it_again,
        under_ignore_objects_come_in_as_they_are_and_the_api_server_counts_them,
        a_pod_of_a_missed_template_is_completed_by_itself_but_goes_where_its_template_may,
    ];
    cases.extend(fail::cases());
    cases
}

/// Name of the webhook in its configuration.
const WEBHOOK: &str = "mutate.injector.alumet.dev";

/// In the kubelet's words.
const NO_CONFIG: &str = "configmap references non-existent config key: config";

/// Relay clients on every node, also on the control plane: by a toleration that the injector has to write.
fn on_every_node() -> Value {
    values(&json!({
        "global": {"secret": "gh-registry-secret"},
        "alumet-relay-client": {
            "nodeSelector": null,
            "tolerations": [{"key": CONTROL_PLANE, "operator": "Exists", "effect": "NoSchedule"}],
        },
    }))
}

const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// The node with the taint of a control plane.
const TAINTED: &str = "node-4";

/// Until as many pods of a component wait for the key `config`; the pods.
#[track_caller]
fn wait_until_held(release: &Release<'_>, component: Component, count: usize) -> Vec<Value> {
    let what = format!("{count} pods of the {component} to be held");
    wait_for(&what, SOON, || {
        let pods = release.pods_of(component);
        let is_held = |pod: &Value| release.why_held(pod).is_some_and(|why| why.contains(NO_CONFIG));
        (pods.len() == count && pods.iter().all(is_held)).then_some(pods)
    })
}

fn nodes(pods: &[Value]) -> BTreeSet<&str> {
    pods.iter()
        .filter_map(|pod| pod["spec"]["nodeName"].as_str())
        .collect()
}

/// The commands of a section of `docs/troubleshooting.md`, with another namespace in place of `test`.
fn documented(section: &str, namespace: &str) -> String {
    let text = fs::read_to_string(root("docs/troubleshooting.md")).expect("the document is there");
    let (_, section) = text
        .split_once(&format!("\n## {section}\n"))
        .unwrap_or_else(|| panic!("there is no section {section:?}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks: Vec<_> = fences(section)
        .into_iter()
        .filter(|fence| fence.info == "sh")
        .collect();
    assert_eq!(blocks.len(), 1, "one block of commands: {section}");
    let commands = blocks[0]
        .body
        .replace("kubectl -n test ", &format!("kubectl -n {namespace} "));
    assert_eq!(
        commands.matches("kubectl ").count(),
        commands.matches(namespace).count(),
        "{commands}"
    );
    commands
}

/// Types commands into a shell that has kubectl and this program on its PATH.
pub(crate) fn typed(cluster: &Cluster, commands: &str) -> Ran {
    let (kubectl, own) = (program("KUBECTL"), Path::new(INJECTOR));
    let folders = [kubectl.parent(), own.parent()].into_iter().flatten();
    let mut path: Vec<_> = folders.map(Path::to_owned).collect();
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let mut shell = cluster.command(Path::new("/bin/sh"));
    shell
        .env("PATH", env::join_paths(path).expect("folders without a colon"))
        .args(["-euc", commands]);
    run(shell, "")
}

fn a_release_installed_without_an_injector_is_made_right_by_what_the_documents_say(cluster: &Cluster) {
    let namespace = cluster.namespace("no-injector");
    let release = Release::of(cluster, Major::Four, &namespace);
    release.install(&on_every_node());
    for component in [CLIENT, SERVER] {
        assert_eq!(release.config(component), None);
    }
    let clients = wait_until_held(&release, CLIENT, 4);
    assert!(!nodes(&clients).contains(TAINTED), "{}", release.story());
    wait_until_held(&release, SERVER, 1);
    let commands = documented("A release was installed while no injector was there", &namespace);
    // Typed too early it changes nothing, and may be typed again.
    let (first, _) = commands
        .split_once("\nkubectl ")
        .expect("it waits for the rollout, then");
    typed(cluster, first).ok();
    assert_eq!(release.config(SERVER), None);

    let _injector = Injector::install(cluster, &Installation::serving(&namespace));
    let said = typed(cluster, &commands).ok();
    assert!(said.contains("successfully rolled out"), "{said}");
    release.wait_until_running();
    for (kind, component) in MARKED {
        let annotations = &release.object(kind, component)["metadata"]["annotations"];
        assert!(
            annotations[REFRESH_ANNOTATION].is_null(),
            "{kind} {component}: {annotations:#}"
        );
    }
    let clients = release.pods_of(CLIENT);
    assert_eq!(nodes(&clients).len(), 5, "{}", release.story());
    for pod in release.pods() {
        assert!(
            !pod["metadata"]["annotations"][STATUS_ANNOTATION].is_null(),
            "{pod:#}"
        );
        assert_eq!(
            pod["spec"]["imagePullSecrets"],
            json!([{"name": "gh-registry-secret"}])
        );
    }
    let server = &release.pods_of(SERVER)[0];
    assert!(variable(&server["spec"], "INFLUX_TOKEN").is_some(), "{server:#}");

    // Helm goes on as if the injector had been there.
    let before = release.state_and_pods();
    assert_nobody_owns_what_is_injected(&release);
    release.upgrade(&on_every_node());
    release.wait_until_running();
    assert_eq!(release.state_and_pods(), before);
}

fn the_next_upgrade_completes_what_was_missed_with_helm_4_alone(cluster: &Cluster) {
    for helm in [Major::Three, Major::Four] {
        let namespace = cluster.namespace("next-upgrade");
        let release = Release::of(cluster, helm, &namespace);
        release.install(&values(&json!({})));
        cluster.serve(&namespace);
        release.upgrade(&values(&json!({})));
        if helm == Major::Four {
            release.wait_until_running();
            continue;
        }
        // It compares the manifests, and sends nothing where they are equal.
        assert_eq!(
            [CLIENT, SERVER].map(|component| release.config(component)),
            [None, None]
        );
        release.upgrade(&values(&json!({
            "alumet-relay-client": {"plugins": {"k8s": {"poll_interval": "7s"}}},
            "alumet-relay-server": {"plugins": {"influxdb": {"bucket": "energy"}}},
        })));
        release.wait_until_running();
    }
}

fn what_was_missed_is_completed_when_server_side_apply_sends_it_again(cluster: &Cluster) {
    let namespace = cluster.namespace("applied-again");
    let release = Release::of_a_stream(cluster, &namespace);
    let stream = release.stream(&json!({}));
    let apply = ["apply", "--server-side", "--field-manager=gitops", "-f", "-"];
    release.kubectl_with(&apply, &stream).ok();
    wait_until_held(&release, CLIENT, 1);
    assert_eq!(release.config(CLIENT), None);

    cluster.serve(&namespace);
    release.kubectl_with(&apply, &stream).ok();
    release.wait_until_running();
    assert_nobody_owns_what_is_injected(&release);
    let before = release.state_and_pods();
    release.kubectl_with(&apply, &stream).ok();
    assert_eq!(release.state_and_pods(), before);
}

/// How often the API server let something in because the injector did not answer. All injectors of a run are counted
/// together.
fn let_in(cluster: &Cluster) -> u64 {
    let metrics = cluster.metrics();
    let lines = metrics.lines().filter(|line| {
        line.starts_with("apiserver_admission_webhook_fail_open_count{") && line.contains(WEBHOOK)
    });
    let count = |line: &str| line.rsplit(' ').next()?.parse::<u64>().ok();
    lines.filter_map(count).sum()
}

fn under_ignore_objects_come_in_as_they_are_and_the_api_server_counts_them(cluster: &Cluster) {
    let namespace = cluster.namespace("ignore");
    let injector = Injector::install(cluster, &Installation::serving(&namespace));
    injector.stop();
    let before = let_in(cluster);
    let release = Release::of(cluster, Major::Four, &namespace);
    release.install(&values(&json!({})));
    for (kind, component) in MARKED {
        let object = release.object(kind, component);
        assert!(!object.to_string().contains(STATUS_ANNOTATION), "{object:#}");
    }
    let counted = let_in(cluster) - before;
    assert!(counted >= 4, "each of the marked objects is counted: {counted}");
    wait_for("the audit log to name each object", SOON, || {
        let events = cluster.audit_events(|event| {
            let is_told = |(key, value): (&String, &Value)| {
                key.starts_with("failed-open.mutation.webhook.admission.k8s.io/") && value == WEBHOOK
            };
            event["objectRef"]["namespace"] == namespace.as_str()
                && event["annotations"]
                    .as_object()
                    .is_some_and(|all| all.iter().any(is_told))
        });
        let told: BTreeSet<_> = events
            .iter()
            .filter_map(|event| event["objectRef"]["resource"].as_str())
            .collect();
        ["configmaps", "daemonsets", "deployments", "pods"]
            .iter()
            .all(|resource| told.contains(resource))
            .then_some(())
    });
}

fn a_pod_of_a_missed_template_is_completed_by_itself_but_goes_where_its_template_may(cluster: &Cluster) {
    let namespace = cluster.namespace("meanwhile");
    let injector = Injector::install(cluster, &Installation::serving(&namespace));
    injector.stop();
    let release = Release::of(cluster, Major::Four, &namespace);
    release.install(&on_every_node());
    let old = [(CLIENT, 4), (SERVER, 1)].map(|(component, count)| {
        wait_until_held(&release, component, count);
        release.uids(component)
    });
    injector.start(cluster);
    wait_for("the API server to ask again", SOON, || {
        injects(cluster, &namespace).then_some(())
    });

    release
        .kubectl(&["delete", "pods", "--selector", COMPONENT_LABEL, "--wait=false"])
        .ok();
    wait_for("other pods", SOON, || {
        let new = [CLIENT, SERVER].map(|component| release.uids(component));
        (new[0].len() == 4
            && new[1].len() == 1
            && new.iter().zip(&old).all(|(new, old)| new.is_disjoint(old)))
        .then_some(())
    });
    // They wait for their configuration as before, but lack nothing else.
    let clients = wait_until_held(&release, CLIENT, 4);
    let server = wait_until_held(&release, SERVER, 1).remove(0);
    for pod in clients.iter().chain([&server]) {
        assert!(
            !pod["metadata"]["annotations"][STATUS_ANNOTATION].is_null(),
            "{pod:#}"
        );
        assert_eq!(
            pod["spec"]["imagePullSecrets"],
            json!([{"name": "gh-registry-secret"}])
        );
    }
    assert!(variable(&server["spec"], "INFLUX_TOKEN").is_some(), "{server:#}");
    for pod in &clients {
        assert!(tolerated(&pod["spec"]).contains(&CONTROL_PLANE), "{pod:#}");
    }
    for (kind, component) in [("daemonset", CLIENT), ("deployment", SERVER)] {
        let template = release.object(kind, component)["spec"]["template"].to_string();
        assert!(!template.contains(STATUS_ANNOTATION), "{template}");
    }
    // The DaemonSet reads the template, which tolerates nothing: its pods come too late to be sent there.
    assert!(!nodes(&clients).contains(TAINTED), "{}", release.story());

    let new = [CLIENT, SERVER].map(|component| release.uids(component));
    let refresh = |kind: &str, component: Component| {
        let name = release.name(kind, component);
        let annotation = format!("{REFRESH_ANNOTATION}=now");
        release.kubectl(&["annotate", &name, &annotation]).ok();
    };
    refresh("configmap", CLIENT);
    refresh("configmap", SERVER);
    release.wait_until_running();
    assert_eq!(
        [CLIENT, SERVER].map(|component| release.uids(component)),
        new,
        "the same pods"
    );
    refresh("daemonset", CLIENT);
    wait_for("a client on the tainted node", SOON, || {
        nodes(&release.pods_of(CLIENT)).contains(TAINTED).then_some(())
    });
}
