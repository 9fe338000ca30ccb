package probe

import (
	"os"
	"regexp"
)

// placeholder is a placeholder whose value may exist on the server alone.
var placeholder = regexp.MustCompile(`\{(env|file)\.([^{}"]+)\}`)

// absentPlaceholders returns the placeholders of the apps that have no value here.
func absentPlaceholders(apps ...[]byte) (absent []string) {
	for _, app := range apps {
		for _, found := range placeholder.FindAllSubmatch(app, -1) {
			if !isHere(string(found[1]), string(found[2])) {
				absent = append(absent, string(found[0]))
			}
		}
	}
	return absent
}

func isHere(kind, name string) bool {
	if kind == "env" {
		_, ok := os.LookupEnv(name)
		return ok
	}
	f, err := os.Open(name) //nolint:gosec // the operator names the files
	if err != nil {
		return false
	}
	_ = f.Close() // nothing was read
	return true
}
