//! One field of a foreign object: absent, of a wrong type, or there. Reading never fails on a well-formed object.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A field as found; `null` reads as absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Field<T> {
    /// Not there, or `null`.
    #[default]
    Absent,
    /// There, but of another JSON type than Kubernetes has for it.
    Wrong,
    /// There.
    Is(T),
}

impl<T> Field<T> {
    /// The value, where it is there and of the right type.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Absent | Self::Wrong => None,
        }
    }

    /// Whether the field has another JSON type than Kubernetes has for it.
    pub fn is_wrong(&self) -> bool {
        matches!(self, Self::Wrong)
    }
}

/// A text that borrows from the input where the input spells it without escapes.
pub type Text<'a> = Cow<'a, str>;

impl Field<Text<'_>> {
    /// The text, where there is one.
    pub fn text(&self) -> Option<&str> {
        self.get().map(AsRef::as_ref)
    }
}

/// The most elements that a list may have to be worked on. A pod with as many containers, variables or tolerations fits
/// into no etcd; and work on two lists may take the product of their lengths.
pub const MAX_ELEMENTS: usize = 4096;

/// The elements of a JSON array, each read tolerantly. A list of more than [`MAX_ELEMENTS`] is of a wrong type.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct List<T>(pub Vec<Field<T>>);

impl<T> Field<List<T>> {
    /// The elements; none where the field is absent or wrong.
    pub fn elements(&self) -> &[Field<T>] {
        self.get().map_or(&[], |list| &list.0)
    }

    /// The elements that can be read.
    pub fn present(&self) -> impl Iterator<Item = &T> {
        self.elements().iter().filter_map(Field::get)
    }
}

/// A type that one JSON type can be read as. Each method that a type does not have means "of a wrong type".
pub trait Shape<'de>: Sized {
    /// Reads a JSON string.
    fn from_text(_text: Text<'de>) -> Option<Self> {
        None
    }

    /// Reads a JSON boolean.
    fn from_bool(_value: bool) -> Option<Self> {
        None
    }

    /// Reads a JSON object.
    fn from_map<A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    /// Reads a JSON array.
    fn from_seq<A: SeqAccess<'de>>(mut seq: A) -> Result<Option<Self>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

impl<'de: 'a, 'a> Shape<'de> for Text<'a> {
    fn from_text(text: Text<'de>) -> Option<Self> {
        Some(text)
    }
}

impl Shape<'_> for bool {
    fn from_bool(value: bool) -> Option<Self> {
        Some(value)
    }
}

impl<'de, T: Shape<'de>> Shape<'de> for List<T> {
    fn from_seq<A: SeqAccess<'de>>(mut seq: A) -> Result<Option<Self>, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            elements.push(element);
            if elements.len() > MAX_ELEMENTS {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
        }
        Ok(Some(Self(elements)))
    }
}

impl<'de, T: Shape<'de>> Shape<'de> for Box<T> {
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        Ok(T::from_map(map)?.map(Self::new))
    }
}

/// Reads a struct that derives `Deserialize` from a JSON object, and from nothing else.
macro_rules! shape_of_object {
    ($($view:ident),+ $(,)?) => {$(
        impl<'de: 'a, 'a> $crate::engine::field::Shape<'de> for $view<'a> {
            fn from_map<A: serde::de::MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
                serde::Deserialize::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Some)
            }
        }
    )+};
}
pub(crate) use shape_of_object;

impl<'de, T: Shape<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor(PhantomData))
    }
}

struct FieldVisitor<T>(PhantomData<T>);

impl<T> FieldVisitor<T> {
    fn field(value: Option<T>) -> Field<T> {
        value.map_or(Field::Wrong, Field::Is)
    }
}

impl<'de, T: Shape<'de>> Visitor<'de> for FieldVisitor<T> {
    type Value = Field<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Field::Absent)
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Field::Absent)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Self::field(T::from_bool(value)))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Field::Wrong)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Field::Wrong)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Field::Wrong)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Self::field(T::from_text(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Self::field(T::from_text(Cow::Owned(text.to_owned()))))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::from_map(map).map(Self::field)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        T::from_seq(seq).map(Self::field)
    }
}

/// A key of a JSON object, borrowed where it has no escapes. (`Cow` alone would always own.)
#[derive(Debug)]
pub(super) struct Key<'a>(pub(super) Text<'a>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}
