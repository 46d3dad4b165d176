use kube::core::cel::{CompiledSchema, compile_schema};

use super::*;

/// Calls `visit` with the path and schema of everything in a kind's schema.
fn walk(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        walk(field, &format!("{path}.{name}"), visit);
    }
    if schema["items"].is_object() {
        walk(&schema["items"], &format!("{path}[]"), visit);
    }
    if schema["additionalProperties"].is_object() {
        walk(&schema["additionalProperties"], &format!("{path}{{}}"), visit);
    }
}

fn walk_all(mut visit: impl FnMut(&str, &Value)) {
    for kind in Kind::ALL {
        walk(&kind.schema()["properties"]["spec"], &format!("{}.spec", kind.as_str()), &mut visit);
        walk(&kind.schema()["properties"]["status"], &format!("{}.status", kind.as_str()), &mut visit);
    }
}

#[test]
fn names_are_as_documented() {
    for (kind, short) in Kind::ALL.into_iter().zip(["rlc", "rl", "bpp"]) {
        let definition = kind.definition();
        assert_eq!(definition.metadata.name, Some(format!("{}.{GROUP}", kind.plural())));
        assert_eq!(definition.spec.names.kind, kind.as_str());
        assert_eq!(definition.spec.names.short_names, Some(vec![short.to_owned()]));
        assert_eq!(definition.spec.names.categories, Some(vec!["wicketgate".to_owned()]));
        assert_eq!(definition.spec.versions[0].name, VERSION);
        assert!(definition.spec.versions[0].subresources.as_ref().unwrap().status.is_some());
    }
    let scale = RateLimitCluster::crd().spec.versions[0].subresources.clone().unwrap().scale.unwrap();
    assert_eq!(scale.spec_replicas_path, ".spec.replicas");
    assert_eq!(scale.label_selector_path.as_deref(), Some(".status.selector"));
}

#[test]
fn every_field_is_described() {
    walk_all(|path, schema| {
        let free = path.ends_with("[]") || path.ends_with("{}");
        assert!(free || schema["description"].is_string(), "{path} has no description");
        assert!(!schema["description"].as_str().unwrap_or("").contains('\n'), "{path}");
    });
}

#[test]
fn everything_has_a_bound() {
    // Without bounds the API server must assume the worst of every rule and refuses the definition.
    walk_all(|path, schema| match schema["type"].as_str() {
        Some("string") if schema["enum"].is_array() || schema["format"] == "date-time" => {}
        Some("string") => assert!(schema["maxLength"].is_u64(), "{path} has no maxLength"),
        Some("array") => assert!(schema["maxItems"].is_u64(), "{path} has no maxItems"),
        Some("integer") if path.contains(".spec") => {
            assert!(schema["minimum"].is_i64() && schema["maximum"].is_i64(), "{path} has no bounds");
        }
        Some("object") if schema["additionalProperties"].is_object() => {
            assert!(schema["maxProperties"].is_u64(), "{path} has no maxProperties");
        }
        _ => {}
    });
}

#[test]
fn no_number_is_a_float() {
    walk_all(|path, schema| assert_ne!(schema["type"], "number", "{path}"));
}

#[test]
fn formats_are_those_that_the_api_server_knows() {
    walk_all(|path, schema| {
        let format = schema["format"].as_str().unwrap_or("int32");
        assert!(["int32", "int64", "date-time"].contains(&format), "{path} has the format {format}");
    });
}

#[test]
fn every_pattern_compiles() {
    walk_all(|path, schema| {
        if let Some(pattern) = schema["pattern"].as_str() {
            assert!(regex::Regex::new(pattern).is_ok(), "{path}: {pattern}");
        }
    });
}

#[test]
fn every_rule_compiles_and_has_a_message() {
    fn no_faults(schema: &CompiledSchema) -> bool {
        !schema.has_errors()
            && schema.properties.values().all(no_faults)
            && schema.items.as_deref().is_none_or(no_faults)
            && schema.additional_properties.as_deref().is_none_or(no_faults)
    }
    for kind in Kind::ALL {
        assert!(no_faults(&compile_schema(kind.schema())), "{}", kind.as_str());
    }
    walk_all(|path, schema| {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            assert!(rule["message"].is_string(), "{path}: {rule}");
        }
    });
}

#[test]
fn defaults_fulfil_their_own_schema() {
    // A default is put in place before anything is checked.
    walk_all(|path, schema| {
        if let (Some(default), Some(minimum)) = (schema["default"].as_i64(), schema["minimum"].as_i64()) {
            assert!(default >= minimum, "{path}");
        }
        if let (Some(default), Some(choices)) = (schema.get("default"), schema["enum"].as_array()) {
            assert!(choices.contains(default), "{path}");
        }
        if let (Some(default), Some(pattern)) = (schema["default"].as_str(), schema["pattern"].as_str()) {
            assert!(regex::Regex::new(pattern).unwrap().is_match(default), "{path}: {default}");
        }
    });
}

#[test]
fn bounds_are_written_as_people_write_them() {
    let yaml = render(Kind::RateLimit, Destination::Kubectl).unwrap();
    assert!(yaml.contains("maximum: 9007199254740991\n"), "{yaml}");
    assert!(!yaml.contains("minimum: 0.0"), "{yaml}");
}

#[test]
fn only_the_chart_keeps_definitions() {
    assert!(render(Kind::RateLimit, Destination::Chart).unwrap().contains("helm.sh/resource-policy: keep"));
    assert!(!render_all(Destination::Kubectl).unwrap().contains("helm.sh"));
}
