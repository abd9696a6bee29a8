//! The cluster that the tests of one run share.

use std::{
    ffi::OsStr,
    fmt, fs,
    io::Write,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use hyper::http::Request;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, task::JoinHandle};

use super::{
    control_plane::{ControlPlane, kubeconfig},
    injector::{APART_LABEL, Certificate, Injector, Installation, Serves, injects},
    kubelet::Kubelet,
    poll::wait_for,
    ports::ServiceRange,
    processes::{Guardian, Process, Spec},
};
use crate::helm::{Helm, INJECTOR, Major, isolated, program};

/// The label that each namespace of a test has, with the namespace's own name: a webhook configuration of a test selects
/// by it, and no other test is in its way.
pub(crate) const NAMESPACE_LABEL: &str = "test.alumet.dev/namespace";

/// The programs of the control plane, in the logs of a run the first ones.
const PROGRAMS: usize = 5;

/// One control plane with five nodes. It ends with `end`; or when the suite ends, however that comes.
pub(crate) struct Cluster {
    // The order matters: what stands first is dropped first.
    injector: OnceLock<Injector>,
    kubelet: Kubelet,
    plane: Mutex<Option<ControlPlane>>,
    client: Client,
    guardian: Guardian,
    runtime: Runtime,
    services: ServiceRange,
    namespaces: AtomicU32,
    kubeconfig: PathBuf,
    ca: PathBuf,
    server: String,
    audit_log: PathBuf,
}

/// What becomes of the folder of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Folder {
    Remove,
    Keep,
}

/// What came of a command.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    /// What was typed.
    pub(crate) call: String,
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Its stdout; the test fails, with all that is known, when its exit code is not 0.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert!(self.code == Some(0), "{self}");
        self.stdout
    }

    /// Its stderr without what is said of policies: those of the cluster are also other tests'.
    pub(crate) fn said(&self) -> String {
        let is_of_policy = |line: &&str| {
            ["ClusterInjectionPolicy ", "InjectionPolicy "]
                .iter()
                .any(|kind| line.starts_with(kind))
        };
        let lines = self.stderr.lines().filter(|line| !is_of_policy(line));
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// Its stderr; the test fails when its exit code is 0.
    #[track_caller]
    pub(crate) fn refused(self) -> String {
        assert!(self.code != Some(0), "{self}");
        self.stderr
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            call,
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "{call}: exit code {code:?}\n--- stdout\n{stdout}--- stderr\n{stderr}"
        )
    }
}

