//! The values that fields hold. Each reader knows its place, so that an error can name it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::integer;
use super::super::names::Names;

/// Where a value stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) index: usize,
    pub(super) field: &'static str,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "requests[{}].{}", self.index, self.field)
    }
}

impl Place {
    fn refuse<E: Error>(self, raw: &RawValue, reason: impl fmt::Display) -> E {
        const LONGEST: usize = 60;

        let text = raw.get();
        let shown = &text[..text.floor_char_boundary(LONGEST)];
        let more = if shown.len() < text.len() { "…" } else { "" };
        E::custom(format_args!("{self}: {shown}{more} {reason}"))
    }
}

/// A key, looked up without being copied.
pub(super) struct Key<F>(pub(super) F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for Key<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for Key<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<T, E> {
        Ok((self.0)(key))
    }
}

/// A 64-bit integer, bare or in quotes; none for null.
pub(super) struct Integer(pub(super) Place);

impl<'de> DeserializeSeed<'de> for Integer {
    type Value = Option<i64>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<i64>, D::Error> {
        // Raw, as a number read through serde may already have been rounded to a float.
        let raw = <&RawValue>::deserialize(deserializer)?;
        let parsed = match Scalar::of(raw) {
            Some(Scalar::Null) => return Ok(None),
            Some(Scalar::Bare(text)) => integer::parse(text),
            Some(Scalar::Quoted(text)) => integer::parse(&text),
            None => Err(integer::IntegerError::NotANumber),
        };
        parsed.map(Some).map_err(|error| self.0.refuse(raw, error))
    }
}

/// A value of an enum, by number or by name; 0 for null.
pub(super) struct Enum(pub(super) Place, pub(super) &'static Names);

impl<'de> DeserializeSeed<'de> for Enum {
    type Value = i32;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<i32, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        let parsed = match Scalar::of(raw) {
            Some(Scalar::Null) => return Ok(0),
            Some(Scalar::Bare(text)) => self.1.parse_number(text),
            Some(Scalar::Quoted(text)) => self.1.parse_text(&text),
            // No text and no number: the answer that lists what is allowed.
            None => self.1.parse_text(""),
        };
        parsed.map_err(|error| self.0.refuse(raw, error))
    }
}

/// What a raw value is, if it is one that a number or an enum can be written as.
enum Scalar<'a> {
    Null,
    Bare(&'a str),
    Quoted(Cow<'a, str>),
}

impl<'a> Scalar<'a> {
    fn of(raw: &'a RawValue) -> Option<Self> {
        let text = raw.get();
        match text.as_bytes().first()? {
            b'n' => Some(Self::Null),
            b'-' | b'0'..=b'9' => Some(Self::Bare(text)),
            b'"' if text.contains('\\') => serde_json::from_str(text).ok().map(Cow::Owned).map(Self::Quoted),
            b'"' => text.get(1..text.len() - 1).map(Cow::Borrowed).map(Self::Quoted),
            _ => None,
        }
    }
}

/// A string; empty for null.
pub(super) struct Text(pub(super) Place);

impl<'de> DeserializeSeed<'de> for Text {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a string for {}", self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_unit<E: Error>(self) -> Result<String, E> {
        Ok(String::new())
    }
}

/// An object of strings; empty for null.
pub(super) struct Map(pub(super) Place);

impl<'de> DeserializeSeed<'de> for Map {
    type Value = BTreeMap<String, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Map {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object of strings for {}", self.0)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(BTreeMap::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(key) = map.next_key_seed(Key(str::to_owned))? {
            let value = map.next_value_seed(Entry(self.0))?;
            if entries.insert(key, value).is_some() {
                return Err(A::Error::custom(format_args!("{}: duplicate key; give each key once", self.0)));
            }
        }
        Ok(entries)
    }
}

/// A string of a map, where null stands for nothing.
struct Entry(Place);

impl<'de> DeserializeSeed<'de> for Entry {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(Text(self.0))
    }
}
