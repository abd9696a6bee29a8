//! How a scalar is written: bare, in double quotes, or as a literal block.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Number;

/// Words that some reader takes for a bool, a null or a number, in lower case.
const WORDS: [&str; 12] = [
    "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity",
];

/// A string in one line: bare where no reader could take it for anything else, and else in double quotes.
pub(super) fn line(text: &str) -> Cow<'_, str> {
    if is_bare(text) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(quoted(text))
    }
}

/// Whether a string can stand without quotes. It begins with a letter or a slash, so it is no number, date, indicator,
/// merge key, document separator or anything else with a meaning, and it is no word with one.
fn is_bare(text: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'/';
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@+=,()$ ".contains(&byte);
    text.bytes().next().is_some_and(first)
        && text.bytes().all(inner)
        && !text.ends_with([':', ' '])
        && !text.contains(": ")
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// A string in double quotes. The escapes are those that JSON has, too.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Writing to a string does not fail.
            char if is_unprintable(char) => drop(write!(out, "\\u{:04x}", u32::from(char))),
            char => out.push(char),
        }
    }
    out.push('"');
    out
}

/// What some reader drops, refuses, or takes for a line break. All of it is below U+10000.
fn is_unprintable(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// The header (`|`, `|-`) with which a text of several lines survives as a literal block; `None` where it does
/// not, or is not worth it.
pub(super) fn literal_header(text: &str) -> Option<&'static str> {
    let content = text.trim_end_matches('\n');
    let is_block = text.contains('\n') && !content.is_empty();
    // The first line tells a reader the indentation, so it must be neither empty nor begin with a blank.
    let has_clear_indentation = !text.starts_with(['\n', ' ', '\t']);
    let has_trailing_blank = || content.split('\n').any(|line| line.ends_with([' ', '\t']));
    let is_printable = || {
        text.chars()
            .all(|char| matches!(char, '\n' | '\t') || !is_unprintable(char))
    };
    if !is_block || !has_clear_indentation || has_trailing_blank() || !is_printable() {
        return None;
    }
    match text.len() - content.len() {
        0 => Some("|-"),
        1 => Some("|"),
        // `|+` would keep them, were it not that kyaml, through which Helm 4 sends what we write, adds more.
        _ => None,
    }
}

/// A number that every reader reads as the same number. A float has a point, and a sign in its exponent: without
/// them, readers of YAML 1.1 see a string.
pub(super) fn number(number: &Number) -> String {
    let text = number.to_string();
    if number.is_i64() || number.is_u64() {
        return text;
    }
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, ""));
    let point = if digits.contains('.') { "" } else { ".0" };
    match exponent.strip_prefix('-') {
        _ if exponent.is_empty() => format!("{digits}{point}"),
        Some(exponent) => format!("{digits}{point}e-{exponent}"),
        None => format!("{digits}{point}e+{}", exponent.trim_start_matches('+')),
    }
}
