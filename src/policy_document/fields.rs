//! The form of a policy: one table of its fields, which reading, documentation and the definition of the custom
//! resource have in common.

/// One field.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What stands there.
    pub shape: Shape,
    /// One sentence on what it is, without full stop.
    pub about: &'static str,
}

/// What stands in a field.
#[derive(Debug)]
pub enum Shape {
    /// A text.
    Text,
    /// A whole number of 32 bits.
    Number,
    /// A list of texts.
    Texts,
    /// Names, each with a text.
    TextMap,
    /// Names, each with a quantity: `500m`, `1Gi`, `2`.
    Quantities,
    /// These fields.
    Table(&'static [Field]),
    /// A list of tables with these fields.
    Tables(&'static [Field]),
    /// Names, each with a table of these fields.
    TableMap(&'static [Field]),
    /// A table whose fields are not the policy's to know.
    Open,
}

const fn field(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, shape, about }
}

const SELECTOR: &[Field] = &[
    field("matchLabels", Shape::TextMap, "labels, each with its value"),
    field(
        "matchExpressions",
        Shape::Tables(EXPRESSION),
        "requirements, all of which must hold",
    ),
];

const EXPRESSION: &[Field] = &[
    field("key", Shape::Text, "key of the label"),
    field(
        "operator",
        Shape::Text,
        "`In`, `NotIn`, `Exists` or `DoesNotExist`",
    ),
    field("values", Shape::Texts, "values, for `In` and `NotIn`"),
];

const MATCH: &[Field] = &[
    field(
        "components",
        Shape::Texts,
        "`relay-client`, `relay-server`, `agent`; all of them where it is left out",
    ),
    field(
        "namespaces",
        Shape::Texts,
        "names of namespaces; `ClusterInjectionPolicy` only",
    ),
    field(
        "namespaceSelector",
        Shape::Table(SELECTOR),
        "selects by the labels of the namespace; `ClusterInjectionPolicy` only",
    ),
    field(
        "objectSelector",
        Shape::Table(SELECTOR),
        "selects by the labels of the pods, as the pod template has them",
    ),
];

const NAMED: &[Field] = &[field("name", Shape::Text, "name of the Secret")];

const SECRET_KEY: &[Field] = &[
    field(
        "name",
        Shape::Text,
        "name of the Secret, in the namespace of the pod",
    ),
    field("key", Shape::Text, "key in the Secret"),
];

const TOLERATION: &[Field] = &[
    field("key", Shape::Text, "key of the taint"),
    field("operator", Shape::Text, "`Equal` or `Exists`"),
    field("value", Shape::Text, "value of the taint"),
    field(
        "effect",
        Shape::Text,
        "`NoSchedule`, `PreferNoSchedule` or `NoExecute`",
    ),
    field(
        "tolerationSeconds",
        Shape::Number,
        "how long `NoExecute` is tolerated",
    ),
];

const INFLUXDB: &[Field] = &[
    field("host", Shape::Text, "URL of the database"),
    field("organization", Shape::Text, "organization"),
    field("bucket", Shape::Text, "bucket"),
    field("secretName", Shape::Text, "name of the Secret with the token"),
    field("secretKey", Shape::Text, "key of the token in that Secret"),
];

const IMAGE: &[Field] = &[field("registry", Shape::Text, "registry of the agent's image")];

const RESOURCES: &[Field] = &[
    field("requests", Shape::Quantities, "what a node must have free"),
    field("limits", Shape::Quantities, "what the container gets at most"),
];

const DEFAULTS: &[Field] = &[
    field("image", Shape::Table(IMAGE), "the agent's image"),
    field(
        "imagePullSecrets",
        Shape::Tables(NAMED),
        "image pull secrets of the pods",
    ),
    field(
        "tolerations",
        Shape::Tables(TOLERATION),
        "tolerations of the pods",
    ),
    field(
        "influxdb",
        Shape::Table(INFLUXDB),
        "an InfluxDB outside of the release; one group: host and Secret come from one source",
    ),
    field(
        "plugins",
        Shape::Open,
        "plugin settings, as under `plugins` of the chart's values",
    ),
    field(
        "env",
        Shape::TextMap,
        "environment variables of the agent's container",
    ),
    field(
        "secretEnv",
        Shape::TableMap(SECRET_KEY),
        "environment variables from Secrets",
    ),
    field(
        "nodeSelector",
        Shape::TextMap,
        "`nodeSelector` of pods that have none",
    ),
    field(
        "resources",
        Shape::Table(RESOURCES),
        "`resources` of an agent's container that has none",
    ),
    field(
        "runtimeClassName",
        Shape::Text,
        "`runtimeClassName` of pods that have none",
    ),
];

const SPEC: &[Field] = &[
    field(
        "priority",
        Shape::Number,
        "of two policies of one kind the one with the higher priority wins; 0 where it is left out",
    ),
    field(
        "match",
        Shape::Table(MATCH),
        "what the policy selects; what it does not mention it does not limit",
    ),
    field("defaults", Shape::Table(DEFAULTS), "what the policy gives to it"),
    field(
        "onError",
        Shape::Text,
        "`Allow` or `Deny`: what the webhook does with an object whose plan has errors",
    ),
];

/// A whole document.
pub const DOCUMENT: &[Field] = &[
    field("apiVersion", Shape::Text, "`injector.alumet.dev/v1alpha1`"),
    field(
        "kind",
        Shape::Text,
        "`ClusterInjectionPolicy` or `InjectionPolicy`",
    ),
    field(
        "metadata",
        Shape::Open,
        "`name`, and `namespace` of an `InjectionPolicy`",
    ),
    field("spec", Shape::Table(SPEC), "the policy"),
    field("status", Shape::Open, "what the cluster says of it; not read"),
];

/// Words that would be a privilege of the pod.
pub(super) const PRIVILEGES: [&str; 17] = [
    "allowPrivilegeEscalation",
    "automountServiceAccountToken",
    "capabilities",
    "containers",
    "devices",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostPath",
    "initContainers",
    "priorityClassName",
    "privileged",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
    "volumeMounts",
    "volumes",
];
