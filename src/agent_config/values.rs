//! Agent values: what the user set for one component, as the chart wrote it on the object.

mod tolerations;

use serde_json::{Map, Value};

use super::{
    codes::{self, Findings, did_you_mean},
    coerce::found,
};
use crate::{
    finding::{Finding, Severity},
    kubernetes::{SECRET_NAME, is_object_name},
};

/// Longest text of the annotation.
pub const MAX_LENGTH: usize = 64 * 1024;

/// Every key that the values may have.
const KEYS: [&str; 14] = [
    "agentVersion",
    "release",
    "namespace",
    "config",
    "configMap",
    "server",
    "influxdb",
    "image",
    "imagePullSecrets",
    "tolerations",
    "plugins",
    "maxUpdateInterval",
    "sourceChannelSize",
    "extraConfig",
];

/// The agent values of one component; a field that nobody set is absent or empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AgentValues {
    /// Effective image tag of the agent, key `agentVersion`.
    pub agent_version: Option<String>,
    /// Helm release, key `release`.
    pub release: Option<String>,
    /// Namespace of the release, key `namespace`.
    pub namespace: Option<String>,
    /// Name of the `ConfigMap` that the pods mount, key `config`.
    pub config: Option<String>,
    /// Name of the user's own `ConfigMap`, key `configMap.name`.
    pub own_config_map: Option<String>,
    /// The relay server's Service, key `server`.
    pub server: Option<Server>,
    /// The database of the release, key `influxdb`.
    pub influxdb: Option<InfluxDb>,
    /// Registry of the agent's image, key `image.registry`.
    pub image_registry: Option<String>,
    /// Names of image pull secrets, key `imagePullSecrets`.
    pub image_pull_secrets: Vec<String>,
    /// Tolerations as the user wrote them, key `tolerations`.
    pub tolerations: Vec<Value>,
    /// Plugin settings as the user wrote them, key `plugins`.
    pub plugins: Map<String, Value>,
    /// The agent's `max_update_interval`, key `maxUpdateInterval`.
    pub max_update_interval: Option<Value>,
    /// The agent's `source_channel_size`, key `sourceChannelSize`.
    pub source_channel_size: Option<Value>,
    /// TOML to merge last, as a table or as text, key `extraConfig`.
    pub extra_config: Option<Value>,
}

/// Where the relay server listens inside the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Name of the Service.
    pub service: String,
    /// Port of the Service.
    pub port: u16,
}

/// The `InfluxDB` that stands in the same release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InfluxDb {
    /// Whether the release has one at all.
    pub deployed: bool,
    /// Name of its Service.
    pub service: Option<String>,
    /// Port of its Service.
    pub port: Option<u16>,
    /// Name of the Secret with its credentials.
    pub secret_name: Option<String>,
    /// Organization that it was set up with.
    pub organization: Option<String>,
    /// Bucket that it was set up with.
    pub bucket: Option<String>,
}

impl AgentValues {
    /// Reads the text of the values annotation; what cannot be read is a finding, and absent.
    pub fn parse(text: &str) -> (Self, Vec<Finding>) {
        let mut findings = Findings::default();
        if text.len() > MAX_LENGTH {
            let message = format!("{} bytes are more than {MAX_LENGTH}", text.len());
            findings.error(
                codes::VALUES_SIZE,
                "",
                message,
                "bring the agent's TOML as a ConfigMap of your own",
            );
            return (Self::default(), findings.into_vec());
        }
        match serde_json::from_str::<Value>(text) {
            Ok(value) => Self::from_value(&value),
            Err(error) => {
                let place = format!("line {} column {}", error.line(), error.column());
                findings.error(
                    codes::VALUES_SYNTAX,
                    "",
                    format!("not JSON at {place}"),
                    "let the chart write them",
                );
                (Self::default(), findings.into_vec())
            }
        }
    }

    /// Reads the same structure from a value, whatever it was written in.
    pub fn from_value(value: &Value) -> (Self, Vec<Finding>) {
        let mut reader = Reader {
            findings: Findings::default(),
        };
        let values = reader.values(value);
        (values, reader.findings.into_vec())
    }
}

/// Reads fields and remembers what was wrong with them.
struct Reader {
    findings: Findings,
}

impl Reader {
    fn values(&mut self, value: &Value) -> AgentValues {
        if value.is_null() {
            return AgentValues::default();
        }
        let Some(map) = self.object(value, "") else {
            return AgentValues::default();
        };
        self.known(map, "", &KEYS);
        let own = self.section(map, "configMap", &["name"]);
        let image = self.section(map, "image", &["registry"]);
        AgentValues {
            agent_version: self.text(map, "", "agentVersion"),
            release: self.text(map, "", "release"),
            namespace: self.text(map, "", "namespace"),
            config: self.text(map, "", "config"),
            own_config_map: own
                .and_then(|own| self.text(own, "configMap", "name"))
                .filter(|name| !name.is_empty()),
            server: self.server(map),
            influxdb: self.influxdb(map),
            image_registry: image.and_then(|image| self.registry(image)),
            image_pull_secrets: self.secret_names(map, "imagePullSecrets"),
            tolerations: self.tolerations(map),
            plugins: present(map, "plugins")
                .and_then(|value| self.object(value, "plugins"))
                .cloned()
                .unwrap_or_default(),
            max_update_interval: present(map, "maxUpdateInterval").cloned(),
            source_channel_size: present(map, "sourceChannelSize").cloned(),
            extra_config: present(map, "extraConfig").cloned(),
        }
    }

