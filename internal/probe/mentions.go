package probe

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// Mentions reports whether anything that decides about requests has the text in its
// configuration, in any case. It ignores claim headers of a verify and settings of responses.
func (p *Probe) Mentions(text string) bool {
	if known, ok := p.mentioned.Load(text); ok {
		return known.(bool)
	}
	found := strings.Contains(p.decides(), strings.ToLower(text))
	p.mentioned.Store(text, found)
	return found
}

// TokenIssuers returns the issuers whose tokens routes may accept, in the order of the
// configuration.
func (p *Probe) TokenIssuers() []tokenidp.TokenIssuer { return p.sandbox.TokenIssuers() }

// withoutEffects returns the part of the http app that decides about requests, in lower
// case.
func withoutEffects(app json.RawMessage) func() string {
	return sync.OnceValue(func() string {
		decoder := json.NewDecoder(bytes.NewReader(app))
		decoder.UseNumber()
		var tree any
		if err := decoder.Decode(&tree); err != nil {
			return strings.ToLower(string(app))
		}
		removeEffects(tree)
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(tree); err != nil {
			return strings.ToLower(string(app))
		}
		return strings.ToLower(text.String())
	})
}

// effects are the settings of handlers that only set something for the upstream or for the
// client.
var effects = map[string][]string{
	"verify": {"claim_headers"}, "headers": {"response"}, "static_response": {"body", "headers"}, moduleName: {"text"},
}

func removeEffects(tree any) {
	switch v := tree.(type) {
	case []any:
		for _, one := range v {
			removeEffects(one)
		}
	case map[string]any:
		name, _ := v["handler"].(string)
		for _, setting := range effects[name] {
			delete(v, setting)
		}
		for _, one := range v {
			removeEffects(one)
		}
	}
}
