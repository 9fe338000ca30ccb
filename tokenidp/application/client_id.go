package application

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// CheckClientID returns an error for a text that cannot be a client_id. The error never
// quotes the text, and continues a sentence that names it.
func CheckClientID(id string) error {
	switch {
	case len(id) == 0 || len(id) > longestName || !ascii.Visible(id):
		return fmt.Errorf("must be 1 to %d visible ASCII characters without spaces", longestName)
	case secret.Classify(id) == secret.Generated:
		return errors.New("is a secret; a client_id appears in logs and tokens")
	case strings.Contains(id, ":"):
		return errors.New("must have no colon: it ends the user name in Basic authentication, and curl -u does not encode it")
	}
	return nil
}
