package jwks

import (
	"fmt"
	"os"
)

// readFile reads a JWK Set from a file. The limit of its size is that of a fetched one.
func readFile(name string) (document, error) {
	doc := document{from: name}
	info, err := os.Stat(name)
	if err != nil {
		return doc, fmt.Errorf("reading the keys: %w", err)
	}
	if !info.Mode().IsRegular() { // to open a pipe would wait for a writer
		return doc, fmt.Errorf("reading %s: not a regular file", name)
	}
	f, err := os.Open(name) // #nosec G304 -- the operator's own path
	if err != nil {
		return doc, fmt.Errorf("reading the keys: %w", err)
	}
	defer func() { _ = f.Close() }()
	if doc.body, err = readBody(f); err != nil {
		return doc, fmt.Errorf("reading %s: %w", name, err)
	}
	return doc, nil
}
