//! The reference of all plugins, as Markdown, out of the catalogue.

use std::fmt::Write as _;

use super::{
    catalog::{Catalogue, Kind, Node, Plugin, Row, catalogue},
    codes::CODES,
    coerce::expected,
    schema::default_text,
    version::Range,
};
use crate::names::Component;

const HEAD: &str = "\
# Every plugin of the agent

This page is generated from the catalogue (`src/agent_config/catalog.toml`).

Write plugins under `plugins:` in the values of `alumet-relay-client` or `alumet-relay-server`, by the agent's own
names, in snake_case or in camelCase. A text of the value `true` or `27017` is read as what the key is. Wherever a text
may stand, `{fromEnv: NAME}` means a variable of the pod and `{fromSecret: {name: ..., key: ...}}` a key of a Secret;
a key marked **secret** takes nothing else from the injector, and the charts make such a reference of what is written
there.
";

/// The text of `docs/plugins.md`.
pub fn reference() -> String {
    let catalogue = catalogue();
    let mut page = HEAD.to_owned();
    page.push_str("\n| plugin | what it does | on by default |\n|---|---|---|\n");
    for plugin in &catalogue.plugins {
        let on = if plugin.on.is_empty() {
            "-".to_owned()
        } else {
            plugin.on.join(", ")
        };
        push(
            &mut page,
            format_args!("| [`{0}`](#{0}) | {1} | {on} |\n", plugin.name, plugin.about),
        );
    }
    general_section(&mut page, catalogue);
    catalogue
        .plugins
        .iter()
        .for_each(|plugin| plugin_section(&mut page, plugin));
    codes_section(&mut page);
    page
}

/// The part of the reference on one plugin, by any of its spellings.
pub fn plugin_reference(spelling: &str) -> Option<String> {
    let catalogue = catalogue();
    let mut page = String::new();
    plugin_section(&mut page, &catalogue.plugins[catalogue.index(spelling)?]);
    Some(page.trim_start().to_owned())
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = page.write_fmt(text);
}

fn general_section(page: &mut String, catalogue: &Catalogue) {
    page.push_str(
        "\n## Keys outside of plugins\n\n| value | in the TOML | type | meaning |\n|---|---|---|---|\n",
    );
    for node in &catalogue.general {
        let spelling = node.row.spellings.get(1).unwrap_or(&node.row.name);
        let kind = kinds(&node.row);
        push(
            page,
            format_args!(
                "| `{spelling}` | `{}` | {kind} | {} |\n",
                node.row.name, node.row.about
            ),
        );
    }
}

fn plugin_section(page: &mut String, plugin: &Plugin) {
    push(page, format_args!("\n## {}\n\n{}\n\n", plugin.name, plugin.about));
    let spellings: Vec<String> = plugin.spellings.iter().map(|name| format!("`{name}`")).collect();
    push(
        page,
        format_args!("- names in the values: {}\n", spellings.join(", ")),
    );
    if plugin.accepted != Range::ALL {
        push(page, format_args!("- agent versions: {}\n", plugin.accepted));
    }
    let metrics: Vec<String> = plugin
        .provides
        .iter()
        .flat_map(|provides| &provides.metrics)
        .map(|name| format!("`{name}`"))
        .collect();
    if !metrics.is_empty() {
        push(page, format_args!("- metrics: {}\n", metrics.join(", ")));
    }
    let asks = asks(plugin);
    if !asks.is_empty() {
        push(page, format_args!("- the pod has to give: {}\n", asks.join(", ")));
    }
    page.push_str("\n| key | type | default | meaning |\n|---|---|---|---|\n");
    rows(page, &plugin.root);
}

fn asks(plugin: &Plugin) -> Vec<String> {
    let privileges = &plugin.privileges;
    let mut asks: Vec<String> = privileges
        .capabilities
        .iter()
        .map(|name| format!("capability {name}"))
        .collect();
    asks.extend(privileges.host_pid.then(|| "the host's process ids".to_owned()));
    asks.extend(
        privileges
            .host_paths
            .iter()
            .map(|host| format!("the host's {}", host.path)),
    );
    asks.extend(privileges.gpu.iter().map(|gpu| format!("a GPU ({gpu})")));
    asks.extend(
        privileges
            .api_access
            .then(|| "a token for the API server".to_owned()),
    );
    asks
}

fn rows(page: &mut String, node: &Node) {
    for child in node.children.iter().chain(node.any.as_deref()) {
        row(page, &child.row);
        child.item.iter().for_each(|item| rows(page, item));
        rows(page, child);
    }
}

fn row(page: &mut String, row: &Row) {
    let mut names = vec![format!("`{}`", row.path)];
    let others = row
        .spellings
        .iter()
        .skip(1)
        .filter(|spelling| !is_camel_case_of(spelling, &row.name));
    names.extend(others.map(|spelling| format!("`{spelling}`")));
    let mut about = row.about.replace('|', "\\|");
    if row.secret.is_some() {
        about.push_str(" **Secret.**");
    }
    if row.helm {
        about.push_str(" Only in the values.");
    }
    if row.accepted != Range::ALL {
        push(&mut about, format_args!(" ({})", row.accepted));
    }
    let default =
        default_text(row, Component::Agent).map_or_else(|| "-".to_owned(), |text| format!("`{text}`"));
    let line = format!("| {} | {} | {default} | {about} |", names.join(", "), kinds(row));
    page.push_str(&line.replace('\n', " "));
    page.push('\n');
}

/// `camelCase` comes by itself and would fill the page.
fn is_camel_case_of(spelling: &str, name: &str) -> bool {
    spelling.eq_ignore_ascii_case(&name.replace(['_', '-'], ""))
}

fn kinds(row: &Row) -> String {
    let word = |kind: &Kind| expected(kind).replace('|', "\\|");
    row.kinds.iter().map(word).collect::<Vec<_>>().join(" or ")
}

fn codes_section(page: &mut String) {
    page.push_str("\n## Codes of findings\n\n| code | meaning |\n|---|---|\n");
    for (code, sentence) in CODES {
        push(page, format_args!("| `{code}` | {sentence} |\n"));
    }
}
