//! What a scalar means to Kubernetes: the YAML 1.1 rules of the reader behind `sigs.k8s.io/yaml`, oddities included.

/// The prefix that `!!` stands for.
const CORE: &str = "tag:yaml.org,2002:";

/// A scalar as it reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    /// Its own text. Timestamps are such, too.
    Text,
    /// Base64 of the text that is meant.
    Binary,
}

/// The text is not what its tag says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mismatch;

/// Words with a meaning of their own, whatever the language of the writer.
const WORDS: [(Scalar, &[&str]); 6] = [
    (Scalar::Null, &["", "~", "null", "Null", "NULL"]),
    (
        Scalar::Bool(true),
        &[
            "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON",
        ],
    ),
    (
        Scalar::Bool(false),
        &[
            "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF",
        ],
    ),
    (Scalar::Float(f64::NAN), &[".nan", ".NaN", ".NAN"]),
    (
        Scalar::Float(f64::INFINITY),
        &[".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"],
    ),
    (Scalar::Float(f64::NEG_INFINITY), &["-.inf", "-.Inf", "-.INF"]),
];

/// Reads a scalar that is plain, or has a tag. One that is quoted and has no tag is text without asking.
pub(super) fn resolve(tag: Option<&str>, text: &str) -> Result<Scalar, Mismatch> {
    let Some(tag) = tag else { return Ok(plain(text)) };
    let read = match tag.strip_prefix(CORE) {
        Some("binary") => return Ok(Scalar::Binary),
        Some("bool" | "int" | "float" | "null") => plain(text),
        Some("timestamp") => {
            return if is_date(text) {
                Ok(Scalar::Text)
            } else {
                Err(Mismatch)
            };
        }
        _ => return Ok(Scalar::Text),
    };
    match (tag.strip_prefix(CORE), read) {
        (Some("bool"), Scalar::Bool(_))
        | (Some("int"), Scalar::Int(_) | Scalar::Uint(_))
        | (Some("float"), Scalar::Float(_))
        | (Some("null"), Scalar::Null) => Ok(read),
        #[expect(
            clippy::cast_precision_loss,
            reason = "the tag asks for a float, and Go rounds in the same way"
        )]
        (Some("float"), Scalar::Int(number)) => Ok(Scalar::Float(number as f64)),
        _ => Err(Mismatch),
    }
}

/// Reads a plain scalar without a tag.
pub(super) fn plain(text: &str) -> Scalar {
    match text.as_bytes().first() {
        None | Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => word(text),
        Some(b'.') => word_or(text, point_float),
        Some(b'+' | b'-' | b'0'..=b'9') => word_or(text, |text| number(&text.replace('_', ""))),
        Some(_) => Scalar::Text,
    }
}

fn word(text: &str) -> Scalar {
    word_or(text, |_| None)
}

fn word_or(text: &str, other: impl FnOnce(&str) -> Option<Scalar>) -> Scalar {
    let word = WORDS.iter().find(|(_, words)| words.contains(&text));
    word.map(|(scalar, _)| *scalar)
        .or_else(|| other(text))
        .unwrap_or(Scalar::Text)
}

/// Reads a number, from which the `_` were taken out.
fn number(text: &str) -> Option<Scalar> {
    integer(text)
        .or_else(|| float(text))
        .or_else(|| binary_with_inner_sign(text))
}

/// Decimal, or with the prefix `0x`, `0o`, `0b` in either case, or `0` for octal.
fn integer(text: &str) -> Option<Scalar> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = unsigned.get(..2).map(str::to_ascii_lowercase);
    let (radix, digits) = match lower.as_deref() {
        Some("0x") => (16, &unsigned[2..]),
        Some("0o") => (8, &unsigned[2..]),
        Some("0b") => (2, &unsigned[2..]),
        Some(two) if two.starts_with('0') => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    if !digits.starts_with(|first: char| first.is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if text.starts_with('-') {
        return 0_i64.checked_sub_unsigned(magnitude).map(Scalar::Int);
    }
    match i64::try_from(magnitude) {
        Ok(number) => Some(Scalar::Int(number)),
        // Beyond the signed numbers the reader knows no sign at all; `+` makes it a float.
        Err(_) if unsigned.len() == text.len() => Some(Scalar::Uint(magnitude)),
        Err(_) => None,
    }
}

/// A number that begins with its point. Each `_` in it must stand between digits; elsewhere they may stand anywhere.
fn point_float(text: &str) -> Option<Scalar> {
    let ends_in_digit = |part: &str| part.ends_with(|char: char| char.is_ascii_digit());
    let begins_with_digit = |part: &str| part.starts_with(|char: char| char.is_ascii_digit());
    let parts: Vec<&str> = text.split('_').collect();
    let is_separated = parts
        .windows(2)
        .all(|pair| ends_in_digit(pair[0]) && begins_with_digit(pair[1]));
    is_separated
        .then(|| parts.concat())
        .and_then(|digits| float(&digits))
}

fn float(text: &str) -> Option<Scalar> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_digits = unsigned
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    // A number beyond all floats stays text.
    let number = text
        .parse()
        .ok()
        .filter(|number: &f64| is_digits && number.is_finite())?;
    Some(Scalar::Float(number))
}

/// `0b-1` is -1 to the reader.
fn binary_with_inner_sign(text: &str) -> Option<Scalar> {
    let digits = text.strip_prefix("0b")?;
    let is_signed = digits.starts_with(['+', '-']);
    i64::from_str_radix(digits, 2)
        .ok()
        .filter(|_| is_signed)
        .map(Scalar::Int)
}

/// Whether a text begins as dates do. The rest of it makes no difference: a date stays text.
fn is_date(text: &str) -> bool {
    text.split_once('-')
        .is_some_and(|(year, _)| year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A float as Go writes it where it is the key of a map: `100000.5`, but `1e+06` from a million on.
pub(super) fn float_key(number: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "Go keeps 32 bits of it, too")]
    let short = number as f32;
    if short.is_nan() {
        return ".nan".to_owned();
    }
    if short.is_infinite() {
        return if short > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{short:e}");
    match scientific
        .split_once('e')
        .map(|(digits, exponent)| (digits, exponent.parse::<i32>()))
    {
        Some((digits, Ok(exponent))) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => short.to_string(),
    }
}
