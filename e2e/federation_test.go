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
		federated("deployer", "issuer: '"+pipeline.issuer+"', audience: deploy, subject_pattern: 'repo:shop@11/orders@74:*', claims: {repository_id: '74'}") +
		federated("spiffe", "issuer: '"+mesh.issuer+"', subject: 'spiffe://example.com/ns/shop/sa/worker'")
	c := start(t, federatedCaddyfile(cluster.trust("preset kubernetes"), pipeline.trust("preset github_actions"), mesh.trust("types none jwt")),
		options{files: map[string]string{"applications.yaml": applications}})
	c.fetched(3)

	now := cluster.forger(attackerKey(), "k")
	pod := members{"iss": cluster.issuer, "sub": "system:serviceaccount:shop:orders-worker", "aud": []string{c.url("https://localhost:5001")}, "iat": now.at(0), "nbf": now.at(0), "exp": now.at(3600e9)}
	job := members{"iss": pipeline.issuer, "sub": "repo:shop@11/orders@74:ref:refs/heads/main", "aud": "deploy", "jti": "j", "iat": now.at(0), "exp": now.at(300e9), "repository_id": "74"}
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
		{"deployer", sign(job, members{"sub": "repo:shop@11/orders@740:ref:refs/heads/main"}), "assertion_wrong_subject"},
		{"deployer", sign(job, members{"sub": "repo:shop/orders:ref:refs/heads/main"}), "assertion_wrong_subject"},
		{"spiffe", sign(svid, members{"exp": now.at(-100e9), "iat": now.at(-200e9)}), "assertion_expired"},
	} {
		if a := c.assert(row.assertion, "client_id", row.client); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", row.reason, a.StatusCode, a.body)
		}
		if got := c.refusal(i + 1); got != row.reason {
			t.Errorf("reason %s, want %s", got, row.reason)
		}
	}

	// What an operator takes back opens nothing here either.
	if out, code := c.operate("", "revoke", "--issuer", pipeline.issuer, "--jti", "j"); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	if a := c.assert(sign(job, nil), "client_id", "deployer"); a.StatusCode != http.StatusUnauthorized || c.refusal(7) != "assertion_revoked" {
		t.Errorf("revoked: %d %s", a.StatusCode, a.body)
	}
	c.asserted(c.assert(sign(job, members{"jti": "k"}), "client_id", "deployer"))

	// A team that names an issuer which the operator does not trust changes nothing.
	c.rewrite("applications.yaml", applications+federated("intruder", "issuer: https://evil.example.com, subject: a"))
	rejected := c.entries("a change of applications does not fit what is in force, so the version before stays")[0]
	if text, _ := rejected["error"].(string); !strings.Contains(text, "the issuer https://evil.example.com is not trusted by this server") || !strings.Contains(text, "applications.yaml:") {
		t.Errorf("the log says %s", text)
	}
	c.rewrite("applications.yaml", strings.Replace(applications, "client_id: orders-worker\n", "client_id: orders-worker\n    active: false\n", 1))
	c.eventually("the deactivation", func() bool { return c.assert(token, "client_id", "orders-worker").StatusCode != http.StatusOK })
}

