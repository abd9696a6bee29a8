//! What is wrong with plugin settings by themselves, whatever values they are to stand under.

use serde_json::{Map, Value};

use super::{
    catalog::{Kind, Node, catalogue},
    codes::{self, Findings},
    coerce::has_password,
    layers::LayerReader,
    settings::{Slot, Table, Val},
    version::Profile,
};
use crate::{finding::Finding, names::Component};

/// What is wrong with the settings: names that nobody knows, values of a wrong type, literal secrets. The agent's version
/// is nobody's to say here, so what only some versions have is not told.
pub fn check_plugins(plugins: &Map<String, Value>) -> Vec<Finding> {
    let mut findings = Findings::default();
    let sections = LayerReader {
        catalogue: catalogue(),
        profile: Profile::of(None),
        // A component decides about defaults alone.
        component: Component::RelayServer,
        policy: None,
        findings: &mut findings,
    }
    .read(plugins);
    for section in sections.values() {
        passwords(
            &section.plugin.root,
            &section.table,
            &section.place(""),
            &mut findings,
        );
    }
    findings
        .into_vec()
        .into_iter()
        .filter(|finding| finding.code != codes::NOT_IN_VERSION)
        .collect()
}

/// Complains of addresses with a password in them.
fn passwords(node: &Node, table: &Table, place: &str, findings: &mut Findings) {
    for (name, slot) in &table.0 {
        let Some(node) = node.child(name) else { continue };
        match slot {
            Slot::Table(inner) => passwords(node, inner, &format!("{place}{name}."), findings),
            Slot::Leaf(leaf) => {
                if let Val::Text(text) = &leaf.value
                    && node.row.kinds.contains(&Kind::Url)
                    && has_password(text)
                {
                    findings.error(
                        codes::LITERAL_SECRET,
                        &format!("{place}{name}"),
                        "the address has a password in it (not shown)".to_owned(),
                        "take it out",
                    );
                }
            }
        }
    }
}

/// Whether a variable of this name carries a secret of some plugin.
pub fn carries_secret(variable: &str) -> bool {
    fn carries(node: &Node, variable: &str) -> bool {
        let secret = node.row.secret.as_ref();
        secret.is_some_and(|secret| secret.env == variable)
            || node
                .children
                .iter()
                .chain(node.any.as_deref())
                .chain(node.item.as_deref())
                .any(|below| carries(below, variable))
    }
    catalogue()
        .plugins
        .iter()
        .any(|plugin| carries(&plugin.root, variable))
}
