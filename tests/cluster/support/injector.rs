//! The injector as its users run it: installed from its chart, and the program under test in place of the image.
//!
//! The Deployment's pod is played by kwok; what it would run is started on this machine, with the arguments that the
//! API server holds and with the rights of the pod's own ServiceAccount. The API server reaches it through the Service.

use std::{
    ffi::OsString,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use alumet_injector::{
    certs::{Authority, ServerNames},
    manifest::{load, stream},
    names::{COMPONENT_LABEL, STATUS_ANNOTATION, VALUES_ANNOTATION},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{
    Cluster,
    certificates::private,
    http,
    poll::{try_wait_for, wait_for},
    processes::{Process, Spec},
};
use crate::{
    files::root,
    helm::{INJECTOR, Major},
};

/// A namespace with this label is served by no injector but the one that a test installs for it.
pub(crate) const APART_LABEL: &str = "test.alumet.dev/apart";

/// Port of the Service, and of the program, for nothing stands between them here. Below 1024 not everybody may listen.
pub(crate) const PORT: u16 = 8443;

const ADMIN_PORT: u16 = 8080;

/// Where the chart mounts the files of the certificate.
const MOUNT: &str = "/etc/alumet-injector/tls";

/// Name of the release that serves the cluster, and so of the objects in it.
const RELEASE: &str = "alumet-injector";

/// Long enough for the program to begin, and for the API server to trust it.
const SOON: Duration = Duration::from_mins(1);

/// Which objects an injector is asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Serves<'a> {
    /// All namespaces that do not stand apart: what a cluster-wide installation is to the other tests.
    TheCluster,
    /// This namespace, which stands apart.
    Namespace(&'a str),
}

/// Where an injector's certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// It makes it and keeps it in its Secret.
    SelfManaged,
    /// Two files, made by the test.
    Files,
}

/// How an injector is installed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Installation<'a> {
    /// Who installs it.
    pub(crate) helm: Major,
    /// Where to; a new namespace when there is none.
    pub(crate) into: Option<&'a str>,
    pub(crate) serves: Serves<'a>,
    pub(crate) certificate: Certificate,
    /// Values of its chart besides those that the tests need: `webhook.failurePolicy=Fail`.
    pub(crate) set: &'a [&'a str],
}

impl<'a> Installation<'a> {
    /// One that serves a single namespace, installed by Helm 4 into a namespace of its own.
    pub(crate) fn serving(namespace: &'a str) -> Self {
        Self {
            helm: Major::Four,
            into: None,
            serves: Serves::Namespace(namespace),
            certificate: Certificate::Files,
            set: &[],
        }
    }
}

/// The values with which an injector checks policies as they are written.
pub(crate) const WITH_POLICIES: &str = "webhook.policies.enabled=true";

/// Begin of the names of policies that nobody checks as they are written, so that the watch is the first to see their
/// errors.
pub(crate) const UNCHECKED: &str = "unchecked-";

fn owns_policies(installation: &Installation<'_>) -> bool {
    matches!(installation.serves, Serves::TheCluster)
}

fn registers_for_policies(installation: &Installation<'_>) -> bool {
    owns_policies(installation) || installation.set.contains(&WITH_POLICIES)
}

/// An injector behind a webhook configuration of its own.
pub(crate) struct Injector {
    /// Where it is installed.
    pub(crate) namespace: String,
    /// Name of its release, and of the objects in it, of which some are the whole cluster's.
    pub(crate) release: String,
    /// Name of its `MutatingWebhookConfiguration`.
    pub(crate) webhook: String,
    /// Its Service's.
    pub(crate) address: Ipv4Addr,
    kubeconfig: PathBuf,
    /// Authority, certificate and key, for `Certificate::Files`.
    authority: String,
    tls: PathBuf,
    program: Mutex<Option<Process>>,
}

impl Injector {
    /// Installs it, starts it, and waits until the API server asks it.
    #[track_caller]
    pub(crate) fn install(cluster: &Cluster, installation: &Installation<'_>) -> Self {
        let injector = Self::install_only(cluster, installation);
        injector.start(cluster);
        injector.wait_until_asked(cluster, installation.serves);
        injector
    }

