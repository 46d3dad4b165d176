//! One document: which kind it is, whether it is right, and the object it declares.

use std::sync::LazyLock;

use kube::core::cel::{CompiledSchema, ErrorKind, Validator, compile_schema};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    Found, Manifest,
    check::Check,
    nearest::nearest,
    node::{self, Node, Tree},
    shape::Shape,
    split::Chunk,
};
use crate::{
    definition::{API_VERSION, GROUP, Kind},
    fold,
    reference::{LABEL, SUBDOMAIN},
};

/// What came of a document: an object and the line it begins on, or problems.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) manifest: Option<(Manifest, u64)>,
    pub(super) problems: Vec<Found>,
}

/// A kind's rules, made ready once.
struct Rules {
    schema: Value,
    shape: Shape,
    cel: CompiledSchema,
}

/// Reads one document.
pub(super) fn read(chunk: &Chunk<'_>) -> Checked {
    match read_document(chunk) {
        Ok(found) => Checked { manifest: Some(found), problems: Vec::new() },
        Err(problems) => Checked { manifest: None, problems },
    }
}

fn read_document(chunk: &Chunk<'_>) -> Result<(Manifest, u64), Vec<Found>> {
    let node = node::parse(chunk).map_err(|problem| vec![problem])?;
    let kind = kind_of(&node).map_err(|problem| vec![problem])?;
    let rules = rules(kind);
    let mut check = Check::default();
    check.value(&node, &rules.shape, "");
    if !check.problems.is_empty() {
        check.problems.sort_by_key(|problem| problem.line);
        return Err(check.problems);
    }
    let object = kube::core::cel::apply_defaults(&rules.schema, &node.to_json());
    let broken = broken_rules(rules, &object, &check);
    if !broken.is_empty() {
        return Err(broken);
    }
    let manifest = match kind {
        Kind::RateLimitCluster => typed(object).map(Manifest::RateLimitCluster),
        Kind::RateLimit => typed(object).map(Manifest::RateLimit),
        Kind::BackpressurePolicy => typed(object).map(Manifest::BackpressurePolicy),
    };
    match manifest {
        Ok(Manifest::BackpressurePolicy(policy)) => match fold::check(&policy) {
            Ok(()) => Ok((Manifest::BackpressurePolicy(policy), node.line)),
            Err(fault) => Err(vec![place(&fault, &check)]),
        },
        Ok(manifest) => Ok((manifest, node.line)),
        // What the schema lets through and the types do not: an unreadable timestamp, for one.
        Err(error) => Err(vec![Found::whole(chunk, node.line, error.to_string())]),
    }
}

/// What is wrong with a policy, at the field that its message begins with.
fn place(fault: &str, check: &Check) -> Found {
    let (path, message) = fault.split_once(": ").unwrap_or(("spec", fault));
    Found { line: check.line(path), path: path.to_owned(), message: message.to_owned() }
}

fn kind_of(node: &Node) -> Result<Kind, Found> {
    let problem = |path: &str, message: String| {
        let line = node.get(path).map_or(node.line, |field| field.line);
        Err(Found { line, path: path.to_owned(), message })
    };
    if !matches!(node.value, Tree::Map(_)) {
        return problem("", format!("expected an object with apiVersion and kind, got {}", node.value));
    }
    let names = || Kind::ALL.map(Kind::as_str);
    let Some(api_version) = node.text("apiVersion") else {
        return problem("apiVersion", format!("is required and must be {API_VERSION}"));
    };
    let Some(name) = node.text("kind") else {
        return problem("kind", format!("is required and must be one of {}", names().join(", ")));
    };
    if api_version != API_VERSION {
        let message = if api_version.split('/').next() == Some(GROUP) {
            format!("{api_version:?} is a version that this program does not know: use {API_VERSION}")
        } else {
            format!("{api_version:?} (kind {name}) is not ours: only {API_VERSION} is read here")
        };
        return problem("apiVersion", message);
    }
    match Kind::ALL.into_iter().find(|kind| kind.as_str() == name) {
        Some(kind) => Ok(kind),
        None => {
            let hint = match nearest(name, names()) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("known are {}", names().join(", ")),
            };
            problem("kind", format!("unknown kind {name:?}: {hint}"))
        }
    }
}

fn broken_rules(rules: &Rules, object: &Value, check: &Check) -> Vec<Found> {
    thread_local! {
        // It registers its functions anew whenever one is made, and cannot be shared between threads.
        static VALIDATOR: Validator = Validator::new();
    }
    let outcome = VALIDATOR.with(|validator| validator.validate_compiled(&rules.cel, object, None));
    let Err(errors) = outcome else {
        return Vec::new();
    };
    errors
        .into_vec()
        .into_iter()
        .map(|error| {
            let message = match error.kind {
                ErrorKind::ValidationFailure => error.message,
                _ => format!("the rule {:?} could not be applied: {}", error.rule, error.message),
            };
            Found { line: check.line(&error.field_path), path: error.field_path, message }
        })
        .collect()
}

fn typed<T: DeserializeOwned>(object: Value) -> Result<Box<T>, serde_json::Error> {
    serde_json::from_value(object).map(Box::new)
}

fn rules(kind: Kind) -> &'static Rules {
    static RULES: LazyLock<[Rules; 3]> = LazyLock::new(|| {
        Kind::ALL.map(|kind| {
            let schema = with_header(kind.schema().clone());
            Rules { shape: Shape::compile(&schema), cel: compile_schema(&schema), schema }
        })
    });
    &RULES[kind as usize]
}

/// Adds what every object has and a definition does not repeat.
fn with_header(mut schema: Value) -> Value {
    let opaque = json!({"x-kubernetes-preserve-unknown-fields": true});
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}, "nullable": true});
    let optional_text = json!({"type": "string", "nullable": true});
    schema["properties"]["apiVersion"] = json!({"type": "string"});
    schema["properties"]["kind"] = json!({"type": "string"});
    schema["properties"]["metadata"] = json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 253, "pattern": SUBDOMAIN},
            "namespace": {"type": "string", "minLength": 1, "maxLength": 63, "pattern": LABEL, "nullable": true},
            "labels": texts,
            "annotations": texts,
            // What a server adds, so that `kubectl get -o yaml` can be read.
            "creationTimestamp": optional_text,
            "deletionGracePeriodSeconds": opaque,
            "deletionTimestamp": optional_text,
            "finalizers": opaque,
            "generateName": optional_text,
            "generation": opaque,
            "managedFields": opaque,
            "ownerReferences": opaque,
            "resourceVersion": optional_text,
            "selfLink": optional_text,
            "uid": optional_text,
        },
    });
    schema["required"] = json!(["metadata", "spec"]);
    schema
}
