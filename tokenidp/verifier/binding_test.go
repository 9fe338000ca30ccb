package verifier

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/dpop"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

var (
	someThumbprint  = strings.Repeat("A", 43)
	otherThumbprint = "AQ" + strings.Repeat("A", 41)
)

// RFC 7800 section 3.1, RFC 8705 section 3.1, RFC 9449 section 6.1: known methods are read,
// and all others are refused, so that no bound token passes as an unbound one.
func TestConfirmation(t *testing.T) {
	for name, row := range map[string]struct {
		cnf  any
		want Confirmation // zero: refused
	}{
		"a key":               {object{"jkt": someThumbprint}, Confirmation{Key: someThumbprint}},
		"a certificate":       {object{"x5t#S256": otherThumbprint}, Confirmation{Certificate: otherThumbprint}},
		"both":                {object{"jkt": someThumbprint, "x5t#S256": otherThumbprint}, Confirmation{otherThumbprint, someThumbprint}},
		"a key, and more":     {object{"jkt": someThumbprint, "kid": someThumbprint}, Confirmation{}},
		"a key, and a number": {object{"jkt": someThumbprint, "x5t#S256": 1}, Confirmation{}},
		"another case":        {object{"JKT": someThumbprint}, Confirmation{}},
		"x5t":                 {object{"x5t": someThumbprint}, Confirmation{}},
		"a key itself":        {object{"jwk": object{"kty": "EC"}}, Confirmation{}},
		"empty":               {object{}, Confirmation{}},
		"null":                {nil, Confirmation{}},
		"a list":              {[]any{object{"jkt": someThumbprint}}, Confirmation{}},
		"text":                {someThumbprint, Confirmation{}},
		"too short":           {object{"jkt": someThumbprint[1:]}, Confirmation{}},
		"too long":            {object{"jkt": someThumbprint + "A"}, Confirmation{}},
		"padded":              {object{"jkt": someThumbprint[1:] + "="}, Confirmation{}},
		"not canonical":       {object{"jkt": someThumbprint[1:] + "B"}, Confirmation{}},
		"a line break":        {object{"jkt": someThumbprint[1:] + "\n"}, Confirmation{}},
		"not base64url":       {object{"jkt": someThumbprint[1:] + "+"}, Confirmation{}},
		"the empty text":      {object{"jkt": ""}, Confirmation{}},
	} {
		t.Run(name, func(t *testing.T) {
			r := claimReader{all: map[string]any{"cnf": row.cnf}}
			got := r.confirmation()
			if row.want == (Confirmation{}) {
				wantRefusal(t, r.err, UnsupportedConfirm, "")
			} else if r.err != nil || *got != row.want {
				t.Errorf("%+v, %v", got, r.err)
			}
		})
	}
	if r := (claimReader{}); r.confirmation() != nil || r.err != nil {
		t.Error("without cnf, there is one")
	}
}

// RFC 9449 section 7.1: a DPoP-bound token under Bearer, and an unbound token under DPoP.
func TestSchemes(t *testing.T) {
	free, key := &Claims{}, &Claims{Confirmation: &Confirmation{Key: someThumbprint}}
	certificate, both := &Claims{Confirmation: &Confirmation{Certificate: someThumbprint}}, &Claims{Confirmation: &Confirmation{someThumbprint, someThumbprint}}
	for _, row := range []struct {
		claims *Claims
		scheme Scheme
		passes bool
	}{
		{free, Bearer, true}, {certificate, Bearer, true}, {key, DPoP, true}, {both, DPoP, true},
		{free, DPoP, false}, {certificate, DPoP, false}, {key, Bearer, false}, {both, Bearer, false}, {key, "", false}, {free, "", false},
	} {
		err := row.claims.CheckScheme(row.scheme)
		if row.passes && err != nil {
			t.Errorf("%+v, %s: %v", row.claims.Confirmation, row.scheme, err)
		} else if !row.passes {
			wantRefusal(t, err, WrongScheme, "")
		}
	}
}

