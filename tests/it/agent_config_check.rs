//! A configuration that somebody wrote by hand, checked as the agent would read it.

use alumet_injector::{agent_config::check_toml, names::Component};

/// A relay client that measures something and has nothing wrong with it; each case adds its own.
const SOUND: &str = r#"
[plugins.rapl]
poll_interval = "1s"
flush_interval = "5s"
no_perf_events = false

[plugins.csv]
output_path = "/tmp/x.csv"
force_flush = true
append_unit_to_metric_name = true
use_unit_display_name = true
csv_delimiter = ";"
csv_late_delimiter = ","
"#;

fn found(text: &str, version: &str) -> Vec<String> {
    check_toml(text, Some(Component::RelayClient), Some(version))
        .iter()
        .map(|finding| format!("{} {} {}", finding.severity.as_str(), finding.code, finding.path))
        .collect()
}

#[test]
fn a_sound_configuration_has_no_findings() {
    assert_eq!(found(SOUND, "0.9.5"), Vec::<String>::new());
    assert_eq!(
        found(
            &SOUND.replace("\"1s\"", "\"${POLL}\"").replace("false", "${PERF}"),
            "0.9.5"
        ),
        Vec::<String>::new()
    );
}

#[test]
fn the_agents_own_default_file_is_read_and_its_placeholders_are_told() {
    let path = format!(
        "{}/tests/fixtures/alumet-0.9.5-default-config.toml",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).unwrap();
    let errors: Vec<_> = found(&text, "0.9.5")
        .into_iter()
        .filter(|it| it.starts_with("error"))
        .collect();
    assert_eq!(
        errors,
        Vec::<String>::new(),
        "its plugins with open metrics make unknown ones a warning"
    );
    let alone = text
        .split("[plugins.process-to-cgroup-bridge]")
        .nth(1)
        .unwrap()
        .split("[plugins.jetson]")
        .next()
        .unwrap();
    let alone = format!("{SOUND}[plugins.process-to-cgroup-bridge]{alone}");
    let path = "error unknown-metric plugins.process-to-cgroup-bridge.processes_metrics";
    assert_eq!(found(&alone, "0.9.5"), [path, path]);
}

