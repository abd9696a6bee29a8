//! A hash of a JSON value's content: the same for every spelling that the API server stores alike.
//!
//! The order of an object's keys does not count. Neither does a member that is `null`, `""`, `{}` or `[]` where the
//! value is part of a Kubernetes object, for the API server leaves such members out of what it stores. Hashing
//! streams: nothing is built on the way.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_64_with_seed};

use super::field::{Key, Text};

/// Seeds that keep `"1"`, `1` and `true` apart.
const TEXT: u64 = 1;
const NUMBER: u64 = 2;
const BOOL: u64 = 3;
const ARRAY: u64 = 4;
const OBJECT: u64 = 5;

/// For values of Kubernetes objects: what the API server does not store does not count.
const STORED: bool = true;
/// For values of anything else: everything counts.
const STRICT: bool = false;

/// The content of a JSON value: its hash, and its text where it is a string.
#[derive(Debug, Default)]
struct Content<'a, const MODE: bool> {
    /// `None` for what does not count.
    hash: Option<u64>,
    text: Option<Text<'a>>,
}

/// Hash of a whole value; 0 for an empty one.
pub(super) fn hash_of(value: &serde_json::Value) -> u64 {
    // Reading a `Value` as any JSON cannot fail: `Content` accepts every type.
    Content::<STORED>::deserialize(value)
        .ok()
        .and_then(|content| content.hash)
        .unwrap_or_default()
}

/// Hash of a whole value in which everything counts.
pub(super) fn whole_hash_of(value: &serde_json::Value) -> u64 {
    // As above.
    Content::<STRICT>::deserialize(value)
        .ok()
        .and_then(|content| content.hash)
        .unwrap_or_default()
}