// RFC 8705 section 3: exactly this certificate, on exactly this connection.
func TestCheckCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var all []*x509.Certificate
	for serial := range int64(2) {
		template := &x509.Certificate{SerialNumber: big.NewInt(serial + 1)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	bound := &Confirmation{Certificate: jws.CertificateThumbprint(all[0])}
	for name, row := range map[string]struct {
		connection *tls.ConnectionState
		want       Reason
	}{
		"own":              {&tls.ConnectionState{HandshakeComplete: true, PeerCertificates: all[:1]}, ""},
		"own, with others": {&tls.ConnectionState{HandshakeComplete: true, PeerCertificates: all}, ""},
		// Another certificate of the same key does not match.
		"other":                 {&tls.ConnectionState{HandshakeComplete: true, PeerCertificates: all[1:]}, CertificateMismatch},
		"own, not the client's": {&tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{all[1], all[0]}}, CertificateMismatch},
		"none":                  {&tls.ConnectionState{HandshakeComplete: true}, NoCertificate},
		"early data":            {&tls.ConnectionState{PeerCertificates: all[:1]}, NoCertificate},
		"no TLS":                {nil, NoCertificate},
	} {
		err := bound.CheckCertificate(row.connection)
		if row.want == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if row.want != "" {
			wantRefusal(t, err, row.want, "")
		}
	}
	if err := (&Confirmation{Key: someThumbprint}).CheckCertificate(nil); err != nil {
		t.Errorf("not bound to a certificate: %v", err)
	}
}

// RFC 9449 section 7.1: an invalid proof is invalid_dpop_proof. If nobody knows whether a
// proof was used, that is no fault of the caller.
func TestRefuseProof(t *testing.T) {
	for err, want := range map[error]Reason{
		dpop.ErrMissing: NoProof, dpop.ErrSeveral: SeveralProofs, dpop.ErrMalformed: MalformedProof, dpop.ErrStale: StaleProof,
		dpop.ErrOtherRequest: ProofForAnotherRequest, dpop.ErrOtherToken: ProofForAnotherToken, dpop.ErrOtherKey: ProofByAnotherKey, dpop.ErrReplayed: ReplayedProof,
	} {
		wantRefusal(t, RefuseProof(err), want, "")
	}
	if r := RefuseProof(errors.New("disk full")); r.Reason != StateUnavailable || r.Status != 503 {
		t.Errorf("%+v", r)
	}
}

// RFC 9449 section 7.1.
func TestDPoPChallenge(t *testing.T) {
	want := `DPoP realm="r", algs="ES256 EdDSA Ed25519 ES384 ES512 PS256 PS384 PS512 RS256 RS384 RS512", error="invalid_dpop_proof", error_description="The DPoP proof is missing, or not valid for this request"`
	if got := Refuse(ReplayedProof, nil).Challenge(DPoP, "r", ""); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A route decides how its tokens must be bound.
func TestSenderConstrained(t *testing.T) {
	for _, row := range []struct {
		bound  *Confirmation
		means  []string
		passes bool
	}{
		{nil, nil, true}, {nil, Means, false}, {&Confirmation{}, Means, false},
		{&Confirmation{Key: "k"}, nil, true}, {&Confirmation{Key: "k"}, Means, true}, {&Confirmation{Key: "k"}, []string{ByDPoP}, true}, {&Confirmation{Key: "k"}, []string{ByMTLS}, false},
		{&Confirmation{Certificate: "c"}, Means, true}, {&Confirmation{Certificate: "c"}, []string{ByDPoP}, false}, {&Confirmation{Certificate: "c"}, []string{ByMTLS}, true},
	} {
		c := &Claims{Audience: []string{"api"}, Confirmation: row.bound}
		err := c.Authorize(&Requirement{Audiences: []string{"api"}, SenderConstrained: row.means}, clock, nil)
		if row.passes && err != nil {
			t.Errorf("%+v, %v: %v", row.bound, row.means, err)
		} else if !row.passes {
			wantRefusal(t, err, NotSenderConstrained, "")
		}
	}
}