    /// Installs it, and starts nothing.
    #[track_caller]
    pub(crate) fn install_only(cluster: &Cluster, installation: &Installation<'_>) -> Self {
        let namespace = installation
            .into
            .map_or_else(|| cluster.namespace("injector"), str::to_owned);
        let release = match installation.serves {
            Serves::TheCluster => RELEASE.to_owned(),
            Serves::Namespace(_) => format!("{RELEASE}-of-{namespace}"),
        };
        // Some test asks for the objects of `deploy/install.yaml`, and they are to be new.
        let webhook = match (installation.serves, installation.into) {
            (Serves::TheCluster, Some(_)) => RELEASE.to_owned(),
            _ => format!("injector-of-{namespace}"),
        };
        let address = cluster.service_ip();
        let tls = cluster.folder().join(format!("{webhook}.tls"));
        let authority = make_pair(&tls, &format!("{release}.{namespace}.svc"));
        let injector = Self {
            kubeconfig: PathBuf::new(),
            authority,
            tls,
            namespace,
            release,
            webhook,
            address,
            program: Mutex::new(None),
        };
        injector.helm(cluster, "install", installation);
        let kubeconfig = cluster.kubeconfig_of(&injector.namespace, &injector.release);
        Self {
            kubeconfig,
            ..injector
        }
    }

    /// `helm install` or `helm upgrade` of its chart.
    #[track_caller]
    pub(crate) fn helm(&self, cluster: &Cluster, verb: &str, installation: &Installation<'_>) {
        self.helm_with(cluster, verb, &root("deploy/injector"), installation);
    }

    /// The same with another chart, such as a changed copy.
    #[track_caller]
    pub(crate) fn helm_with(
        &self,
        cluster: &Cluster,
        verb: &str,
        chart: &Path,
        installation: &Installation<'_>,
    ) {
        let mut arguments: Vec<OsString> = [verb, self.release.as_str()].map(OsString::from).into();
        arguments.push(chart.into());
        arguments.extend(["--namespace", self.namespace.as_str(), "--values"].map(OsString::from));
        let values = cluster.folder().join(format!("{}.values.json", self.webhook));
        fs::write(&values, self.values(installation).to_string()).expect("the file can be written");
        arguments.push(values.into());
        for set in installation.set {
            arguments.extend(["--set", *set].map(OsString::from));
        }
        cluster
            .helm(installation.helm)
            .run(&arguments)
            .unwrap_or_else(|failure| panic!("{failure}"));
        // What stands for the injector of a user is left as the chart has it.
        let is_of_tests = installation.into.is_none();
        if verb == "install" && is_of_tests && registers_for_policies(installation) {
            self.uncheck(cluster);
        }
    }

    /// Keeps some policies from being checked as they are written: each injector that checks any is asked about all.
    fn uncheck(&self, cluster: &Cluster) {
        let expression = format!("!object.metadata.name.startsWith('{UNCHECKED}')");
        let condition = json!({"name": "not-unchecked", "expression": expression});
        let patch = json!([{"op": "add", "path": "/webhooks/0/matchConditions/-", "value": condition}]);
        let configuration = ["validatingwebhookconfiguration", &self.webhook];
        let patched = ["--type=json", "--patch", &patch.to_string()];
        let arguments = [&["patch"], &configuration[..], &patched].concat();
        cluster.kubectl(&arguments).ok();
    }

    /// What the chart is told because this is a test.
    fn values(&self, installation: &Installation<'_>) -> Value {
        let beside = match installation.serves {
            Serves::TheCluster => json!({"key": APART_LABEL, "operator": "DoesNotExist"}),
            Serves::Namespace(name) => {
                json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": [name]})
            }
        };
        // A list in values replaces the chart's.
        let mut selector = default_selector();
        selector.push(beside);
        let mut values = json!({
            "server": {"address": self.address, "httpsPort": PORT, "adminPort": ADMIN_PORT,
                       "shutdownDelaySeconds": 0, "drainTimeoutSeconds": 5},
            "service": {"clusterIP": self.address, "port": PORT},
            "webhook": {
                "configurationName": self.webhook,
                "namespaceSelector": {"matchExpressions": selector},
            },
        });
        // They are the cluster's, and so is their owner.
        let owns_policies = owns_policies(installation);
        values["crds"] = json!({"install": owns_policies});
        values["webhook"]["policies"] = json!({"enabled": owns_policies});
        if installation.certificate == Certificate::Files {
            values["certificates"] = json!({"mode": "files", "secretName": "serving-cert"});
            values["webhook"]["caBundle"] = json!(self.authority);
        }
        values
    }