// A job of a self-managed GitLab authenticates with the token that `id_tokens` gives it
// (https://docs.gitlab.com/ci/secrets/id_token_authentication), whose audience is text,
// or a list if the job asks for several.
func TestFederationOfGitLab(t *testing.T) {
	t.Parallel()
	gitlab := newForeign(t, "")
	gitlab.publishKeys(jwkOf(attackerKey(), "k", nil))
	of := func(clientID, entry string) string {
		return "  - client_id: " + clientID + "\n    scopes: [orders.read]\n    federated: [{issuer: '" + gitlab.issuer + "', " + entry + "}]\n"
	}
	c := start(t, federatedCaddyfile(gitlab.trust("algorithms RS256", "types jwt", "client_id_claims sub", "claim ref_protected true")), options{files: map[string]string{
		"applications.yaml": orderScopes + "applications:\n" +
			of("deployer", "subject: 'project_path:shop/orders:ref_type:branch:ref:main', claims: {project_id: '22'}") +
			of("releaser", "subject_pattern: 'project_path:shop/*:ref_type:tag:ref:*'") +
			of("subgroup", "subject_pattern: 'project_path:shop/*/*:ref_type:branch:ref:main', claims: {namespace_id: '72'}"),
	}})
	ours := c.url("https://localhost:5001")
	c.fetched(1)
	f := gitlab.forger(attackerKey(), "k")
	job := members{
		"iss": gitlab.issuer, "sub": "project_path:shop/orders:ref_type:branch:ref:main", "aud": ours, "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
		"iat": f.at(0), "nbf": f.at(-5e9), "exp": f.at(3600e9),
		"namespace_id": "72", "namespace_path": "shop", "project_id": "22", "project_path": "shop/orders", "project_visibility": "public",
		"user_id": "1", "user_login": "jane", "user_email": "jane@example.com", "user_identities": []members{{"provider": "github", "extern_uid": "2"}}, "user_access_level": "developer",
		"pipeline_id": "574", "pipeline_source": "push", "job_id": "302", "ref": "main", "ref_type": "branch", "ref_path": "refs/heads/main", "ref_protected": "true",
		"groups_direct": []string{"shop", "shop/tools"}, "environment": "production", "environment_protected": "false", "deployment_tier": "production", "runner_id": 1,
		"runner_environment": "self-hosted", "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "job_source": "pipeline",
	}
	refusals := 0
	for _, row := range []struct {
		name, client string
		changes      members
		reason       string
	}{
		{"one audience", "deployer", nil, ""},
		{"a list of one", "deployer", members{"aud": []string{ours}}, ""},
		{"an id that is a number", "deployer", members{"project_id": 22}, ""},
		{"a tag", "releaser", members{"sub": "project_path:shop/stock:ref_type:tag:ref:v1.2/rc"}, ""},
		{"a project of a subgroup", "subgroup", members{"sub": "project_path:shop/tools/ci:ref_type:branch:ref:main"}, ""},

		{"another branch", "deployer", members{"sub": "project_path:shop/orders:ref_type:branch:ref:fix"}, "assertion_wrong_subject"},
		{"a branch that ends so", "deployer", members{"sub": "project_path:shop/orders:ref_type:branch:ref:x/main"}, "assertion_wrong_subject"},
		{"a tag of the branch's name", "deployer", members{"sub": "project_path:shop/orders:ref_type:tag:ref:main"}, "assertion_wrong_subject"},
		{"another project under the name", "deployer", members{"project_id": "23"}, "assertion_wrong_subject"},
		{"a branch that is not protected", "deployer", members{"ref_protected": "false"}, "assertion_wrong_subject"},
		{"a fork", "deployer", members{"sub": "project_path:mallory/orders:ref_type:branch:ref:main"}, "assertion_wrong_subject"},
		{"a group that begins so", "releaser", members{"sub": "project_path:shop-2/stock:ref_type:tag:ref:v1"}, "assertion_wrong_subject"},
		{"deeper than the pattern", "releaser", members{"sub": "project_path:shop/tools/ci:ref_type:tag:ref:v1"}, "assertion_wrong_subject"},
		{"another audience", "deployer", members{"aud": "https://vault.example.com"}, "assertion_wrong_audience"},
		{"a list of audiences", "releaser", members{"aud": []string{"https://vault.example.com", ours}, "sub": "project_path:shop/stock:ref_type:tag:ref:v1"}, "assertion_wrong_audience"},
		{"a list of others", "deployer", members{"aud": []string{"https://vault.example.com", ours + "/"}}, "assertion_wrong_audience"},
		{"gitlab.com", "deployer", members{"iss": "https://gitlab.com"}, "assertion_wrong_issuer"},
		{"expired", "deployer", members{"iat": f.at(-3700e9), "nbf": f.at(-3700e9), "exp": f.at(-100e9)}, "assertion_expired"},
	} {
		token := f.sign(f.object(members{"kid": "k", "typ": "JWT", "alg": "RS256"}, nil), f.object(job, row.changes))
		a := c.assert(token, "client_id", row.client)
		if row.reason == "" {
			c.asserted(a)
			continue
		}
		refusals++
		if got := c.refusal(refusals); a.StatusCode != http.StatusUnauthorized || got != row.reason {
			t.Errorf("%s: %d %s, want %s", row.name, a.StatusCode, got, row.reason)
		}
	}
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
