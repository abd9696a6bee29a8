//! The formulas of energy attribution, made from the sources that are on.

use std::time::Duration;

use super::{Deriving, longest};
use crate::agent_config::{
    codes, duration,
    settings::{Section, Slot, Table, Val},
};

/// Why the bridge is on and what it bridges.
pub(super) const GPU_TO_PODS: &str = "the energy of the GPU goes to pods";
const ATTRIBUTION: &str = "energy-attribution";
const GPU_METRIC: &str = "attributed_nvml_energy";
/// Plugins that measure control groups.
const CGROUP_PLUGINS: [&str; 4] = ["k8s", "cgroups", "oar", "slurm"];
/// States in which a CPU works for this machine: `idle` is no work, `steal` is another machine's, and `guest` is
/// in `user` already. Filters know equality only, so each state has a formula of its own, and their sum is the energy.
const BUSY_STATES: [&str; 5] = ["user", "nice", "system", "irq", "softirq"];

/// One formula before it becomes settings.
struct Formula {
    name: String,
    expr: &'static str,
    reference: &'static str,
    per_resource: (&'static str, Vec<(&'static str, String)>),
    per_consumer: (&'static str, Vec<(&'static str, String)>),
    rule: &'static str,
    /// The plugin that gives the energy.
    source: &'static str,
    /// The plugin that gives the usage.
    usage: &'static str,
}

/// Which plugin measures consumers of CPU time, and what kind they are; pods before processes, so that the same
/// work is not attributed twice.
pub(super) fn consumers(deriving: &Deriving<'_>) -> Option<(&'static str, &'static str)> {
    let group = CGROUP_PLUGINS
        .into_iter()
        .find(|name| deriving.on(name).is_some_and(measures));
    let processes = deriving
        .on("procfs")
        .is_some_and(|section| !is_false(section, "processes.enabled"));
    group
        .map(|name| (name, "cgroup"))
        .or_else(|| processes.then_some(("procfs", "process")))
}

fn measures(section: &Section) -> bool {
    !section.is_true("disable_sources")
}

fn is_false(section: &Section, path: &str) -> bool {
    section.table.value(path) == Some(&Val::Bool(false))
}

