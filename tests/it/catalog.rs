//! The catalogue against the agent's own default file, which nobody generated from it.

use alumet_injector::agent_config::catalog::{Kind, Node, catalogue};
use toml::{Table, Value};

const DEFAULT_FILE: &str = "tests/fixtures/alumet-0.9.5-default-config.toml";

/// Compares a section with the catalogue in both directions; counts the keys that both sides have.
struct Comparison {
    compared: usize,
    wrong: Vec<String>,
}

impl Comparison {
    fn table(&mut self, node: &Node, table: &Table, path: &str) {
        for (key, value) in table {
            let path = format!("{path}.{key}");
            match node.children.iter().find(|child| child.row.name == *key) {
                Some(child) => self.value(child, value, &path),
                None => self.wrong.push(format!("{path}: the catalogue has no such key")),
            }
        }
        for child in node
            .children
            .iter()
            .filter(|child| !table.contains_key(&child.row.name))
        {
            self.absent(child, &format!("{path}.{}", child.row.name));
        }
    }

    fn value(&mut self, node: &Node, value: &Value, path: &str) {
        self.compared += 1;
        if node.row.helm {
            self.wrong
                .push(format!("{path}: the catalogue says that only the values have it"));
        }
        if let (Value::Table(table), true) = (value, node.is_table()) {
            return self.table(node, table, path);
        }
        if !node.row.kinds.iter().any(|kind| is_of(kind, value)) {
            self.wrong
                .push(format!("{path}: {value} is not {:?}", node.row.kinds));
        }
        let agent = serde_json::to_value(value).unwrap();
        if node.row.agent_default.as_ref() != Some(&agent) && !(node.row.machine && agent.is_string()) {
            self.wrong.push(format!(
                "{path}: the agent writes {agent}, the catalogue {:?}",
                node.row.agent_default
            ));
        }
        if let (Some(item), Value::Array(items)) = (&node.item, value) {
            for table in items.iter().filter_map(Value::as_table) {
                self.items(item, table, path);
            }
        }
    }

    /// The keys of a list's tables; their defaults are part of the list's.
    fn items(&mut self, item: &Node, table: &Table, path: &str) {
        for (key, value) in table {
            match item.children.iter().find(|child| child.row.name == *key) {
                Some(child) if child.row.kinds.iter().any(|kind| is_of(kind, value)) => self.compared += 1,
                Some(child) => self
                    .wrong
                    .push(format!("{path}[].{key}: {value} is not {:?}", child.row.kinds)),
                None => self
                    .wrong
                    .push(format!("{path}[].{key}: the catalogue has no such key")),
            }
        }
        for child in item
            .children
            .iter()
            .filter(|child| !table.contains_key(&child.row.name))
        {
            self.absent(child, &format!("{path}[].{}", child.row.name));
        }
    }

    /// A key that the agent does not write: it has no default of the agent's, and the agent does not insist on it
    /// (but for `auth` of which one way is enough, and plugins without any default).
    fn absent(&mut self, node: &Node, path: &str) {
        if node.row.agent_default.is_some() {
            self.wrong
                .push(format!("{path}: the agent's default file does not have it"));
        }
        let newest = "0.9.5".to_owned();
        let profile = alumet_injector::agent_config::version::Profile::of(Some(&newest));
        if node.row.is_required(profile)
            && node.row.is_accepted(profile)
            && !path.starts_with("elasticsearch.auth.")
        {
            self.wrong.push(format!(
                "{path}: required, but the agent's default file does not have it"
            ));
        }
    }
}

fn is_of(kind: &Kind, value: &Value) -> bool {
    match (kind, value) {
        (Kind::Bool, Value::Boolean(_)) | (Kind::Float, Value::Float(_)) | (Kind::Table, Value::Table(_)) => {
            true
        }
        (Kind::Int { min, max }, Value::Integer(number)) => (min..=max).contains(&number),
        (Kind::List(item), Value::Array(items)) => items.iter().all(|value| is_of(item, value)),
        (Kind::Bool | Kind::Float | Kind::Table | Kind::Int { .. } | Kind::List(_) | Kind::Any, _) => false,
        (Kind::Enum { values, .. }, Value::String(text)) => values.contains(text),
        (_, Value::String(_)) => true,
        _ => false,
    }
}

#[test]
fn the_catalogue_and_the_agents_default_file_have_the_same_plugins_keys_types_and_defaults() {
    let path = format!("{}/{DEFAULT_FILE}", env!("CARGO_MANIFEST_DIR"));
    let file: Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    let sections = file["plugins"].as_table().unwrap();
    let mut comparison = Comparison {
        compared: 0,
        wrong: Vec::new(),
    };
    let mut plugins = 0;
    for (name, section) in sections {
        match catalogue().plugin(name) {
            Some(plugin) => {
                plugins += 1;
                comparison.table(&plugin.root, section.as_table().unwrap(), name);
            }
            None => comparison
                .wrong
                .push(format!("{name}: the catalogue has no such plugin")),
        }
    }
    // The agent has no default for energy-attribution, so its file has no section either.
    let without_section = catalogue()
        .plugins
        .iter()
        .filter(|plugin| !sections.contains_key(&plugin.name));
    let without_section: Vec<&str> = without_section.map(|plugin| plugin.name.as_str()).collect();
    assert_eq!(without_section, ["energy-attribution"]);
    println!("compared {} keys of {plugins} plugins", comparison.compared);
    assert_eq!(comparison.wrong, Vec::<String>::new());
    assert_eq!(catalogue().plugins.len(), 29);
}

#[test]
fn sections_stand_in_the_order_of_their_classes() {
    let classes: Vec<_> = catalogue().plugins.iter().map(|plugin| plugin.class).collect();
    assert!(classes.is_sorted(), "{classes:?}");
}