impl Cluster {
    /// Starts a control plane of its own; about 10 s.
    pub(crate) fn start() -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| format!("the async runtime: {error}"))?;
        let services =
            ServiceRange::claim().map_err(|error| format!("no range of addresses for Services: {error}"))?;
        let guardian = Guardian::start().map_err(|error| format!("the guardian: {error}"))?;
        let (plane, client) =
            ControlPlane::start(&guardian, &services, &runtime).inspect_err(|_| guardian.keep_folder())?;
        Ok(Self {
            injector: OnceLock::new(),
            kubelet: Kubelet::start(client.clone(), runtime.handle()),
            client,
            runtime,
            services,
            namespaces: AtomicU32::new(0),
            kubeconfig: plane.kubeconfig.clone(),
            ca: plane.ca.clone(),
            server: plane.server.clone(),
            audit_log: plane.audit_log.clone(),
            plane: Mutex::new(Some(plane)),
            guardian,
        })
    }

    /// Ends every program of the run, with SIGKILL, and waits until all are gone.
    pub(crate) fn end(&self, folder: Folder) {
        if folder == Folder::Keep {
            self.guardian.keep_folder();
        }
        self.guardian.end();
        drop(self.plane.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// The kubeconfig file of a cluster administrator.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The folder of the run: logs, certificates, kubeconfig files.
    pub(crate) fn folder(&self) -> &Path {
        self.guardian.folder()
    }

    /// The client of a cluster administrator. It repeats no request.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// What lets pods start, or holds them.
    pub(crate) fn kubelet(&self) -> &Kubelet {
        &self.kubelet
    }

    /// Runs a future on the run's own runtime, to its end.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Lets a future run on the run's own runtime, beside the test.
    pub(crate) fn start_task(&self, future: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.runtime.spawn(future)
    }

    /// An address for a Service's `clusterIP` that a test can bind, too: nobody else gets it. The API server calls a
    /// webhook at this address and the port of the Service (it does not look at `targetPort`).
    pub(crate) fn service_ip(&self) -> Ipv4Addr {
        self.services.next()
    }

    /// Makes a namespace of a name that begins with `base`, and waits until pods can be made in it. Nobody deletes it.
    /// It stands apart: no injector serves it but one that the test installs.
    #[track_caller]
    pub(crate) fn namespace(&self, base: &str) -> String {
        let name = self.new_name(base);
        self.make_namespace(&name, &json!({NAMESPACE_LABEL: name, APART_LABEL: "true"}));
        name
    }

    /// The same, served by the cluster-wide injector, which is there when this returns.
    #[track_caller]
    pub(crate) fn served_namespace(&self, base: &str) -> String {
        self.injector();
        let name = self.new_name(base);
        self.make_namespace(&name, &json!({NAMESPACE_LABEL: name}));
        name
    }

    /// Lets the cluster-wide injector serve a namespace that stood apart, and waits until it does.
    #[track_caller]
    pub(crate) fn serve(&self, namespace: &str) {
        self.injector();
        self.kubectl(&["label", "namespace", namespace, &format!("{APART_LABEL}-")])
            .ok();
        wait_for("the namespace to be served", Duration::from_secs(30), || {
            injects(self, namespace).then_some(())
        });
    }

    fn new_name(&self, base: &str) -> String {
        let number = self.namespaces.fetch_add(1, Ordering::Relaxed) + 1;
        format!("{base}-{number}")
    }

    /// Makes a namespace with exactly this name and these labels; the test fails when there is one.
    #[track_caller]
    pub(crate) fn make_namespace(&self, name: &str, labels: &Value) {
        let object: Namespace = serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}}))
            .expect("it is a namespace");
        let namespaces: Api<Namespace> = Api::all(self.client());
        self.block_on(namespaces.create(&PostParams::default(), &object))
            .unwrap_or_else(|error| panic!("namespace {name}: {error}"));
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), name);
        wait_for(
            "the ServiceAccount of a new namespace",
            Duration::from_secs(30),
            || self.block_on(accounts.get("default")).ok(),
        );
    }

    /// The cluster-wide injector, which the first test that asks for it installs. It is never stopped.
    #[track_caller]
    pub(crate) fn injector(&self) -> &Injector {
        self.injector_in(None)
    }

    /// The same, in a namespace of this name, where nothing else that is cluster-wide has the names of the documents.
    #[track_caller]
    pub(crate) fn injector_in(&self, namespace: Option<&str>) -> &Injector {
        self.injector.get_or_init(|| {
            if let Some(namespace) = namespace {
                self.make_namespace(namespace, &json!({APART_LABEL: "true"}));
            }
            let installation = Installation {
                helm: Major::Four,
                into: namespace,
                serves: Serves::TheCluster,
                certificate: Certificate::SelfManaged,
                set: &[],
            };
            Injector::install(self, &installation)
        })
    }

    /// Waits until policies can be made: the cluster-wide injector brings their definitions.
    #[track_caller]
    pub(crate) fn policy_resources(&self) {
        self.injector();
        self.kubectl(&[
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            "crd/clusterinjectionpolicies.injector.alumet.dev",
            "crd/injectionpolicies.injector.alumet.dev",
        ])
        .ok();
        wait_for(
            "the API server to serve policies",
            Duration::from_secs(30),
            || {
                let listed = self.kubectl(&["get", "cinjpol,injpol", "--all-namespaces"]);
                (listed.code == Some(0)).then_some(())
            },
        );
    }

    /// What `kubectl get ... -o json` prints.
    #[track_caller]
    pub(crate) fn get<S: AsRef<str>>(&self, arguments: &[S]) -> Value {
        let arguments: Vec<&str> = ["get", "-o", "json"]
            .into_iter()
            .chain(arguments.iter().map(AsRef::as_ref))
            .collect();
        serde_json::from_str(&self.kubectl(&arguments).ok()).expect("kubectl prints JSON")
    }

    /// Runs kubectl as a cluster administrator.
    pub(crate) fn kubectl<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        self.kubectl_with(arguments, "")
    }

    /// The same with a stdin: `cluster.kubectl_with(&["apply", "-f", "-"], yaml)`.
    pub(crate) fn kubectl_with<S: AsRef<OsStr>>(&self, arguments: &[S], stdin: &str) -> Ran {
        let mut command = self.command(&program("KUBECTL"));
        command.args(arguments);
        run(command, stdin)
    }

    /// The program under test, as a cluster administrator runs it.
    pub(crate) fn own<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        self.own_with(arguments, "")
    }

    /// The same with a stdin.
    pub(crate) fn own_with<S: AsRef<OsStr>>(&self, arguments: &[S], stdin: &str) -> Ran {
        let mut command = self.command(Path::new(INJECTOR));
        command.args(arguments);
        run(command, stdin)
    }

    /// A command that sees this cluster and nothing of the user's own settings.
    pub(crate) fn command(&self, path: &Path) -> Command {
        let mut command = isolated(path, &self.folder().join("home"));
        command.env("KUBECONFIG", self.kubeconfig());
        command
    }

    /// A Helm with homes of its own that sees this cluster.
    pub(crate) fn helm(&self, major: Major) -> Helm {
        let mut helm = Helm::new(major);
        helm.kubeconfig = Some(self.kubeconfig.clone());
        helm
    }

    /// Starts a long-lived program; it ends when the `Process` is dropped, at the latest with the run.
    #[track_caller]
    pub(crate) fn spawn(&self, name: &str, spec: Spec) -> Process {
        self.try_spawn(name, spec).unwrap_or_else(|why| panic!("{why}"))
    }

    /// The same; `Err` when it cannot be started, which is not the same as a program that ends at once.
    pub(crate) fn try_spawn(&self, name: &str, spec: Spec) -> Result<Process, String> {
        self.guardian.spawn(name, spec)
    }

    /// A kubeconfig file with a token of this ServiceAccount, good for an hour.
    #[track_caller]
    pub(crate) fn kubeconfig_of(&self, namespace: &str, account: &str) -> PathBuf {
        let token = self
            .kubectl(&["create", "token", account, "--namespace", namespace])
            .ok();
        let file = self.folder().join(format!("{namespace}.{account}.kubeconfig"));
        let user = json!({"token": token.trim()});
        kubeconfig(&file, &self.server, &self.ca, &user)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        file
    }

    /// What the API server wrote to its audit log about requests that change something (level `Metadata`), in order.
    /// An event comes a moment after the answer: `wait_for` it.
    pub(crate) fn audit_events(&self, filter: impl Fn(&Value) -> bool) -> Vec<Value> {
        fs::read_to_string(&self.audit_log)
            .unwrap_or_default()
            .lines()
            // The last line may be half written.
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(filter)
            .collect()
    }

    /// The metrics of the API server, in Prometheus' text format.
    #[track_caller]
    pub(crate) fn metrics(&self) -> String {
        let request = Request::get("/metrics")
            .body(Vec::new())
            .expect("it is a request");
        self.block_on(self.client.request_text(request))
            .unwrap_or_else(|error| panic!("/metrics: {error}"))
    }

    /// How many programs were started so far.
    pub(crate) fn started(&self) -> usize {
        self.guardian.started()
    }

    /// The last lines of the logs of the control plane and of what was started after the first `since` programs.
    pub(crate) fn tails(&self, since: usize) -> String {
        self.guardian.tails(PROGRAMS, since)
    }
}

/// Runs a command to its end.
pub(crate) fn run(mut command: Command, stdin: &str) -> Ran {
    let call = format!("{command:?}");
    let ran = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            let mut input = child.stdin.take().expect("stdin is a pipe");
            thread::scope(|scope| {
                // A command that does not read all of it is no error.
                scope.spawn(move || input.write_all(stdin.as_bytes()));
                child.wait_with_output()
            })
        })
        .unwrap_or_else(|error| panic!("{call}: {error}"));
    Ran {
        call,
        code: ran.status.code(),
        stdout: String::from_utf8_lossy(&ran.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&ran.stderr).into_owned(),
    }
}
