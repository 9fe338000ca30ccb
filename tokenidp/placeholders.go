package tokenidp

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
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

// environFlag is the flag of `caddy run` that prints all environment variables at the
// start, also among other flags of one letter.
var environFlag = regexp.MustCompile(`^(--environ(=(1|t|T|true|TRUE|True))?|-[rw]*e[rw]*)$`)

// printsEnvironment reports whether a Caddy with these arguments prints its environment.
// The systemd unit of Caddy's packages has it do so, and systemd keeps what it prints.
func printsEnvironment(args []string) bool {
	return slices.ContainsFunc(args, environFlag.MatchString)
}

// warnOfPrintedSecrets warns if Caddy has printed the value of an option that holds a
// secret.
func warnOfPrintedSecrets(logger *zap.Logger, option string, placeholders ...string) {
	if !printsEnvironment(os.Args) {
		return
	}
	for _, p := range placeholders {
		if strings.HasPrefix(p, "{env.") {
			logger.Warn("caddy run --environ prints this secret into the system's log; take it from a file instead, as in: "+option+" {file./run/secrets/"+option+"}", warning.SecretInEnvironment.Log(),
				zap.String("option", option), zap.String("placeholder", p))
		}
	}
}
