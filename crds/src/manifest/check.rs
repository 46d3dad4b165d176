//! Compares a tree with what its schema says, and goes on after each problem.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    Found,
    nearest::nearest,
    node::{Node, Tree},
    shape::{Form, Shape, TextForm, Unique},
};
use crate::{
    duration::GoDuration,
    reference::{LABEL, SUBDOMAIN},
};

/// What a check found, and the line of every field it saw.
#[derive(Debug, Default)]
pub(super) struct Check {
    pub(super) problems: Vec<Found>,
    lines: HashMap<String, u64>,
}

impl Check {
    /// Compares a value with its shape. `path` is the value's own.
    pub(super) fn value(&mut self, node: &Node, shape: &Shape, path: &str) {
        self.lines.insert(path.to_owned(), node.line);
        if node.value == Tree::Null {
            if !shape.optional && !matches!(shape.form, Form::Any) {
                self.problem(node, path, "has no value: give one, or leave the field out".to_owned());
            }
            return;
        }
        match (&shape.form, &node.value) {
            (Form::Any, _) | (Form::Bool, Tree::Bool(_)) => {}
            (Form::Bool, other) => self.problem(node, path, format!("expected true or false, got {other}")),
            (Form::Int { min, max }, Tree::Int(value)) => self.int(node, *value, *min, *max, path),
            (Form::Int { .. }, other) => self.problem(node, path, not_an_integer(other)),
            (Form::Text(form), Tree::Text(text)) => self.text(node, text, form, path),
            (Form::Text(form), other) => self.problem(node, path, not_a_text(other, form)),
            (Form::Decimal(_), Tree::Int(_)) => {}
            (Form::Decimal(form), Tree::Text(text)) => self.decimal(node, text, form, path),
            (Form::Decimal(_), other) => self.problem(node, path, not_a_decimal(other)),
            (Form::List { items, min, max, unique }, Tree::List(list)) => {
                self.size(node, path, "items", list.len(), *min, *max);
                for (index, item) in list.iter().enumerate() {
                    self.value(item, items, &format!("{path}[{index}]"));
                }
                self.unique(list, unique, path);
            }
            (Form::List { .. }, other) => self.problem(node, path, format!("expected a list, got {other}")),
            (Form::Fields { fields, required }, Tree::Map(given)) => {
                self.fields(node, given, fields, required, path);
            }
            (Form::Map { values, max }, Tree::Map(given)) => {
                self.size(node, path, "entries", given.len(), None, *max);
                self.duplicates(given, path);
                for (key, value) in given {
                    self.value(value, values, &entry(path, key));
                }
            }
            (Form::Fields { .. } | Form::Map { .. }, other) => {
                self.problem(node, path, format!("expected a mapping, got {other}"));
            }
        }
    }

