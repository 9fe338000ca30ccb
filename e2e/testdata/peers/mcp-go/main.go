// A client of the Go SDK of MCP, for peer_mcp_test.go: as mcp-client.mjs beside it, which
// says what it reads and prints. SSL_CERT_FILE has the CA. It has a module of its own, so
// that nothing of the SDK is among what the server is built of.
package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth/extauth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// said is what is printed.
type said struct {
	Text     string   `json:"text,omitempty"`
	Error    string   `json:"error,omitempty"`
	Tools    []string `json:"tools,omitempty"`
	Requests []string `json:"requests"`
}

// watched notes each request.
type watched struct{ *said }

func (w watched) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		w.Requests = append(w.Requests, r.Method+" "+r.URL.Path+" "+response.Status[:3])
	}
	return response, err
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s := new(said)
	if err := s.talk(ctx, &http.Client{Transport: watched{s}}); err != nil {
		s.Error = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(s); err != nil {
		os.Exit(1)
	}
}

func (s *said) talk(ctx context.Context, client *http.Client) error {
	handler, err := extauth.NewClientCredentialsHandler(&extauth.ClientCredentialsHandlerConfig{
		Credentials: &oauthex.ClientCredentials{
			ClientID: os.Getenv("CLIENT_ID"), ClientSecretAuth: &oauthex.ClientSecretAuth{ClientSecret: os.Getenv("SECRET")}, Issuer: os.Getenv("ISSUER"),
		},
		HTTPClient: client,
	})
	if err != nil {
		return err
	}
	transport := &mcp.StreamableClientTransport{Endpoint: os.Getenv("URL"), HTTPClient: client, OAuthHandler: handler, DisableStandaloneSSE: true}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "peer", Version: "1"}, nil).Connect(ctx, transport, nil)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }()
	tools, err := session.ListTools(ctx, nil)
	if err != nil {
		return err
	}
	for _, tool := range tools.Tools {
		s.Tools = append(s.Tools, tool.Name)
	}
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "whoami"})
	if err != nil {
		return err
	}
	if text, ok := result.Content[0].(*mcp.TextContent); ok {
		s.Text = text.Text
	}
	return nil
}