/// Hash of a text alone (an annotation, an image, a file).
pub(super) fn hash_of_text(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// Hash of the texts one behind the other, without putting them together.
pub(super) fn hash_of_texts(texts: &[&str]) -> u64 {
    let mut hasher = Xxh3::new();
    for text in texts {
        hasher.update(text.as_bytes());
    }
    hasher.digest()
}

/// Hash of what a TOML text says; its comments, order of keys and spelling do not count, every value does.
pub(super) fn hash_of_toml(text: &str) -> u64 {
    let content = toml::from_str::<Content<'_, STRICT>>(text)
        .ok()
        .and_then(|content| content.hash);
    // What is no TOML says nothing; its text stands for itself.
    content.unwrap_or_else(|| hash_of_text(text))
}

/// Hash of a JSON object that is being read, which shows each member that is a text on the way.
pub(super) fn hash_of_map<'de, A: MapAccess<'de>>(
    map: A,
    on_text: impl FnMut(&str, Text<'de>),
) -> Result<u64, A::Error> {
    Ok(content_of_map::<A, STORED>(map, on_text)?.unwrap_or_default())
}

/// Hash of a map of texts that is being read, in which an empty text counts; 0 for an empty map.
pub(super) fn hash_of_whole_map<'de, A: MapAccess<'de>>(map: A) -> Result<u64, A::Error> {
    let mut any = false;
    let hash = content_of_map::<A, STRICT>(map, |_, _| any = true)?;
    Ok(hash.filter(|_| any).unwrap_or_default())
}

fn content_of_map<'de, A: MapAccess<'de>, const MODE: bool>(
    mut map: A,
    mut on_text: impl FnMut(&str, Text<'de>),
) -> Result<Option<u64>, A::Error> {
    let mut sum = 0_u64;
    while let Some((Key(key), content)) = map.next_entry::<Key<'de>, Content<'de, MODE>>()? {
        if let Some(hash) = content.hash {
            // A sum does not know the order of its terms; hashing key and value together keeps the pairs apart.
            sum = sum.wrapping_add(xxh3_64_with_seed(key.as_bytes(), hash));
        }
        if let Some(text) = content.text {
            on_text(&key, text);
        }
    }
    Ok((MODE == STRICT || sum != 0).then(|| xxh3_64_with_seed(&sum.to_le_bytes(), OBJECT)))
}

impl<'de, const MODE: bool> Deserialize<'de> for Content<'de, MODE> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor::<MODE>)
    }
}

struct ContentVisitor<const MODE: bool>;

impl<const MODE: bool> ContentVisitor<MODE> {
    fn number<'de>(bytes: [u8; 16]) -> Content<'de, MODE> {
        Content {
            hash: Some(xxh3_64_with_seed(&bytes, NUMBER)),
            text: None,
        }
    }

    fn string(text: Text<'_>) -> Content<'_, MODE> {
        let hash = (MODE == STRICT || !text.is_empty()).then(|| xxh3_64_with_seed(text.as_bytes(), TEXT));
        Content {
            hash,
            text: Some(text),
        }
    }
}

impl<'de, const MODE: bool> Visitor<'de> for ContentVisitor<MODE> {
    type Value = Content<'de, MODE>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Content::default())
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Content::default())
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Content {
            hash: Some(xxh3_64_with_seed(&[u8::from(value)], BOOL)),
            text: None,
        })
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Self::number(i128::from(value).to_le_bytes()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Self::number(i128::from(value).to_le_bytes()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        // The high half is never all ones for an integer of 64 bits, so the two kinds of number stay apart.
        let mut bytes = [0xF0; 16];
        bytes[..8].copy_from_slice(&value.to_bits().to_le_bytes());
        Ok(Self::number(bytes))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Self::string(Text::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Self::string(Text::Owned(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Ok(Content {
            hash: content_of_map::<A, MODE>(map, |_, _| ())?,
            text: None,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut hash = (MODE == STRICT).then_some(ARRAY);
        while let Some(element) = seq.next_element::<Content<'de, MODE>>()? {
            let element = element.hash.unwrap_or_default();
            hash = Some(xxh3_64_with_seed(&element.to_le_bytes(), hash.unwrap_or(ARRAY)));
        }
        Ok(Content { hash, text: None })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{hash_of, hash_of_toml};

    #[test]
    fn spellings_that_are_stored_alike_hash_alike() {
        let same = [
            json!({"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
            json!({"valueFrom": {"secretKeyRef": {"key": "k", "name": "s"}}, "name": "A"}),
            json!({"name": "A", "value": "", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}, "x": null}}),
            json!({"name": "A", "x": {}, "y": [], "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
        ];
        for other in &same[1..] {
            assert_eq!(hash_of(&same[0]), hash_of(other), "{other}");
        }
    }

    #[test]
    fn what_a_toml_text_says_is_told_from_how() {
        let same = [
            "a = 1\n[b]\nc = 'x'\nd = \"\"\n",
            "# first\na = 1\n[b]\nd = ''\nc = \"x\" # second\n",
            "b = { c = 'x', d = '' }\na = 0x1",
        ];
        for other in &same[1..] {
            assert_eq!(hash_of_toml(same[0]), hash_of_toml(other), "{other}");
        }
        for other in [
            "a = 1\n[b]\nc = 'x'\n",
            "a = 1\n[b]\nc = 'y'\nd = ''\n",
            "a = 1.0\n[b]\nc = 'x'\nd = ''\n",
            "no TOML",
        ] {
            assert_ne!(hash_of_toml(same[0]), hash_of_toml(other), "{other}");
        }
    }

    #[test]
    fn other_content_hashes_otherwise() {
        let all = [
            json!({"a": "b"}),
            json!({"b": "a"}),
            json!({"a": ["b"]}),
            json!({"a": {"b": "c"}}),
            json!({"a": {"c": "b"}}),
            json!({"a": 1}),
            json!({"a": "1"}),
            json!({"a": true}),
            json!({"a": 1.5}),
            json!(["a", "b"]),
            json!(["b", "a"]),
            json!([["a"], "b"]),
        ];
        for (i, one) in all.iter().enumerate() {
            for other in &all[i + 1..] {
                assert_ne!(hash_of(one), hash_of(other), "{one} {other}");
            }
        }
    }
}