    /// Starts the program as the pod of its Deployment would, and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(&self, cluster: &Cluster) {
        self.begin(cluster);
        wait_for("the injector to be ready", SOON, || {
            if let Some(process) = self.program().as_ref() {
                assert!(
                    process.ended().is_none(),
                    "the injector ended:\n{}",
                    process.text()
                );
            }
            self.is_ready(cluster).then_some(())
        });
    }

    /// Starts the program, and waits for nothing.
    #[track_caller]
    pub(crate) fn begin(&self, cluster: &Cluster) {
        let deployment = cluster.get(&["deployment", &self.release, "--namespace", &self.namespace]);
        let arguments: Vec<String> =
            serde_json::from_value(deployment["spec"]["template"]["spec"]["containers"][0]["args"].clone())
                .expect("the container has arguments");
        let tls = self.tls.to_str().expect("a path in UTF-8");
        let spec = arguments.into_iter().fold(Spec::new(INJECTOR), |spec, argument| {
            spec.arg(argument.replace(MOUNT, tls))
        });
        let spec = spec.env("KUBECONFIG", self.kubeconfig.to_str().expect("a path in UTF-8"));
        *self.program() = Some(cluster.spawn(&format!("injector of {}", self.namespace), spec));
    }

    /// Whether it takes calls.
    pub(crate) fn is_ready(&self, cluster: &Cluster) -> bool {
        self.admin(cluster, "/readyz").0 == 200
    }

    /// Makes another pair, of another authority, for the files of its certificate.
    pub(crate) fn prepare_files(&self) -> Renewal {
        let from = self.tls.with_extension("new");
        Renewal {
            authority: make_pair(&from, &format!("{}.{}.svc", self.release, self.namespace)),
            from,
            to: self.tls.clone(),
        }
    }

    /// Tells the API server whom to trust, PEM.
    #[track_caller]
    pub(crate) fn trust(&self, cluster: &Cluster, authorities: &str) {
        let bundle = STANDARD.encode(authorities);
        let patch = json!([{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle}])
            .to_string();
        cluster
            .kubectl(&[
                "patch",
                "mutatingwebhookconfiguration",
                &self.webhook,
                "--type=json",
                "--patch",
                &patch,
            ])
            .ok();
    }

    /// Where `tls.crt` and `tls.key` are.
    pub(crate) fn files(&self) -> &Path {
        &self.tls
    }

    /// The authority of the files that it began with, PEM.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Ends the program as the kubelet would, and waits until it is gone. The webhook configuration stays.
    #[track_caller]
    pub(crate) fn stop(&self) {
        let process = self.program().take().expect("it runs");
        let end = process.stop(Signal::TERM, SOON);
        assert_eq!(end.code, Some(0), "{}", process.text());
    }

    /// Until a marked object of a namespace that it serves comes back complete. Nothing is stored.
    #[track_caller]
    fn wait_until_asked(&self, cluster: &Cluster, serves: Serves<'_>) {
        let namespace = match serves {
            Serves::TheCluster => "default",
            Serves::Namespace(name) => name,
        };
        let asked = try_wait_for(SOON, || injects(cluster, namespace).then_some(()));
        assert!(
            asked.is_some(),
            "the API server does not ask the injector:\n{}",
            self.log()
        );
        if matches!(serves, Serves::TheCluster) {
            let asked = try_wait_for(SOON, || checks_policies(cluster).then_some(()));
            assert!(
                asked.is_some(),
                "the API server does not ask the injector about policies:\n{}",
                self.log()
            );
        }
    }

    /// What it wrote to its log since it was started.
    pub(crate) fn log(&self) -> String {
        self.program().as_ref().map(Process::text).unwrap_or_default()
    }

    /// Its metrics, in Prometheus' text format.
    #[track_caller]
    pub(crate) fn metrics(&self, cluster: &Cluster) -> String {
        let (status, text) = self.admin(cluster, "/metrics");
        assert_eq!(status, 200, "{text}");
        text
    }

    /// One sample of them: `alumet_injector_failed_events_total`, with its labels where it has some.
    #[track_caller]
    pub(crate) fn sample(&self, cluster: &Cluster, name: &str) -> usize {
        let metrics = self.metrics(cluster);
        let value = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("no {name} in {metrics}"))
    }

    /// The user as whom it asks the API server.
    pub(crate) fn account(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.release)
    }

    /// Status and body of an answer of the admin port; 0 when nobody answers.
    fn admin(&self, cluster: &Cluster, path: &str) -> (u16, String) {
        cluster
            .block_on(http::get((self.address, ADMIN_PORT).into(), path))
            .unwrap_or_default()
    }

    fn program(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.program.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which namespaces the chart serves by default, as match expressions.
fn default_selector() -> Vec<Value> {
    let text = fs::read(root("deploy/injector/values.yaml")).expect("the chart has values");
    let document = stream::documents(&text).next().expect("they are a document");
    let values = load::read(&document).expect("it is YAML").value;
    let selector = &values["webhook"]["namespaceSelector"]["matchExpressions"];
    selector.as_array().expect("a list").clone()
}

/// A pair that is not in its place yet.
#[derive(Debug)]
pub(crate) struct Renewal {
    /// Who issued it, PEM.
    pub(crate) authority: String,
    from: PathBuf,
    to: PathBuf,
}

impl Renewal {
    /// Exchanges the files, one after the other.
    pub(crate) fn put_in_place(&self) {
        for file in ["tls.crt", "tls.key"] {
            fs::rename(self.from.join(file), self.to.join(file)).expect("the file can be moved");
        }
    }
}

/// Whether a marked object of this namespace comes back complete. Nothing is stored.
pub(crate) fn injects(cluster: &Cluster, namespace: &str) -> bool {
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "probe",
            "namespace": namespace,
            "labels": {COMPONENT_LABEL: "agent"},
            "annotations": {VALUES_ANNOTATION: r#"{"agentVersion":"0.9.5","plugins":{"csv":{"enable":true}}}"#},
        },
    });
    let arguments = ["create", "--dry-run=server", "-f", "-", "-o", "json"];
    let ran = cluster.kubectl_with(&arguments, &object.to_string());
    ran.code == Some(0)
        && serde_json::from_str::<Value>(&ran.stdout)
            .is_ok_and(|object| !object["metadata"]["annotations"][STATUS_ANNOTATION].is_null())
}

