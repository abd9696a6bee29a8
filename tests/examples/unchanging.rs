//! What a program prints, without what differs from run to run.

use std::net::{Ipv4Addr, SocketAddrV4};

/// The same without widths of columns, and with a word in place of each age, time, address, uid, fingerprint and random
/// end of a name.
pub(crate) fn unchanging(printed: &str) -> String {
    let lines = printed.lines().map(|line| {
        let words = line.split_whitespace().map(word);
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What stands between spaces: `(https=127.0.0.1:8443,`.
fn word(word: &str) -> String {
    if is_age(word) {
        return "<age>".to_owned();
    }
    let mut result = String::new();
    for piece in word.split_inclusive(|c: char| !is_of_piece(c)) {
        let (inner, end) = match piece.char_indices().next_back() {
            Some((at, last)) if !is_of_piece(last) => piece.split_at(at),
            _ => (piece, ""),
        };
        // A sentence may end with it.
        let core = inner.trim_end_matches(['.', ':']);
        result.push_str(&self::piece(core));
        result.push_str(&inner[core.len()..]);
        result.push_str(end);
    }
    result
}

fn is_of_piece(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '+')
}

fn piece(piece: &str) -> String {
    if humantime::parse_rfc3339(piece).is_ok() {
        return "<time>".to_owned();
    }
    if humantime::parse_rfc3339(&format!("{piece}T00:00:00Z")).is_ok() {
        return "<date>".to_owned();
    }
    if humantime::parse_rfc3339(&format!("1970-01-01T{piece}Z")).is_ok() {
        return "<clock>".to_owned();
    }
    if piece.parse::<Ipv4Addr>().is_ok() {
        return "<address>".to_owned();
    }
    if piece.parse::<SocketAddrV4>().is_ok() {
        return "<address>:<port>".to_owned();
    }
    if is_uid(piece) {
        return "<uid>".to_owned();
    }
    if is_fingerprint(piece) {
        return "<fingerprint>".to_owned();
    }
    // The first part is a name that somebody chose.
    let parts = piece.split('-').enumerate();
    let parts = parts.map(|(at, part)| {
        if at > 0 && is_drawn(part) {
            "<random>"
        } else {
            part
        }
    });
    parts.collect::<Vec<_>>().join("-")
}

/// As kubectl writes it: `5s`, `2m30s`, `3d`.
fn is_age(word: &str) -> bool {
    let mut rest = word;
    while let Some(at) = rest.find(|c: char| !c.is_ascii_digit()) {
        if at == 0 || !rest[at..].starts_with(['s', 'm', 'h', 'd']) {
            return false;
        }
        rest = &rest[at + 1..];
    }
    rest.is_empty() && !word.is_empty()
}

/// 8-4-4-4-12 hexadecimal digits.
fn is_uid(piece: &str) -> bool {
    piece
        .split('-')
        .map(|part| (part.len(), part.bytes().all(|byte| byte.is_ascii_hexdigit())))
        .eq([8, 4, 4, 4, 12].map(|length| (length, true)))
}

/// Pairs of hexadecimal digits, of SHA-1 at least.
fn is_fingerprint(piece: &str) -> bool {
    let is_pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
    piece.len() >= 59 && piece.split(':').all(is_pair)
}

/// Whether the API server or a controller drew this: it takes letters and digits that make no words.
fn is_drawn(part: &str) -> bool {
    const DRAWN: &str = "bcdfghjklmnpqrstvwxz2456789";
    matches!(part.len(), 5 | 8..=10) && part.chars().all(|c| DRAWN.contains(c))
}

#[test]
fn what_differs_from_run_to_run_is_told_from_the_rest() {
    for (printed, expected) in [
        (
            "agent-26h7w   1/1  Running 0 2m30s",
            "agent-<random> 1/1 Running 0 <age>",
        ),
        ("server-569db5b75b-jdx5z", "server-<random>-<random>"),
        (
            "https=127.0.0.1:40015, 10.0.0.7.",
            "https=<address>:<port>, <address>.",
        ),
        (
            "{\"timestamp\":\"2026-11-27T13:49:53.846259Z\",\"level\"",
            "{\"timestamp\":\"<time>\",\"level\"",
        ),
        ("uid 9e107d9d-372b-4b60-8a2e-0123456789ab:", "uid <uid>:"),
        (
            "poll_interval = \"2s\"  config 3b1e0a77c2d94f60",
            "poll_interval = \"2s\" config 3b1e0a77c2d94f60",
        ),
        (
            "relay-client: 5 of 5 pods, exit code 1",
            "relay-client: 5 of 5 pods, exit code 1",
        ),
    ] {
        assert_eq!(unchanging(printed), expected);
    }
}
