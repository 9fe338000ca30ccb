package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// federatedCaddyfile is an issuer that trusts others.
func federatedCaddyfile(trusts ...string) string {
	return strings.Replace(shopOptions, "\ttokenidp {\n", "\ttokenidp {\n"+strings.Join(trusts, "\n")+"\n", 1) + "localhost:5001 {\n\ttokenidp\n}\n"
}

// RFC 7521 section 4.2: tokens as a cluster, a pipeline and SPIFFE make them open the
// token endpoint for the workloads that the file names, and for nobody else.
func TestFederation(t *testing.T) {
	t.Parallel()
	cluster, pipeline, mesh := newForeign(t, ""), newForeign(t, ""), newForeign(t, "")
	for _, f := range []*foreign{cluster, pipeline, mesh} {
		f.publishKeys(jwkOf(attackerKey(), "k", nil))
	}
	federated := func(clientID, entry string) string {
		return "  - client_id: " + clientID + "\n    scopes: [orders.read]\n    federated: [{" + entry + "}]\n"
	}
	applications := "resources: [{name: orders-api, scopes: [{name: orders.read}]}]\napplications:\n" +
		federated("orders-worker", "issuer: '"+cluster.issuer+"', subject: 'system:serviceaccount:shop:orders-worker'") +
		federated("deployer", "issuer: '"+pipeline.issuer+"', audience: deploy, subject_pattern: 'repo:shop/orders:*', claims: {repository_id: '74'}") +
		federated("spiffe", "issuer: '"+mesh.issuer+"', subject: 'spiffe://example.com/ns/shop/sa/worker'")
	c := start(t, federatedCaddyfile(cluster.trust("preset kubernetes"), pipeline.trust("preset github_actions"), mesh.trust("types none jwt")),
		options{files: map[string]string{"applications.yaml": applications}})

	now := cluster.forger(attackerKey(), "k")
	pod := members{"iss": cluster.issuer, "sub": "system:serviceaccount:shop:orders-worker", "aud": []string{c.url("https://localhost:5001")}, "iat": now.at(0), "nbf": now.at(0), "exp": now.at(3600e9)}
	job := members{"iss": pipeline.issuer, "sub": "repo:shop/orders:ref:refs/heads/main", "aud": "deploy", "jti": "j", "iat": now.at(0), "exp": now.at(300e9), "repository_id": "74"}
	svid := members{"iss": mesh.issuer, "sub": "spiffe://example.com/ns/shop/sa/worker", "aud": []string{c.url("https://localhost:5001")}, "iat": now.at(0), "exp": now.at(300e9)}
	sign := func(claims, changes members) string {
		return now.sign(now.object(members{"alg": "RS256", "kid": "k"}, members{"typ": "JWT"}), now.object(claims, changes))
	}
	token := sign(pod, nil)
	for range 2 { // a mounted token is used until it is replaced
		c.asserted(c.assert(token, "client_id", "orders-worker"))
	}
	c.asserted(c.assert(sign(job, nil), "client_id", "deployer"))
	c.asserted(c.assert(sign(svid, nil), "client_id", "spiffe"))
	if issued := c.entries("token issued")[0]; issued["federated_issuer"] != cluster.issuer || issued["federated_subject"] != "system:serviceaccount:shop:orders-worker" {
		t.Errorf("the log says %v", issued)
	}
	for i, row := range []struct{ client, assertion, reason string }{
		{"orders-worker", sign(pod, members{"sub": "system:serviceaccount:shop:other"}), "assertion_wrong_subject"},
		{"orders-worker", sign(pod, members{"aud": "orders-api"}), "assertion_wrong_audience"},
		{"orders-worker", sign(job, nil), "assertion_wrong_issuer"},
		{"deployer", sign(job, members{"sub": "repo:shop/orders-2:ref:refs/heads/main"}), "assertion_wrong_subject"},
		{"spiffe", sign(svid, members{"exp": now.at(-100e9), "iat": now.at(-200e9)}), "assertion_expired"},
	} {
		if a := c.assert(row.assertion, "client_id", row.client); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", row.reason, a.StatusCode, a.body)
		}
		if got := c.refusal(i + 1); got != row.reason {
			t.Errorf("reason %s, want %s", got, row.reason)
		}
	}

	// A team that names an issuer which the operator does not trust changes nothing.
	c.rewrite("applications.yaml", applications+federated("intruder", "issuer: https://evil.example.com, subject: a"))
	rejected := c.entries("a change of applications does not fit what is in force, so the version before stays")[0]
	if text, _ := rejected["error"].(string); !strings.Contains(text, "the issuer https://evil.example.com is not trusted by this server") || !strings.Contains(text, "applications.yaml:") {
		t.Errorf("the log says %s", text)
	}
	c.rewrite("applications.yaml", strings.Replace(applications, "client_id: orders-worker\n", "client_id: orders-worker\n    active: false\n", 1))
	c.eventually("the deactivation", func() bool { return c.assert(token, "client_id", "orders-worker").StatusCode != http.StatusOK })
}

