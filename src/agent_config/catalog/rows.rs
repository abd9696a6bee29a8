//! Reading `catalog.toml`: flat rows become a tree of keys for each plugin.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    Catalogue, Class, Constraint, HostPath, Kind, Need, Node, Plugin, PodVariable, Privileges, Provides,
    Retired, Row, Secret,
};
use crate::agent_config::{duration, version::Range};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    env: Vec<RawVariable>,
    general: Vec<RawKey>,
    plugin: Vec<RawPlugin>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVariable {
    name: String,
    field: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlugin {
    name: String,
    about: String,
    class: Class,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    accepted: Range,
    #[serde(default)]
    on: Vec<String>,
    #[serde(default)]
    deny: Vec<String>,
    #[serde(default)]
    one_of: Vec<Vec<String>>,
    #[serde(default)]
    all_or_none: Vec<Vec<String>>,
    #[serde(default)]
    excludes: Vec<Vec<String>>,
    #[serde(default)]
    provides: Vec<Provides>,
    #[serde(default)]
    open: bool,
    #[serde(default)]
    needs: Vec<Need>,
    #[serde(default)]
    retired: Vec<Retired>,
    #[serde(default)]
    capabilities: Vec<String>,
    #[serde(default)]
    host_pid: bool,
    #[serde(default)]
    host_paths: Vec<HostPath>,
    gpu: Option<String>,
    #[serde(default)]
    api_access: bool,
    keys: Vec<RawKey>,
}

/// One row as it is written.
#[derive(Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a column of the catalogue of its own"
)]
#[serde(deny_unknown_fields)]
struct RawKey {
    path: String,
    r#type: OneOrMany,
    #[serde(default)]
    accepted: Range,
    #[serde(default)]
    required: Required,
    min: Option<Value>,
    max: Option<i64>,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    ignore_case: bool,
    #[serde(default)]
    brackets: bool,
    #[serde(default)]
    not_empty: bool,
    agent_default: Option<Value>,
    #[serde(default)]
    machine: bool,
    default: Option<Value>,
    #[serde(default, rename = "for")]
    default_for: BTreeMap<String, Value>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    must_set: bool,
    #[serde(default)]
    helm: bool,
    secret: Option<Secret>,
    about: String,
}

impl RawKey {
    /// The required versions of the row, which lie within the accepted ones.
    fn required_range(&self) -> Option<Range> {
        match &self.required {
            Required::Flag(true) => Some(self.accepted),
            Required::Flag(false) => None,
            Required::Versions(range) => Some(*range),
        }
    }
}

/// `required = true`, or the versions.
#[derive(Deserialize)]
#[serde(untagged)]
enum Required {
    /// Wherever the key is accepted, or nowhere.
    Flag(bool),
    /// In these versions.
    Versions(Range),
}

impl Default for Required {
    fn default() -> Self {
        Self::Flag(false)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Parses the text of a catalogue; the message names the row that is wrong.
pub(super) fn parse(text: &str) -> Result<Catalogue, String> {
    let raw: Raw = toml::from_str(text).map_err(|error| error.to_string())?;
    let plugins = raw
        .plugin
        .into_iter()
        .map(plugin)
        .collect::<Result<Vec<_>, _>>()?;
    let mut spellings = BTreeMap::new();
    for (index, plugin) in plugins.iter().enumerate() {
        for spelling in &plugin.spellings {
            if spellings.insert(spelling.clone(), index).is_some() {
                return Err(format!("two plugins are called `{spelling}`"));
            }
        }
    }
    let general = raw
        .general
        .into_iter()
        .map(|key| leaf(key, String::new()))
        .collect::<Result<_, _>>()?;
    let env = raw
        .env
        .into_iter()
        .map(|variable| pod_variable(&variable))
        .collect::<Result<_, _>>()?;
    Ok(Catalogue {
        plugins,
        general,
        env,
        spellings,
    })
}

/// The fields of the pod that the downward API can give are a closed set, known to the code.
fn pod_variable(raw: &RawVariable) -> Result<PodVariable, String> {
    const FIELDS: [&str; 3] = ["spec.nodeName", "metadata.name", "metadata.namespace"];
    let field = FIELDS.into_iter().find(|field| *field == raw.field);
    let field = field.ok_or_else(|| format!("variable `{}`: unknown field `{}`", raw.name, raw.field))?;
    Ok(PodVariable {
        name: raw.name.clone(),
        field,
    })
}

fn plugin(raw: RawPlugin) -> Result<Plugin, String> {
    let name = raw.name;
    let context = |error: String| format!("plugin `{name}`: {error}");
    let root = tree(raw.keys, &raw.deny).map_err(context)?;
    let groups = |lists: Vec<Vec<String>>, make: fn(Vec<String>) -> Constraint| lists.into_iter().map(make);
    let constraints = groups(raw.one_of, Constraint::OneOf)
        .chain(groups(raw.all_or_none, Constraint::AllOrNone))
        .chain(groups(raw.excludes, Constraint::Excludes))
        .collect();
    Ok(Plugin {
        spellings: spellings(&name, &raw.aliases),
        about: raw.about,
        class: raw.class,
        accepted: raw.accepted,
        on: raw.on,
        root,
        constraints,
        provides: raw.provides,
        open: raw.open,
        needs: raw.needs,
        retired: raw.retired,
        privileges: Privileges {
            capabilities: raw.capabilities,
            host_pid: raw.host_pid,
            host_paths: raw.host_paths,
            gpu: raw.gpu,
            api_access: raw.api_access,
        },
        name,
    })
}

/// Puts each row below its parent, which has to stand before it.
fn tree(keys: Vec<RawKey>, deny: &[String]) -> Result<Node, String> {
    let mut root = table_node(String::new(), String::new());
    root.row.deny = deny.iter().any(String::is_empty);
    for key in keys {
        let path = key.path.clone();
        let (parent_path, name) = path.rsplit_once('.').unwrap_or(("", &path));
        let parent = if parent_path.is_empty() {
            Some(&mut root)
        } else {
            descend(&mut root, parent_path)
        };
        let parent = parent.ok_or_else(|| format!("`{path}` stands before its table"))?;
        let mut node = leaf(key, name.to_owned())?;
        node.row.deny = deny.contains(&path);
        if name.starts_with('<') {
            parent.any = Some(Box::new(node));
        } else {
            parent.children.push(node);
        }
    }
    Ok(root)
}

fn descend<'a>(root: &'a mut Node, path: &str) -> Option<&'a mut Node> {
    let mut node = root;
    for segment in path.split('.') {
        if segment.starts_with('<') {
            node = node.any.as_deref_mut()?;
            continue;
        }
        let name = segment.trim_end_matches("[]");
        node = node.children.iter_mut().find(|child| child.row.name == name)?;
        if segment.ends_with("[]") {
            let path = format!("{}[]", node.row.path);
            node = node
                .item
                .get_or_insert_with(|| Box::new(table_node(path, String::new())));
        }
    }
    Some(node)
}

