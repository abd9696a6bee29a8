//! The report on one object: what was decided, why, and where each value came from.

use crate::{
    finding::{Finding, Severity, any_error},
    names::Component,
    source::{LostAll, Source},
    text::printable,
};

/// Declares a closed set of codes, each with its sentence.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $code:literal : $sentence:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $(#[doc = concat!("`", $code, "`: ", $sentence, ".")] $variant,)+
        }

        impl $name {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable code, in kebab-case.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// What it means, without full stop.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }
        }
    };
}
pub(crate) use codes;

codes! {
    /// Why an object was left as it is.
    Reason {
        NotOurs = "not-ours": "the object does not carry the component label, or is of a kind that nothing is injected into",
        OptedOut = "opted-out": "the label injector.alumet.dev/inject says \"false\"",
        Hook = "hook": "the object is a Helm hook",
        OwnObject = "own-object": "the object belongs to the injector itself",
        BeingDeleted = "being-deleted": "the object is being deleted",
        MirrorPod = "mirror-pod": "the kubelet made this pod from a file, and the API server does not decide about it",
        Immutable = "immutable": "the `ConfigMap` is immutable and exists already",
        UsersConfig = "users-config": "the `ConfigMap` holds a configuration of the user's own, which is checked and left as it is",
        UpToDate = "up-to-date": "what was injected is there and belongs to the object's values",
        NoRecord = "no-record": "nothing was injected into the object",
        RecordNewer = "record-newer": "a later version of the injector wrote the record on this object",
        NotAtUpdate = "not-at-update": "objects of this kind are completed when they are created, not later",
    }
}

codes! {
    /// What the engine has to say about an object that it plans.
    Note {
        UnknownComponent = "unknown-component": "the component label names no component",
        WrongType = "wrong-type": "a field of the object has a type that Kubernetes does not have for it",
        RecordNewer = "record-newer": "a later version of the injector wrote the record on this object",
        RecordMalformed = "record-malformed": "the record on the object cannot be read and counts as none",
        EditedConfig = "edited-config": "the `ConfigMap` holds a configuration that somebody else wrote",
        UserWins = "user-wins": "the user set on the object what would have been injected",
        DuplicateEnv = "duplicate-env": "a container has two variables of one name",
        NoAgentContainer = "no-agent-container": "it cannot be told which container is the agent's",
        NoValues = "no-values": "the object has no values annotation, and nothing else gives it a value",
        OptedOutLeft = "opted-out-left": "the object opted out, and what was injected before is still there",
        PolicyUndecided = "policy-undecided": "it cannot be told whether a policy applies, for the labels of the namespace are not known",
        PolicyGivesWay = "policy-gives-way": "something that policies give to the pods gives way",
    }
}

impl Note {
    /// A finding with this code.
    pub(super) fn finding(self, severity: Severity, path: String, message: String, mend: String) -> Finding {
        Finding {
            code: self.code(),
            severity,
            path,
            message,
            mend,
        }
    }
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The patch changes it.
    Injected,
    /// It was left as it is.
    LeftAlone(Reason),
    /// It was planned, and it needs nothing.
    Unchanged,
    /// Errors in the values or on the object stand in the way; nothing is changed.
    Failed,
}

impl Outcome {
    /// The stable code: `injected`, `unchanged`, `failed`, or the reason's.
    pub fn code(self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::LeftAlone(reason) => reason.code(),
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }

    /// What it means, without full stop.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Injected => "what the object needs is put in, and what it no longer needs is taken out",
            Self::LeftAlone(reason) => reason.sentence(),
            Self::Unchanged => "the object has what it needs",
            Self::Failed => "errors stand in the way, and the object stays as it is",
        }
    }
}

/// What happened to one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The patch puts it there.
    Set,
    /// It is there already, and it is ours.
    Kept,
    /// It was ours and is no longer wanted; the patch takes it out.
    Removed,
    /// The user set it; ours gives way.
    UserWins,
}

impl Fate {
    /// `set`, `kept`, `removed` or `user-wins`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Kept => "kept",
            Self::Removed => "removed",
            Self::UserWins => "user-wins",
        }
    }
}

/// One injected value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is, in words that a reader of manifests knows (`env INFLUX_TOKEN of container agent`).
    pub what: String,
    /// The value, never a secret's (`key admin-token of Secret influxdb2-auth`).
    pub value: String,
    /// Where it came from.
    pub source: Source,
    /// What happened to it.
    pub fate: Fate,
    /// What it won over; of a value that gave way itself, what it would have won over.
    pub lost: LostAll,
}

/// The report on one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Kind of the object, empty where it has none.
    pub kind: String,
    /// Namespace, where it is known.
    pub namespace: Option<String>,
    /// Name, or the prefix of a name that the API server completes.
    pub name: String,
    /// Component, where the label says one.
    pub component: Option<Component>,
    /// What became of it.
    pub outcome: Outcome,
    /// Hash of the configuration that the object is left with, as its record says it.
    pub config: Option<String>,
    /// Names of the policies that took part, as the record says them.
    pub policies: Vec<String>,
    /// The policy that has the object refused if there are errors.
    pub denied_by: Option<String>,
    /// Each injected value, in the order of the object.
    pub rows: Vec<Row>,
    /// Errors and warnings.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether any finding is an error.
    pub fn has_errors(&self) -> bool {
        any_error(&self.findings)
    }

    /// `Kind namespace/name`, for messages.
    pub fn object(&self) -> String {
        if self.kind.is_empty() {
            return "object without a kind".to_owned();
        }
        // Names are what somebody wrote into a file, and this goes to terminals.
        printable(&match &self.namespace {
            Some(namespace) => format!("{} {namespace}/{}", self.kind, self.name),
            None => format!("{} {}", self.kind, self.name),
        })
    }
}
