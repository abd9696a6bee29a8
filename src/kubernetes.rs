//! Which texts the API server takes where a value comes to stand on an object: it refuses the whole object for one that
//! it does not take. The rules are those of `k8s.io/apimachinery`, `pkg/api/validate/content` and `pkg/util/validation`.

/// Longest name of an object, and longest key in a Secret or `ConfigMap`.
const LONGEST_NAME: usize = 253;
/// Longest name within a label key, and longest label value.
const LONGEST_LABEL: usize = 63;

/// What the name of a Secret is, in words.
pub const SECRET_NAME: &str = "the name of a Secret: at most 253 lowercase letters, digits, `-` and `.`, with a letter or digit at both ends and beside each `.`";
/// What a key of a Secret is, in words.
pub const SECRET_KEY: &str = "a key of a Secret: at most 253 letters, digits, `-`, `_` and `.`, neither `.` alone nor `..` at its beginning";

/// Whether an object such as a Secret can have this name (`IsDNS1123Subdomain`).
pub fn is_object_name(text: &str) -> bool {
    let is_part = |part: &str| {
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(edge) && part.ends_with(edge) && part.chars().all(|c| edge(c) || c == '-')
    };
    text.len() <= LONGEST_NAME && text.split('.').all(is_part)
}

/// Whether a Secret or `ConfigMap` can have this key (`IsConfigMapKey`).
pub fn is_data_key(text: &str) -> bool {
    let lengths = 1..=LONGEST_NAME;
    let is_directory = text == "." || text.starts_with("..");
    lengths.contains(&text.len()) && !is_directory && text.chars().all(is_word)
}

/// Whether a label or taint can have this key (`IsQualifiedName`).
pub fn is_label_key(text: &str) -> bool {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    prefix.is_none_or(is_object_name) && !name.is_empty() && is_label_value(name)
}

/// Whether a label or taint can have this value (`IsValidLabelValue`).
pub fn is_label_value(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    let is_word_within = text.starts_with(edge) && text.ends_with(edge) && text.chars().all(is_word);
    text.is_empty() || (text.len() <= LONGEST_LABEL && is_word_within)
}

/// Whether a namespace can have this name (`IsDNS1123Label`).
pub fn is_namespace(text: &str) -> bool {
    text.len() <= LONGEST_LABEL && is_object_name(text) && !text.contains('.')
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}
