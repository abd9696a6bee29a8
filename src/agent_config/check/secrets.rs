//! Secrets that stand in a configuration as plain text: told, and never shown.

use toml_edit::{TableLike, Value};

use super::{Checker, path::Path};
use crate::agent_config::{
    catalog::{Kind, Node, Row},
    codes, coerce,
    variables::{is_one_variable, is_opaque},
};

impl Checker<'_> {
    /// A section that is off is read by nobody, and by whoever reads the file.
    pub(super) fn secrets(&mut self, node: &Node, table: &dyn TableLike, path: &Path<'_>) {
        for child in &node.children {
            let Some(item) = table.get(&child.row.name) else {
                continue;
            };
            let path = path.below(&child.row.name);
            match (item.as_table_like(), item.as_value()) {
                (Some(table), _) => self.secrets(child, table, &path),
                (None, Some(value)) => self.secret(&child.row, value, &path),
                (None, None) => {}
            }
        }
    }

    pub(super) fn secret(&mut self, row: &Row, value: &Value, path: &Path<'_>) {
        if holds_secret(row, value) {
            self.findings.warning(
                codes::LITERAL_SECRET,
                &path.to_string(),
                "a secret stands here as plain text (not shown)".to_owned(),
                "write `${NAME}`, and give the pod a variable of this name from a Secret",
            );
        }
    }
}

/// Whether a text is a secret, or has one in it: a password in an address.
fn holds_secret(row: &Row, value: &Value) -> bool {
    let Some(text) = value.as_str().filter(|text| !text.is_empty()) else {
        return false;
    };
    let is_address = row.kinds.contains(&Kind::Url) && !is_opaque(value);
    (row.secret.is_some() && !is_one_variable(text)) || (is_address && coerce::has_password(text))
}
