//! etcd, the API server, the controller manager, the scheduler and kwok: started, found ready, or the reason why not.

use std::{
    fmt::Display,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use hyper::http::Request;
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::{
    Api, Client, Config,
    api::PostParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;
use tokio::runtime::Runtime;

use super::{
    certificates::{Certificates, private},
    poll::try_wait_for,
    ports::{ServiceRange, free_ports},
    processes::{Guardian, Process, Spec, tail},
};
use crate::helm::program;

/// The file below the folder of the run that has a line `PORT PROGRAM` for each port of 127.0.0.1 in use.
pub(crate) const PORTS: &str = "ports";

/// What kwok does to nodes and pods.
const STAGES: &str = include_str!("../stages.yaml");

/// Only what changes something is kept: the annotations of webhooks stand at such requests alone.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    verbs: [list, watch]
    resources: [{group: admissionregistration.k8s.io, resources: [validatingwebhookconfigurations]}]
  - {level: None, verbs: [get, list, watch]}
  - {level: None, resources: [{group: coordination.k8s.io, resources: [leases]}]}
  - {level: Metadata}
";

/// Quiet and cold, all is there after 10 s. A busy machine takes longer, and only a broken one this long.
const START: Duration = Duration::from_mins(2);

/// For one question to a program that listens but does not answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Between the choice of a port and its use another program may take it.
const ATTEMPTS: usize = 5;

/// Name, taint, and labels besides those that a kubelet sets.
pub(crate) const NODES: [NodeSpec; 5] = [
    NodeSpec::plain("node-1"),
    NodeSpec::plain("node-2"),
    NodeSpec::plain("node-3"),
    NodeSpec {
        name: "node-4",
        taint: Some("node-role.kubernetes.io/control-plane"),
        label: Some(("kubernetes.io/role", "master")),
    },
    NodeSpec {
        name: "node-5",
        taint: None,
        label: Some(("nvidia.com/gpu.present", "true")),
    },
];

/// A simulated node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeSpec {
    pub(crate) name: &'static str,
    /// The key of a taint without value, effect `NoSchedule`.
    pub(crate) taint: Option<&'static str>,
    pub(crate) label: Option<(&'static str, &'static str)>,
}

impl NodeSpec {
    const fn plain(name: &'static str) -> Self {
        Self {
            name,
            taint: None,
            label: None,
        }
    }

    /// The object, as a kubelet registers itself.
    pub(crate) fn object(&self) -> Node {
        let mut node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": {
                "kubernetes.io/hostname": self.name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
            }},
            "spec": {},
        });
        if let Some((key, value)) = self.label {
            node["metadata"]["labels"][key] = json!(value);
        }
        if let Some(key) = self.taint {
            node["spec"]["taints"] = json!([{"key": key, "effect": "NoSchedule"}]);
        }
        serde_json::from_value(node).expect("it is a node")
    }
}

/// The programs, and how they are reached.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    pub(crate) kubeconfig: PathBuf,
    pub(crate) ca: PathBuf,
    pub(crate) server: String,
    pub(crate) audit_log: PathBuf,
    _programs: Vec<Process>,
}

/// Why there is no control plane.
enum Failure {
    /// Worth another attempt.
    PortTaken(String),
    Other(String),
}

impl<E: Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.to_string())
    }
}

impl ControlPlane {
    /// Starts everything and waits until nodes and pods can be used. All files are below the folder of the run.
    pub(crate) fn start(
        guardian: &Guardian,
        services: &ServiceRange,
        runtime: &Runtime,
    ) -> Result<(Self, Client), String> {
        let folder = guardian.folder();
        let certificates = Certificates::write(&folder.join("certificates"), services.first())
            .map_err(|error| format!("the certificates: {error}"))?;
        let mut last = String::new();
        for attempt in 1..=ATTEMPTS {
            let start = Start {
                guardian,
                certificates: &certificates,
                services,
                runtime,
                data: folder.join(format!("etcd-{attempt}")),
            };
            match start.run() {
                Ok(plane) => return Ok(plane),
                Err(Failure::PortTaken(why)) => last = why,
                Err(Failure::Other(why)) => return Err(why),
            }
        }
        Err(format!(
            "each of {ATTEMPTS} attempts met a port that another program had taken: {last}"
        ))
    }
}

/// One attempt.
struct Start<'a> {
    guardian: &'a Guardian,
    certificates: &'a Certificates,
    services: &'a ServiceRange,
    runtime: &'a Runtime,
    data: PathBuf,
}

