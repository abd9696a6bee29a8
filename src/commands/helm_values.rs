//! From a values file of the charts to agent values: what the chart would write on the objects of one component.

use serde_json::{Map, Value, json};

use crate::{
    agent_config::{
        catalog::{Node, catalogue},
        version::Version,
    },
    cli::FactsArgs,
    manifest::{error::LoadError, load},
    names::Component,
};

const UMBRELLA: [&str; 4] = [
    "alumet-relay-client",
    "alumet-relay-server",
    "influxdb2",
    "global",
];

/// Keys that a values file and the values annotation have in common.
const AS_THEY_ARE: [&str; 6] = [
    "plugins",
    "tolerations",
    "configMap",
    "extraConfig",
    "maxUpdateInterval",
    "sourceChannelSize",
];

/// Reads a values file. One that holds nothing sets nothing.
pub(super) fn read_values(text: &str) -> Result<Value, LoadError> {
    let value = load::parse_any(text)?.value;
    if value.is_null() {
        Ok(json!({}))
    } else {
        load::parse(text).map(|loaded| loaded.value)
    }
}

/// The components whose values a file of the umbrella chart holds, without those that it switches off; none for a file
/// of one chart alone, which does not say whose it is.
pub(super) fn components_of(file: &Value) -> Vec<Component> {
    let charts = Charts { file, release: "" };
    if !charts.is_umbrella() {
        return Vec::new();
    }
    let is_on =
        |component: &Component| charts.section(chart_of(*component)).get("enabled") != Some(&json!(false));
    [Component::RelayClient, Component::RelayServer]
        .into_iter()
        .filter(is_on)
        .collect()
}

/// The agent values of a component, in the form of the values annotation.
///
/// `file` is a values file of the umbrella chart or of the component's own chart, or a values annotation already.
pub(super) fn agent_values(file: &Value, component: Component, facts: &FactsArgs) -> Value {
    if file.get("agentVersion").is_some() || file.get("release").is_some() {
        return file.clone();
    }
    // The words that `helm template` has for a release and a namespace that nobody names.
    let release = facts.release.as_deref().unwrap_or("release-name");
    let namespace = facts.namespace.as_deref().unwrap_or("default");
    let charts = Charts { file, release };
    let section = charts.section(chart_of(component));
    let fullname = charts.fullname(component);
    // The charts have the newest release that the catalogue describes.
    let of_image = || text(section, "/image/version").or_else(|| text(section, "/image/tag"));
    let version = facts
        .agent_version
        .clone()
        .or_else(of_image)
        .unwrap_or_else(|| Version::NEWEST.to_string());

    let mut values = Map::new();
    let mut set = |key: &str, value: Value| drop(values.insert(key.to_owned(), value));
    set("agentVersion", json!(version));
    set("release", json!(release));
    set("namespace", json!(namespace));
    set(
        "config",
        json!(text(section, "/configMap/name").unwrap_or_else(|| format!("{fullname}-config"))),
    );
    set("server", charts.server());
    if component == Component::RelayServer {
        set("influxdb", charts.influxdb());
    }
    let global = charts.section("global");
    if let Some(registry) = text(global, "/image/registry").or_else(|| text(section, "/image/registry")) {
        set("image", json!({"registry": registry}));
    }
    if let Some(secret) = text(global, "/secret").or_else(|| text(section, "/secret")) {
        set("imagePullSecrets", json!([secret]));
    }
    for key in AS_THEY_ARE {
        if let Some(value) = section.get(key).and_then(what_is_set) {
            set(key, value);
        }
    }
    if let Some(Value::Object(plugins)) = values.get_mut("plugins") {
        refer_to_credentials(plugins, &format!("{fullname}-credentials"));
    }
    Value::Object(values)
}

/// The chart of a component.
pub(super) fn chart_of(component: Component) -> &'static str {
    match component {
        Component::RelayClient => "alumet-relay-client",
        Component::RelayServer => "alumet-relay-server",
        Component::Agent => "alumet-agent",
    }
}

/// A values file as the charts see it.
struct Charts<'f> {
    file: &'f Value,
    release: &'f str,
}

