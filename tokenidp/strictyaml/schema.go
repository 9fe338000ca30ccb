package strictyaml

import "maps"

// Schema is a JSON Schema, draft 7.
type Schema map[string]any

// valueDefinition is the definition that a schema with a [JSON] type needs.
const valueDefinition = "value"

// Schema returns the JSON Schema of a document that is the Object. It refuses what the
// reader refuses, except for the meaning of values and the spelling of YAML.
func (o *Object) Schema() Schema {
	s := o.schema()
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	value := Schema{"$ref": "#/definitions/" + valueDefinition}
	s["definitions"] = Schema{valueDefinition: Schema{
		"description":          "A text, a number, true, false, a list or a mapping.",
		"type":                 []string{"string", "number", "boolean", "array", "object"},
		"items":                value,
		"additionalProperties": value,
	}}
	return s
}

func (o *Object) schema() Schema {
	properties := Schema{}
	var required []string
	for i := range o.Fields {
		f := &o.Fields[i]
		properties[f.Name] = f.schema()
		if f.Required {
			required = append(required, f.Name)
		}
	}
	s := Schema{"type": "object", "properties": properties, "additionalProperties": false}
	s.set("title", o.Title)
	s.set("description", o.Description)
	if required != nil {
		s["required"] = required
	}
	var conditions []Schema
	for _, c := range o.Choices {
		conditions = append(conditions, c.schema())
	}
	if conditions = append(conditions, o.Conditions...); conditions != nil {
		s["allOf"] = conditions
	}
	return s
}

func (f *Field) schema() Schema {
	s := f.Type.schema()
	s.set("description", f.Description)
	if f.Default != nil {
		s["default"] = f.Default
	}
	if f.Examples != nil {
		s["examples"] = f.Examples
	}
	return s
}

func (s Schema) set(keyword, text string) {
	if text != "" {
		s[keyword] = text
	}
}

// With returns the Schema with further keywords.
func (s Schema) With(more Schema) Schema {
	all := maps.Clone(s)
	maps.Copy(all, more)
	return all
}

func (c Choice) schema() Schema {
	var each []Schema
	for _, name := range c.Of {
		each = append(each, Has(name))
	}
	switch {
	case c.Several == "":
		return Schema{"anyOf": each}
	case c.None == "":
		each = append(each, Schema{"not": Schema{"anyOf": each}})
	}
	return Schema{"oneOf": each}
}

// Has returns the Schema of mappings with the field.
func Has(field string) Schema { return Schema{"required": []string{field}} }

// HasAny returns the Schema of mappings with one or more of the fields.
func HasAny(fields []string) Schema {
	var each []Schema
	for _, field := range fields {
		each = append(each, Has(field))
	}
	return Schema{"anyOf": each}
}

func (f *Format) schema() Schema {
	s := Schema{"type": "string"}
	if f == nil {
		return s
	}
	if f.OneOf != nil {
		s["enum"] = f.OneOf
	}
	s.set("pattern", f.Pattern)
	s.set("patternErrorMessage", f.Says)
	if f.Not != "" {
		s["not"] = Schema{"pattern": f.Not}
	}
	if f.Longest > 0 {
		s["maxLength"] = f.Longest
	}
	return s
}

func (t Text) schema() Schema { return t.Format.schema() }

func (t Spelling) schema() Schema { return t.Format.schema() }

func (t Bool) schema() Schema {
	if t.True != "" {
		return Schema{"const": true}
	}
	return Schema{"type": "boolean"}
}

func (t Count) schema() Schema {
	return Schema{"type": "integer", "minimum": 1, "maximum": t.Most}
}

func (t List) schema() Schema {
	s := Schema{"type": "array", "items": t.Of.schema()}
	if t.NotEmpty {
		s["minItems"] = 1
	}
	if t.Most > 0 {
		s["maxItems"] = t.Most
	}
	if t.Unique {
		s["uniqueItems"] = true
	}
	return s
}

func (t OneOrMore) schema() Schema {
	one := t.Of.schema()
	return Schema{"anyOf": []Schema{one, {"type": "array", "items": one, "minItems": 1}}}
}

func (t Map) schema() Schema {
	s := Schema{"type": "object", "propertyNames": t.Names.schema(), "additionalProperties": t.Values.schema()}
	if t.NotEmpty {
		s["minProperties"] = 1
	}
	return s
}

func (t JSON) schema() Schema {
	value := Schema{"$ref": "#/definitions/" + valueDefinition}
	if t.Object == "" {
		return value
	}
	s := Schema{"type": "object", "additionalProperties": value}
	if t.Never != nil {
		s["not"] = HasAny(t.Never)
	}
	return s
}