/// Whether a policy with an unknown plugin is refused for it. Nothing is stored.
pub(crate) fn checks_policies(cluster: &Cluster) -> bool {
    let policy = json!({
        "apiVersion": "injector.alumet.dev/v1alpha1",
        "kind": "ClusterInjectionPolicy",
        "metadata": {"name": "probe"},
        "spec": {"defaults": {"plugins": {"rapll": {}}}},
    });
    let arguments = ["create", "--dry-run=server", "-f", "-"];
    let ran = cluster.kubectl_with(&arguments, &policy.to_string());
    ran.stderr.contains("unknown-plugin")
}

/// Writes `tls.crt` and `tls.key` into a new folder; the authority that issued them, PEM.
#[expect(clippy::disallowed_methods, reason = "the certificate is good from now on")]
pub(crate) fn make_pair(folder: &Path, name: &str) -> String {
    let now = SystemTime::now();
    let authority = Authority::new(now, Duration::from_hours(48)).expect("an authority is made");
    let names = ServerNames::new([name.to_owned()]).expect("a name of a server");
    let issued = authority
        .issue(&names, now, Duration::from_hours(24))
        .expect("a certificate is issued");
    fs::create_dir_all(folder).expect("the folder can be made");
    for (file, text) in [("tls.crt", &issued.certificate), ("tls.key", &issued.key)] {
        private(&folder.join(file), text).expect("the file can be written");
    }
    authority.certificate_pem()
}