impl Charts<'_> {
    /// Whether it is a file of the umbrella chart; one that sets nothing is.
    fn is_umbrella(&self) -> bool {
        let keys = self.file.as_object();
        keys.is_none_or(|keys| keys.is_empty() || UMBRELLA.iter().any(|chart| keys.contains_key(*chart)))
    }

    /// The values of one chart; of a chart's own file, all of it.
    fn section(&self, chart: &str) -> &Value {
        match self.file.get(chart) {
            Some(section) => section,
            None if self.is_umbrella() || chart == "global" => &Value::Null,
            None => self.file,
        }
    }

    /// One field of `global.alumet.<key>`, which every chart can read.
    fn shared(&self, key: &str, field: &str) -> Option<&Value> {
        let value = self.section("global").get("alumet")?.get(key)?.get(field)?;
        Some(value).filter(|value| !value.is_null() && *value != "")
    }

    /// The charts' naming rule: the override, else the shared name, else the release where it contains the chart's
    /// name, else both; at most 63 characters.
    fn name(&self, chart: &str, key: &str) -> String {
        let section = self.section(chart);
        let shared = self
            .shared(key, "fullname")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let full = text(section, "/fullnameOverride").or(shared).unwrap_or_else(|| {
            let name = text(section, "/nameOverride").unwrap_or_else(|| chart.to_owned());
            if self.release.contains(&name) {
                self.release.to_owned()
            } else {
                format!("{}-{name}", self.release)
            }
        });
        full.chars()
            .take(63)
            .collect::<String>()
            .trim_end_matches('-')
            .to_owned()
    }

    fn fullname(&self, component: Component) -> String {
        let key = match component {
            Component::RelayServer => "server",
            Component::RelayClient | Component::Agent => "client",
        };
        self.name(chart_of(component), key)
    }

    /// The relay server's Service.
    fn server(&self) -> Value {
        let chart = if self.is_umbrella() {
            self.section(chart_of(Component::RelayServer))
        } else {
            &Value::Null
        };
        let port = chart
            .pointer("/service/port")
            .or_else(|| self.shared("server", "port"));
        json!({
            "service": self.fullname(Component::RelayServer),
            "port": port.cloned().unwrap_or_else(|| json!(50051)),
        })
    }

    /// The InfluxDB of the release; it is there unless the file says otherwise, or is of one component alone.
    fn influxdb(&self) -> Value {
        let chart = self.section("influxdb2");
        if !self.is_umbrella() || chart.get("enabled") == Some(&json!(false)) {
            return json!({"deployed": false});
        }
        let name = self.name("influxdb2", "influxdb");
        let either = |pointer: &str, field: &str, default: &str| {
            let shared = self
                .shared("influxdb", field)
                .and_then(Value::as_str)
                .map(str::to_owned);
            text(chart, pointer)
                .or(shared)
                .unwrap_or_else(|| default.to_owned())
        };
        let port = chart
            .pointer("/service/port")
            .or_else(|| self.shared("influxdb", "port"));
        json!({
            "deployed": true,
            "port": port.cloned().unwrap_or_else(|| json!(80)),
            "secretName": either("/adminUser/existingSecret", "secretName", &format!("{name}-auth")),
            "organization": either("/adminUser/organization", "organization", "influxdata"),
            "bucket": either("/adminUser/bucket", "bucket", "default"),
            "service": name,
        })
    }
}

/// A text that is there and not empty.
fn text(value: &Value, pointer: &str) -> Option<String> {
    value
        .pointer(pointer)?
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// A value without what is `null` and without the maps that this leaves empty.
fn what_is_set(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(members) => {
            let set: Map<_, _> = members
                .iter()
                .filter_map(|(key, member)| Some((key.clone(), what_is_set(member)?)))
                .collect();
            (!set.is_empty()).then_some(Value::Object(set))
        }
        other => Some(other.clone()),
    }
}

/// Puts a reference where the chart would put one: it moves each literal secret into a Secret of its own.
fn refer_to_credentials(plugins: &mut Map<String, Value>, secret: &str) {
    fn walk(node: &Node, value: &mut Value, secret: &str) {
        if let Some(known) = &node.row.secret
            && value.is_string()
        {
            *value = json!({"fromSecret": {"name": secret, "key": known.key}});
            return;
        }
        for (key, member) in value.as_object_mut().into_iter().flatten() {
            if let Some(child) = node.spelled(key) {
                walk(child, member, secret);
            }
        }
    }
    for (name, settings) in plugins {
        if let Some(plugin) = catalogue().plugin(name) {
            walk(&plugin.root, settings, secret);
        }
    }
}
