//! Expressions in CEL, the Common Expression Language: every text and value from outside comes into one through here.

use serde_json::Value;

use crate::policy::selector::{Operator, Selector};

/// A text as a literal.
pub(super) fn text(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for character in text.chars() {
        match character {
            '\\' | '\'' => literal.extend(['\\', character]),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            _ if character.is_control() => literal.extend(format!("\\u{:04x}", u32::from(character)).chars()),
            _ => literal.push(character),
        }
    }
    literal.push('\'');
    literal
}

/// A comment of one line.
pub(super) fn comment(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    format!("// {line}")
}

/// A value as a literal. Kubernetes takes no map and no list of mixed types, so what is no text is `dyn`.
pub(super) fn literal(value: &Value) -> String {
    let member = |value: &Value| match value {
        Value::String(string) => text(string),
        other => format!("dyn({})", literal(other)),
    };
    match value {
        Value::String(string) => text(string),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(member).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let is_of_texts = map.values().all(Value::is_string);
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| {
                    let value = match value {
                        Value::String(string) if !is_of_texts => format!("dyn({})", text(string)),
                        other => member(other),
                    };
                    format!("{}: {value}", text(key))
                })
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Whether an expression has one of the values of a list.
pub(super) fn one_of(expression: &str, list: &str) -> String {
    format!("{expression} in {list}")
}

/// Whether all of these hold.
pub(super) fn all_of(terms: &[String]) -> String {
    if terms.is_empty() {
        return "true".to_owned();
    }
    terms.join(" &&\n")
}

/// What a selector demands of a map of labels.
pub(super) fn selected(labels: &str, selector: &Selector) -> Vec<String> {
    let term = |(key, operator, values): (&str, Operator, &[String])| {
        let key = text(key);
        let values: Vec<Value> = values.iter().map(|value| value.as_str().into()).collect();
        let is_listed = || {
            format!(
                "({key} in {labels} && {labels}[{key}] in {})",
                literal(&values.into())
            )
        };
        match operator {
            Operator::In => is_listed(),
            Operator::NotIn => format!("!{}", is_listed()),
            Operator::Exists => format!("{key} in {labels}"),
            Operator::DoesNotExist => format!("!({key} in {labels})"),
        }
    };
    selector.requirements().map(term).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{comment, literal, text};

    #[test]
    fn no_text_ends_its_literal() {
        let rows = [
            ("plain", "'plain'"),
            ("it's", r"'it\'s'"),
            (r"\", r"'\\'"),
            (r"\' + object.spec + '", r"'\\\' + object.spec + \''"),
            ("a\nb\r\t", r"'a\nb\r\t'"),
            ("\u{0}\u{1b}\u{7f}\u{85}", r"'\u0000\u001b\u007f\u0085'"),
            ("\"\u{e9}\u{2028}\u{1f600}", "'\"\u{e9}\u{2028}\u{1f600}'"),
        ];
        for (given, expected) in rows {
            assert_eq!(text(given), expected);
        }
    }

    #[test]
    fn a_comment_is_one_line() {
        assert_eq!(comment("a\nb\r\u{85}c"), "// a?b??c");
    }

    #[test]
    fn a_map_of_mixed_types_says_so() {
        let rows = [
            (json!({"a": "b", "c": "d"}), "{'a': 'b', 'c': 'd'}"),
            (json!({"a": "b", "c": 1}), "{'a': dyn('b'), 'c': dyn(1)}"),
            (json!([{"a": "b"}, "c"]), "[dyn({'a': 'b'}), 'c']"),
            (json!([]), "[]"),
        ];
        for (given, expected) in rows {
            assert_eq!(literal(&given), expected);
        }
    }
}
