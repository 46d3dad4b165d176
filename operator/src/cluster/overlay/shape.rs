//! Whether an overlay is a pod template at all.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::{Map, Value};

use super::{super::validate::Findings, FIELD};

/// Reads the overlay as a pod template.
pub(super) fn read(overlay: &Map<String, Value>, findings: &mut Findings) -> Option<PodTemplateSpec> {
    let overlay = Value::Object(overlay.clone());
    let template = match serde_json::from_value::<PodTemplateSpec>(overlay.clone()) {
        Ok(template) => template,
        Err(_) => {
            refuse_culprit(&overlay, findings);
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

/// Finds the innermost value of the wrong type, since what fails to read does not say where: each
/// part is read by itself, and the first that fails is looked into.
fn refuse_culprit(overlay: &Value, findings: &mut Findings) {
    let mut path = FIELD.to_owned();
    let mut steps = Vec::new();
    let mut here = overlay;
    let mut fault = String::new();
    loop {
        let failing = children(here).into_iter().find_map(|(step, child)| {
            steps.push(step.clone());
            let alone = serde_json::from_value::<PodTemplateSpec>(wrap(&steps, child));
            steps.pop();
            alone.err().map(|error| (step, child, error.to_string()))
        });
        let Some((step, child, error)) = failing else { break };
        path = match &step {
            Step::Key(key) => member(&path, key),
            Step::Index(index) => format!("{path}[{index}]"),
        };
        steps.push(step);
        here = child;
        fault = error;
    }
    findings.refuse(path, here, format!("{fault}: write it as a pod template has it"));
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

/// A template that has this value at this place, and nothing else.
fn wrap(steps: &[Step], value: &Value) -> Value {
    steps.iter().rev().fold(value.clone(), |inner, step| match step {
        Step::Key(key) => Value::Object(Map::from_iter([(key.clone(), inner)])),
        Step::Index(_) => Value::Array(vec![inner]),
    })
}

fn member(path: &str, key: &str) -> String {
    if key.bytes().all(|c| c.is_ascii_alphanumeric()) {
        format!("{path}.{key}")
    } else {
        format!("{path}[{key:?}]")
    }
}
