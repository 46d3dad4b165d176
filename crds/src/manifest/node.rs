//! A document as a tree that knows its lines.
//!
//! Nothing is judged here: what a value should have been is the schema's business, and a tree lets
//! it go on after the first surprise.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_yaml::{
    Spanned, UserMessageFormatter,
    options::{DuplicateKeyPolicy, NonFiniteFloatPolicy},
};

use super::{Found, split::Chunk};

/// A value, its line within the file, and what it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) line: u64,
    pub(super) value: Tree,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; a key may stand there twice.
    Map(Vec<(String, Node)>),
}

/// Parses one document.
pub(super) fn parse(chunk: &Chunk<'_>) -> Result<Node, Found> {
    let offset = chunk.first_line - 1;
    match serde_yaml::from_str_with_options::<Spanned<Tree>>(chunk.text, options()) {
        Ok(spanned) => {
            let mut node = Node { line: spanned.referenced.line(), value: spanned.value };
            node.shift(offset);
            Ok(node)
        }
        Err(error) => {
            let line = error.location().map_or(0, |location| location.line() + offset);
            let formatter = UserMessageFormatter;
            let message = serde_yaml::MessageFormatter::format_message(&formatter, error.without_snippet());
            Err(Found::whole(chunk, line, format!("not readable as YAML: {message}")))
        }
    }
}

/// Bounds that no honest manifest comes near, and that a bomb meets at once.
fn options() -> serde_yaml::Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_events: 200_000,
            max_nodes: 100_000,
            max_depth: 48,
            max_aliases: 200,
            max_anchors: 200,
            max_merge_keys: 100,
            max_documents: 1,
        },
        alias_limits: serde_yaml::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 8,
        },
        // A field given twice is one problem among others, not the end of the document.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        // Octal for some readers and decimal for others: as text it is refused where a number is due.
        leading_zero_numbers_as_strings: true,
        with_snippet: false,
    }
}

impl Node {
    fn shift(&mut self, lines: u64) {
        self.line += lines;
        match &mut self.value {
            Tree::List(items) => items.iter_mut().for_each(|item| item.shift(lines)),
            Tree::Map(fields) => fields.iter_mut().for_each(|(_, field)| field.shift(lines)),
            _ => {}
        }
    }

    /// The field of a map; the first, if it stands there twice.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Tree::Map(fields) => fields.iter().find(|(name, _)| name == key).map(|(_, field)| field),
            _ => None,
        }
    }

    /// The text of a field of a map, if it is one.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.value {
            Tree::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The same as JSON. Fields without a value are left out, so that their defaults apply.
    pub(super) fn to_json(&self) -> Value {
        match &self.value {
            Tree::Null => Value::Null,
            Tree::Bool(value) => Value::Bool(*value),
            Tree::Int(value) => integer(*value).map_or(Value::Null, Value::Number),
            Tree::Float(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
            Tree::Text(text) => Value::String(text.clone()),
            Tree::List(items) => items.iter().map(Self::to_json).collect(),
            Tree::Map(fields) => Value::Object(
                fields
                    .iter()
                    .filter(|(_, field)| field.value != Tree::Null)
                    .map(|(name, field)| (name.clone(), field.to_json()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }
}

fn integer(value: i128) -> Option<Number> {
    i64::try_from(value).map(Number::from).or_else(|_| u64::try_from(value).map(Number::from)).ok()
}

/// A short name of the value, for messages.
impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("nothing"),
            Self::Bool(value) => write!(f, "the boolean {value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) if value.is_nan() => f.write_str("NaN"),
            Self::Float(value) if value.is_infinite() => f.write_str("an infinite number"),
            // The parser reads integers of more than 64 bits as floats.
            Self::Float(value) if value.abs() >= 1e18 => f.write_str("a number beyond 64 bits"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => match text.char_indices().nth(64) {
                Some((end, _)) => write!(f, "{:?}…", &text[..end]),
                None => write!(f, "{text:?}"),
            },
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("a mapping"),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Int(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Tree, E> {
        Ok(Tree::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(Spanned { value, referenced, .. }) = seq.next_element::<Spanned<Tree>>()? {
            items.push(Node { line: referenced.line(), value });
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut fields = Vec::new();
        // A field's line is its key's: that is where one looks for it, wherever its value begins.
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            fields.push((key.value, Node { line: key.referenced.line(), value: map.next_value()? }));
        }
        Ok(Tree::Map(fields))
    }
}
