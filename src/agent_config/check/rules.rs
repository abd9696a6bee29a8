//! What the agent only says at start, or never says: rules about more than one key, each a function of the table below.

use std::{collections::BTreeSet, time::Duration};

use toml_edit::{Item, TableLike};

use super::{Checker, lookup};
use crate::{
    agent_config::{catalog::Class, codes, duration, version::Version},
    names::Component,
};

/// The rules, in the order of their findings.
const RULES: [fn(&mut Checker<'_>); 11] = [
    no_plugins,
    no_output,
    relay_server_listens,
    section_order,
    perf_never_measures,
    localhost,
    short_retry,
    tdp_interval,
    annotated_containers,
    formulas,
    carbon_mode,
];

/// Applies every rule.
pub(super) fn check(checker: &mut Checker<'_>) {
    for rule in RULES {
        rule(checker);
    }
}

fn text<'a>(table: &'a dyn TableLike, path: &str) -> Option<&'a str> {
    lookup(table, path).and_then(Item::as_str)
}

fn period(table: &dyn TableLike, path: &str) -> Option<Duration> {
    text(table, path).and_then(duration::parse)
}

fn no_plugins(checker: &mut Checker<'_>) {
    if checker.enabled.is_empty() {
        let message = "the agent would run for ever and do nothing".to_owned();
        checker
            .findings
            .warning(codes::NO_PLUGINS, "plugins", message, "switch a plugin on");
    }
}

fn no_output(checker: &mut Checker<'_>) {
    let writes = checker
        .enabled
        .iter()
        .any(|section| section.plugin.class == Class::Output);
    if !writes && !checker.enabled.is_empty() {
        let message = "nothing writes what is measured".to_owned();
        checker
            .findings
            .warning(codes::NO_OUTPUT, "plugins", message, "switch an output on");
    }
}

fn relay_server_listens(checker: &mut Checker<'_>) {
    if checker.component == Some(Component::RelayServer) && checker.on("relay-server").is_none() {
        let message = "the relay server would not listen to its clients".to_owned();
        checker.findings.warning(
            codes::NEEDS_PLUGIN,
            "plugins.relay-server",
            message,
            "switch it on",
        );
    }
}

/// Transforms are chained in the order of the sections.
fn section_order(checker: &mut Checker<'_>) {
    let chained: Vec<_> = checker
        .enabled
        .iter()
        .filter(|section| (Class::Estimator..=Class::Carbon).contains(&section.plugin.class))
        .filter(|section| section.plugin.class != Class::Annotator || annotates(section.table))
        .map(|section| section.plugin)
        .collect();
    for pair in chained.windows(2) {
        if pair[0].class > pair[1].class {
            let path = format!("plugins.{}", pair[0].name);
            let message = format!(
                "it comes before `{}`, whose results it would not see",
                pair[1].name
            );
            let mend = if checker.profile.version < Version(0, 9, 3) {
                "use 0.9.3 or newer: before, the alphabet is the order".to_owned()
            } else {
                format!("move the section behind `plugins.{}`", pair[1].name)
            };
            checker
                .findings
                .warning(codes::SECTION_ORDER, &path, message, mend);
        }
    }
}

fn annotates(table: &dyn TableLike) -> bool {
    lookup(table, "annotate_foreign_measurements").and_then(Item::as_bool) == Some(true)
}

fn perf_never_measures(checker: &mut Checker<'_>) {
    if checker.on("perf").is_some() && checker.profile.version < Version::NEXT {
        let message =
            "up to 0.9.5 it measures only what `exec` or `watch` announce, never in a pod".to_owned();
        checker.findings.warning(
            codes::PERF_NEVER_MEASURES,
            "plugins.perf",
            message,
            "switch it off",
        );
    }
}

fn localhost(checker: &mut Checker<'_>) {
    const ADDRESSES: [(&str, &str); 6] = [
        ("opentelemetry", "collector_host"),
        ("influxdb", "host"),
        ("mongodb", "host"),
        ("elasticsearch", "server_url"),
        ("relay-client", "relay_server"),
        ("k8s", "k8s_api_url"),
    ];
    for (plugin, key) in ADDRESSES {
        let address = checker.on(plugin).and_then(|table| text(table, key));
        if address.is_some_and(names_itself) {
            let message = "the address is the pod itself, where nothing else listens".to_owned();
            let path = format!("plugins.{plugin}.{key}");
            checker
                .findings
                .warning(codes::LOCALHOST, &path, message, "set the name of a Service");
        }
    }
}

fn names_itself(address: &str) -> bool {
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    ["localhost", "127.", "[::1]"]
        .iter()
        .any(|own| host.starts_with(own))
}

/// After its last try the relay client stays alive and never sends again.
fn short_retry(checker: &mut Checker<'_>) {
    const SHORTEST: Duration = Duration::from_mins(2);
    let Some(table) = checker.on("relay-client") else {
        return;
    };
    let times = lookup(table, "retry.max_times").and_then(Item::as_integer);
    let delays = (
        period(table, "retry.initial_delay"),
        period(table, "retry.max_delay"),
    );
    let (Some(times), (Some(initial), Some(longest))) = (times, delays) else {
        return;
    };
    let window = retry_window(times, initial, longest, SHORTEST);
    if window < SHORTEST {
        let window = duration::format(window);
        let message =
            format!("after {window} without its server the client stays alive and never sends again");
        checker.findings.warning(
            codes::SHORT_RETRY,
            "plugins.relay-client.retry",
            message,
            "raise max_times",
        );
    }
}

