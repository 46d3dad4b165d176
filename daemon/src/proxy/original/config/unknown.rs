//! Keys that throttle-proxy does not know. It ignores them without a word; here each is named, with the
//! one that may have been meant.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::settings::distance;

/// A file's keys without their values.
#[derive(Debug)]
pub enum Shape {
    /// Keys, in their order.
    Map(Vec<(String, Self)>),
    /// Items.
    List(Vec<Self>),
    /// Anything else.
    Leaf,
}

/// What is known below a key.
enum Known {
    Map(&'static [(&'static str, Self)]),
    Leaf,
}

const FILE: Known = Known::Map(&[
    ("upstream", Known::Leaf),
    ("insecure_listen_addr", Known::Leaf),
    ("internal_listen_addr", Known::Leaf),
    ("proxy_paths", Known::Leaf),
    ("passthrough_paths", Known::Leaf),
    ("proxy_read_timeout", Known::Leaf),
    ("proxy_write_timeout", Known::Leaf),
    ("proxymw_config", CHAIN),
]);

const CHAIN: Known = Known::Map(&[
    ("enable_criticality", Known::Leaf),
    ("enable_jitter", Known::Leaf),
    ("jitter_delay", Known::Leaf),
    ("enable_observer", Known::Leaf),
    ("client_timeout", Known::Leaf),
    ("blocker_config", Known::Map(&[("enable_blocker", Known::Leaf), ("block_patterns", Known::Leaf)])),
    ("backpressure_config", BACKPRESSURE),
]);

const BACKPRESSURE: Known = Known::Map(&[
    ("enable_backpressure", Known::Leaf),
    ("backpressure_monitoring_url", Known::Leaf),
    ("backpressure_queries", QUERY),
    ("congestion_window_min", Known::Leaf),
    ("congestion_window_max", Known::Leaf),
    ("enable_low_cost_bypass", Known::Leaf),
]);

const QUERY: Known = Known::Map(&[
    ("name", Known::Leaf),
    ("query", Known::Leaf),
    ("warning_threshold", Known::Leaf),
    ("emergency_threshold", Known::Leaf),
    ("throttling_curve", Known::Leaf),
]);

/// A line for each key that is not known; each key is named once, however often it stands in a list.
pub fn unknown_keys(file: &Shape) -> Vec<String> {
    let mut lines = Vec::new();
    walk(file, &FILE, "", &mut lines);
    lines
}

fn walk(shape: &Shape, known: &Known, path: &str, lines: &mut Vec<String>) {
    match (shape, known) {
        (Shape::Map(entries), Known::Map(keys)) => {
            for (key, below) in entries {
                let at = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match keys.iter().find(|(name, _)| name == key) {
                    Some((_, known)) => walk(below, known, &at, lines),
                    None => {
                        let nearest = keys.iter().min_by_key(|(name, _)| distance(cut(key), name));
                        let nearest = nearest.map_or("", |(name, _)| name);
                        let line = format!("{at} is no key and is ignored; did you mean {nearest}?");
                        if !lines.contains(&line) {
                            lines.push(line);
                        }
                    }
                }
            }
        }
        (Shape::List(items), known) => {
            for item in items {
                walk(item, known, &format!("{path}[]"), lines);
            }
        }
        _ => {}
    }
}

/// Longer words are no slips, and the distance is quadratic.
fn cut(key: &str) -> &str {
    match key.char_indices().nth(64) {
        Some((end, _)) => &key[..end],
        None => key,
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key()? {
            entries.push((key, map.next_value()?));
        }
        Ok(Shape::Map(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Shape::List(items))
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<Shape, D::Error> {
        Shape::deserialize(value)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<Shape, D::Error> {
        IgnoredAny::deserialize(value).map(|_| Shape::Leaf)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Leaf)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Leaf)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::Leaf)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Leaf)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Leaf)
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Leaf)
    }

    fn visit_none<E>(self) -> Result<Shape, E> {
        Ok(Shape::Leaf)
    }
}
