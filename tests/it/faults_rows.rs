//! The first rows of the faults' table.

use alumet_injector::names::Component::{RelayClient as Client, RelayServer as Server};
use serde_json::json;

use crate::faults::{
    Case,
    Expect::{Absent, Clean, Code, Is, NoText, Order, Text},
    mongodb,
};

/// Key paths of what energy attribution makes of RAPL.
const RAPL_METRIC: &str =
    "plugins.energy-attribution.formulas.attributed_rapl_energy.per_consumer.cpu_usage.metric";
pub(crate) const RAPL_KIND: &str =
    "plugins.energy-attribution.formulas.attributed_rapl_energy.per_consumer.cpu_usage.consumer_kind";
const RAPL_RETENTION: &str = "plugins.energy-attribution.formulas.attributed_rapl_energy.retention_time";
const TDP_STATE: &str =
    "plugins.energy-attribution.formulas.attributed_tdp_energy_user.per_resource.cpu_energy.cpu_state";
const TDP_KIND: &str =
    "plugins.energy-attribution.formulas.attributed_tdp_energy_system.per_resource.cpu_energy.resource_kind";
const NVML: &str = "plugins.energy-attribution.formulas.attributed_nvml_energy";
const NVML_METRIC: &str =
    "plugins.energy-attribution.formulas.attributed_nvml_energy.per_consumer.gpu_usage.metric";

