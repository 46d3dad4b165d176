//! Whether an overlay is a pod template at all.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::{Map, Value};

use super::{super::validate::Findings, FIELD};

/// Reads the overlay as a pod template.
pub(super) fn read(overlay: &Map<String, Value>, findings: &mut Findings) -> Option<PodTemplateSpec> {
    let overlay = Value::Object(overlay.clone());
    let template = match serde_json::from_value::<PodTemplateSpec>(overlay.clone()) {
        Ok(template) => template,
        Err(error) => {
            let (field, value, fault) = culprit(&overlay, error.to_string());
            findings.refuse(field, value, format!("{fault}: write it as a pod template has it"));
            return None;
        }
    };
    // Written again, a template has all that was understood; what is missing then was not.
    match serde_json::to_value(&template) {
        Ok(understood) => compare(FIELD, &overlay, &understood, findings),
        Err(error) => findings.refuse(FIELD, "no pod template", error),
    }
    Some(template)
}

fn compare(path: &str, given: &Value, understood: &Value, findings: &mut Findings) {
    match (given, understood) {
        (Value::Object(given), Value::Object(understood)) => {
            for (key, value) in given {
                let path = member(path, key);
                match (value, understood.get(key)) {
                    (Value::Null, _) => {
                        let remedy =
                            "an overlay adds and replaces and takes nothing away: leave the field out";
                        findings.refuse(path, value, remedy);
                    }
                    (_, Some(understood)) => compare(&path, value, understood, findings),
                    (_, None) => {
                        findings.refuse(path, value, "a pod template has no such field: see to its spelling");
                    }
                }
            }
        }
        (Value::Array(given), Value::Array(understood)) => {
            for (index, (value, understood)) in given.iter().zip(understood).enumerate() {
                compare(&format!("{path}[{index}]"), value, understood, findings);
            }
        }
        _ => {}
    }
}

/// One step from the overlay to a part of it.
#[derive(Clone)]
enum Step {
    Key(String),
    Index(usize),
}

/// The innermost value of the wrong type, and what is wrong with it. What fails to read does not say
/// where, so each part is read by itself, and the first that fails is looked into.
fn culprit(overlay: &Value, fault: String) -> (String, &Value, String) {
    let (mut path, mut here, mut fault) = (FIELD.to_owned(), overlay, fault);
    let mut steps = Vec::new();
    while misread(&steps, emptied(here)).is_none() {
        let failing = children(here).into_iter().find_map(|(step, child)| {
            steps.push(step.clone());
            let error = misread(&steps, child.clone());
            steps.pop();
            Some((step, child, error?))
        });
        let Some((step, child, error)) = failing else { break };
        path = match &step {
            Step::Key(key) => member(&path, key),
            Step::Index(index) => format!("{path}[{index}]"),
        };
        (here, fault) = (child, error);
        steps.push(step);
    }
    (path, here, fault)
}

/// Why a template that has this value at this place, and nothing else, cannot be read.
fn misread(steps: &[Step], value: Value) -> Option<String> {
    let alone = steps.iter().rev().fold(value, |inner, step| match step {
        Step::Key(key) => Value::Object(Map::from_iter([(key.clone(), inner)])),
        Step::Index(_) => Value::Array(vec![inner]),
    });
    serde_json::from_value::<PodTemplateSpec>(alone).err().map(|error| error.to_string())
}

/// The value without its parts: whether it is of the right kind at all.
fn emptied(value: &Value) -> Value {
    match value {
        Value::Object(_) => Value::Object(Map::new()),
        Value::Array(_) => Value::Array(Vec::new()),
        scalar => scalar.clone(),
    }
}

fn children(value: &Value) -> Vec<(Step, &Value)> {
    match value {
        Value::Object(members) => {
            members.iter().map(|(key, value)| (Step::Key(key.clone()), value)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(i, value)| (Step::Index(i), value)).collect(),
        _ => Vec::new(),
    }
}

fn member(path: &str, key: &str) -> String {
    if key.bytes().all(|c| c.is_ascii_alphanumeric()) {
        format!("{path}.{key}")
    } else {
        format!("{path}[{key:?}]")
    }
}