#[test]
fn what_the_agent_would_refuse_or_ignore_is_found() {
    let table: &[(&str, &[&str])] = &[
        (
            "[plugins.csvv]\nenable = false",
            &["error unknown-plugin plugins.csvv"],
        ),
        (
            "[plugins.relay_client]",
            &["error unknown-plugin plugins.relay_client"],
        ),
        ("[plugin.x]\na = 1", &["warning unknown-key plugin"]),
        ("[plugins.perf]\nenable = false\nbogus = 1", &[]),
        (
            "[plugins.jetson]\nenable = 'true'\npoll_interval = '1s'\nflush_interval = '1s'",
            &["error wrong-type plugins.jetson.enabled"],
        ),
        (
            "[plugins.jetson]\npoll_interval = '1s'",
            &["error missing-value plugins.jetson.flush_interval"],
        ),
        (
            "[plugins.jetson]\npoll_interval = 1\nflush_interval = '0s'",
            &[
                "error wrong-type plugins.jetson.poll_interval",
                "error wrong-type plugins.jetson.flush_interval",
            ],
        ),
        (
            "[plugins.jetson]\npoll_interval = '1s'\nflush_interval = '1s'\nbogus = 1",
            &["error unknown-key plugins.jetson.bogus"],
        ),
        (
            "[plugins.cgroups]\npoll_interval = '1s'\nbogus = 1",
            &["warning unknown-key plugins.cgroups.bogus"],
        ),
        (
            "[plugins.cgroups]\npoll_interval = '1s'\ndisable_sources = false",
            &[],
        ),
        (
            "[plugins.cgroups]\npoll_interval = '1s'\nenable = true\nenabled = true",
            &["warning enable-twice plugins.cgroups"],
        ),
        (
            "[plugins.jetson]\nenabled = true\nenable = true\npoll_interval = '1s'\nflush_interval = '1s'",
            &["error enable-twice plugins.jetson"],
        ),
        (
            "[plugins.socket-control]\nsocket_path = '${A:-b}'",
            &["error env-syntax "],
        ),
        (
            "[plugins.socket-control]\nsocket_path = '${A'",
            &["error env-syntax "],
        ),
        ("[plugins.socket-control]\nsocket_path = \"\\${A}\"", &[]),
        ("plugins = 1", &["error toml-syntax "]),
        ("[plugins.csv]", &["error toml-syntax "]),
        (
            "[plugins.filter]\ninclude = ['rapl_consumed_energy']\nexclude = []",
            &["error constraint plugins.filter"],
        ),
        (
            "[plugins.filter]\ninclude = ['rapl_consumed_enery']",
            &["error unknown-metric plugins.filter.include"],
        ),
        (
            "[plugins.aggregation]\ninterval = '1m'\nfunction = 'sum'\nmetrics = []",
            &["error wrong-type plugins.aggregation.function"],
        ),
        (
            "[plugins.energy-estimation-tdp]\npoll_interval = '5s'\ntdp = 1\nnb_vcpu = 1\nnb_cpu = 1.5",
            &["error needs-plugin plugins.energy-estimation-tdp"],
        ),
        (
            "[plugins.energy-attribution]",
            &["error missing-value plugins.energy-attribution.formulas"],
        ),
        (
            "[plugins.energy-to-carbon]\nmode = 'country'",
            &["error constraint plugins.energy-to-carbon.country"],
        ),
        (
            "[plugins.energy-to-carbon]\nmode = 'country'\ncountry.code = 'France'",
            &["error wrong-type plugins.energy-to-carbon.country.code"],
        ),
        (
            "[plugins.mongodb]\nhost = 'm'\nport = 1\ndatabase = 'd'\ncollection = 'c'\nusername = '${U}'",
            &["error constraint plugins.mongodb"],
        ),
        (
            "[plugins.mongodb]\nhost = 'm'\nport = 1\ndatabase = 'd'\ncollection = 'c'\nusername = '${U}'\npassword = 'p'",
            &["warning literal-secret plugins.mongodb.password"],
        ),
        (
            "[plugins.opentelemetry]\ncollector_host = 'http://u:p@otel:4317'\nprefix = ''\nsuffix = ''\nuse_unit_display_name = true\nadd_attributes_to_labels = true",
            &["warning literal-secret plugins.opentelemetry.collector_host"],
        ),
        (
            "[plugins.mongodb]\nhost = 'm'\nport = '1'\ndatabase = 'd'\ncollection = 'c'",
            &["error wrong-type plugins.mongodb.port"],
        ),
        (
            "[plugins.elasticsearch]\nserver_url = 'http://e'\nallow_insecure = true\nindex_prefix = 'a'\n\
          metric_unit_as_index_suffix = true\nauth = {}",
            &["error constraint plugins.elasticsearch"],
        ),
        (
            "[plugins.k8s]\ntoken_retrieval = {file = '/t'}\npoll_interval = '5s'\nannotate_containers = false",
            &[],
        ),
        (
            "[plugins.k8s]\ntoken_retrieval = 'env'\npoll_interval = '5s'",
            &[
                "error wrong-type plugins.k8s.token_retrieval",
                "error missing-value plugins.k8s.annotate_containers",
            ],
        ),
        (
            "[plugins.relay-server]\naddress = '50051'",
            &["error wrong-type plugins.relay-server.address"],
        ),
        (
            "[plugins.relay-client]\nrelay_server = 'localhost:1'\nbuffer_max_length = 1\nbuffer_timeout = '1s'\n\
          retry = {max_times = 8, initial_delay = '500ms', max_delay = '4s'}",
            &[
                "warning localhost plugins.relay-client.relay_server",
                "warning short-retry plugins.relay-client.retry",
            ],
        ),
        (
            "[plugins.opentelemetry]\ncollector_host = 'http://o:1'\nprefix = ''\nsuffix = ''\n\
          use_unit_display_name = true\nadd_attributes_to_labels = true\npush_interval_seconds = 5",
            &["error not-in-version plugins.opentelemetry.push_interval_seconds"],
        ),
        (
            "[plugins.quarch]\nquarch_ip = 'disk'\nquarch_port = 1\nqis_port = 1\njava_bin = ''\nqis_jar_path = ''\n\
          poll_interval = '1s'\nflush_interval = '1s'",
            &["error wrong-type plugins.quarch.quarch_ip"],
        ),
    ];
    for (more, expected) in table {
        let text = format!("{SOUND}\n{more}\n");
        // Keys outside of tables have to stand at the front.
        let text = if more.starts_with('[') {
            text
        } else {
            format!("{more}\n{SOUND}")
        };
        assert_eq!(found(&text, "0.9.5"), *expected, "{more}");
    }
}

#[test]
fn the_table_of_a_procfs_group_is_checked_however_it_is_written() {
    let procfs = |groups: &str| {
        format!(
            "{SOUND}\n[plugins.procfs]\nkernel = {{poll_interval = '1s'}}\nnetwork = {{poll_interval = '1s'}}\n\
             memory = {{poll_interval = '1s', metrics = []}}\n[plugins.procfs.processes]\nrefresh_interval = '1s'\n\
             events = {{poll_interval = '1s', flush_interval = '1s', memory_mode = 'quick'}}\n{groups}\n"
        )
    };
    let inline =
        "groups = [{exe_regex = '(', poll_interval = '1s', flush_interval = '1s', memory_mode = 'quick'}]";
    let tables = "[[plugins.procfs.processes.groups]]\nexe_regex = '('\npoll_interval = '1s'\nflush_interval = '1s'\n\
                  memory_mode = 'quick'";
    for groups in [inline, tables] {
        let path = "error wrong-type plugins.procfs.processes.groups[0].exe_regex";
        assert_eq!(found(&procfs(groups), "0.9.5"), [path], "{groups}");
    }
    assert_eq!(found(&procfs("groups = []"), "0.9.5"), Vec::<String>::new());
    assert_eq!(
        found(&procfs("groups = 1"), "0.9.5"),
        ["error wrong-type plugins.procfs.processes.groups"]
    );
}

