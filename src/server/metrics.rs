//! What the server counts. Every label comes from a closed set, never from what somebody sent.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::{connection::Cut, memo::MemoNumbers, refusal::Cause, witness::Told};
use crate::{
    admission::Decision,
    engine::survey::Standing,
    policy_document::store::{Cause as PolicyCause, Counts, Resource},
};

/// Kinds that are told apart; all others are `other`.
const KINDS: [&str; 9] = [
    "ClusterInjectionPolicy",
    "ConfigMap",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "InjectionPolicy",
    "Job",
    "Pod",
    "StatefulSet",
];

/// Those of marked objects.
const KINDS_OF_OBJECTS: [&str; 7] = [
    "ConfigMap",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Job",
    "Pod",
    "StatefulSet",
];

/// Upper bounds of the latency, in seconds: an answer takes some ten microseconds, a client waits for ten seconds.
const LATENCIES: [f64; 14] = [
    0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Admission {
    operation: &'static str,
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    cause: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct From {
    source: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailedWatch {
    resource: &'static str,
    cause: &'static str,
}

/// How a handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handshake {
    /// The two did not agree, or the client went away.
    Failed,
    /// It took too long.
    Deadline,
}

/// Values that are looked up when somebody asks for the metrics.
#[derive(Debug, Clone, Copy)]
pub(super) struct Live {
    pub(super) connections: usize,
    pub(super) calls: usize,
    pub(super) body_bytes: usize,
    pub(super) not_after: Option<SystemTime>,
    pub(super) memo: MemoNumbers,
    pub(super) events: Told,
    pub(super) dropped_lines: u64,
}

/// A metric, for the documents.
#[derive(Debug, Clone, Copy)]
pub struct Described {
    /// Its name, as it is scraped.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says, without full stop.
    pub help: &'static str,
}

/// Declares the metrics: the field, its type, and the row of the documents. A counter is registered by its name
/// without `_total`, which the format appends.
macro_rules! metrics {
    ($($field:ident: $type:ty = $new:expr, $kind:ident $name:literal $suffix:literal [$($label:literal),*] $help:literal;)+) => {
        /// All metrics, as `docs/metrics.md` lists them.
        pub const METRICS: &[Described] = &[$(Described {
            name: concat!("alumet_injector_", $name, $suffix),
            kind: stringify!($kind),
            labels: &[$($label),*],
            help: $help,
        }),+];

        /// The metrics of a process.
        #[derive(Debug)]
        pub(super) struct Metrics {
            registry: Registry,
            $($field: $type,)+
        }

        impl Metrics {
            fn registered() -> Self {
                let mut registry = Registry::with_prefix("alumet_injector");
                $(let $field: $type = $new; registry.register($name, $help, $field.clone());)+
                Self { registry, $($field,)+ }
            }
        }
    };
}

metrics! {
    admissions: Family<Admission, Counter> = Family::default(), counter "admission_requests" "_total" ["operation", "kind", "outcome"]
        "Reviews that were answered, by what became of them";
    duration: Histogram = Histogram::new(LATENCIES), histogram "admission_duration_seconds" "" []
        "Time from the end of a call's headers until its answer is made, of reviews that were answered";
    calls: Gauge = Gauge::default(), gauge "calls_in_flight" "" []
        "Calls whose review came and whose answer the connection has not taken yet";
    body_bytes: Gauge = Gauge::default(), gauge "body_bytes_in_flight" "" []
        "Bytes of bodies that came and whose answer the connection has not taken yet";
    connections: Gauge = Gauge::default(), gauge "connections" "" []
        "Open connections to the HTTPS port";
    refused_calls: Family<Why, Counter> = Family::default(), counter "refused_calls" "_total" ["cause"]
        "Calls that were not answered with a review";
    refused_connections: Counter = Counter::default(), counter "refused_connections" "_total" []
        "Connections that were closed at once, since there were too many and all of them were within a call";
    failed_accepts: Counter = Counter::default(), counter "failed_accepts" "_total" []
        "Connections that the system could not give to the server, for want of file descriptors mostly";
    failed_handshakes: Family<Why, Counter> = Family::default(), counter "failed_handshakes" "_total" ["cause"]
        "TLS handshakes that failed";
    cut_connections: Family<Why, Counter> = Family::default(), counter "cut_connections" "_total" ["cause"]
        "Connections that ended because a deadline passed, another one needed the place, or what came was not HTTP/1";
    failed_connections: Counter = Counter::default(), counter "failed_connections" "_total" []
        "Connections that ended because of a fault of the server";
    not_after: Gauge = Gauge::default(), gauge "certificate_not_after_timestamp_seconds" "" []
        "When the serving certificate expires, in seconds since 1970; 0 without one";
    failed_reloads: Counter = Counter::default(), counter "failed_certificate_reloads" "_total" []
        "New key pairs that could not be served with, so that the last good one stayed";
    memo_hits: Counter = Counter::default(), counter "memo_hits" "_total" []
        "Setups that were known from an earlier review";
    memo_misses: Counter = Counter::default(), counter "memo_misses" "_total" []
        "Setups that were worked out";
    memo_bytes: Gauge = Gauge::default(), gauge "memo_bytes" "" []
        "Bytes of the setups that are remembered, about";
    policies: Family<From, Gauge> = Family::default(), gauge "policies" "" ["source"]
        "Policies in force, by whether they come from files or from the cluster";
    rejected_policies: Gauge = Gauge::default(), gauge "rejected_policies" "" []
        "Policies of the cluster whose newest form is not accepted; an earlier form may be in force";
    policy_changes: Counter = Counter::default(), counter "policy_changes" "_total" []
        "How often other policies came into force, or other labels of namespaces";
    policies_changed: Gauge = Gauge::default(), gauge "policies_changed_timestamp_seconds" "" []
        "When that happened last, in seconds since 1970; 0 where it did not yet";
    failed_watches: Family<FailedWatch, Counter> = Family::default(), counter "failed_watches" "_total" ["resource", "cause"]
        "Times that policies or namespaces of the cluster could not be listed or watched";
    failed_policy_reloads: Counter = Counter::default(), counter "failed_policy_reloads" "_total" []
        "Times that the files of policies changed and could not be read, so that what they held before stayed in force";
    policy_files_refused: Gauge = Gauge::default(), gauge "policy_files_refused_timestamp_seconds" "" []
        "Since when the files of policies cannot be read, in seconds since 1970; 0 while they can";
    failed_status_writes: Counter = Counter::default(), counter "failed_policy_status_writes" "_total" []
        "Conditions of policies that could not be written into the cluster";
    objects: Family<Looked, Gauge> = Family::default(), gauge "objects" "" ["kind", "standing"]
        "Marked objects of the cluster, by what they are worth, as of the last look of `--observe`; 0 where nobody looks";
    written_events: Counter = Counter::default(), counter "written_events" "_total" []
        "Events that were written about objects that were not injected, or with warnings";
    dropped_events: Counter = Counter::default(), counter "dropped_events" "_total" []
        "Events that were not written, for there were too many at a time";
    failed_events: Counter = Counter::default(), counter "failed_events" "_total" []
        "Events that the API server did not take";
    dropped_lines: Counter = Counter::default(), counter "dropped_log_lines" "_total" []
        "Log lines that were dropped, since they came faster than they could be written";
    build: Family<Build, Gauge> = Family::default(), gauge "build_info" "" ["version"]
        "1, with the version of this program";
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Looked {
    kind: &'static str,
    standing: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

impl Metrics {
    /// Every cause is there from the start, so that its first time is seen as a change.
    pub(super) fn new() -> Arc<Self> {
        let metrics = Self::registered();
        let version = env!("CARGO_PKG_VERSION");
        metrics.build.get_or_create(&Build { version }).set(1);
        for cause in Cause::ALL {
            drop(metrics.refused_calls.get_or_create(&why(cause.label())));
        }
        for cause in Handshake::ALL {
            drop(metrics.failed_handshakes.get_or_create(&why(cause.label())));
        }
        for cause in Cut::ALL {
            drop(metrics.cut_connections.get_or_create(&why(cause.label())));
        }
        metrics.policies(Counts::default());
        metrics.objects([].into_iter(), &[]);
        for resource in Resource::ALL {
            for cause in PolicyCause::ALL {
                drop(
                    metrics
                        .failed_watches
                        .get_or_create(&failed_watch(resource, cause)),
                );
            }
        }
        Arc::new(metrics)
    }

    /// A review was answered.
    pub(super) fn admitted(&self, decision: &Decision, took: Duration) {
        self.admissions
            .get_or_create(&Admission {
                operation: decision.operation.as_str(),
                kind: known_kind(&decision.kind),
                outcome: decision.outcome.code(),
            })
            .inc();
        self.duration.observe(took.as_secs_f64());
    }

    pub(super) fn call_refused(&self, cause: Cause) {
        self.refused_calls.get_or_create(&why(cause.label())).inc();
    }

    pub(super) fn connection_refused(&self) {
        self.refused_connections.inc();
    }

    pub(super) fn accept_failed(&self) {
        self.failed_accepts.inc();
    }

    pub(super) fn handshake_failed(&self, cause: Handshake) {
        self.failed_handshakes.get_or_create(&why(cause.label())).inc();
    }

    pub(super) fn connection_cut(&self, cut: Cut) {
        self.cut_connections.get_or_create(&why(cut.label())).inc();
    }

    pub(super) fn connection_failed(&self) {
        self.failed_connections.inc();
    }

    pub(super) fn reload_failed(&self) {
        self.failed_reloads.inc();
    }

    /// What the objects of the cluster are worth: kind and standing of each. The counts of the `missing` kinds stay.
    pub(super) fn objects<'k>(&self, objects: impl Iterator<Item = (&'k str, Standing)>, missing: &[&str]) {
        let mut counts = BTreeMap::new();
        for kind in KINDS_OF_OBJECTS {
            for standing in Standing::ALL {
                counts.insert((kind, standing.code()), 0_usize);
            }
        }
        for (kind, standing) in objects {
            *counts.entry((known_kind(kind), standing.code())).or_default() += 1;
        }
        counts.retain(|(kind, _), _| !missing.contains(kind));
        for ((kind, standing), count) in counts {
            self.objects
                .get_or_create(&Looked { kind, standing })
                .set(signed(count));
        }
    }

    /// How many policies there are.
    pub(super) fn policies(&self, counts: Counts) {
        let Counts {
            from_files,
            from_cluster,
            rejected,
        } = counts;
        for (source, count) in [("files", from_files), ("cluster", from_cluster)] {
            self.policies.get_or_create(&From { source }).set(signed(count));
        }
        self.rejected_policies.set(signed(rejected));
    }

    /// Other policies hold.
    pub(super) fn policies_changed(&self, at: SystemTime) {
        self.policy_changes.inc();
        self.policies_changed.set(seconds(at));
    }

    pub(super) fn watch_failed(&self, resource: Resource, cause: PolicyCause) {
        self.failed_watches
            .get_or_create(&failed_watch(resource, cause))
            .inc();
    }

    pub(super) fn policy_files_refused(&self, since: SystemTime) {
        self.failed_policy_reloads.inc();
        self.policy_files_refused.set(seconds(since));
    }

    pub(super) fn policy_files_read(&self) {
        self.policy_files_refused.set(0);
    }

    pub(super) fn status_write_failed(&self) {
        self.failed_status_writes.inc();
    }

    /// All metrics in the text format of `OpenMetrics`.
    pub(super) fn text(&self, live: &Live) -> String {
        let Live {
            connections,
            calls,
            body_bytes,
            not_after,
            memo,
            events,
            dropped_lines,
        } = *live;
        self.connections.set(signed(connections));
        self.calls.set(signed(calls));
        self.body_bytes.set(signed(body_bytes));
        self.not_after.set(not_after.map_or(0, seconds));
        self.memo_bytes.set(signed(memo.bytes));
        let set = |counter: &Counter, value| counter.inner().store(value, Ordering::Relaxed);
        set(&self.memo_hits, memo.hits);
        set(&self.memo_misses, memo.misses);
        set(&self.written_events, events.written);
        set(&self.dropped_events, events.dropped);
        set(&self.failed_events, events.failed);
        set(&self.dropped_lines, dropped_lines);
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Handshake {
    const ALL: [Self; 2] = [Self::Failed, Self::Deadline];

    fn label(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Deadline => "deadline",
        }
    }
}

fn why(cause: &'static str) -> Why {
    Why { cause }
}

fn failed_watch(resource: Resource, cause: PolicyCause) -> FailedWatch {
    FailedWatch {
        resource: resource.as_str(),
        cause: cause.as_str(),
    }
}

fn known_kind(kind: &str) -> &'static str {
    KINDS.into_iter().find(|known| *known == kind).unwrap_or("other")
}

fn signed(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| signed(since.as_secs()))
}