    fn server(&mut self, map: &Map<String, Value>) -> Option<Server> {
        let server = self.section(map, "server", &["service", "port"])?;
        let service = self.text(server, "server", "service");
        let port = self.port(server, "server");
        if service.is_none() && present(server, "service").is_none() {
            self.wrong("server.service", "the name of a Service", &Value::Null);
        }
        Some(Server {
            service: service?,
            port: port.unwrap_or(50051),
        })
    }

    fn influxdb(&mut self, map: &Map<String, Value>) -> Option<InfluxDb> {
        const KEYS: [&str; 6] = [
            "deployed",
            "service",
            "port",
            "secretName",
            "organization",
            "bucket",
        ];
        let database = self.section(map, "influxdb", &KEYS)?;
        let deployed = match present(database, "deployed") {
            None => false,
            Some(Value::Bool(deployed)) => *deployed,
            Some(other) => {
                self.wrong("influxdb.deployed", "true or false", other);
                false
            }
        };
        Some(InfluxDb {
            deployed,
            service: self.text(database, "influxdb", "service"),
            port: self.port(database, "influxdb"),
            secret_name: present(database, "secretName")
                .filter(|name| *name != "")
                .and_then(|name| self.secret_name(name, "influxdb.secretName")),
            organization: self.text(database, "influxdb", "organization"),
            bucket: self.text(database, "influxdb", "bucket"),
        })
    }

    fn section<'a>(
        &mut self,
        map: &'a Map<String, Value>,
        key: &str,
        keys: &[&str],
    ) -> Option<&'a Map<String, Value>> {
        let section = self.object(present(map, key)?, key)?;
        self.known(section, key, keys);
        Some(section)
    }

    fn text(&mut self, map: &Map<String, Value>, parent: &str, key: &str) -> Option<String> {
        match present(map, key)? {
            Value::String(text) => Some(text.clone()),
            other => {
                self.wrong(&join(parent, key), "a text", other);
                None
            }
        }
    }

    /// Host and path of a registry; empty is not set.
    fn registry(&mut self, image: &Map<String, Value>) -> Option<String> {
        let text = self.text(image, "image", "registry")?;
        let registry = text.trim_end_matches('/');
        if registry.contains("://") || registry.contains(|char: char| char.is_whitespace() || char == '@') {
            self.wrong(
                "image.registry",
                "a registry such as `registry.example.org/alumet`",
                &Value::Null,
            );
            return None;
        }
        (!registry.is_empty()).then(|| registry.to_owned())
    }

    fn port(&mut self, map: &Map<String, Value>, parent: &str) -> Option<u16> {
        let value = present(map, "port")?;
        let port = value
            .as_u64()
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port != 0);
        if port.is_none() {
            self.wrong(&join(parent, "port"), "a port from 1 to 65535", value);
        }
        port
    }

    /// Names of Secrets, or Kubernetes' own `{name: ...}`.
    fn secret_names(&mut self, map: &Map<String, Value>, key: &str) -> Vec<String> {
        let mut names = Vec::new();
        for (index, item) in self.list(map, key).iter().enumerate() {
            let name = item.get("name").unwrap_or(item);
            // Helm's usual result of a value that nobody set; the API server takes it for none, too.
            if name.as_str() == Some("") {
                continue;
            }
            names.extend(self.secret_name(name, &format!("{key}[{index}]")));
        }
        names
    }

    fn secret_name(&mut self, value: &Value, path: &str) -> Option<String> {
        let name = value.as_str().filter(|name| is_object_name(name));
        if name.is_none() {
            self.wrong(path, SECRET_NAME, value);
        }
        name.map(str::to_owned)
    }

    fn list<'a>(&mut self, map: &'a Map<String, Value>, key: &str) -> &'a [Value] {
        match present(map, key) {
            None => &[],
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.wrong(key, "a list", other);
                &[]
            }
        }
    }

    fn object<'a>(&mut self, value: &'a Value, path: &str) -> Option<&'a Map<String, Value>> {
        if !value.is_object() {
            self.wrong(path, "a table", value);
        }
        value.as_object()
    }

    fn known(&mut self, map: &Map<String, Value>, parent: &str, keys: &[&str]) {
        for key in map.keys().filter(|key| !keys.contains(&key.as_str())) {
            if self.findings.is_full(Severity::Error) {
                break;
            }
            let mend = did_you_mean(key, keys.iter().copied());
            self.findings.error(
                codes::UNKNOWN_KEY,
                &join(parent, key),
                format!("unknown key `{key}`"),
                mend,
            );
        }
    }

    fn wrong(&mut self, path: &str, expected: &str, value: &Value) {
        let message = format!("expected {expected}, found {}", found(value));
        self.findings.error(codes::WRONG_TYPE, path, message, "");
    }
}

/// What stands at a key; `null` reads as absent.
fn present<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).filter(|value| !value.is_null())
}

fn join(parent: &str, key: &str) -> String {
    if parent.is_empty() {
        key.to_owned()
    } else {
        format!("{parent}.{key}")
    }
}
