//! Variables in TOML: the agent pastes them into the raw text before it reads TOML.

use std::collections::BTreeSet;

use toml_edit::Value;

use super::{
    codes::{self, Findings},
    references::is_variable,
};

/// Stands for the value of a variable: a whole number, so that it is TOML with and without quotes around it.
const STAND_IN: &str = "734005173400517";
/// The same as a number.
const STAND_IN_NUMBER: i64 = 734_005_173_400_517;

/// A text with its variables replaced by stand-ins, and their names in the order of their first use.
pub(super) struct Substituted {
    /// What TOML would see.
    pub(super) text: String,
    /// Names of the variables.
    pub(super) names: Vec<String>,
}

/// Replaces what the agent would replace, and finds fault with what it could not.
pub(super) fn substitute(text: &str, findings: &mut Findings) -> Substituted {
    let mut names: Vec<String> = Vec::new();
    let mut known = BTreeSet::new();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, variable) = rest.split_at(start);
        if let Some(before) = before.strip_suffix('\\') {
            out.push_str(before);
            out.push_str("${");
            rest = &variable[2..];
            continue;
        }
        out.push_str(before);
        let Some(end) = variable.find('}') else {
            let message = "`${` without a closing `}`".to_owned();
            findings.error(
                codes::ENV_SYNTAX,
                "",
                message,
                "close it, or write `\\${` for the characters themselves",
            );
            // Nothing further on is closed either.
            out.push_str(&variable.replace("${", ""));
            rest = "";
            break;
        };
        let name = &variable[2..end];
        if is_variable(name) {
            if known.insert(name) {
                names.push(name.to_owned());
            }
        } else {
            let message = format!(
                "`${{{}}}` is no variable; there are no defaults such as `:-`",
                first_line(name)
            );
            findings.error(codes::ENV_SYNTAX, "", message, "write `${NAME}`");
        }
        out.push_str(STAND_IN);
        rest = &variable[end + 1..];
    }
    out.push_str(rest);
    Substituted { text: out, names }
}

fn first_line(name: &str) -> &str {
    let line = name.lines().next().unwrap_or_default();
    line.char_indices().nth(40).map_or(line, |(cut, _)| &line[..cut])
}

/// Whether the value holds a variable, so that nothing can be said about it.
pub(super) fn is_opaque(value: &Value) -> bool {
    match value {
        Value::String(text) => text.value().contains(STAND_IN) || text.value().contains("${"),
        Value::Integer(number) => *number.value() == STAND_IN_NUMBER,
        _ => false,
    }
}

/// Whether a text is one variable and nothing besides.
pub(super) fn is_one_variable(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    text == STAND_IN || name.is_some_and(|name| !name.contains(['$', '{', '}']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_become_stand_ins_and_escaped_ones_stay() {
        let mut findings = Findings::default();
        let text = "a = ${A}\nb = '${B_2} ${A}'\nc = \"\\${C}\"\n";
        let found = substitute(text, &mut findings);
        assert_eq!(
            found.text,
            format!("a = {STAND_IN}\nb = '{STAND_IN} {STAND_IN}'\nc = \"${{C}}\"\n")
        );
        assert_eq!(found.names, ["A", "B_2"]);
        assert_eq!(findings.into_vec(), []);
        assert_eq!(STAND_IN_NUMBER.to_string(), STAND_IN);
    }
}