    /// The line of a field, or of what encloses it.
    pub(super) fn line(&self, path: &str) -> u64 {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return *line;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return self.lines.get("").copied().unwrap_or(1),
            }
        }
    }

    fn problem(&mut self, node: &Node, path: &str, message: String) {
        self.problems.push(Found { line: node.line, path: path.to_owned(), message });
    }

    fn int(&mut self, node: &Node, value: i128, min: Option<i128>, max: Option<i128>, path: &str) {
        if let Some(min) = min.filter(|min| value < *min) {
            self.problem(node, path, format!("{value} is too small: at least {min}"));
        }
        if let Some(max) = max.filter(|max| value > *max) {
            self.problem(node, path, format!("{value} is too large: at most {max}"));
        }
    }

    fn text(&mut self, node: &Node, text: &str, form: &TextForm, path: &str) {
        if !form.choices.is_empty() {
            if !form.choices.iter().any(|choice| choice == text) {
                let choices = form.choices.join(", ");
                self.problem(node, path, format!("{} is none of {choices}", node.value));
            }
            return;
        }
        let length = text.chars().count();
        if form.min == Some(1) && length == 0 {
            return self.problem(node, path, "must not be empty".to_owned());
        }
        if form.duration {
            if let Err(error) = text.parse::<GoDuration>() {
                self.problem(node, path, error.to_string());
            }
            return;
        }
        self.size(node, path, "characters", length, form.min, form.max);
        if let Some(pattern) = form.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
            let rule = match pattern.as_str() {
                LABEL => {
                    "must be of a-z, 0-9 and '-', beginning and ending with a letter or digit".to_owned()
                }
                SUBDOMAIN => {
                    "must be of a-z, 0-9, '-' and '.', each part beginning and ending with a letter or digit"
                        .to_owned()
                }
                pattern => format!("must match {pattern}"),
            };
            self.problem(node, path, format!("{} {rule}", node.value));
        }
    }

    fn decimal(&mut self, node: &Node, text: &str, form: &TextForm, path: &str) {
        if form.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(text)) {
            self.problem(node, path, not_a_decimal(&node.value));
        }
    }

    fn size(
        &mut self,
        node: &Node,
        path: &str,
        what: &str,
        size: usize,
        min: Option<usize>,
        max: Option<usize>,
    ) {
        if let Some(min) = min.filter(|min| size < *min) {
            self.problem(node, path, format!("{size} {what} are too few: at least {min}"));
        }
        if let Some(max) = max.filter(|max| size > *max) {
            self.problem(node, path, format!("{size} {what} are too many: at most {max}"));
        }
    }

    fn unique(&mut self, list: &[Node], unique: &Unique, path: &str) {
        let mut seen = HashSet::new();
        for (index, item) in list.iter().enumerate() {
            let identity = match unique {
                Unique::No => return,
                Unique::Whole => item.value.to_string(),
                Unique::By(keys) => keys
                    .iter()
                    .map(|key| item.get(key).map_or_else(String::new, |k| k.value.to_string()))
                    .collect(),
            };
            if !seen.insert(identity.clone()) {
                self.problem(item, &format!("{path}[{index}]"), format!("{identity} is in the list twice"));
            }
        }
    }

    fn fields(
        &mut self,
        node: &Node,
        given: &[(String, Node)],
        fields: &BTreeMap<String, Shape>,
        required: &[String],
        path: &str,
    ) {
        self.duplicates(given, path);
        for (name, value) in given {
            match fields.get(name) {
                Some(shape) => self.value(value, shape, &join(path, name)),
                None => {
                    let hint = match nearest(name, fields.keys().map(String::as_str)) {
                        Some(meant) => format!("did you mean {meant}?"),
                        None => format!("known are {}", list(fields.keys())),
                    };
                    self.problem(value, &entry_or_field(path, name), format!("unknown field: {hint}"));
                }
            }
        }
        for name in required {
            if !given.iter().any(|(given, _)| given == name) {
                self.problem(node, &join(path, name), "is required and missing".to_owned());
            }
        }
    }

    fn duplicates(&mut self, given: &[(String, Node)], path: &str) {
        let mut seen = HashSet::new();
        for (name, value) in given {
            if !seen.insert(name) {
                self.problem(value, &entry_or_field(path, name), "is given twice".to_owned());
            }
        }
    }
}

fn not_an_integer(given: &Tree) -> String {
    match given {
        Tree::Text(text) if text.parse::<i64>().is_ok() => {
            format!("expected an integer, got the text {given}: leave out the quotes and leading zeros")
        }
        _ => format!("expected an integer, got {given}"),
    }
}

fn not_a_text(given: &Tree, form: &TextForm) -> String {
    match given {
        Tree::Int(_) | Tree::Float(_) if form.duration => {
            format!("expected a duration with its unit, such as \"30s\", got {given}")
        }
        Tree::Int(_) | Tree::Float(_) | Tree::Bool(_) if form.choices.is_empty() => {
            format!("expected a text, got {given}: put it in quotes")
        }
        _ if form.choices.is_empty() => format!("expected a text, got {given}"),
        _ => format!("expected one of {}, got {given}", form.choices.join(", ")),
    }
}

fn not_a_decimal(given: &Tree) -> String {
    match given {
        Tree::Float(value) if value.is_finite() => {
            format!("expected a decimal number in quotes (\"{value}\") or an integer, got the float {given}")
        }
        _ => format!("expected a decimal number in quotes (\"0.8\") or an integer (2), got {given}"),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The path of an entry with a free key.
fn entry(path: &str, key: &str) -> String {
    let key: String = key.chars().take(64).collect();
    format!("{path}[{key:?}]")
}

/// The path of something that may not be a field's name.
fn entry_or_field(path: &str, name: &str) -> String {
    let plain = !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric());
    if plain { join(path, name) } else { entry(path, name) }
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}
