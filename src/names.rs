//! Every name that this project writes on objects or reads from them.

use std::fmt;

/// A label or annotation of ours, as the README explains it.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// `label` or `annotation`.
    pub kind: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Which objects have it.
    pub on: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// Declares our labels and annotations, each once: the constant and the row of the README.
macro_rules! marks {
    ($($constant:ident = $kind:literal $name:literal on $on:literal : $meaning:literal,)+) => {
        $(#[doc = concat!("The ", $kind, " `", $name, "`: ", $meaning, ".")]
        pub const $constant: &str = $name;)+

        /// All our labels and annotations, in the order of the README.
        pub const MARKS: &[Mark] =
            &[$(Mark { kind: $kind, name: $constant, on: $on, meaning: $meaning }),+];
    };
}

marks! {
    COMPONENT_LABEL = "label" "injector.alumet.dev/component" on "ConfigMap, workload, pod template":
        "opts the object in, and says whose it is: `relay-client`, `relay-server` or `agent`",
    INJECT_LABEL = "label" "injector.alumet.dev/inject" on "the same":
        "`false` opts the object out; what was injected before stays, and is reported",
    VALUES_ANNOTATION = "annotation" "injector.alumet.dev/values" on "the same":
        "what the user set for this component, as JSON; written by the chart, at most 64 KiB",
    CONTAINER_ANNOTATION = "annotation" "injector.alumet.dev/container" on "workload, pod template":
        "name of the agent's container, where it cannot be told from the mounts",
    STATUS_ANNOTATION = "annotation" "injector.alumet.dev/status" on "ConfigMap, pod template":
        "the record of what was injected; written by the injector",
    REFRESH_ANNOTATION = "annotation" "injector.alumet.dev/refresh" on "ConfigMap, workload":
        "asks to have the object completed anew; taken off in the same change",
}

/// Name of the injector's entry in a `MutatingWebhookConfiguration`.
pub const WEBHOOK: &str = "mutate.injector.alumet.dev";

/// Name of the entry of the `ValidatingWebhookConfiguration` that checks policies.
pub const POLICY_WEBHOOK: &str = "validate.injector.alumet.dev";

/// Key of the `ConfigMap` that holds the agent's TOML.
pub const CONFIG_KEY: &str = "config";

/// Directory at which the chart mounts the `ConfigMap`.
pub const CONFIG_DIRECTORY: &str = "/etc/alumet";

/// Registry of the images that the Alumet project publishes.
pub const DEFAULT_REGISTRY: &str = "ghcr.io/alumet-dev";

/// Label: name of the application, by the Kubernetes convention.
pub const NAME_LABEL: &str = "app.kubernetes.io/name";

/// Label: instance of the application, by the Kubernetes convention; Helm charts put the release there.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";

/// Annotation: marks a Helm hook.
pub const HOOK_ANNOTATION: &str = "helm.sh/hook";

/// Annotation: marks a mirror pod, which the kubelet made from a file.
pub const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";

/// Annotation: the Helm release, put by Helm on the objects that it creates.
pub const RELEASE_ANNOTATION: &str = "meta.helm.sh/release-name";

/// Annotation: asks Prometheus to scrape the pod.
pub const SCRAPE_ANNOTATION: &str = "prometheus.io/scrape";

/// Annotation: the port that Prometheus is to scrape. Without it Prometheus tries every port that the pod declares.
pub const SCRAPE_PORT_ANNOTATION: &str = "prometheus.io/port";

/// The annotations that a pod or pod template may be given, besides the record.
pub const POD_ANNOTATIONS: [&str; 2] = [SCRAPE_ANNOTATION, SCRAPE_PORT_ANNOTATION];

/// What [`NAME_LABEL`] says on the injector's own objects.
pub const OWN_NAME: &str = "alumet-injector";

/// One kind of Alumet workload: what the label [`COMPONENT_LABEL`] may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// Measures on each node and sends to the relay server.
    RelayClient,
    /// Gathers what the relay clients measured and writes it to its outputs.
    RelayServer,
    /// A stand-alone agent, without relay.
    Agent,
}

impl Component {
    /// All components, in the order in which messages name them.
    pub const ALL: [Self; 3] = [Self::RelayClient, Self::RelayServer, Self::Agent];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RelayClient => "relay-client",
            Self::RelayServer => "relay-server",
            Self::Agent => "agent",
        }
    }

    /// Reads the label's value.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|component| component.as_str() == text)
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