impl Start<'_> {
    fn run(self) -> Result<(ControlPlane, Client), Failure> {
        let folder = self.guardian.folder();
        let ports: [u16; 5] = free_ports()?;
        let [etcd, peer, api, manager, scheduler] = ports;
        let names = [
            "etcd",
            "etcd",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
        ];
        let lines = ports
            .iter()
            .zip(names)
            .map(|(port, name)| format!("{port} {name}\n"));
        fs::write(folder.join(PORTS), lines.collect::<String>())?;

        let server = format!("https://127.0.0.1:{api}");
        let ca = self.certificates.path("ca.crt");
        for client in ["admin", "kwok", "controller-manager", "scheduler"] {
            let user = json!({
                "client-certificate": self.certificates.path(&format!("{client}.crt")),
                "client-key": self.certificates.path(&format!("{client}.key")),
            });
            kubeconfig(&config_file(folder, client), &server, &ca, &user)?;
        }
        let audit_log = folder.join("audit.log");
        fs::write(folder.join("audit-policy.yaml"), AUDIT_POLICY)?;
        fs::write(folder.join("stages.yaml"), STAGES)?;

        let mut programs = vec![
            self.start("etcd", "ETCD", self.etcd(etcd, peer))?,
            self.start(
                "kube-apiserver",
                "KUBE_APISERVER",
                self.api_server(etcd, api, &audit_log),
            )?,
        ];
        let client = self.client(&config_file(folder, "admin"))?;
        self.ready("the API server", &programs, || self.get(&client, "/readyz"))?;

        let nodes: Api<Node> = Api::all(client.clone());
        for node in NODES {
            self.runtime
                .block_on(nodes.create(&PostParams::default(), &node.object()))?;
        }
        programs.push(self.start(
            "kube-controller-manager",
            "KUBE_CONTROLLER_MANAGER",
            self.controller_manager(manager),
        )?);
        programs.push(self.start("kube-scheduler", "KUBE_SCHEDULER", self.scheduler(scheduler))?);
        programs.push(self.start("kwok", "KWOK", self.kwok())?);

        for (what, port) in [("the controller manager", manager), ("the scheduler", scheduler)] {
            let anonymous = self.anonymous(port)?;
            self.ready(what, &programs, || self.get(&anonymous, "/healthz"))?;
        }
        self.ready("the default ServiceAccount", &programs, || {
            let accounts: Api<ServiceAccount> = Api::default_namespaced(client.clone());
            self.ask(accounts.get("default")).map(drop)
        })?;
        self.ready("the nodes", &programs, || {
            let nodes = self.ask(nodes.list(&kube::api::ListParams::default()))?;
            let late: Vec<_> = nodes.items.iter().filter(|node| !is_ready(node)).collect();
            if late.is_empty() {
                Ok(())
            } else {
                Err(format!("{} of {} are not ready", late.len(), NODES.len()))
            }
        })?;

        let plane = ControlPlane {
            kubeconfig: config_file(folder, "admin"),
            ca,
            server,
            audit_log,
            _programs: programs,
        };
        Ok((plane, client))
    }

    fn start(&self, name: &str, variable: &str, arguments: Vec<String>) -> Result<Process, Failure> {
        let spec = arguments
            .into_iter()
            .fold(Spec::new(program(variable)), Spec::arg);
        Ok(self.guardian.spawn(name, spec)?)
    }

    fn etcd(&self, port: u16, peer: u16) -> Vec<String> {
        vec![
            "--name=test".into(),
            format!("--data-dir={}", self.data.display()),
            format!("--listen-client-urls=http://127.0.0.1:{port}"),
            format!("--advertise-client-urls=http://127.0.0.1:{port}"),
            format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
            format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
            format!("--initial-cluster=test=http://127.0.0.1:{peer}"),
            "--unsafe-no-fsync".into(),
            "--log-level=warn".into(),
        ]
    }

    fn api_server(&self, etcd: u16, port: u16, audit_log: &Path) -> Vec<String> {
        let file = |name| self.certificates.path(name).display().to_string();
        vec![
            format!("--etcd-servers=http://127.0.0.1:{etcd}"),
            "--bind-address=127.0.0.1".into(),
            "--advertise-address=127.0.0.1".into(),
            format!("--secure-port={port}"),
            "--endpoint-reconciler-type=none".into(),
            format!("--tls-cert-file={}", file("apiserver.crt")),
            format!("--tls-private-key-file={}", file("apiserver.key")),
            format!("--client-ca-file={}", file("ca.crt")),
            format!("--requestheader-client-ca-file={}", file("ca.crt")),
            "--requestheader-allowed-names=front-proxy".into(),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            format!("--service-account-key-file={}", file("sa.pub")),
            format!("--service-account-signing-key-file={}", file("sa.key")),
            format!("--service-cluster-ip-range={}", self.services.cidr()),
            "--authorization-mode=RBAC".into(),
            "--allow-privileged=true".into(),
            "--profiling=false".into(),
            format!(
                "--audit-policy-file={}",
                self.guardian.folder().join("audit-policy.yaml").display()
            ),
            format!("--audit-log-path={}", audit_log.display()),
        ]
    }

    fn controller_manager(&self, port: u16) -> Vec<String> {
        let file = |name| self.certificates.path(name).display().to_string();
        let mut arguments = self.component("controller-manager", port);
        arguments.extend([
            format!("--service-account-private-key-file={}", file("sa.key")),
            format!("--root-ca-file={}", file("ca.crt")),
            "--use-service-account-credentials=true".into(),
        ]);
        arguments
    }

    fn scheduler(&self, port: u16) -> Vec<String> {
        self.component("scheduler", port)
    }

    /// What the controller manager and the scheduler have in common.
    fn component(&self, client: &str, port: u16) -> Vec<String> {
        let kubeconfig = config_file(self.guardian.folder(), client);
        let kubeconfig = kubeconfig.display();
        vec![
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            "--bind-address=127.0.0.1".into(),
            format!("--secure-port={port}"),
            "--leader-elect=false".into(),
            "--profiling=false".into(),
        ]
    }

    fn kwok(&self) -> Vec<String> {
        let folder = self.guardian.folder();
        vec![
            format!("--kubeconfig={}", config_file(folder, "kwok").display()),
            format!("--config={}", folder.join("stages.yaml").display()),
            "--manage-all-nodes".into(),
            "--node-lease-duration-seconds=40".into(),
            "--cidr=10.244.0.0/16".into(),
            "--node-ip=127.0.0.1".into(),
            // Without, it tells of each lease.
            "--v=WARN".into(),
        ]
    }

    /// Asks until `probe` says yes; the reason why not otherwise, with the words of a program that has ended.
    fn ready(
        &self,
        what: &str,
        programs: &[Process],
        mut probe: impl FnMut() -> Result<(), String>,
    ) -> Result<(), Failure> {
        let mut no = String::new();
        try_wait_for(START, || {
            if let Some(ended) = programs.iter().find(|program| program.ended().is_some()) {
                return Some(Err(early_end(ended)));
            }
            probe().map_err(|why| no = why).ok().map(Ok)
        })
        .unwrap_or_else(|| {
            let tails = self.guardian.tails(programs.len(), 0);
            Err(Failure::Other(format!(
                "{what} took longer than {START:?}: {no}\n{tails}"
            )))
        })
    }

    fn get(&self, client: &Client, path: &str) -> Result<(), String> {
        let request = Request::get(path)
            .body(Vec::new())
            .map_err(|error| error.to_string())?;
        self.ask(client.request_text(request)).map(drop)
    }

    fn ask<T>(&self, question: impl Future<Output = Result<T, kube::Error>>) -> Result<T, String> {
        let answer = async { tokio::time::timeout(ANSWER, question).await };
        match self.runtime.block_on(answer) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer in {ANSWER:?}")),
        }
    }

    fn client(&self, kubeconfig: &Path) -> Result<Client, Failure> {
        let _inside = self.runtime.enter();
        let file = Kubeconfig::read_from(kubeconfig)?;
        let mut config = self.runtime.block_on(Config::from_custom_kubeconfig(
            file,
            &KubeConfigOptions::default(),
        ))?;
        // A test sees what the API server said, not what it said the second time.
        config.default_retry = false;
        Ok(Client::try_from(config)?)
    }

    /// For the health of a program that makes its own certificate.
    fn anonymous(&self, port: u16) -> Result<Client, Failure> {
        let _inside = self.runtime.enter();
        let mut config = Config::new(format!("https://127.0.0.1:{port}").parse()?);
        config.accept_invalid_certs = true;
        config.default_retry = false;
        Ok(Client::try_from(config)?)
    }
}

/// Writes a kubeconfig file with one user. JSON is YAML.
pub(crate) fn kubeconfig(file: &Path, server: &str, ca: &Path, user: &serde_json::Value) -> io::Result<()> {
    let document = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": ca}}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "user"}}],
        "current-context": "test",
    });
    private(file, &format!("{document:#}\n"))
}

fn config_file(folder: &Path, client: &str) -> PathBuf {
    folder.join(format!("{client}.kubeconfig"))
}

fn early_end(program: &Process) -> Failure {
    let text = program.text();
    let why = format!(
        "{} ended before all was ready\n{}",
        program.name,
        tail(&program.log, 30)
    );
    if text.contains("address already in use") {
        Failure::PortTaken(why)
    } else {
        Failure::Other(why)
    }
}

/// The taint `not-ready` goes a moment after the condition comes, and only then pods can be bound.
fn is_ready(node: &Node) -> bool {
    let conditions = node
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    conditions
        .into_iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
        && !taints
            .into_iter()
            .any(|taint| taint.key == "node.kubernetes.io/not-ready")
}