/// The sum of the pauses, which double up to the longest one; the agent tries once more than it says.
fn retry_window(times: i64, initial: Duration, longest: Duration, enough: Duration) -> Duration {
    let (mut window, mut pause) = (Duration::ZERO, initial);
    for _ in 0..=times.clamp(0, i64::from(u16::MAX)) {
        window = window.saturating_add(pause.min(longest));
        pause = pause.saturating_mul(2).min(longest);
        if window >= enough {
            break;
        }
    }
    window
}

/// The estimation divides by its own interval, in whole seconds.
fn tdp_interval(checker: &mut Checker<'_>) {
    let Some(own) = checker
        .on("energy-estimation-tdp")
        .and_then(|table| period(table, "poll_interval"))
    else {
        return;
    };
    let path = "plugins.energy-estimation-tdp.poll_interval";
    if own.subsec_nanos() != 0 {
        let message = "the estimation counts whole seconds and would leave the rest out".to_owned();
        checker
            .findings
            .warning(codes::INTERVALS_DIFFER, path, message, "use whole seconds");
    }
    let source = checker
        .on("procfs")
        .and_then(|table| period(table, "kernel.poll_interval"));
    if source.is_some_and(|source| source != own) && checker.profile.version >= Version(0, 9, 4) {
        let message =
            "it differs from `plugins.procfs.kernel.poll_interval`, so the estimate is wrong".to_owned();
        checker
            .findings
            .warning(codes::INTERVALS_DIFFER, path, message, "make both the same");
    }
}

fn annotated_containers(checker: &mut Checker<'_>) {
    let containers = checker
        .on("k8s")
        .and_then(|table| lookup(table, "annotate_containers"))
        .and_then(Item::as_bool);
    if containers == Some(true) {
        let message =
            "each container is measured too, with the labels of its pod: sums count it twice".to_owned();
        checker.findings.warning(
            codes::DOUBLE_COUNT,
            "plugins.k8s.annotate_containers",
            message,
            "set it to false",
        );
    }
}

fn formulas(checker: &mut Checker<'_>) {
    let formulas = checker
        .on("energy-attribution")
        .and_then(|table| lookup(table, "formulas"));
    let Some(formulas) = formulas.and_then(Item::as_table_like) else {
        return;
    };
    for (name, item) in formulas.iter() {
        if let Some(formula) = item.as_table_like() {
            formula_rules(
                checker,
                formula,
                &format!("plugins.energy-attribution.formulas.{name}"),
            );
        }
    }
}

fn formula_rules(checker: &mut Checker<'_>, formula: &dyn TableLike, path: &str) {
    let series = |side: &str| {
        let table = lookup(formula, side).and_then(Item::as_table_like);
        table
            .into_iter()
            .flat_map(|table| table.iter().collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    let (resources, consumers) = (series("per_resource"), series("per_consumer"));
    let reference = text(formula, "ref");
    if let Some(reference) = reference.filter(|name| !resources.iter().any(|(known, _)| known == name)) {
        let message = format!("`ref` names `{reference}`, which `per_resource` does not have");
        checker.findings.error(
            codes::CONSTRAINT,
            &format!("{path}.ref"),
            message,
            "name one of its series",
        );
    }
    let mut seen = BTreeSet::new();
    for (_, item) in resources.iter().chain(&consumers) {
        let Some(table) = item.as_table_like() else {
            continue;
        };
        let Some(metric) = text(table, "metric") else {
            continue;
        };
        if !seen.insert(metric) {
            let message = format!("the metric `{metric}` cannot appear twice in one formula");
            checker
                .findings
                .error(codes::CONSTRAINT, path, message, "use another metric");
        }
        counted_twice(checker, table, metric, path);
    }
}

/// Series that are more than one value at a time, because a filter is missing.
fn counted_twice(checker: &mut Checker<'_>, series: &dyn TableLike, metric: &str, path: &str) {
    if metric == "estimated_consumed_energy"
        && !series.contains_key("cpu_state")
        && checker.profile.version >= Version(0, 9, 4)
    {
        let message = format!("`{metric}` has one series per `cpu_state`, idle among them");
        checker
            .findings
            .warning(codes::DOUBLE_COUNT, path, message, "filter by `cpu_state`");
    }
    let groups = ["k8s", "cgroups", "oar", "slurm"]
        .iter()
        .any(|name| checker.on(name).is_some());
    let processes = checker
        .on("procfs")
        .is_some_and(|table| lookup(table, "processes.enabled").and_then(Item::as_bool) != Some(false));
    if metric == "cpu_percent" && groups && processes && !series.contains_key("consumer_kind") {
        let message = "`cpu_percent` is measured for pods and for processes: both get the energy".to_owned();
        checker
            .findings
            .warning(codes::DOUBLE_COUNT, path, message, "filter by `consumer_kind`");
    }
}

fn carbon_mode(checker: &mut Checker<'_>) {
    let Some(table) = checker.on("energy-to-carbon") else {
        return;
    };
    let Some(mode) = text(table, "mode") else { return };
    if matches!(mode, "country" | "intensity_override") && !table.contains_key(mode) {
        let path = format!("plugins.energy-to-carbon.{mode}");
        let message = format!("mode `{mode}` needs the table of this name");
        checker
            .findings
            .error(codes::CONSTRAINT, &path, message, "add it");
    }
}
