//! What holds for all values, not only for the ones that somebody thought of.

use alumet_injector::{
    agent_config::{catalog::catalogue, check_toml, values::AgentValues},
    finding::Severity,
    names::Component,
};
use proptest::{collection, option, prelude::*, sample, strategy::Union};
use serde_json::{Map, Value, json};

use crate::agent_config::{configured, release};

/// Texts that have broken configurations: quotes, backslashes, variables, line ends, other alphabets.
fn text() -> impl Strategy<Value = String> {
    let pieces = [
        "a", "\"", "'", "\\", "${", "$", "{", "}", "${A}", "\n", "\t", "\u{7f}", "é", "#", "]", "'''",
        "\u{0}", "\r", "\u{1b}", "\\${",
    ];
    collection::vec(sample::select(pieces.to_vec()), 0..8).prop_map(|pieces| pieces.concat())
}

fn duration() -> impl Strategy<Value = String> {
    (1..100u32, sample::select(vec!["s", "m", "h"])).prop_map(|(number, unit)| format!("{number}{unit}"))
}

/// Settings of any plugins, each right by itself.
fn plugins() -> impl Strategy<Value = Value> {
    let name = |plugin: &'static str, keys: Vec<(&'static str, BoxedStrategy<Value>)>| {
        let keys: Vec<_> = keys
            .into_iter()
            .map(|(key, value)| option::of(value).prop_map(move |it| (key, it)))
            .collect();
        (any::<bool>(), keys).prop_map(move |(enable, keys)| {
            let mut map = Map::new();
            map.insert(
                "enable".to_owned(),
                if enable { json!("true") } else { json!(false) },
            );
            map.extend(
                keys.into_iter()
                    .filter_map(|(key, value)| Some((key.to_owned(), value?))),
            );
            (plugin.to_owned(), Value::Object(map))
        })
    };
    let text = || text().prop_map(Value::from).boxed();
    let time = || duration().prop_map(Value::from).boxed();
    let number = || {
        (1..60_000u32)
            .prop_map(|number| json!(number.to_string()))
            .boxed()
    };
    let plugin = Union::new([
        name("rapl", vec![("poll_interval", time()), ("flushInterval", time())]).boxed(),
        name("k8s", vec![("poll_interval", time()), ("k8s_node", text())]).boxed(),
        name(
            "procfs",
            vec![(
                "kernel",
                time().prop_map(|time| json!({"poll_interval": time})).boxed(),
            )],
        )
        .boxed(),
        name(
            "nvml",
            vec![("poll_interval", time()), ("flush_interval", time())],
        )
        .boxed(),
        name(
            "energyEstimationTdp",
            vec![("tdp", number()), ("poll_interval", time())],
        )
        .boxed(),
        name("csv", vec![("output_path", text())]).boxed(),
        name("prometheusExporter", vec![("port", number()), ("prefix", text())]).boxed(),
        name(
            "relay_client",
            vec![("client_name", text()), ("buffer_max_length", number())],
        )
        .boxed(),
        name("socket_control", vec![("socket_path", text())]).boxed(),
        name("jetson", vec![("poll_interval", time())]).boxed(),
        name("cgroups", vec![("poll_interval", time())]).boxed(),
    ]);
    collection::vec(plugin, 0..8).prop_map(|plugins| Value::Object(plugins.into_iter().collect()))
}

/// What the agent gets to read: its variables are pasted into the raw text first.
fn as_pasted(toml: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = toml;
    while let Some(start) = rest.find("${") {
        let end = rest[start..].find('}').ok_or("a variable is never closed")?;
        let name = &rest[start + 2..start + end];
        if !matches!(name, "NODE_NAME" | "INFLUX_TOKEN") {
            return Err(format!("the text of the user became the variable `{name}`"));
        }
        out.push_str(&rest[..start]);
        out.push_str("pasted");
        rest = &rest[start + end + 1..];
    }
    Ok(out + rest)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn a_generated_configuration_passes_the_check_and_keeps_every_text(
        plugins in plugins(),
        version in sample::select(vec!["0.9.0", "0.9.3", "0.9.4", "0.9.5", "0.9.6", "latest"]),
        component in sample::select(Component::ALL.to_vec()),
    ) {
        let more = json!({"agentVersion": version, "plugins": plugins});
        let values = release(component, &more);
        let configuration = configured(component, &values);
        prop_assert_eq!(&configuration, &configured(component, &values));
        let errors: Vec<_> =
            configuration.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
        prop_assert_eq!(configuration.toml.is_none(), !errors.is_empty());
        let Some(toml) = &configuration.toml else { return Ok(()) };
        let checked = check_toml(toml, Some(component), Some(version));
        let refused: Vec<_> = checked.iter().filter(|finding| finding.severity == Severity::Error).collect();
        prop_assert!(refused.is_empty(), "{:?}\n{}", refused, toml);

        let pasted = as_pasted(toml).map_err(TestCaseError::fail)?;
        let read: toml::Table = pasted.parse().map_err(|error| TestCaseError::fail(format!("{error}\n{toml}")))?;
        if let Some(csv) = read.get("plugins").and_then(|plugins| plugins.get("csv")) {
            let wanted = plugins["csv"].get("output_path").and_then(Value::as_str);
            let wanted = wanted.unwrap_or("/tmp/alumet-output.csv");
            prop_assert_eq!(csv["output_path"].as_str(), Some(wanted));
        }
        for variable in &configuration.env {
            let named = toml.contains(&format!("${{{}}}", variable.name));
            prop_assert!(named, "{}", variable.name);
        }
    }

    #[test]
    fn settings_are_the_toml_in_its_order(plugins in plugins()) {
        let values = release(Component::RelayClient, &json!({"plugins": plugins}));
        let configuration = configured(Component::RelayClient, &values);
        let Some(toml) = &configuration.toml else { return Ok(()) };
        let mut rest = toml.as_str();
        for setting in &configuration.settings {
            let key = setting.path.rsplit('.').next().unwrap();
            let line = if key == "groups" { "groups]]".to_owned() } else { format!("\n{key} = {}\n", setting.value) };
            let found = rest.find(&line);
            prop_assert!(found.is_some(), "{} is not there, or not in its place\n{toml}", setting.path);
            rest = &rest[found.unwrap_or_default()..];
        }
    }

    #[test]
    fn no_value_makes_the_reading_panic(value in json_value(4)) {
        let (values, _) = AgentValues::from_value(&value);
        for component in Component::ALL {
            let _ = configured(component, &values);
        }
    }

    #[test]
    fn no_text_makes_the_check_panic(text in ".{0,200}") {
        let _ = check_toml(&text, None, Some(&text));
        let _ = AgentValues::parse(&text);
    }
}

/// Any JSON, with names that mean something often enough.
fn json_value(depth: u32) -> impl Strategy<Value = Value> {
    let mut names: Vec<String> = catalogue()
        .plugins
        .iter()
        .map(|plugin| plugin.name.clone())
        .collect();
    let keys = [
        "plugins",
        "influxdb",
        "enable",
        "poll_interval",
        "fromSecret",
        "fromEnv",
        "name",
        "key",
        "auth",
        "groups",
    ];
    let more = [
        "host",
        "token",
        "extraConfig",
        "formulas",
        "processes",
        "server",
        "port",
        "kernel",
        "service",
        "retry",
    ];
    names.extend(keys.iter().chain(&more).map(|name| (*name).to_owned()));
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
        duration().prop_map(Value::from),
    ];
    leaf.prop_recursive(depth, 40, 6, move |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            collection::btree_map(sample::select(names.clone()), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
