package command

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/client"
)

// adviseUnreachable returns advice for a request without an answer.
func adviseUnreachable(err error) error {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("%w; give the certificate of its CA with --ca, such as ~/.local/share/caddy/pki/authorities/local/root.crt of the user that Caddy runs as", err)
	case errors.As(err, &name), errors.As(err, &untrusted):
		return fmt.Errorf("%w; ask for the name that the certificate has, and look at its dates", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w; is the server in reach? --timeout waits longer", err)
	}
	return err
}

// adviseRefused returns the answer of the server, and advice.
func adviseRefused(r *client.Refusal, fl caddycmd.Flags) error {
	return fmt.Errorf("the server refuses: %s; %s", r.Error(), advice(r, fl))
}

func advice(r *client.Refusal, fl caddycmd.Flags) string {
	if r.Passing() {
		if r.RetryAfter > 0 {
			return fmt.Sprintf("try again in %s", r.RetryAfter.Round(time.Second))
		}
		return "try again later; the server's log tells what is wrong"
	}
	switch r.Code {
	case "invalid_client":
		return "it does not tell a caller why; its log does, as `reason`. " + credentialAdvice(fl)
	case "unauthorized_client", "unsupported_grant_type":
		return "the Application needs client_credentials among its grant_types"
	case "invalid_scope":
		return scopeAdvice(fl)
	case "invalid_target":
		return "ask for scopes of one API at a time, and with --resource for those of that one"
	case "invalid_dpop_proof", "use_dpop_nonce":
		return "look whether the clocks of both sides are right, and whether a proxy changes the URL of the token endpoint"
	case "invalid_request":
		return "look whether the client authenticates in the one way that it is registered with"
	}
	switch {
	case r.Location != "":
		return fmt.Sprintf("redirects are not followed; if %s is right, give it with --token-endpoint", r.Location)
	case r.Status == http.StatusNotFound || r.Status == http.StatusMethodNotAllowed:
		return "there is no token endpoint; look at --issuer or --token-endpoint"
	}
	return "the server's log tells more"
}

func credentialAdvice(fl caddycmd.Flags) string {
	switch {
	case fl.String("key") != "":
		return "Look whether the Application is active and has token_endpoint_auth_method: private_key_jwt, whether this key is among its jwks with this alg, whether --issuer is written as the issuer is, and whether the clocks agree"
	case fl.String("assertion-file") != "":
		return "Look whether the Application is active and has a `federated` entry with the iss, aud and sub of the assertion, and whether that has expired"
	case fl.String("cert") != "" && fl.String("secret-file") == "" && fl.String("secret-env") == "":
		return "Look whether the Application is active and registered with this certificate, and whether the server asks for client certificates"
	}
	return "Look whether the Application is active, and whether this secret is one of its own, whole, and not expired"
}

func scopeAdvice(fl caddycmd.Flags) string {
	if fl.String("scope") == "" {
		return "ask for scopes with --scope, or give the Application default_scopes"
	}
	return "ask for scopes that the Application has, written as there; or add them to its `scopes`"
}
