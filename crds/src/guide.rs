//! A reference of the three kinds for people, from the same schemas that the API server gets.

use std::fmt::Write;

use serde_json::Value;

use crate::{decimal, definition::Kind, duration};

const INTRODUCTION: &str = "\
# The resources

Generated from the types in `crds/src`: change those, then run `cargo run -p wicketgate-crds`.

Group `wicketgate.dev`, version `v1alpha1`, all namespaced, all in the category `wicketgate`
(`kubectl get wicketgate`). The folder `examples/` has them in use.

- A *duration* is written as in Go, with the units `ns`, `us`, `ms`, `s`, `m`, `h`, and `d` for 24
  hours: `500us`, `1h30m`, `7d`. It is never negative.
- A *decimal* is a string (`\"0.8\"`) or an integer (`2`), never a float.
- Fields without a default may be left out unless they are *required*.
";

/// The reference as Markdown.
pub fn render() -> String {
    let mut text = INTRODUCTION.to_owned();
    for kind in Kind::ALL {
        // Writing to a string cannot fail.
        let _ = render_kind(&mut text, kind);
    }
    text
}

fn render_kind(text: &mut String, kind: Kind) -> std::fmt::Result {
    let definition = kind.definition_value();
    let schema = kind.schema();
    writeln!(text, "\n## {}\n\n{}\n", kind.as_str(), words(&schema["description"]))?;
    writeln!(
        text,
        "Short name `{}`. Columns of `kubectl get`:\n",
        words(&definition["spec"]["names"]["shortNames"][0])
    )?;
    writeln!(text, "| Column | Shows |\n|---|---|")?;
    for column in
        definition["spec"]["versions"][0]["additionalPrinterColumns"].as_array().into_iter().flatten()
    {
        let path = words(&column["jsonPath"]);
        let shows = match words(&column["description"]) {
            "" => format!("`{}`", path.trim_start_matches('.')),
            description => description.to_owned(),
        };
        writeln!(text, "| {} | {} |", words(&column["name"]), cell(&shows))?;
    }
    for part in ["spec", "status"] {
        let mut rows = Vec::new();
        collect(&schema["properties"][part], "", &mut rows);
        writeln!(
            text,
            "\n### {}: {part}\n\n| Field | Type | Default | Meaning |\n|---|---|---|---|",
            kind.as_str()
        )?;
        for row in rows {
            writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                row.path,
                cell(&row.form),
                cell(&row.default),
                cell(&row.meaning)
            )?;
        }
    }
    let mut rules = Vec::new();
    collect_rules(schema, "", &mut rules);
    writeln!(text, "\n### {}: rules\n\n| Of | Rule |\n|---|---|", kind.as_str())?;
    for (path, message) in rules {
        let of = if path.is_empty() { "the object" } else { &format!("`{path}`") };
        writeln!(text, "| {of} | {} |", cell(&message))?;
    }
    Ok(())
}

/// A line of a table of fields.
struct Row {
    path: String,
    form: String,
    default: String,
    meaning: String,
}

/// Adds a row for each field below `schema`, in depth first order.
fn collect(schema: &Value, path: &str, rows: &mut Vec<Row>) {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let nested = !field["properties"].is_null();
        let default = match field.get("default") {
            _ if required.contains(&name.as_str()) => "*required*".to_owned(),
            // The rows of the fields below have theirs.
            Some(Value::Object(fields)) if nested && !fields.is_empty() => String::new(),
            Some(default) => format!("`{default}`"),
            None => String::new(),
        };
        rows.push(Row {
            form: form(field),
            default,
            meaning: words(&field["description"]).to_owned(),
            path: path.clone(),
        });
        collect(field, &path, rows);
        collect(&field["items"], &format!("{path}[]"), rows);
    }
}

/// What a field may hold, in a few words.
fn form(schema: &Value) -> String {
    if let Some(choices) = schema["enum"].as_array() {
        return choices.iter().map(|choice| format!("`{}`", words(choice))).collect::<Vec<_>>().join(", ");
    }
    let pattern = schema["pattern"].as_str();
    match schema["type"].as_str() {
        _ if pattern == Some(duration::PATTERN) => "duration".to_owned(),
        _ if pattern == Some(decimal::PATTERN) => "decimal".to_owned(),
        Some("string") if schema["format"] == "date-time" => "time".to_owned(),
        Some("string") => match schema["maxLength"].as_u64() {
            Some(max) => format!("text, up to {max} characters"),
            None => "text".to_owned(),
        },
        Some("integer") => match (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
            (Some(min), Some(max)) => format!("integer, {min} to {max}"),
            _ => "integer".to_owned(),
        },
        Some("boolean") => "true or false".to_owned(),
        Some("array") => {
            let items = match schema["items"]["type"].as_str() {
                Some("object") | None => String::new(),
                Some(_) => format!(" of {}", form(&schema["items"])),
            };
            match schema["maxItems"].as_u64() {
                Some(max) => format!("list of up to {max}{items}"),
                None => format!("list{items}"),
            }
        }
        Some("object") if schema["additionalProperties"].is_object() => {
            match schema["maxProperties"].as_u64() {
                Some(max) => format!("map of up to {max}"),
                None => "map".to_owned(),
            }
        }
        _ => "object".to_owned(),
    }
}

fn collect_rules(schema: &Value, path: &str, rules: &mut Vec<(String, String)>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        rules.push((path.to_owned(), words(&rule["message"]).to_owned()));
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        collect_rules(field, &path, rules);
        collect_rules(&field["items"], &format!("{path}[]"), rules);
    }
}

fn words(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A table's cell may not hold what ends it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