/// The plugin that can put names of pods or jobs on measurements of control groups.
pub(super) fn annotator(deriving: &Deriving<'_>) -> Option<&'static str> {
    ["k8s", "slurm", "oar"]
        .into_iter()
        .find(|name| deriving.on(name).is_some())
}

/// Whether there will be a formula for the GPU.
pub(super) fn attributes_gpu(deriving: &Deriving<'_>) -> bool {
    let own = deriving
        .on(ATTRIBUTION)
        .is_some_and(|section| !has_formulas(section));
    own && deriving
        .on("nvml")
        .is_some_and(|section| section.text("mode") != Some("minimal"))
}

fn has_formulas(section: &Section) -> bool {
    matches!(section.table.slot("formulas"), Some(Slot::Table(formulas)) if !formulas.0.is_empty())
}

/// Adds the formulas, the retention of formulas that have none, and what the bridge has to bridge.
pub(super) fn apply(deriving: &mut Deriving<'_>) {
    let Some(section) = deriving.on(ATTRIBUTION) else {
        return bridge(deriving, false);
    };
    let own = has_formulas(section);
    let path = section.place("formulas");
    let formulas = if own { Vec::new() } else { made(deriving) };
    if !own && formulas.is_empty() {
        complain(deriving, &path);
    }
    for formula in &formulas {
        write(deriving, formula);
    }
    retention(deriving);
    let gpu = formulas.iter().any(|formula| formula.name == GPU_METRIC);
    bridge(deriving, gpu);
}

/// Whether the TDP estimation is of the whole CPU; before 0.9.4 it was of each pod, and there was nothing to share.
fn estimates_cpu(deriving: &Deriving<'_>) -> bool {
    let needs = deriving
        .on("energy-estimation-tdp")
        .map(|section| &section.plugin.needs);
    needs
        .into_iter()
        .flatten()
        .any(|need| deriving.profile.within(need.accepted))
}

fn complain(deriving: &mut Deriving<'_>, path: &str) {
    let energy = ["rapl", "energy-estimation-tdp"]
        .iter()
        .any(|name| deriving.on(name).is_some());
    let (code, message, mend) = if energy {
        let message = "nothing measures the CPU time of pods or processes, so energy cannot be shared out";
        (
            codes::NO_CONSUMERS,
            message,
            "switch on k8s, cgroups, oar, slurm or procfs",
        )
    } else if deriving.on("nvml").is_some() {
        let message = "nvml in mode `minimal` does not measure what processes use";
        (codes::GPU_NOT_ATTRIBUTED, message, "set its mode to full")
    } else {
        let message = "nothing measures energy that could be shared out";
        (
            codes::NO_ENERGY_SOURCE,
            message,
            "switch on rapl, energyEstimationTdp or nvml, or write formulas",
        )
    };
    deriving.findings.error(code, path, message.to_owned(), mend);
}

fn made(deriving: &mut Deriving<'_>) -> Vec<Formula> {
    let mut formulas = Vec::new();
    if let Some((usage, kind)) = consumers(deriving) {
        if deriving.on("rapl").is_some() {
            formulas.push(cpu(
                "attributed_rapl_energy".to_owned(),
                "rapl",
                usage,
                kind,
                [("metric", "rapl_consumed_energy"), ("domain", "package_total")],
            ));
        }
        if estimates_cpu(deriving) {
            formulas.extend(BUSY_STATES.map(|state| {
                let name = format!("attributed_tdp_energy_{state}");
                let series = [("metric", "estimated_consumed_energy"), ("cpu_state", state)];
                cpu(name, "energy-estimation-tdp", usage, kind, series)
            }));
        }
    }
    if attributes_gpu(deriving) {
        warn_of_cpu_alone(deriving, formulas.is_empty());
        formulas.push(gpu());
    } else if !formulas.is_empty()
        && let Some(place) = deriving.on("nvml").map(|section| section.place("mode"))
    {
        let message =
            "in mode `minimal` nothing says what processes use: energy of the GPU is not attributed";
        deriving.findings.warning(
            codes::GPU_NOT_ATTRIBUTED,
            &place,
            message.to_owned(),
            "set it to full",
        );
    }
    formulas
}

/// The GPU is attributed to processes without help; the CPU is not.
fn warn_of_cpu_alone(deriving: &mut Deriving<'_>, no_cpu: bool) {
    let measured = deriving.on("rapl").is_some() || estimates_cpu(deriving);
    if no_cpu
        && measured
        && let Some(place) = deriving.on(ATTRIBUTION).map(|section| section.place("formulas"))
    {
        let message =
            "nothing measures the CPU time of pods or processes: energy of the CPU is not attributed";
        let mend = "switch on k8s, cgroups, oar, slurm or procfs";
        deriving
            .findings
            .warning(codes::NO_CONSUMERS, &place, message.to_owned(), mend);
    }
}

fn cpu(
    name: String,
    source: &'static str,
    usage: &'static str,
    consumer: &'static str,
    energy: [(&'static str, &str); 2],
) -> Formula {
    let mut series: Vec<_> = energy
        .into_iter()
        .map(|(key, value)| (key, value.to_owned()))
        .collect();
    series.insert(1, ("resource_kind", "local_machine".to_owned()));
    let of_consumers = [
        ("metric", "cpu_percent"),
        ("consumer_kind", consumer),
        ("kind", "total"),
    ];
    Formula {
        name,
        expr: "cpu_energy * cpu_usage / 100.0",
        reference: "cpu_energy",
        per_resource: ("cpu_energy", series),
        per_consumer: (
            "cpu_usage",
            of_consumers.map(|(key, value)| (key, value.to_owned())).to_vec(),
        ),
        rule: "the energy sources that are on",
        source,
        usage,
    }
}

/// NVML counts millijoules, and attribution happens before the bridge, while consumers are still processes.
fn gpu() -> Formula {
    let own = |pairs: [(&'static str, &str); 2]| pairs.map(|(key, value)| (key, value.to_owned())).to_vec();
    Formula {
        name: GPU_METRIC.to_owned(),
        expr: "gpu_energy * gpu_usage / 100.0 / 1000.0",
        reference: "gpu_energy",
        per_resource: (
            "gpu_energy",
            own([("metric", "nvml_energy_consumption"), ("resource_kind", "gpu")]),
        ),
        per_consumer: (
            "gpu_usage",
            own([("metric", "nvml_sm_utilization"), ("consumer_kind", "process")]),
        ),
        rule: "the energy sources that are on",
        source: "nvml",
        usage: "nvml",
    }
}

fn write(deriving: &mut Deriving<'_>, formula: &Formula) {
    let keep = retention_of(deriving, &[formula.source, formula.usage]);
    let retains = deriving
        .catalogue
        .plugin(ATTRIBUTION)
        .and_then(|plugin| plugin.root.at("formulas.x.retention_time"));
    let retains = retains.is_some_and(|node| node.row.is_accepted(deriving.profile));
    let Some(section) = deriving.on_mut(ATTRIBUTION) else {
        return;
    };
    let Some(table) = section.table.table_mut("formulas") else {
        return;
    };
    let mut one = Table::default();
    let rule = formula.rule;
    one.derive("expr", Val::text(formula.expr), rule);
    one.derive("ref", Val::text(formula.reference), rule);
    if retains {
        one.derive("retention_time", Val::Text(duration::format(keep)), RETENTION);
    }
    for (side, (series, filters)) in [
        ("per_resource", &formula.per_resource),
        ("per_consumer", &formula.per_consumer),
    ] {
        for (key, value) in filters {
            one.derive(&format!("{side}.{series}.{key}"), Val::text(value), rule);
        }
    }
    table.0.push((formula.name.clone(), Slot::Table(one)));
}

const RETENTION: &str = "the longest interval of the sources, and one whole period more";

/// Formulas of the user without a retention get one from everything that could be meant.
fn retention(deriving: &mut Deriving<'_>) {
    let every = [
        "rapl",
        "energy-estimation-tdp",
        "nvml",
        "procfs",
        "k8s",
        "cgroups",
        "oar",
        "slurm",
        "amd-gpu",
    ];
    let keep = duration::format(retention_of(deriving, &every));
    let node = deriving
        .catalogue
        .plugin(ATTRIBUTION)
        .and_then(|plugin| plugin.root.at("formulas.x.retention_time"));
    if node.is_none_or(|node| !node.row.is_accepted(deriving.profile)) {
        return;
    }
    let Some(section) = deriving.on_mut(ATTRIBUTION) else {
        return;
    };
    let Some(Slot::Table(formulas)) = section.table.slot_mut("formulas") else {
        return;
    };
    for (_, slot) in &mut formulas.0 {
        if let Slot::Table(formula) = slot {
            formula.derive("retention_time", Val::text(&keep), RETENTION);
            for side in ["per_resource", "per_consumer"] {
                formula.table_mut(side);
            }
        }
    }
}

/// Points of the slowest source arrive one interval late, and one more period is there to interpolate in.
fn retention_of(deriving: &Deriving<'_>, plugins: &[&str]) -> Duration {
    let (mut interval, mut period) = (Duration::ZERO, Duration::ZERO);
    for section in plugins.iter().filter_map(|name| deriving.on(name)) {
        let (polls, flushes): (&[&str], &[&str]) = match section.plugin.name.as_str() {
            "procfs" => (&["kernel.poll_interval"], &["kernel.poll_interval"]),
            _ => (&["poll_interval"], &["flush_interval"]),
        };
        let poll = longest(&section.table, polls)
            .unwrap_or_default()
            .max(process_intervals(section).0);
        let flush = longest(&section.table, flushes)
            .unwrap_or_default()
            .max(process_intervals(section).1);
        interval = interval.max(poll).max(flush);
        period = period.max(poll);
    }
    let whole = if interval.is_zero() {
        Duration::from_secs(5)
    } else {
        interval
    };
    let margin = if period.is_zero() { whole } else { period };
    whole.checked_add(margin).unwrap_or(whole)
}

/// The longest poll and flush interval of the groups of processes.
fn process_intervals(section: &Section) -> (Duration, Duration) {
    let Some(Val::List(groups)) = section.table.value("processes.groups") else {
        return Default::default();
    };
    let longest = |key: &str| {
        let read = |group: &Val| match group {
            Val::Table(entries) => entries
                .iter()
                .find(|(name, _)| name == key)
                .and_then(|(_, value)| match value {
                    Val::Text(text) => duration::parse(text),
                    _ => None,
                }),
            _ => None,
        };
        groups.iter().filter_map(read).max().unwrap_or_default()
    };
    (longest("poll_interval"), longest("flush_interval"))
}

/// The bridge takes the attributed energy of processes to control groups, where the annotator names the pods.
fn bridge(deriving: &mut Deriving<'_>, gpu: bool) {
    let Some(section) = deriving.on_mut("process-to-cgroup-bridge") else {
        return;
    };
    if gpu {
        section.table.derive(
            "processes_metrics",
            Val::List(vec![Val::text(GPU_METRIC)]),
            GPU_TO_PODS,
        );
    }
    let Some(name) = annotator(deriving) else { return };
    let node = deriving
        .catalogue
        .plugin(name)
        .and_then(|plugin| plugin.root.at("annotate_foreign_measurements"));
    let accepted = node.is_some_and(|node| node.row.is_accepted(deriving.profile));
    if accepted && let Some(section) = deriving.on_mut(name) {
        section
            .table
            .derive("annotate_foreign_measurements", Val::Bool(true), GPU_TO_PODS);
    }
}
