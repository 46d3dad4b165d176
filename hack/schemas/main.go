// Command schemas writes JSON Schemas that kubeconform checks manifests against, so that the check needs no network:
// those of Kubernetes from its published OpenAPI file, and those of our kinds from their definitions.
//
//	schemas OUT SWAGGER.json DEFINITION.yaml...
//	schemas spec DEFINITION.yaml
//
// The second form prints the schema of a kind's spec on one line, without prose, for the chart's values.schema.json.
// The first writes files:
// OUT/GROUP/VERSION/KIND.json (lower case, as kubeconform fills in {{ .Group }}: the core group is "v1") refuses fields that the API server does not know.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

type object = map[string]any

func main() {
	var err error
	switch arguments := os.Args[1:]; {
	case len(arguments) == 2 && arguments[0] == "spec":
		err = printSpec(arguments[1])
	case len(arguments) >= 2:
		err = run(arguments[0], arguments[1], arguments[2:])
	default:
		fmt.Fprintln(os.Stderr, "usage: schemas OUT SWAGGER.json DEFINITION.yaml... | schemas spec DEFINITION.yaml")
		os.Exit(64)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(70)
	}
}

func run(out, swagger string, definitions []string) error {
	if err := builtIn(out, swagger); err != nil {
		return err
	}
	for _, path := range definitions {
		if err := custom(out, path); err != nil {
			return err
		}
	}
	return nil
}

// builtIn writes the kinds that stand in Kubernetes' OpenAPI v2 file, each with what it refers to.
func builtIn(out, swagger string) error {
	text, err := os.ReadFile(swagger)
	if err != nil {
		return err
	}
	var file struct{ Definitions map[string]object }
	if err := json.Unmarshal(text, &file); err != nil {
		return fmt.Errorf("%s: %w", swagger, err)
	}
	for name := range file.Definitions {
		file.Definitions[name] = refined(name, file.Definitions[name])
	}
	for name, definition := range file.Definitions {
		kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
		// Options of calls are listed under every group; they are no objects that anybody writes.
		if len(kinds) != 1 || !isObject(definition) {
			continue
		}
		kind, _ := kinds[0].(object)
		needed := map[string]object{}
		collect(name, file.Definitions, needed)
		schema := object{"$ref": "#/definitions/" + name, "definitions": needed}
		if err := write(out, field(kind, "group"), field(kind, "version"), field(kind, "kind"), schema); err != nil {
			return err
		}
	}
	return nil
}

// refined makes a definition say what the API server does: unknown fields are refused, and the two types that are
// written as strings or numbers may be either.
func refined(name string, definition object) object {
	switch {
	case strings.HasSuffix(name, ".util.intstr.IntOrString"):
		return object{"type": []string{"string", "integer"}}
	case strings.HasSuffix(name, ".api.resource.Quantity"):
		return object{"type": []string{"string", "number"}}
	}
	strict(definition)
	return definition
}

// definition is what of a CustomResourceDefinition matters here.
type definition struct {
	Spec struct {
		Group    string
		Names    struct{ Kind string }
		Versions []version
	}
}

type version struct {
	Name   string
	Schema struct{ OpenAPIV3Schema object }
}

func (version version) properties() (object, error) {
	properties, ok := version.Schema.OpenAPIV3Schema["properties"].(object)
	if !ok {
		return nil, fmt.Errorf("version %s has no properties", version.Name)
	}
	return properties, nil
}

func read(path string) (definition, error) {
	var read definition
	text, err := os.ReadFile(path)
	if err != nil {
		return read, err
	}
	if err := yaml.Unmarshal(text, &read); err != nil {
		return read, fmt.Errorf("%s: %w", path, err)
	}
	if len(read.Spec.Versions) == 0 {
		return read, fmt.Errorf("%s is no CustomResourceDefinition: it has no versions", path)
	}
	return read, nil
}

// printSpec prints the schema of the spec of a definition's first version.
func printSpec(path string) error {
	definition, err := read(path)
	if err != nil {
		return err
	}
	properties, err := definition.Spec.Versions[0].properties()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	spec, ok := properties["spec"].(object)
	if !ok {
		return fmt.Errorf("%s has no spec", path)
	}
	strict(spec)
	bare(spec)
	text, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	_, err = fmt.Println(string(text))
	return err
}

// bare takes out what checks nothing. A field may be called `description`; a schema's own is a text.
func bare(schema any) {
	switch node := schema.(type) {
	case []any:
		for _, item := range node {
			bare(item)
		}
	case object:
		for key, child := range node {
			_, prose := child.(string)
			if strings.HasPrefix(key, "x-kubernetes-") || key == "default" || key == "nullable" || key == "description" && prose {
				delete(node, key)
				continue
			}
			bare(child)
		}
	}
}

// custom writes the kind of one CustomResourceDefinition.
func custom(out, path string) error {
	definition, err := read(path)
	if err != nil {
		return err
	}
	spec := definition.Spec
	for _, version := range spec.Versions {
		schema := version.Schema.OpenAPIV3Schema
		properties, err := version.properties()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		// What every object has, and a definition need not repeat.
		properties["apiVersion"] = object{"const": spec.Group + "/" + version.Name}
		properties["kind"] = object{"const": spec.Names.Kind}
		properties["metadata"] = object{"type": "object", "required": []string{"name"}}
		strict(schema)
		if err := write(out, spec.Group, version.Name, spec.Names.Kind, schema); err != nil {
			return err
		}
	}
	return nil
}

// strict refuses unknown fields throughout, and turns what OpenAPI says in its own words into JSON Schema.
func strict(schema any) {
	switch node := schema.(type) {
	case []any:
		for _, item := range node {
			strict(item)
		}
	case object:
		for _, child := range node {
			strict(child)
		}
		_, declared := node["properties"].(object)
		_, open := node["additionalProperties"]
		keeps, _ := node["x-kubernetes-preserve-unknown-fields"].(bool)
		if declared && !open && !keeps && isObject(node) {
			node["additionalProperties"] = false
		}
		if either, _ := node["x-kubernetes-int-or-string"].(bool); either {
			node["type"] = []string{"integer", "string"}
			delete(node, "anyOf")
		}
		if nullable, _ := node["nullable"].(bool); nullable {
			if kind, ok := node["type"].(string); ok {
				node["type"] = []string{kind, "null"}
			}
			if values, ok := node["enum"].([]any); ok {
				node["enum"] = append(values, nil)
			}
		}
	}
}

func isObject(node object) bool {
	kind, _ := node["type"].(string)
	return kind == "object"
}

// collect adds the named definition and all that it refers to.
func collect(name string, all, into map[string]object) {
	if _, done := into[name]; done {
		return
	}
	into[name] = all[name]
	follow(all[name], func(to string) { collect(to, all, into) })
}

func follow(node any, found func(string)) {
	switch node := node.(type) {
	case []any:
		for _, item := range node {
			follow(item, found)
		}
	case object:
		for key, child := range node {
			if to, ok := child.(string); ok && key == "$ref" {
				found(strings.TrimPrefix(to, "#/definitions/"))
				continue
			}
			follow(child, found)
		}
	}
}

func field(from object, key string) string {
	text, _ := from[key].(string)
	return text
}

func write(out, group, version, kind string, schema object) error {
	if group == "" {
		group = version
	}
	folder := filepath.Join(out, group, version)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	text, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, strings.ToLower(kind)+".json"), text, 0o644)
}
