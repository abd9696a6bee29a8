//! Reading one JSON value as what its key is: `"true"` is a bool, `"27017"` a number, `5` a float.

use std::net::IpAddr;

use serde_json::Value;

use super::{catalog::Kind, duration, settings::Val};
use crate::kubernetes::{SECRET_KEY, SECRET_NAME, is_data_key, is_object_name};

/// Reads the value as the first kind that takes it; the error says what was expected.
pub(super) fn coerce(kinds: &[Kind], value: &Value) -> Result<Val, String> {
    let exact = kinds.iter().filter(|kind| is_of(kind, value));
    exact
        .chain(kinds.iter())
        .find_map(|kind| read(kind, value).ok())
        .ok_or_else(|| kinds.iter().map(expected).collect::<Vec<_>>().join(" or "))
}

/// Whether the JSON type is the kind's own, so that `"5"` stays a text where a text may stand.
fn is_of(kind: &Kind, value: &Value) -> bool {
    match kind {
        Kind::Bool => value.is_boolean(),
        Kind::Int { .. } => value.is_i64() || value.is_u64(),
        Kind::Float => value.is_f64(),
        Kind::List(_) => value.is_array(),
        Kind::Table => value.is_object(),
        _ => value.is_string(),
    }
}

fn read(kind: &Kind, value: &Value) -> Result<Val, ()> {
    match kind {
        Kind::Bool => boolean(value).map(Val::Bool).ok_or(()),
        Kind::Int { min, max } => whole(value)
            .filter(|number| (min..=max).contains(&number))
            .map(Val::Int)
            .ok_or(()),
        Kind::Float => float(value).map(Val::Float).ok_or(()),
        Kind::List(item) => list(item, value).map(Val::List).ok_or(()),
        Kind::Any => any(value).ok_or(()),
        Kind::Table => Err(()),
        _ => scalar_text(value)
            .and_then(|text| checked(kind, &text))
            .map(Val::Text)
            .ok_or(()),
    }
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(on) => Some(*on),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number
            .as_i64()
            .or_else(|| number.as_f64().and_then(without_fraction)),
        Value::String(text) => {
            let text = text.trim();
            text.parse()
                .ok()
                .or_else(|| text.parse().ok().and_then(without_fraction))
        }
        _ => None,
    }
}

/// Helm 3 hands large numbers as floats; up to 2^53 they are still exact.
fn without_fraction(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "no fraction, and within the range of exact integers"
    )]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

fn float(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(on) => Some(on.to_string()),
        _ => None,
    }
}

/// A single text is a list too, its elements separated by commas, as `--set` cannot write lists easily.
fn list(item: &Kind, value: &Value) -> Option<Vec<Val>> {
    match value {
        Value::Array(items) => items.iter().map(|value| read(item, value).ok()).collect(),
        Value::String(text) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(|part| read(item, &Value::from(part)).ok()).collect()
        }
        _ => None,
    }
}

/// Any JSON as it is; `null` has no counterpart in TOML.
pub(super) fn any(value: &Value) -> Option<Val> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(on) => Val::Bool(*on),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Val::Int(whole),
            None => Val::Float(number.as_f64()?),
        },
        Value::String(text) => Val::Text(text.clone()),
        Value::Array(items) => Val::List(items.iter().map(any).collect::<Option<_>>()?),
        Value::Object(map) => {
            let entries = map.iter().filter(|(_, value)| !value.is_null());
            Val::Table(
                entries
                    .map(|(key, value)| Some((key.clone(), any(value)?)))
                    .collect::<Option<_>>()?,
            )
        }
    })
}

/// The text in the form that the agent takes, if it is of the kind.
fn checked(kind: &Kind, text: &str) -> Option<String> {
    let kept = |fits: bool| fits.then(|| text.to_owned());
    match kind {
        Kind::Enum { values, .. } => values
            .iter()
            .find(|known| *known == text)
            .or_else(|| ignoring_case(values, text))
            .cloned(),
        Kind::Url => is_url(text.trim()).then(|| text.trim().trim_end_matches('/').to_owned()),
        Kind::Ip { brackets } => address(text.trim(), *brackets),
        Kind::Alpha3 => Some(text.to_ascii_uppercase()).filter(|code| is_alpha3(code)),
        Kind::HostPort => kept(!text.is_empty() && !text.contains(char::is_whitespace)),
        _ => kept(is_text_of(kind, text)),
    }
}

