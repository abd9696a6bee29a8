//! The later rows of the faults' table.

use alumet_injector::names::Component::{RelayClient as Client, RelayServer as Server};
use serde_json::json;

use crate::faults::{
    Case,
    Expect::{Absent, Clean, Code, Is, NoText, Order, Text},
};
use crate::faults_rows::RAPL_KIND;

/// From the sharing of energy on.
pub(crate) fn second_half() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        (
            "energy was shared among pods and processes at once",
            vec![
                (
                    Client,
                    json!({"energyAttribution": {"enable": true}, "rapl": {"enable": true}, "procfs": {"enable": true}}),
                    vec![Is(RAPL_KIND, "'cgroup'"), Clean],
                ),
                (
                    Client,
                    json!({
                        "energyAttribution": {"enable": true},
                        "rapl": {"enable": true},
                        "procfs": {"enable": true},
                        "k8s": {"enable": false},
                    }),
                    vec![Is(RAPL_KIND, "'process'"), Clean],
                ),
            ],
        ),
        (
            "each pod was counted with its containers, too",
            vec![
                (
                    Client,
                    json!({}),
                    vec![
                        Is("plugins.k8s.annotate_containers", "false"),
                        Is("plugins.k8s.annotate_foreign_measurements", "false"),
                        Clean,
                    ],
                ),
                (
                    Client,
                    json!({"k8s": {"annotateContainers": "true"}}),
                    vec![
                        Is("plugins.k8s.annotate_containers", "true"),
                        Code("double-count"),
                    ],
                ),
            ],
        ),
        (
            "`perf` gives no data in a pod",
            vec![(
                Client,
                json!({"perf": {"enable": true}}),
                vec![Code("perf-never-measures")],
            )],
        ),
        (
            "the process bridge could not be configured",
            vec![
                (
                    Client,
                    json!({"energyAttribution": {"enable": true}, "nvml": {"enable": true}}),
                    vec![
                        Is(
                            "plugins.process-to-cgroup-bridge.processes_metrics",
                            "['attributed_nvml_energy']",
                        ),
                        Is("plugins.process-to-cgroup-bridge.merge_similar_cgroups", "false"),
                        Is("plugins.k8s.annotate_foreign_measurements", "true"),
                        Order("energy-attribution.formulas", "process-to-cgroup-bridge"),
                        Order("process-to-cgroup-bridge", "k8s"),
                        Clean,
                    ],
                ),
                (
                    Client,
                    json!({
                        "nvml": {"enable": true},
                        "processToCgroupBridge": {"enable": true, "processes_metrics": ["nvml_sm_utilization"]},
                    }),
                    vec![
                        Is(
                            "plugins.process-to-cgroup-bridge.processes_metrics",
                            "['nvml_sm_utilization']",
                        ),
                        Clean,
                    ],
                ),
            ],
        ),
        (
            "the CSV file had a fixed place",
            vec![
                (
                    Server,
                    json!({"csv": {"enable": true}}),
                    vec![Is("plugins.csv.output_path", "'/tmp/alumet-output.csv'"), Clean],
                ),
                (
                    Server,
                    json!({"csv": {"enable": true, "outputPath": "/data/points.csv"}}),
                    vec![Is("plugins.csv.output_path", "'/data/points.csv'"), Clean],
                ),
            ],
        ),
        (
            "the control socket had a fixed place",
            vec![(
                Server,
                json!({"socket_control": {"enable": true, "socket_path": "/run/alumet/agent.sock"}}),
                vec![
                    Is("plugins.socket-control.socket_path", "'/run/alumet/agent.sock'"),
                    Clean,
                ],
            )],
        ),
        (
            "OpenTelemetry sent to the pod itself",
            vec![
                (
                    Client,
                    json!({"opentelemetry": {"enable": true}}),
                    vec![Code("localhost")],
                ),
                (
                    Client,
                    json!({"opentelemetry": {"enable": true, "collector_host": "http://collector.observability:4317/"}}),
                    vec![
                        Is(
                            "plugins.opentelemetry.collector_host",
                            "'http://collector.observability:4317'",
                        ),
                        Clean,
                    ],
                ),
            ],
        ),
        (
            "the relay buffer held 200 points",
            vec![(
                Client,
                json!({}),
                vec![Is("plugins.relay-client.buffer_max_length", "4096"), Clean],
            )],
        ),
        (
            "values were pasted into the TOML without escaping",
            vec![
                (
                    Server,
                    json!({"influxdb": {"organization": "it's \"ours\" \\o/\n"}}),
                    vec![Is("plugins.influxdb.org", r#""it's \"ours\" \\o/\n""#), Clean],
                ),
                (
                    Server,
                    json!({"influxdb": {"bucket": "a\\${HOME}b"}}),
                    vec![
                        Is("plugins.influxdb.bucket", r#""a\\${HOME}b""#),
                        Text(r#"bucket = "a\\\u0024{HOME}b""#),
                        Code("text-variable"),
                    ],
                ),
            ],
        ),
        (
            "the token was needed even without InfluxDB",
            vec![
                (
                    Server,
                    json!({"influxdb": {"enable": false}, "csv": {"enable": true}}),
                    vec![NoText("INFLUX_TOKEN"), Absent("plugins.influxdb"), Clean],
                ),
                (Server, json!({}), vec![Text("token = '${INFLUX_TOKEN}'"), Clean]),
            ],
        ),
        (
            "many keys could not be set",
            vec![(
                Client,
                json!({
                    "cgroups": {"enable": true},
                    "filter": {"enable": true, "exclude": ["memory_usage"]},
                    "energyToCarbon": {"enable": true, "mode": "country", "country": {"code": "fra"}},
                    "procfs": {"enable": true, "memory": {"enabled": "false"}, "network": {"poll_interval": "1m"}},
                    "relay_client": {"client_name": "here", "retry": {"max_times": "200"}},
                }),
                vec![
                    Is("plugins.cgroups.poll_interval", "'5s'"),
                    Is("plugins.filter.exclude", "['memory_usage']"),
                    Is("plugins.energy-to-carbon.country.code", "'FRA'"),
                    Is("plugins.procfs.memory.enabled", "false"),
                    Is("plugins.procfs.network.poll_interval", "'1m'"),
                    Is("plugins.relay-client.client_name", "'here'"),
                    Is("plugins.relay-client.retry.max_times", "200"),
                    Is("max_update_interval", "'500ms'"),
                    Is("source_channel_size", "4096"),
                    Clean,
                ],
            )],
        ),
    ]
}
