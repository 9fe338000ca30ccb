package application

import (
	"bytes"
	"encoding/json"
)

// SchemaURL is the address of the JSON Schema of applications files.
const SchemaURL = "https://raw.githubusercontent.com/tokenidp/caddy-tokenidp/main/docs/applications.schema.json"

// Schema returns the JSON Schema (draft 7) of applications files, for editors. It is
// generated from the declarations that read the files.
func Schema() ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	s := fileObject.Schema()
	s["$id"] = SchemaURL
	if err := encoder.Encode(s); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}
