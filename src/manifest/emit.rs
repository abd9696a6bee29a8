//! Writing JSON as YAML that every reader reads as the same JSON, YAML 1.1 and 1.2 alike.
//!
//! Maps and lists are written as blocks, in their order. A string is written bare only if no reader could take it for
//! anything else, as a literal block only if it survives that exactly, and else in double quotes, in one line.

mod scalar;

use serde_json::{Map, Value};

use super::document::Document;

/// Ends a document whose last value is a literal block that ends in a line break. Helm 4.0 to 4.2.3 cut the white
/// space before a separator line, and with it that line break; before it stands this line, nothing is lost.
const END_COMMENT: &str = "# end\n";

/// A key longer than this is written after `? `: readers look for the `:` of a plain one in 1,024 characters only.
const MAX_SIMPLE_KEY: usize = 512;

/// Writes a document anew with another value: the separator line and the comment lines at its head stay, and its line
/// ends are used.
pub fn rewrite(document: &Document<'_>, value: &Value) -> Vec<u8> {
    let yaml = to_yaml(value);
    let mut bytes = [document.separator(), document.head()].concat();
    if document.has_crlf() {
        bytes.extend_from_slice(yaml.replace('\n', "\r\n").as_bytes());
    } else {
        bytes.extend_from_slice(yaml.as_bytes());
    }
    bytes
}

/// Writes a value as YAML that ends in a line break.
pub fn to_yaml(value: &Value) -> String {
    let mut writer = Writer {
        out: String::new(),
        ends_in_literal: false,
    };
    match value {
        Value::Object(map) if !map.is_empty() => writer.entries(map, 0, Place::OnOwnLine),
        Value::Array(items) if !items.is_empty() => writer.items(items, 0, Place::OnOwnLine),
        _ => writer.scalar(value, 0),
    }
    if writer.ends_in_literal {
        writer.out.push_str(END_COMMENT);
    }
    writer.out
}

/// Where the first entry of a map or list begins.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    OnOwnLine,
    /// After `- `, whose width is that of one indentation.
    AfterDash,
}

struct Writer {
    out: String,
    /// Whether the last value is a literal block that ends in a line break.
    ends_in_literal: bool,
}

impl Writer {
    fn entries(&mut self, map: &Map<String, Value>, indent: usize, first: Place) {
        for (index, (key, value)) in map.iter().enumerate() {
            if index > 0 || first == Place::OnOwnLine {
                self.indent(indent);
            }
            let key = scalar::line(key);
            if key.len() > MAX_SIMPLE_KEY {
                self.out.push_str("? ");
                self.out.push_str(&key);
                self.out.push('\n');
                self.indent(indent);
            } else {
                self.out.push_str(&key);
            }
            self.out.push(':');
            self.value(value, indent);
        }
    }

    /// What follows the `:` of a key.
    fn value(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                self.out.push('\n');
                self.entries(map, indent + 2, Place::OnOwnLine);
            }
            Value::Array(items) if !items.is_empty() => {
                self.out.push('\n');
                self.items(items, indent, Place::OnOwnLine);
            }
            _ => {
                self.out.push(' ');
                self.scalar(value, indent);
            }
        }
    }

    fn items(&mut self, items: &[Value], indent: usize, first: Place) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 || first == Place::OnOwnLine {
                self.indent(indent);
            }
            self.out.push_str("- ");
            match item {
                Value::Object(map) if !map.is_empty() => self.entries(map, indent + 2, Place::AfterDash),
                Value::Array(items) if !items.is_empty() => self.items(items, indent + 2, Place::AfterDash),
                _ => self.scalar(item, indent),
            }
        }
    }

    /// Writes what has no parts, up to the end of its last line.
    fn scalar(&mut self, value: &Value, indent: usize) {
        self.ends_in_literal = false;
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(bool) => self.out.push_str(if *bool { "true" } else { "false" }),
            Value::Number(number) => self.out.push_str(&scalar::number(number)),
            Value::Array(_) => self.out.push_str("[]"),
            Value::Object(_) => self.out.push_str("{}"),
            Value::String(text) => match scalar::literal_header(text) {
                Some(header) => return self.literal(header, text, indent + 2),
                None => self.out.push_str(&scalar::line(text)),
            },
        }
        self.out.push('\n');
    }

    fn literal(&mut self, header: &str, text: &str, indent: usize) {
        self.out.push_str(header);
        self.out.push('\n');
        for line in text.split_terminator('\n') {
            if !line.is_empty() {
                self.indent(indent);
                self.out.push_str(line);
            }
            self.out.push('\n');
        }
        self.ends_in_literal = text.ends_with('\n');
    }

    fn indent(&mut self, width: usize) {
        self.out.extend(std::iter::repeat_n(' ', width));
    }
}
