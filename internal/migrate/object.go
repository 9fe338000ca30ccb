package migrate

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// object is a JSON object. What has another type than expected counts as absent.
type object map[string]any

// parse reads a JSON object, or a list as the one member of an object.
func parse(data []byte, member string) (object, error) {
	data = bytes.TrimSpace(ascii.WithoutBOM(data))
	if len(data) == 0 {
		return nil, errors.New("there is nothing to read")
	}
	if data[0] == '[' {
		data = slices.Concat([]byte(`{"`+member+`":`), data, []byte("}"))
	}
	return strictjson.Object(data)
}

func (o object) text(name string) string {
	value, _ := o[name].(string)
	return value
}

func (o object) is(name string) bool {
	value, _ := o[name].(bool)
	return value
}

func (o object) object(name string) object {
	value, _ := o[name].(map[string]any)
	return value
}

func (o object) objects(name string) []object {
	list, _ := o[name].([]any)
	var objects []object
	for _, value := range list {
		if member, ok := value.(map[string]any); ok {
			objects = append(objects, member)
		}
	}
	return objects
}

func (o object) texts(name string) []string {
	list, _ := o[name].([]any)
	var texts []string
	for _, value := range list {
		if text, ok := value.(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}

// title returns a name that the reader of Applications accepts, or "".
func title(s string) string {
	if s == "" || len(s) > 255 || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) {
		return ""
	}
	return s
}

// isName reports whether the text can be the name of a scope or an audience.
func isName(s string) bool {
	return s != "" && len(s) <= 255 && ascii.Visible(s) && !strings.ContainsAny(s, `"\`)
}