/// A formula with the TDP estimation; the places in braces are filled by the cases.
fn formula(reference: &str, energy: &str, usage: &str) -> String {
    format!(
        "{SOUND}\n[plugins.cgroups]\npoll_interval = '5s'\n[plugins.energy-attribution.formulas.it]\nexpr = 'a * b'\n\
         ref = '{reference}'\nretention_time = '10s'\nper_resource.a = {energy}\nper_consumer.b = {usage}\n"
    )
}

#[test]
fn formulas_are_checked_for_what_only_the_start_would_tell() {
    let (energy, usage) = (
        "{metric = 'rapl_consumed_energy', domain = 'package_total'}",
        "{metric = 'cpu_percent'}",
    );
    let path = "plugins.energy-attribution.formulas.it";
    let table = [
        (formula("a", energy, usage), vec![]),
        (
            formula("c", energy, usage),
            vec![format!("error constraint {path}.ref")],
        ),
        (
            formula("a", energy, energy),
            vec![format!("error constraint {path}")],
        ),
        (
            formula("a", "{metric = 'x'}", usage),
            vec![format!("error unknown-metric {path}.per_resource.a.metric")],
        ),
        (
            formula("a", "{domain = 'x'}", usage),
            vec![format!("error missing-value {path}.per_resource.a.metric")],
        ),
    ];
    for (text, expected) in table {
        assert_eq!(found(&text, "0.9.5"), expected, "{text}");
    }
}

#[test]
fn sections_that_need_the_results_of_later_ones_are_told() {
    let energy = "{metric = 'rapl_consumed_energy'}";
    let (before, after) = (
        "[plugins.aggregation]\ninterval = '1m'\nfunction = 'Sum'\nmetrics = ['it']\n",
        formula("a", energy, "{metric = 'cpu_percent'}"),
    );
    assert_eq!(
        found(&format!("{before}{after}"), "0.9.5"),
        ["warning section-order plugins.aggregation"]
    );
    assert_eq!(found(&format!("{after}{before}"), "0.9.5"), Vec::<String>::new());
}

#[test]
fn an_agent_without_plugins_or_outputs_is_told() {
    assert_eq!(found("", "0.9.5"), ["warning no-plugins plugins"]);
    let rapl = SOUND.split("[plugins.csv]").next().unwrap();
    assert_eq!(found(rapl, "0.9.5"), ["warning no-output plugins"]);
    assert_eq!(
        found("plugins = 1", "0.9.5"),
        ["error wrong-type plugins", "warning no-plugins plugins"]
    );
    assert_eq!(
        found(
            "max_update_interval = 5\nsource_channel_size = 0\nlog = 1\n[plugins]",
            "0.9.5"
        ),
        [
            "error wrong-type max_update_interval",
            "error wrong-type source_channel_size",
            "warning unknown-key log",
            "warning no-plugins plugins",
        ]
    );
}

#[test]
fn other_versions_are_checked_by_their_own_keys() {
    let table = [
        (
            "0.9.0",
            vec![
                "missing-value plugins.csv.csv_escaped_quote",
                "not-in-version plugins.csv.csv_late_delimiter",
            ],
        ),
        ("0.9.3", vec![]),
        ("0.9.6", vec![]),
    ];
    for (version, expected) in table {
        let mut codes: Vec<String> = found(SOUND, version)
            .iter()
            .map(|it| it.replace("error ", ""))
            .collect();
        codes.sort();
        assert_eq!(codes, expected, "{version}");
    }
    let cgroups = format!("{SOUND}[plugins.cgroups]\npoll_interval = '5s'\n");
    assert_eq!(
        found(&cgroups, "0.10.0"),
        ["error missing-value plugins.cgroups.disable_sources"]
    );
    let filter = format!("{SOUND}[plugins.filter]\n");
    assert_eq!(found(&filter, "0.9.3"), ["error not-in-version plugins.filter"]);
}

#[test]
fn secrets_are_not_shown_by_the_check() {
    let text = format!(
        "{SOUND}[plugins.mongodb]\nhost = 'm'\nport = 1\ndatabase = 'd'\ncollection = 'c'\n\
                        username = ['canary']\npassword = {{a = 'canary'}}\n"
    );
    let told: Vec<_> = check_toml(&text, None, Some("0.9.5"))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(told.len(), 2);
    assert!(!told.join(" ").contains("canary"), "{told:?}");
}
