package tokenidp

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// expandPlaceholders expands {env.NAME} and {file./path} in all texts of a module's
// configuration. Other placeholders have no value when a configuration is loaded, and
// are an error. Texts that are read later, or have braces of their own, have the tag
// placeholders:"kept".
func expandPlaceholders(module any) error {
	return expandFields(reflect.ValueOf(module).Elem())
}

func expandFields(v reflect.Value) error {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && field.IsExported():
			if err := expandFields(v.Field(i)); err != nil {
				return err
			}
		case name == "" || name == "source" || field.Tag.Get("placeholders") == "kept":
		default:
			if err := expandValue(v.Field(i)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

func expandValue(v reflect.Value) (err error) {
	if v.Kind() == reflect.Struct {
		return expandFields(v)
	}
	if v.Kind() == reflect.Slice {
		for i := 0; i < v.Len() && err == nil; i++ {
			err = expandValue(v.Index(i))
		}
		return err
	}
	if v.Kind() == reflect.String {
		var text string
		text, err = caddy.NewReplacer().ReplaceFunc(v.String(), placeholderValue)
		v.SetString(text)
	}
	return err
}

func placeholderValue(name string, value any) (any, error) {
	known := strings.HasPrefix(name, "env.") || strings.HasPrefix(name, "file.")
	switch {
	case !known:
		return nil, fmt.Errorf(`the placeholder {%s} has no value when the configuration is loaded; write the value itself, or {env.NAME} or {file./path}; a brace of the text is \{`, name)
	case caddy.ToString(value) == "":
		return nil, fmt.Errorf("the placeholder {%s} is empty; set the environment variable, or write the file", name)
	}
	return value, nil
}
