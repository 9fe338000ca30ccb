package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// RFC 6749 section 5.1, and the same in the JSON envelope.
func TestSuccessIsExact(t *testing.T) {
	e := newEndpoint(t)
	const object = `{"grantType":"client_credentials","clientId":"%s","clientSecret":"` + generated + `"%s}`
	for _, row := range []struct {
		name string
		r    *http.Request
		want string
	}{
		{"form", form("worker", generated, "&scope=orders.read"),
			`{"access_token":"header.claims.signature","token_type":"Bearer","expires_in":3600,"scope":"orders.read"}`},
		{"form, own lifetime, default scopes", form("defaulted", generated, ""),
			`{"access_token":"header.claims.signature","token_type":"Bearer","expires_in":600,"scope":"orders.write orders.read"}`},
		{"form, state", form("worker", generated, "&scope=orders.read&state=x&response_type=id_token"),
			`{"access_token":"header.claims.signature","token_type":"Bearer","expires_in":3600,"scope":"orders.read"}`},
		{"JSON", post(jsonType, fmt.Sprintf(object, "worker", `,"scope":"orders.read"`)),
			`{"isSuccess":true,"data":{"accessToken":"header.claims.signature","tokenType":"Bearer","expiresIn":3600}}`},
		{"JSON, default scopes", post(jsonType, fmt.Sprintf(object, "defaulted", "")),
			`{"isSuccess":true,"data":{"accessToken":"header.claims.signature","tokenType":"Bearer","expiresIn":600,"scope":"orders.write orders.read"}}`},
		{"JSON, spaces in the scope", post(jsonType, fmt.Sprintf(object, "worker", `,"scope":"orders.read  orders.write"`)),
			`{"isSuccess":true,"data":{"accessToken":"header.claims.signature","tokenType":"Bearer","expiresIn":3600,"scope":"orders.read orders.write"}}`},
		{"JSON, repeated scope", post(jsonType, fmt.Sprintf(object, "worker", `,"scope":"orders.read orders.read"`)),
			`{"isSuccess":true,"data":{"accessToken":"header.claims.signature","tokenType":"Bearer","expiresIn":3600,"scope":"orders.read"}}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := e.answer(row.r)
			if w.Code != http.StatusOK || w.Body.String() != row.want {
				t.Errorf("status %d, body %s", w.Code, w.Body)
			}
			checkHeaders(t, w.Header(), nil)
		})
	}
}

// checkHeaders wants those of every answer, and the given ones, and no others
// (RFC 6749 sections 5.1 and 5.2).
func checkHeaders(t *testing.T, got, more http.Header) {
	t.Helper()
	want := http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}, "Pragma": {"no-cache"}, "X-Content-Type-Options": {"nosniff"}}
	for name, values := range more {
		want[name] = values
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("headers %v, want %v", got, want)
	}
}

// refusals has one refused request for every reason.
func refusals(t *testing.T) map[Reason]*Error {
	e := newEndpoint(t)
	plain := form("worker", generated, "&scope=orders.read")
	plain.TLS = nil
	get := form("worker", generated, "")
	get.Method = "GET"
	late := form("worker", generated, "")
	late.Body = failing{errors.New("late")}
	requests := map[Reason]*http.Request{
		ReasonMethod:                get,
		ReasonInsecureTransport:     plain,
		ReasonBrowser:               post(formType, minimal, "Origin", "null"),
		ReasonMediaType:             post("text/plain", minimal),
		ReasonContentEncoding:       post(formType, minimal, "Content-Encoding", "gzip"),
		ReasonTooLarge:              post(formType, strings.Repeat(" ", maxBody+1)),
		ReasonUnreadableBody:        late,
		ReasonMalformedBody:         post(formType, "%zz"),
		ReasonParameterInURL:        httptest.NewRequest("POST", "https://idp.example.com/token?scope=a", nil),
		ReasonRepeatedParameter:     post(formType, minimal+"&scope=a&scope=a"),
		ReasonSeveralMethods:        post(formType, minimal+"&client_secret=a", "Authorization", basic("a", "a")),
		ReasonMalformedBasic:        post(formType, minimal, "Authorization", "Basic a"),
		ReasonClientIDMismatch:      post(formType, minimal, "Authorization", basic("b", "a")),
		ReasonMissingGrantType:      post(formType, "client_id=a"),
		ReasonMissingClientID:       post(formType, "grant_type=a"),
		ReasonUnsupportedGrant:      post(formType, "grant_type=password", "Authorization", basic("worker", generated)),
		ReasonNoScope:               form("worker", generated, ""),
		ReasonMalformedScope:        form("worker", generated, "&scope=+"),
		ReasonScopeNotGranted:       form("worker", generated, "&scope=a"),
		ReasonSeveralResources:      form("worker", generated, "&scope=orders.read+billing.read"),
		ReasonUnknownResource:       form("worker", generated, "&scope=orders.read&resource=a"),
		ReasonCertificateRequired:   form("bound", generated, "&scope=orders.read"),
		ReasonUnverifiedCertificate: identified("certified"),
		ReasonExpiredCertificate:    identified("certified"),
		ReasonWrongCertificate:      identified("certified"),
		ReasonWrongResource:         form("worker", generated, "&scope=orders.read&resource=billing-api"),
	}
	requests[ReasonExpiredCertificate] = identified("self-signed")
	requests[ReasonExpiredCertificate].TLS = over(signedBy(t, proofKey(), e.clock.Now().Add(-time.Hour)))
	requests[ReasonWrongCertificate].TLS, requests[ReasonUnverifiedCertificate].TLS = over(certificate(t)), over(certificate(t))
	requests[ReasonUnverifiedCertificate].TLS.VerifiedChains = nil
	maps.Copy(requests, provenRefusals(e.clock.Now()))
	e.answer(provenRefusals(e.clock.Now())[ReasonReplayedProof])
	requests[ReasonParameterInURL].Header.Set("Content-Type", formType)
	for _, row := range failures {
		method := row.only
		if method == "" {
			method = ClientSecretBasic
		}
		requests[row.want] = request(row.id, row.secret(), method)
	}
	all := assertionRefusals(t)
	all[ReasonInternal] = InternalError(errors.New("disk full"))
	for reason, r := range requests {
		all[reason] = e.refuse(t, r)
	}
	client := &Client{Application: new(application.Application)}
	_, err := Authorize(e.set, client, &TokenRequest{GrantType: ClientCredentials}, time.Hour)
	all[ReasonGrantNotAllowed] = refusal(t, err)

	large := &AccessToken{Scope: []string{strings.Repeat("a", maxClaims)}}
	_, err = large.Claims()
	all[ReasonTokenTooLarge] = refusal(t, err)

	full := newEndpoint(t)
	full.used = nil
	all[ReasonStateUnavailable] = full.refuse(t, provenRefusals(full.clock.Now())[ReasonReplayedProof])
	fill(full.auth)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	all[ReasonHashingBusy] = full.refuse(t, form("slow", "wrong", "").WithContext(gone))
	limited := newEndpoint(t)
	for range failuresPerClient {
		limited.refuse(t, form("limited", "wrong", ""))
	}
	_, err = parseClientRequest(httptest.NewRecorder(), post(formType, minimal), Policy{}, "token")
	all[ReasonMissingToken] = refusal(t, err)
	all[ReasonQuotaExceeded] = QuotaExceeded(5100 * time.Millisecond)
	all[ReasonTokenOfAnother] = refusal(t, AuthorizeRevocation(client, "another"))
	all[ReasonUndecided] = Unavailable(ReasonUndecided, errors.New("no keys"))
	all[ReasonStateUnavailable] = Unavailable(ReasonStateUnavailable, errors.New("disk full"))
	all[ReasonTooManyFailures] = limited.refuse(t, form("limited", "wrong", ""))
	return all
}

// RFC 6749 section 5.2, and the same in the JSON envelope: one status and code
// for each reason, in descriptions of %x20-21 / %x23-5B / %x5D-7E.
func TestRefusalsAreExact(t *testing.T) {
	statuses := map[Reason]int{
		ReasonMethod: 405, ReasonMediaType: 415, ReasonContentEncoding: 415, ReasonTooLarge: 413, ReasonTooManyFailures: 429, ReasonHashingBusy: 503,
		ReasonInternal: 503, ReasonStateUnavailable: 503, ReasonUndecided: 503, ReasonQuotaExceeded: 429, ReasonUnknownMethod: 401, ReasonMissingClientID: 401,
	}
	codes := map[Reason]string{
		ReasonTooManyFailures: CodeTemporarilyUnavailable, ReasonHashingBusy: CodeTemporarilyUnavailable, ReasonInternal: CodeTemporarilyUnavailable,
		ReasonStateUnavailable: CodeTemporarilyUnavailable, ReasonUndecided: CodeTemporarilyUnavailable, ReasonQuotaExceeded: CodeTemporarilyUnavailable, ReasonUnknownMethod: CodeInvalidClient, ReasonMissingClientID: CodeInvalidClient,
		ReasonUnsupportedGrant: CodeUnsupportedGrantType, ReasonGrantNotAllowed: CodeUnauthorizedClient,
		ReasonNoScope: CodeInvalidScope, ReasonMalformedScope: CodeInvalidScope, ReasonScopeNotGranted: CodeInvalidScope,
		ReasonTokenTooLarge: CodeInvalidScope, ReasonSeveralResources: CodeInvalidTarget, ReasonUnknownResource: CodeInvalidTarget, ReasonWrongResource: CodeInvalidTarget,
	}
	for reason := range provenRefusals(time.Time{}) {
		codes[reason] = CodeInvalidDPoPProof
	}
	for _, reason := range []Reason{ReasonUnverifiedCertificate, ReasonExpiredCertificate, ReasonWrongCertificate} {
		statuses[reason], codes[reason] = 401, CodeInvalidClient
	}
	for _, row := range failures {
		statuses[row.want], codes[row.want] = 401, CodeInvalidClient
	}
	for _, reason := range Reasons() {
		if strings.HasPrefix(string(reason), "assertion_") {
			statuses[reason], codes[reason] = 401, CodeInvalidClient
		}
	}
	all := refusals(t)
	for _, reason := range Reasons() {
		if reason == ReasonNotPermitted { // which nobody is told: to him, the token is inactive
			continue
		}
		t.Run(string(reason), func(t *testing.T) {
			e := all[reason]
			if e == nil {
				t.Fatal("there is no such refusal")
			}
			status, code := http.StatusBadRequest, CodeInvalidRequest
			if s, ok := statuses[reason]; ok {
				status = s
			}
			if c, ok := codes[reason]; ok {
				code = c
			}
			if e.Reason != reason || e.Description == "" {
				t.Fatalf("got %s: %+v", e.Reason, *e)
			}
			if strings.ContainsFunc(e.Description, func(c rune) bool { return c < 0x20 || c > 0x7e || c == '"' || c == '\\' }) {
				t.Errorf("characters of %q", e.Description)
			}
			more := http.Header{}
			switch status {
			case 405:
				more["Allow"] = []string{"POST"}
			case 429:
				more["Retry-After"] = []string{"6"}
			case 503:
				more["Retry-After"] = []string{"1"}
			case 401:
				more["Www-Authenticate"] = []string{`Basic realm="token", charset="UTF-8"`}
			}
			for format, want := range map[Format]string{
				Form: `{"error":"` + code + `","error_description":"` + e.Description + `"}`,
				JSON: `{"isSuccess":false,"error":{"code":"` + code + `","message":"` + e.Description + `"}}`,
			} {
				w := httptest.NewRecorder()
				if err := WriteError(w, format, e); err != nil {
					t.Fatal(err)
				}
				if w.Code != status || w.Body.String() != want {
					t.Errorf("status %d, body %s; want %d, %s", w.Code, w.Body, status, want)
				}
				checkHeaders(t, w.Header(), more)
			}
		})
	}
}

// Every reason that is defined is listed, once.
func TestReasonsIsComplete(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var defined []Reason
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Reason") {
			defined = append(defined, Reason(must(strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value))))
		}
		return true
	})
	listed := Reasons()
	slices.Sort(defined)
	slices.Sort(listed)
	if len(defined) == 0 || !slices.Equal(defined, listed) {
		t.Errorf("defined %v, listed %v", defined, listed)
	}
}

// RFC 6749 section 7.2: an answer says nothing that the request has said.
func TestNothingIsReflected(t *testing.T) {
	e := newEndpoint(t)
	const mark = "<script>zq9"
	object := func(members string) *http.Request {
		return post(jsonType, `{"grantType":"client_credentials",`+members+`}`)
	}
	for name, r := range map[string]*http.Request{
		"grant_type":      post(formType, "grant_type="+mark, "Authorization", basic("worker", generated)),
		"scope":           form("worker", generated, "&scope="+mark),
		"malformed scope": form("worker", generated, "&scope=%22"+mark),
		"resource":        form("worker", generated, "&scope=orders.read&resource="+mark),
		"client_id":       form(mark, "wrong", ""),
		"client_secret":   form("worker", mark, ""),
		"Basic":           post(formType, minimal, "Authorization", basic(mark, mark)),
		"scheme":          post(formType, minimal, "Authorization", mark+" a"),
		"name":            form("worker", generated, "&"+mark+"=a&"+mark+"=b"),
		"content type":    post(mark, minimal),
		"charset":         post(formType+`; charset="`+mark+`"`, minimal),
		"encoding":        post(formType, minimal, "Content-Encoding", mark),
		"origin":          post(formType, minimal, "Origin", mark),
		"JSON name":       object(`"` + mark + `":1,"` + mark + `":2`),
		"JSON value":      object(`"scope":{"` + mark + `":1}`),
		"JSON syntax":     object(mark),
	} {
		t.Run(name, func(t *testing.T) {
			w := e.answer(r)
			if dump := fmt.Sprint(w.Header(), w.Body); w.Code < 400 || strings.Contains(dump, "zq9") || strings.Contains(dump, "<") {
				t.Errorf("status %d, answer %s", w.Code, dump)
			}
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("body %s", w.Body)
			}
		})
	}
}

// The envelope of a refusal is that of the request, even when its content type
// is refused.
func TestFormatOf(t *testing.T) {
	for contentType, want := range map[string]Format{
		"": Form, formType: Form, "text/plain": Form, jsonType: JSON, "Application/JSON": JSON, jsonType + "; charset=utf-16": JSON, jsonType + "; a; b": Form,
	} {
		if got := FormatOf(post(contentType, "")); got != want {
			t.Errorf("%q: %v", contentType, got)
		}
	}
}

// What the log gets is the reason and its cause.
func TestErrorText(t *testing.T) {
	cause := errors.New("disk full")
	e := InternalError(cause)
	if e.Error() != "internal_error: disk full" || !errors.Is(e, cause) {
		t.Errorf("got %q", e.Error())
	}
	if text := refuse(ReasonWrongSecret, nil).Error(); text != "wrong_secret" {
		t.Errorf("got %q", text)
	}
	if got := grantError(cause); got.Reason != ReasonInternal || !errors.Is(got, cause) {
		t.Errorf("got %v", got)
	}
}
