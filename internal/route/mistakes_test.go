package route_test

import (
	"slices"
	"testing"
)

// A verify that no request reaches guards nothing.
func TestUnreachedVerify(t *testing.T) {
	for name, row := range map[string]struct {
		site string
		want []string // the handlers that answer before it
	}{
		"first":                           {"route {\nverify a\nreverse_proxy up:1\n}", nil},
		"behind a proxy":                  {"route {\nreverse_proxy up:1\nverify a\n}", []string{"reverse_proxy up:1"}},
		"behind a proxy in a handle":      {"handle /x* {\nroute {\nreverse_proxy up:1\nverify a\n}\n}", []string{"reverse_proxy up:1"}},
		"behind a proxy for some":         {"route {\nreverse_proxy /x* up:1\nverify a\n}", nil},
		"behind forward_auth":             {"route {\nforward_auth auth:1 {\nuri /\n}\nverify a\n}", nil},
		"behind respond":                  {"route {\nrespond ok\nverify a\n}", []string{"respond"}},
		"behind redir":                    {"route {\nredir https://b.example\nverify a\n}", []string{"respond"}},
		"behind abort":                    {"route {\nabort\nverify a\n}", []string{"respond"}},
		"behind error":                    {"route {\nerror 404\nverify a\n}", []string{"error"}},
		"behind files":                    {"route {\nfile_server\nverify a\n}", []string{"file_server"}},
		"behind files that are passed":    {"route {\nfile_server {\npass_thru\n}\nverify a\n}", nil},
		"behind early hints":              {"route {\nrespond 103\nverify a\n}", nil},
		"behind a header":                 {"route {\nheader a b\nverify a\n}", nil},
		"in a later handle":               {"handle {\nrespond ok\n}\nhandle {\nverify a\n}", []string{"respond"}},
		"behind a handle that answers":    {"route {\nhandle {\nrespond ok\n}\nverify a\n}", []string{"respond"}},
		"behind handles that answer":      {"route {\nhandle /x {\nrespond ok\n}\nhandle {\nreverse_proxy up:1\n}\nverify a\n}", []string{"reverse_proxy up:1"}},
		"behind handles that answer some": {"route {\nhandle /x {\nrespond ok\n}\nhandle /y {\nreverse_proxy up:1\n}\nverify a\n}", nil},
		"behind a named route":            {"route {\ninvoke api\nverify a\n}", []string{"reverse_proxy up:1"}},
		"in what handles errors":          {"respond ok\nhandle_errors {\nverify a\nreverse_proxy up:1\n}", nil},
		"in what handles a response":      {"reverse_proxy up:1 {\nhandle_response {\nverify a\nreverse_proxy up:2\n}\n}", nil},
	} {
		var got []string
		for _, r := range read(t, adapt(t, "a.example {\n"+row.site+"\n}")).Verifies() {
			switch {
			case r.Answered != nil:
				got = append(got, r.Answered.String())
			case !r.Reached:
				got = append(got, "")
			}
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
}

// A request takes one route of a group.
func TestUnreachedVerifyOfAGroup(t *testing.T) {
	c := read(t, []byte(`{"apps": {"http": {"servers": {"s": {"routes": [
		{"group": "g", "handle": [{"handler": "headers"}]}, {"group": "g", "handle": [{"handler": "verify"}]}, {"handle": [{"handler": "verify"}]}]}}}}}`))
	if v := c.Verifies(); v[0].Reached || v[0].Answered != nil || !v[1].Reached {
		t.Errorf("%+v, %+v", v[0], v[1])
	}
}

// A route for errors may serve what a verify has refused.
func TestServesWhatWasRefused(t *testing.T) {
	for name, row := range map[string]struct {
		site string
		want []string
	}{
		"files":                         {"verify a\nfile_server\nhandle_errors {\nfile_server\n}", []string{"file_server"}},
		"a proxy":                       {"verify a\nreverse_proxy up:1\nhandle_errors {\nreverse_proxy up:2\n}", []string{"reverse_proxy up:2"}},
		"behind a matcher":              {"verify a\nfile_server\nhandle_errors {\n@e path /x*\nhandle @e {\nfile_server\n}\n}", []string{"file_server"}},
		"for refusals":                  {"verify a\nfile_server\nhandle_errors 401 403 {\nfile_server\n}", []string{"file_server"}},
		"for a class":                   {"verify a\nfile_server\nhandle_errors 4xx {\nfile_server\n}", []string{"file_server"}},
		"for 403 and a class":           {"verify a\nfile_server\nhandle_errors 403 5xx {\nfile_server\n}", []string{"file_server"}},
		"for others":                    {"verify a\nfile_server\nhandle_errors 404 410 {\nfile_server\n}", nil},
		"for another class":             {"verify a\nfile_server\nhandle_errors 404 5xx {\nfile_server\n}", nil},
		"an error page":                 {"verify a\nfile_server\nhandle_errors {\nrewrite * /{err.status_code}.html\nfile_server\n}", nil},
		"text":                          {"verify a\nfile_server\nhandle_errors {\nrespond no\n}", nil},
		"verified again":                {"verify a\nfile_server\nhandle_errors {\nverify a\nfile_server\n}", nil},
		"of a site without verify":      {"file_server\nhandle_errors {\nfile_server\n}\n}\nb.example {\nverify a", nil},
		"of a site for any host":        {"verify a\n}\n:443 {\nfile_server\nhandle_errors {\nfile_server\n}", []string{"file_server"}},
		"of another server with verify": {"file_server\nhandle_errors {\nfile_server\n}\n}\na.example:8443 {\nverify a", nil},
	} {
		c := read(t, adapt(t, "a.example {\n"+row.site+"\n}"))
		var got []string
		for _, r := range c.Unverified() {
			if c.ServesWhatWasRefused(r) {
				got = append(got, r.Handler.String())
			}
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
}

// An intercept sees the responses to verified requests, and to requests that are answered
// before the verify.
func TestServesWithoutToken(t *testing.T) {
	const intercept = "intercept {\nhandle_response {\nreverse_proxy up:2\n}\n}\n"
	for name, row := range map[string]struct {
		site string
		want []string
	}{
		"verified and others":      {"route {\n" + intercept + "respond /health ok\nverify a\nreverse_proxy up:1\n}", []string{"reverse_proxy up:2"}},
		"verified where it stands": {"route {\n" + intercept + "verify /x* a\nreverse_proxy up:1\n}", nil},
		"verified":                 {"route {\n" + intercept + "verify a\nreverse_proxy up:1\n}", nil},
		"not verified":             {"route {\n" + intercept + "reverse_proxy up:1\n}", nil},
		"verified again":           {"route {\nintercept {\nhandle_response {\nverify a\nreverse_proxy up:2\n}\n}\nrespond /health ok\nverify a\nreverse_proxy up:1\n}", nil},
		"answered":                 {"route {\nintercept {\nhandle_response {\nrespond ok\n}\n}\nrespond /health ok\nverify a\nreverse_proxy up:1\n}", nil},
	} {
		var got []string
		for _, r := range read(t, adapt(t, "a.example {\n"+row.site+"\n}")).Unverified() {
			if r.ServesWithoutToken() {
				got = append(got, r.Handler.String())
			}
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
}