fn table_node(path: String, name: String) -> Node {
    let row = Row {
        spellings: vec![name.clone()],
        path,
        name,
        kinds: vec![Kind::Table],
        accepted: Range::ALL,
        required: None,
        agent_default: None,
        machine: false,
        default: None,
        default_for: BTreeMap::new(),
        must_set: false,
        helm: false,
        not_empty: false,
        deny: false,
        secret: None,
        about: String::new(),
    };
    Node {
        row,
        children: Vec::new(),
        any: None,
        item: None,
    }
}

fn leaf(raw: RawKey, name: String) -> Result<Node, String> {
    let name = if name.is_empty() { raw.path.clone() } else { name };
    let words = match &raw.r#type {
        OneOrMany::One(word) => vec![word.clone()],
        OneOrMany::Many(words) => words.clone(),
    };
    let kinds = words
        .iter()
        .map(|word| kind(word, &raw))
        .collect::<Result<_, _>>()?;
    let required = raw.required_range();
    let row = Row {
        spellings: spellings(&name, &raw.aliases),
        path: raw.path,
        name,
        kinds,
        accepted: raw.accepted,
        required,
        agent_default: raw.agent_default,
        machine: raw.machine,
        default: raw.default,
        default_for: raw.default_for,
        must_set: raw.must_set,
        helm: raw.helm,
        not_empty: raw.not_empty,
        deny: false,
        secret: raw.secret,
        about: raw.about,
    };
    Ok(Node {
        row,
        children: Vec::new(),
        any: None,
        item: None,
    })
}

fn kind(word: &str, raw: &RawKey) -> Result<Kind, String> {
    if let Some(item) = word.strip_prefix("list of ") {
        return Ok(Kind::List(Box::new(kind(item, raw)?)));
    }
    let whole = |min: i64, max: i64| {
        let low = raw.min.as_ref().and_then(Value::as_i64);
        Kind::Int {
            min: low.unwrap_or(min),
            max: raw.max.unwrap_or(max),
        }
    };
    Ok(match word {
        "bool" => Kind::Bool,
        "u16" => whole(0, i64::from(u16::MAX)),
        "u32" => whole(0, i64::from(u32::MAX)),
        "u64" => whole(0, i64::MAX),
        "i64" => whole(i64::MIN, i64::MAX),
        "float" => Kind::Float,
        "string" => Kind::Text,
        "char" => Kind::Char,
        "duration" => {
            let min = raw.min.as_ref().and_then(Value::as_str).unwrap_or("1ns");
            Kind::Duration {
                min: duration::parse(min).ok_or_else(|| format!("`{min}` is no duration"))?,
            }
        }
        "url" => Kind::Url,
        "ip" => Kind::Ip {
            brackets: raw.brackets,
        },
        "host-port" => Kind::HostPort,
        "regex" => Kind::Regex,
        "metric" => Kind::Metric,
        "alpha-3" => Kind::Alpha3,
        "secret-name" => Kind::SecretName,
        "secret-key" => Kind::SecretKey,
        "enum" => Kind::Enum {
            values: raw.values.clone(),
            ignore_case: raw.ignore_case,
        },
        "table" => Kind::Table,
        "any" => Kind::Any,
        _ => return Err(format!("`{}` has the unknown type `{word}`", raw.path)),
    })
}

/// The name itself, its `snake_case` and `camelCase`, and the other words for it, each once.
fn spellings(name: &str, aliases: &[String]) -> Vec<String> {
    let mut all = vec![name.to_owned()];
    for word in [name.replace('-', "_"), camel_case(name)]
        .into_iter()
        .chain(aliases.iter().cloned())
    {
        if !name.starts_with('<') && !all.contains(&word) {
            all.push(word);
        }
    }
    all
}

fn camel_case(name: &str) -> String {
    let mut words = name.split(['-', '_']);
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}
