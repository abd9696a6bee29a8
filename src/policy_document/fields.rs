//! The form of a policy: one table of its fields, which reading, documentation and the definition of the custom
//! resource have in common.

/// Most entries of a list or map, and most characters of a text: what the API server has to check it wants bounded.
pub const MOST_ENTRIES: usize = 1_000;
/// Most characters of a text.
pub const LONGEST_TEXT: usize = 4_096;

/// One field.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What stands there.
    pub shape: Shape,
    /// One sentence on what it is, without full stop.
    pub about: &'static str,
    /// Whether it has to be there where the table is that has it.
    pub need: Need,
    /// The kinds that have it.
    pub kinds: Kinds,
    /// The words that its text, or each text of its list, is one of; empty for any.
    pub words: &'static [&'static str],
    /// What the fields below it say together, each table below it on its own.
    pub rules: &'static [Rule],
}

/// Whether a field has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It may be left out, and `null` reads as that.
    Optional,
    /// It has to be there.
    Required,
}

/// The kinds of policies that have a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinds {
    /// Both.
    Both,
    /// `ClusterInjectionPolicy` alone.
    Cluster,
}

/// What fields of one table say together, as the API server checks it: in CEL, the Common Expression Language.
#[derive(Debug)]
pub struct Rule {
    /// What holds of the table, which is `self` in it.
    pub holds: &'static str,
    /// What is wrong where it does not hold, and the mend.
    pub message: &'static str,
    /// The field below the table that is to blame, as `.match.objectSelector`; empty for the table.
    pub blames: &'static str,
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
    /// The same, of which each field is a table.
    OpenTables,
}

const fn field(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field {
        name,
        shape,
        about,
        need: Need::Optional,
        kinds: Kinds::Both,
        words: &[],
        rules: &[],
    }
}

impl Field {
    const fn required(self) -> Self {
        Self {
            need: Need::Required,
            ..self
        }
    }

    const fn of_cluster(self) -> Self {
        Self {
            kinds: Kinds::Cluster,
            ..self
        }
    }

    const fn words(self, words: &'static [&'static str]) -> Self {
        Self { words, ..self }
    }

    const fn rules(self, rules: &'static [Rule]) -> Self {
        Self { rules, ..self }
    }
}

const SELECTOR: &[Field] = &[
    field("matchLabels", Shape::TextMap, "labels, each with its value"),
    field(
        "matchExpressions",
        Shape::Tables(EXPRESSION),
        "requirements, all of which must hold",
    )
    .rules(&[
        Rule {
            holds: "!(self.operator in ['In', 'NotIn']) || (has(self.values) && size(self.values) > 0)",
            message: "`In` and `NotIn` need at least one value; add one, or use `Exists` or `DoesNotExist`",
            blames: ".values",
        },
        Rule {
            holds: "!(self.operator in ['Exists', 'DoesNotExist']) || !has(self.values) || size(self.values) == 0",
            message: "`Exists` and `DoesNotExist` take no values; take them out, or use `In` or `NotIn`",
            blames: ".values",
        },
    ]),
];

const EXPRESSION: &[Field] = &[
    field("key", Shape::Text, "key of the label").required(),
    field(
        "operator",
        Shape::Text,
        "`In`, `NotIn`, `Exists` or `DoesNotExist`",
    )
    .required()
    .words(&["In", "NotIn", "Exists", "DoesNotExist"]),
    field("values", Shape::Texts, "values, for `In` and `NotIn`"),
];

const MATCH: &[Field] = &[
    field(
        "components",
        Shape::Texts,
        "`relay-client`, `relay-server`, `agent`; all of them where it is left out",
    )
    .words(&["relay-client", "relay-server", "agent"]),
    field(
        "namespaces",
        Shape::Texts,
        "names of namespaces; `ClusterInjectionPolicy` only",
    )
    .of_cluster(),
    field(
        "namespaceSelector",
        Shape::Table(SELECTOR),
        "selects by the labels of the namespace; `ClusterInjectionPolicy` only",
    )
    .of_cluster(),
    field(
        "objectSelector",
        Shape::Table(SELECTOR),
        "selects by the labels of the pods, as the pod template has them",
    ),
];

const NAMED: &[Field] = &[field("name", Shape::Text, "name of the Secret").required()];

const SECRET_KEY: &[Field] = &[
    field(
        "name",
        Shape::Text,
        "name of the Secret, in the namespace of the pod",
    )
    .required(),
    field("key", Shape::Text, "key in the Secret").required(),
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
    field("host", Shape::Text, "URL of the database").required(),
    field("organization", Shape::Text, "organization"),
    field("bucket", Shape::Text, "bucket"),
    field("secretName", Shape::Text, "name of the Secret with the token").required(),
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
        Shape::OpenTables,
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
    field("defaults", Shape::Table(DEFAULTS), "what the policy gives to it").rules(&[Rule {
        holds: "!has(self.env) || !has(self.secretEnv) || self.env.all(name, !(name in self.secretEnv))",
        message: "`env` and `secretEnv` have a variable in common; keep one of the two",
        blames: ".secretEnv",
    }]),
    field(
        "onError",
        Shape::Text,
        "`Allow` or `Deny`: what the webhook does with an object whose plan has errors",
    )
    .words(&["Allow", "Deny"]),
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
    field("spec", Shape::Table(SPEC), "the policy")
        .required()
        .rules(&[Rule {
            holds: "!has(self.match) || !has(self.match.objectSelector) || !has(self.defaults) \
                    || ((!has(self.match.objectSelector.matchLabels) || size(self.match.objectSelector.matchLabels) == 0) \
                    && (!has(self.match.objectSelector.matchExpressions) || size(self.match.objectSelector.matchExpressions) == 0)) \
                    || (!has(self.defaults.influxdb) \
                    && (!has(self.defaults.plugins) || size(self.defaults.plugins) == 0))",
            message: "plugins and influxdb are for all pods of a component, which share one configuration, and cannot \
                      be given to some of them; leave objectSelector out, or give plugins and influxdb by a policy of \
                      their own",
            blames: ".match.objectSelector",
        }]),
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
