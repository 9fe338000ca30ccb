package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/client"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// keypairCommand makes the key pair of a client.
func keypairCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "keypair [--alg <algorithm>] [--out <file>] [--jwks <file>] [--client-id <id> --issuer <url>] [--json]",
		Short: "Makes a client's key pair and the YAML that declares its public half",
		Long: `
Makes the key pair of a client that authenticates with private_key_jwt, or that
binds its tokens with DPoP. The public key is printed as the YAML to paste into
applications.yaml. The private key stays with the client: with --out it is written
to a new file that only its owner can read, and otherwise printed, once. With --jwks
the public key is written to a new file, too, which the YAML names.

With --client-id and --issuer, a sample of an assertion is made, too, with the curl
command that uses it. It is good for one request, within four minutes.`,
		Example: "  caddy tokenidp keypair --out orders-worker.pem\n  caddy tokenidp keypair --alg PS256 --client-id orders-worker --issuer https://idp.example.com",
	}, command{exits: exitCodes{yes: "there is a key pair"}, run: runKeypair})
	cmd.Flags().String("alg", "ES256", "The algorithm that the key signs with: "+strings.Join(keypairAlgorithms, ", "))
	cmd.Flags().String("out", "", "Write the private key to this file, which must not exist yet")
	cmd.Flags().String("jwks", "", "Write the public key to this file, which must not exist yet, for jwks_file")
	cmd.Flags().String("client-id", "", "The client_id, for a sample of an assertion")
	cmd.Flags().String("issuer", "", "The issuer, for a sample of an assertion")
	cmd.Flags().Bool("json", false, "Print JSON")
	return cmd
}

var keypairAlgorithms = []string{"ES256", "PS256", "RS256", "EdDSA"}

// sampleLifetime is shorter than the five minutes that the server accepts, and leaves a
// minute for clocks that differ.
const sampleLifetime = 4 * time.Minute

// keypair is the output of the command.
type keypair struct {
	PrivateKey     string             `json:"private_key,omitempty"`      // only if it is in no file
	PrivateKeyFile string             `json:"private_key_file,omitempty"` // as given
	JWKS           jose.JSONWebKeySet `json:"jwks"`
	JWKSFile       string             `json:"jwks_file,omitempty"` // as given
	Sample         *sampleAssertion   `json:"sample,omitempty"`
}

// sampleAssertion is an assertion and a request that uses it.
type sampleAssertion struct {
	ClientID      string    `json:"client_id"`
	TokenEndpoint string    `json:"token_endpoint"`
	Assertion     string    `json:"client_assertion"`
	ExpiresAt     time.Time `json:"expires_at"`
}

func runKeypair(c *call) error {
	algorithm := jws.Canonical(c.String("alg"))
	if !slices.Contains(keypairAlgorithms, algorithm) {
		return notOneOf("--alg", algorithm, keypairAlgorithms)
	}
	key, err := client.GenerateKey(algorithm)
	if err != nil {
		return err
	}
	public := key.Public().JWK()
	pair := &keypair{PrivateKeyFile: c.String("out"), JWKSFile: c.String("jwks"), JWKS: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}}}
	if pair.Sample, err = newSample(key, c.String("client-id"), c.String("issuer"), time.Now()); err != nil {
		return err
	}
	if err := pair.keep(key); err != nil {
		return err
	}
	if c.Bool("json") {
		return c.out.json(pair)
	}
	text, err := pair.text()
	if err != nil {
		return err
	}
	return c.out.lines(text)
}

// newSample returns nil if no sample is requested. It refuses what the server refuses.
func newSample(key *client.Key, clientID, issuer string, now time.Time) (*sampleAssertion, error) {
	switch {
	case clientID == "" && issuer == "":
		return nil, nil
	case clientID == "" || issuer == "":
		return nil, errors.New("a sample of an assertion needs both --client-id and --issuer; give both, or none")
	}
	if err := application.CheckClientID(clientID); err != nil {
		return nil, fmt.Errorf("--client-id %w", err)
	}
	u, err := weburl.ParseIssuer(issuer)
	if err != nil {
		return nil, fmt.Errorf("--issuer: %w", err)
	}
	s := &sampleAssertion{ClientID: clientID, ExpiresAt: now.Add(sampleLifetime).UTC().Truncate(time.Second)}
	u.Path = oauth.NewEndpoints(u).Token
	s.TokenEndpoint = u.String()
	s.Assertion, err = key.Assertion(clientID, issuer, now, sampleLifetime)
	return s, err
}