/// Up to the formula of the TDP estimation.
pub(crate) fn first_half() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        (
            "a MongoDB port in quotes stopped the agent",
            vec![(
                Server,
                mongodb(&json!({"port": "27018"})),
                vec![Is("plugins.mongodb.port", "27018"), Clean],
            )],
        ),
        (
            "MongoDB without a login could not be used",
            vec![(
                Server,
                mongodb(&json!({"username": "", "password": ""})),
                vec![
                    Absent("plugins.mongodb.username"),
                    Absent("plugins.mongodb.password"),
                    Clean,
                ],
            )],
        ),
        (
            "MongoDB's port was 2707 by default",
            vec![(
                Server,
                mongodb(&json!({})),
                vec![Is("plugins.mongodb.port", "27017"), Clean],
            )],
        ),
        (
            "the MongoDB password stood in the ConfigMap, not encoded",
            vec![
                (
                    Server,
                    mongodb(&json!({"username": "me", "password": "p@ss:canary%"})),
                    vec![Code("literal-secret"), NoText("canary")],
                ),
                (
                    Server,
                    mongodb(&json!({
                        "username": {"fromSecret": {"name": "credentials", "key": "mongodb-username"}},
                        "password": {"fromSecret": {"name": "credentials", "key": "mongodb-password"}},
                    })),
                    vec![
                        Text("password = '${MONGODB_PASSWORD}'"),
                        Text("username = '${MONGODB_USERNAME}'"),
                        Clean,
                    ],
                ),
            ],
        ),
        (
            "energy attribution without an energy source stopped the agent",
            vec![
                (
                    Client,
                    json!({"energyAttribution": {"enable": true}}),
                    vec![Code("no-energy-source")],
                ),
                (
                    Client,
                    json!({"energyAttribution": {"enable": true}, "rapl": {"enable": true}}),
                    vec![Is("plugins.rapl.poll_interval", "'1s'"), Clean],
                ),
            ],
        ),
        (
            "the TDP estimation without `procfs` stopped the agent",
            vec![
                (
                    Client,
                    json!({"EnergyEstimationTdpPlugin": {"enable": true, "tdp": 100, "poll_interval": "10s"}}),
                    vec![
                        Is("plugins.procfs.kernel.enabled", "true"),
                        Is("plugins.procfs.kernel.poll_interval", "'10s'"),
                        Is("plugins.procfs.processes.enabled", "false"),
                        Is("plugins.energy-estimation-tdp.tdp", "100.0"),
                        Clean,
                    ],
                ),
                (
                    Client,
                    json!({"energyEstimationTdp": {"enable": true}, "procfs": {"enable": false}}),
                    vec![Code("needs-plugin")],
                ),
            ],
        ),
        (
            "the attribution used a metric that nobody registered",
            vec![
                (
                    Client,
                    json!({"energyAttribution": {"enable": true}, "rapl": {"enable": true}}),
                    vec![Is(RAPL_METRIC, "'cpu_percent'"), Clean],
                ),
                (
                    Client,
                    json!({"energyAttribution": {"enable": true}, "rapl": {"enable": true}, "k8s": {"enable": false}}),
                    vec![Code("no-consumers")],
                ),
            ],
        ),
        (
            "`nvml` in mode `minimal` with the attribution stopped the agent",
            vec![
                (
                    Client,
                    json!({"energyAttribution": {"enable": true}, "nvml": {"enable": true, "mode": "minimal"}}),
                    vec![Code("gpu-not-attributed")],
                ),
                (
                    Client,
                    json!({
                        "energyAttribution": {"enable": true},
                        "rapl": {"enable": true},
                        "nvml": {"enable": true, "mode": "minimal"},
                    }),
                    vec![
                        Code("gpu-not-attributed"),
                        Absent(NVML),
                        Is(RAPL_METRIC, "'cpu_percent'"),
                    ],
                ),
                (
                    Client,
                    json!({"energyAttribution": {"enable": true}, "nvml": {"enable": true}}),
                    vec![Is(NVML_METRIC, "'nvml_sm_utilization'"), Clean],
                ),
            ],
        ),
        (
            "only one metric could be aggregated, before the attribution",
            vec![
                (
                    Client,
                    json!({
                        "aggregation": {
                            "enable": true, "interval": "30s", "function": "mean",
                            "metrics": "cpu_time_delta, attributed_rapl_energy",
                        },
                        "energyAttribution": {"enable": true},
                        "rapl": {"enable": true},
                    }),
                    vec![
                        Is(
                            "plugins.aggregation.metrics",
                            "['cpu_time_delta', 'attributed_rapl_energy']",
                        ),
                        Is("plugins.aggregation.interval", "'30s'"),
                        Is("plugins.aggregation.function", "'Mean'"),
                        Order("energy-attribution.formulas", "aggregation"),
                        Clean,
                    ],
                ),
                (
                    Client,
                    json!({"aggregation": {"enable": true}, "k8s": {"enable": false}}),
                    vec![Is("plugins.aggregation.metrics", "[]"), Clean],
                ),
                (
                    Client,
                    json!({"aggregation": {"enable": true, "metrics": "cpu_time_delta"}, "k8s": {"enable": false}}),
                    vec![Code("unknown-metric")],
                ),
            ],
        ),
        (
            "`retention_time` was computed from the digits of another text",
            [
                ("500ms", "10s"),
                ("1m30s", "1m 35s"),
                ("1.5s", "10s"),
                ("20s", "25s"),
            ]
            .into_iter()
            .map(|(flush, retention)| {
                let rapl = json!({"enable": true, "poll_interval": "500ms", "flush_interval": flush});
                let expected: &str = Box::leak(format!("'{retention}'").into_boxed_str());
                let values = json!({"energyAttribution": {"enable": true}, "rapl": rapl});
                (Client, values, vec![Is(RAPL_RETENTION, expected), Clean])
            })
            .collect(),
        ),
        (
            "the TDP formula counted each point nine times",
            vec![(
                Client,
                json!({"energyAttribution": {"enable": true}, "energyEstimationTdp": {"enable": true}}),
                vec![
                    Is(TDP_STATE, "'user'"),
                    Is(TDP_KIND, "'local_machine'"),
                    Absent("plugins.energy-attribution.formulas.attributed_tdp_energy_idle"),
                    Order("energy-estimation-tdp", "energy-attribution.formulas"),
                    Clean,
                ],
            )],
        ),
    ]
}