fn ignoring_case<'a>(values: &'a [String], text: &str) -> Option<&'a String> {
    values
        .iter()
        .find(|known| known.eq_ignore_ascii_case(text.trim()))
}

fn address(text: &str, brackets: bool) -> Option<String> {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    match inner.parse().ok()? {
        IpAddr::V6(address) if brackets => Some(format!("[{address}]")),
        address => Some(address.to_string()),
    }
}

fn is_alpha3(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn is_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Whether a URL carries a password (RFC 3986 section 3.2.1).
pub fn has_password(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| url.password().is_some())
}

/// Whether the agent itself would take the text.
pub(super) fn is_text_of(kind: &Kind, text: &str) -> bool {
    match kind {
        Kind::Text | Kind::Any => true,
        Kind::Metric => !text.is_empty(),
        Kind::Char => text.chars().count() == 1,
        Kind::Duration { min } => duration::parse(text).is_some_and(|long| long >= *min),
        Kind::Url => is_url(text),
        Kind::Ip { brackets: true } => {
            let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            inner.map_or_else(
                || text.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4()),
                |v6| v6.parse::<IpAddr>().is_ok(),
            )
        }
        Kind::Ip { brackets: false } => text.parse::<IpAddr>().is_ok(),
        Kind::HostPort => is_host_port(text),
        Kind::Regex => regex_syntax::parse(text).is_ok(),
        Kind::Alpha3 => is_alpha3(text),
        Kind::SecretName => is_object_name(text),
        Kind::SecretKey => is_data_key(text),
        Kind::Enum { values, ignore_case } => {
            values.iter().any(|known| known == text)
                || (*ignore_case && ignoring_case(values, text).is_some())
        }
        Kind::Bool | Kind::Int { .. } | Kind::Float | Kind::Table | Kind::List(_) => false,
    }
}

/// Whether the text is `host:port`, with an IPv6 address in brackets.
pub(super) fn is_host_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let v6 = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host_fits = match v6 {
        Some(address) => address.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()),
        None => !host.is_empty() && !host.contains([':', '/', ' ', '[', ']']),
    };
    host_fits && port.parse::<u16>().is_ok_and(|port| port != 0)
}

/// What the kind takes, in words.
pub(super) fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Bool => "true or false".to_owned(),
        Kind::Int { min, max } => match (*min, *max) {
            (0, i64::MAX) => "a whole number".to_owned(),
            (min, i64::MAX) => format!("a whole number from {min}"),
            (min, max) => format!("a whole number from {min} to {max}"),
        },
        Kind::Float => "a number".to_owned(),
        Kind::Text => "a text".to_owned(),
        Kind::Char => "one character".to_owned(),
        Kind::Duration { min } if min.as_nanos() > 1 => {
            format!(
                "a duration with a unit of at least {}, such as `5s`",
                duration::format(*min)
            )
        }
        Kind::Duration { .. } => "a duration with a unit, longer than zero, such as `5s`".to_owned(),
        Kind::Url => "a URL such as `http://host:8086`".to_owned(),
        Kind::Ip { .. } => "an IP address, no name".to_owned(),
        Kind::HostPort => "an address such as `host:50051`".to_owned(),
        Kind::Regex => "a regular expression".to_owned(),
        Kind::Metric => "the name of a metric".to_owned(),
        Kind::Alpha3 => "a country's three letters, such as `FRA`".to_owned(),
        Kind::SecretName => SECRET_NAME.to_owned(),
        Kind::SecretKey => SECRET_KEY.to_owned(),
        Kind::Enum { values, .. } if values.len() > 10 => "one of the names in the reference".to_owned(),
        Kind::Enum { values, .. } => format!("one of `{}`", values.join("`, `")),
        Kind::Table => "a table".to_owned(),
        Kind::Any => "anything".to_owned(),
        Kind::List(item) => format!("a list, each element {}", expected(item)),
    }
}

/// What a value is, in words, short and on one line.
pub(super) fn found(value: &Value) -> String {
    let mut text = match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(_) | Value::Number(_) => format!("`{value}`"),
        Value::String(_) => value.to_string(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a table".to_owned(),
    };
    if let Some((cut, _)) = text.char_indices().nth(40) {
        text.truncate(cut);
        text.push('…');
    }
    text
}
