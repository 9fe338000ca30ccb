package command

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// probe provisions the configuration of a file, or that of the running Caddy.
func (c *call) probe(running bool) (*probe.Probe, error) {
	options := probe.Options{Logger: c.out.warnings()}
	config, err := c.provisioned(running, &options)
	if err != nil {
		return nil, err
	}
	return probe.New(config, options)
}

func (c *call) provisioned(running bool, o *probe.Options) ([]byte, error) {
	if !running {
		return c.config()
	}
	client, err := c.admin()
	if err != nil {
		return nil, err
	}
	config, err := client.Config(context.Background())
	if err != nil {
		return nil, err
	}
	o.Logger = nil // the server has already warned
	if !hasIssuers(config) {
		return config, nil // no Applications to ask for
	}
	inForce, err := client.Applications(context.Background())
	if err != nil {
		return nil, err
	}
	o.Applications, err = readInForce(inForce)
	return withIssuerURLs(config, inForce), err
}

// withIssuerURLs replaces the placeholders of issuers, whose values only the server has.
func withIssuerURLs(config []byte, inForce *adminapi.Applications) []byte {
	type named struct {
		Issuer string `json:"issuer"`
	}
	var whole struct {
		Apps struct {
			TokenIDP struct {
				Issuers, Trusted []named
			} `json:"tokenidp"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(config, &whole); err != nil { //nolint:forbidigo // as Caddy writes it
		return config
	}
	replace := func(configured []named, urls []string) {
		for i, one := range configured {
			if i < len(urls) && strings.Contains(one.Issuer, "{") {
				config = bytes.ReplaceAll(config, quoted(one.Issuer), quoted(urls[i]))
			}
		}
	}
	replace(whole.Apps.TokenIDP.Issuers, inForce.Issuers)
	replace(whole.Apps.TokenIDP.Trusted, inForce.Trusted)
	return config
}

func quoted(text string) []byte {
	encoded, _ := json.Marshal(text) // a string never fails
	return encoded
}

func hasIssuers(config []byte) bool {
	var whole struct {
		Apps map[string]json.RawMessage `json:"apps"`
	}
	err := json.Unmarshal(config, &whole) //nolint:forbidigo // as Caddy writes it
	return err == nil && whole.Apps["tokenidp"] != nil
}

// testedConfig returns the configuration of a running Caddy if its address is given. The
// Applications come from the files here.
func (c *call) testedConfig() ([]byte, error) {
	if c.String("address") == "" {
		return c.config()
	}
	client, err := c.admin()
	if err != nil {
		return nil, err
	}
	return client.Config(context.Background())
}

// readInForce returns the Applications of a running Caddy, by the issuer's URL.
func readInForce(inForce *adminapi.Applications) (_ map[string]*application.Set, err error) {
	renderings := make(map[string][]application.Rendering)
	for _, p := range inForce.Parts {
		renderings[p.Issuer] = append(renderings[p.Issuer], application.Rendering{File: p.File, Content: p.Content, TestProblem: p.TestProblem})
	}
	all := make(map[string]*application.Set)
	for issuer, one := range renderings {
		if all[issuer], err = application.ReadRendered(one); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// warnings returns the logger for a configuration that is loaded to answer a question. It
// prints JSON, as Caddy does, from the level Warn.
func (p *printer) warnings() *zap.Logger {
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	return zap.New(zapcore.NewCore(encoder, zapcore.AddSync(p), zapcore.WarnLevel))
}

// Write prints lines to standard error.
func (p *printer) Write(lines []byte) (int, error) {
	for line := range strings.Lines(string(lines)) {
		p.warn(strings.TrimSuffix(line, "\n"))
	}
	return len(lines), nil
}