// What lets more in than its writer will think does not load.
func TestFederationMistakes(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ trust, entry, says string }{
		"nobody trusts it":       {trust("https://other.example.com"), "issuer: https://k.example.com, subject: a", "the issuer https://k.example.com is not trusted by this server; if it is to be, write into the global option tokenidp of the Caddyfile: trust https://k.example.com"},
		"every namespace":        {trust("https://k.example.com", "preset kubernetes"), "issuer: https://k.example.com, subject_pattern: 'system:serviceaccount:*'", "every pod of a cluster gets a token for any audience"},
		"every repository":       {trust("https://token.actions.githubusercontent.com"), "issuer: https://token.actions.githubusercontent.com, subject_pattern: 'repo:*'", "every workflow on GitHub gets a token for any audience"},
		"an environment":         {trust("https://token.actions.githubusercontent.com"), "issuer: https://token.actions.githubusercontent.com, claims: {environment: prod}", "every workflow on GitHub gets a token for any audience"},
		"the audience of an API": {trust("https://k.example.com"), "issuer: https://k.example.com, audience: orders-api, subject: a", "the audience orders-api is that of access tokens for an API"},
	} {
		applications := "resources: [{name: orders-api, scopes: [{name: orders.read}]}]\napplications:\n  - client_id: w\n    scopes: [orders.read]\n    federated: [{" + row.entry + "}]\n"
		dir := workspace(t, newPorts(t), federatedCaddyfile(row.trust), map[string]string{"applications.yaml": applications})
		_, errs, code := command(t, dir, "", "validate", "--config", "Caddyfile")
		if code == 0 || !strings.Contains(errs, row.says) || !strings.Contains(errs, "applications.yaml:5: application \\\"w\\\": federated: ") && !strings.Contains(errs, `applications.yaml:5: application "w": federated: `) {
			t.Errorf("%s: %s", name, errs)
		}
	}
}

// A token that an API receives must not be one by which that API, or whoever reads
// what it is sent, authenticates as its sender.
func TestFederatedAudienceIsNoAPIs(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ audience, entry, says string }{
		"named by both":       {"deploy", "audience: deploy, ", `whoever receives one could authenticate as the application "w"`},
		"that of this issuer": {"https://localhost:5001", "", `whoever receives one could authenticate as the application "w"`},
		"another":             {"deploy", "", ""},
	} {
		applications := "resources: [{name: orders-api, scopes: [{name: orders.read}]}]\napplications:\n  - client_id: w\n    scopes: [orders.read]\n" +
			"    federated: [{issuer: https://k.example.com, " + row.entry + "subject: a}]\n"
		caddyfile := strings.Replace(federatedCaddyfile(trust("https://k.example.com")), "\ttokenidp\n}\n",
			"\ttokenidp\n\thandle /deploy* {\n\t\tverify {\n\t\t\tissuer https://k.example.com\n\t\t\taudience "+row.audience+"\n\t\t}\n\t}\n}\n", 1)
		p := newPorts(t)
		_, errs, code := command(t, workspace(t, p, caddyfile, map[string]string{"applications.yaml": applications}), "", "validate", "--config", "Caddyfile")
		if (code == 0) != (row.says == "") || !strings.Contains(strings.ReplaceAll(errs, `\"`, `"`), row.says) {
			t.Errorf("%s: exit code %d: %s", name, code, errs)
		}
	}
}