// keep writes the keys to their files, or leaves them for the output. It leaves both files
// or none.
func (p *keypair) keep(key *client.Key) error {
	private, err := key.PEM()
	if err != nil {
		return err
	}
	public, err := json.MarshalIndent(p.JWKS, "", "  ")
	if err != nil {
		return err
	}
	if p.JWKSFile != "" {
		if err := writeNew(p.JWKSFile, append(public, '\n'), 0o644); err != nil {
			return err
		}
	}
	if p.PrivateKeyFile == "" {
		p.PrivateKey = string(private)
		return nil
	}
	err = writeNew(p.PrivateKeyFile, private, 0o600)
	if err != nil && p.JWKSFile != "" {
		err = errors.Join(err, os.Remove(p.JWKSFile))
	}
	return err
}

// writeNew never overwrites a file, because it may be the only copy of a key in use.
func writeNew(path string, content []byte, mode os.FileMode) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode) //nolint:gosec // the path is the operator's to choose
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists already, and is not overwritten; choose another name, or remove it", path)
	}
	if err != nil {
		return fmt.Errorf("writing the key: %w", err)
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("writing the key: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}

func (p *keypair) text() (string, error) {
	var out bytes.Buffer
	if p.PrivateKey != "" {
		fmt.Fprintf(&out, "%s\nThis is the private key. Put it into the service's secret manager now: it is not shown again.\n", p.PrivateKey)
	} else {
		fmt.Fprintf(&out, "The private key is in %s, for the service alone.\n", p.PrivateKeyFile)
	}
	fmt.Fprint(&out, "Declare the public key under the Application in applications.yaml:\n\n    token_endpoint_auth_method: private_key_jwt\n")
	if err := p.writeJWKS(&out); err != nil {
		return "", err
	}
	if s := p.Sample; s != nil {
		fmt.Fprintf(&out, "\nA sample of an assertion, for one request until %s:\n\n", s.ExpiresAt.Format(time.RFC3339))
		fmt.Fprintf(&out, "curl %s -d grant_type=client_credentials --data-urlencode %s \\\n"+
			"  -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \\\n  -d client_assertion=%s\n",
			quotedForShell(s.TokenEndpoint), quotedForShell("client_id="+s.ClientID), s.Assertion)
	}
	return out.String(), nil
}

func (p *keypair) writeJWKS(out io.Writer) error {
	if p.JWKSFile != "" {
		fmt.Fprintf(out, "    jwks_file: %q     # as the folder of applications.yaml has it\n", filepath.Base(p.JWKSFile))
		return nil
	}
	fmt.Fprint(out, "    jwks:\n      keys:\n")
	for _, jwk := range p.JWKS.Keys {
		if err := writeJWK(out, jwk); err != nil {
			return err
		}
	}
	return nil
}

// writeJWK writes a public JWK as one entry of a YAML list. The members that every key has
// come first.
func writeJWK(out io.Writer, jwk jose.JSONWebKey) error {
	encoded, err := jwk.MarshalJSON()
	if err != nil {
		return err
	}
	var members map[string]string
	if err := json.Unmarshal(encoded, &members); err != nil { //nolint:forbidigo // our own
		return err
	}
	bullet := "-"
	for _, name := range []string{"kid", "kty", "alg", "use", "crv", "x", "y", "n", "e"} {
		if value, ok := members[name]; ok {
			fmt.Fprintf(out, "        %s %s: %q\n", bullet, name, value)
			bullet = " "
		}
	}
	return nil
}

// quotedForShell returns one word for a POSIX shell.
func quotedForShell(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
