package verifier

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"testing"
)

// RFC 6750 section 3.
func TestChallenge(t *testing.T) {
	insufficient := Refuse(MissingScope, nil)
	insufficient.Scope = []string{"orders.read", "orders.write"}
	for name, row := range map[string]struct {
		refusal *Refusal
		realm   string
		want    string
	}{
		"no token": {Refuse(NoToken, nil), "orders", `Bearer realm="orders"`},
		"malformed request": {
			Refuse(SeveralAuthorizations, nil), "orders",
			`Bearer realm="orders", error="invalid_request", error_description="Exactly one Authorization header is allowed"`,
		},
		"expired": {
			Refuse(Expired, errors.New(`"secret"`)), "orders",
			`Bearer realm="orders", error="invalid_token", error_description="The access token expired"`,
		},
		"bad token": {
			Refuse(BadSignature, errors.New(`kid "\r\nX: y"`)), "orders",
			`Bearer realm="orders", error="invalid_token", error_description="The access token is malformed or not accepted here"`,
		},
		"missing scope": {
			insufficient, "orders",
			`Bearer realm="orders", error="insufficient_scope", error_description="The access token lacks a scope that this resource requires", scope="orders.read orders.write"`,
		},
		"keys out of reach":   {Refuse(KeysUnavailable, nil), "orders", `Bearer realm="orders"`},
		"no realm":            {Refuse(NoToken, nil), "", `Bearer realm=""`},
		"realm with quotes":   {Refuse(NoToken, nil), `a"b\c", error="x`, `Bearer realm="a\"b\\c\", error=\"x"`},
		"realm with a break":  {Refuse(NoToken, nil), "a\r\nSet-Cookie: b\x00\x7f", `Bearer realm="a  Set-Cookie: b  "`},
		"realm in UTF-8":      {Refuse(NoToken, nil), "é", `Bearer realm="é"`},
		"reason nobody knows": {Refuse("x", nil), "r", `Bearer realm="r", error="invalid_token", error_description="The access token is malformed or not accepted here"`},
	} {
		if got := row.refusal.Challenge(Bearer, row.realm, ""); got != row.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, row.want)
		}
	}
}

// RFC 9728 section 5.1: also without a token.
func TestChallengeNamesTheMetadata(t *testing.T) {
	const at = "https://api.example.com/.well-known/oauth-protected-resource"
	for reason, want := range map[Reason]string{
		NoToken: `Bearer realm="r", resource_metadata="` + at + `"`,
		Expired: `Bearer realm="r", error="invalid_token", error_description="The access token expired", resource_metadata="` + at + `"`,
	} {
		if got := Refuse(reason, nil).Challenge(Bearer, "r", at); got != want {
			t.Errorf("%s:\n got %s\nwant %s", reason, got, want)
		}
	}
}

// RFC 6750 section 3.1, and the characters of section 3.
func TestEveryReasonHasAnAnswer(t *testing.T) {
	codes := map[string]int{
		"invalid_request": http.StatusBadRequest, "invalid_token": http.StatusUnauthorized, "invalid_dpop_proof": http.StatusUnauthorized, "insufficient_scope": http.StatusForbidden,
	}
	for _, reason := range Reasons() {
		r := Refuse(reason, nil)
		if want := codes[r.Code]; r.Code != "" && r.Status != want {
			t.Errorf("%s: status %d for %s, want %d", reason, r.Status, r.Code, want)
		}
		if r.Code == "" && r.Status != http.StatusUnauthorized && r.Status != http.StatusServiceUnavailable {
			t.Errorf("%s: status %d without code", reason, r.Status)
		}
		if !regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]*$`).MatchString(r.Description) || (r.Code == "") != (r.Description == "") {
			t.Errorf("%s: description %q", reason, r.Description)
		}
		if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(string(reason)) {
			t.Errorf("%s is no stable code", reason)
		}
	}
	if len(Reasons()) != 43 || !slices.IsSorted(Reasons()) {
		t.Errorf("%d reasons: %v", len(Reasons()), Reasons())
	}
}

func TestRefusalKeepsItsCauseForTheLog(t *testing.T) {
	cause := errors.New("connection refused")
	r := Refuse(KeysUnavailable, cause)
	if !errors.Is(r, cause) || r.Error() != "keys_unavailable: connection refused" {
		t.Errorf("%v", r)
	}
	if r := Refuse(NoToken, nil); r.Error() != "no_token" || r.Unwrap() != nil {
		t.Errorf("%v", r)
	}
}

// Another token can help only if a token is missing or invalid.
func TestWhichRefusalsAskForAToken(t *testing.T) {
	for reason, want := range map[Reason]bool{
		NoToken: true, Expired: true, BadSignature: true, WrongAudience: true, WrongScheme: true, NotSenderConstrained: true,
		NoProof: false, ReplayedProof: false, MalformedAuthorization: false, MissingScope: false, ClaimRequired: false, KeysUnavailable: false, StateUnavailable: false,
	} {
		if got := Refuse(reason, nil).AsksForAToken(); got != want {
			t.Errorf("%s: %v", reason, got)
		}
	}
}
