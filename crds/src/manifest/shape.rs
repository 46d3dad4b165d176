//! A kind's schema, made ready for checking: patterns compiled, references to JSON gone.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use crate::duration;

/// What a value must be.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) form: Form,
    /// Nothing may stand in its place: it may be null, or a default takes over.
    pub(super) optional: bool,
}

/// What a value must be, apart from whether it may be missing.
#[derive(Debug)]
pub(super) enum Form {
    Any,
    Bool,
    Int {
        min: Option<i128>,
        max: Option<i128>,
    },
    Text(TextForm),
    /// A number as text, or an integer.
    Decimal(TextForm),
    List {
        items: Box<Shape>,
        min: Option<usize>,
        max: Option<usize>,
        unique: Unique,
    },
    /// Named fields; others are unknown.
    Fields {
        fields: BTreeMap<String, Shape>,
        required: Vec<String>,
    },
    /// Free keys.
    Map {
        values: Box<Shape>,
        max: Option<usize>,
    },
}

/// What a text must be.
#[derive(Debug, Default)]
pub(super) struct TextForm {
    pub(super) min: Option<usize>,
    pub(super) max: Option<usize>,
    pub(super) pattern: Option<Regex>,
    pub(super) choices: Vec<String>,
    /// The pattern is a duration's, whose own parser says better what is wrong.
    pub(super) duration: bool,
}

/// Which items of a list may not be alike.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unique {
    No,
    Whole,
    By(Vec<String>),
}

impl Shape {
    /// Reads a structural schema. What a schema does not say is not checked.
    pub(super) fn compile(schema: &Value) -> Self {
        let optional = schema["nullable"] == true || schema.get("default").is_some();
        Self { form: Form::compile(schema), optional }
    }
}

impl Form {
    fn compile(schema: &Value) -> Self {
        if schema["x-kubernetes-int-or-string"] == true {
            return Self::Decimal(TextForm::compile(schema));
        }
        match schema["type"].as_str() {
            Some("boolean") => Self::Bool,
            Some("integer") => {
                Self::Int { min: integer(&schema["minimum"]), max: integer(&schema["maximum"]) }
            }
            Some("string") => Self::Text(TextForm::compile(schema)),
            Some("array") => Self::List {
                items: Box::new(Shape::compile(&schema["items"])),
                min: size(&schema["minItems"]),
                max: size(&schema["maxItems"]),
                unique: match schema["x-kubernetes-list-type"].as_str() {
                    Some("set") => Unique::Whole,
                    Some("map") => Unique::By(texts(&schema["x-kubernetes-list-map-keys"])),
                    _ => Unique::No,
                },
            },
            Some("object") => Self::compile_object(schema),
            _ => Self::Any,
        }
    }

    fn compile_object(schema: &Value) -> Self {
        if let Some(fields) = schema["properties"].as_object() {
            let fields = fields.iter().map(|(name, field)| (name.clone(), Shape::compile(field))).collect();
            return Self::Fields { fields, required: texts(&schema["required"]) };
        }
        match &schema["additionalProperties"] {
            values @ Value::Object(_) => {
                Self::Map { values: Box::new(Shape::compile(values)), max: size(&schema["maxProperties"]) }
            }
            _ => {
                let any = Shape { form: Self::Any, optional: true };
                Self::Map { values: Box::new(any), max: None }
            }
        }
    }
}

impl TextForm {
    fn compile(schema: &Value) -> Self {
        let pattern = schema["pattern"].as_str();
        Self {
            min: size(&schema["minLength"]),
            max: size(&schema["maxLength"]),
            // A test compiles every pattern, so that none is dropped here.
            pattern: pattern.and_then(|pattern| Regex::new(pattern).ok()),
            choices: texts(&schema["enum"]),
            duration: pattern == Some(duration::PATTERN),
        }
    }
}

fn size(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|size| usize::try_from(size).ok())
}

fn integer(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from)
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
