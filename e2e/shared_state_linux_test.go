package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// startSharing starts nodes with one issuer, which share the state that is given;
// with none, the default.
func startSharing(t *testing.T, nodes int, state string) *cluster {
	t.Helper()
	cl := &cluster{t: t, storage: filepath.Join(t.TempDir(), "storage"), issuers: 1, state: state}
	cl.applications = clusterApplications + "  - client_id: signer\n    scopes: [orders.read]\n    default_scopes: [orders.read]\n" + inlineKey(t, attackerKey(), "1") + "\n"
	return cl.start(nodes, "EdDSA")
}

// revoked has the client of the token take it back at the node.
func (n *node) revoked(token string) (status int, err error) {
	r, err := http.NewRequest(http.MethodPost, n.place(0, "/revoke"), strings.NewReader(url.Values{"token": {token}}.Encode()))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("worker", generatedSecret)
	return statusOf(n.send(r))
}

// judged is the status of a request with the token.
func (n *node) judged(token string) (status int, err error) {
	r, err := http.NewRequest(http.MethodGet, n.place(0, "/orders"), nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return statusOf(n.send(r))
}

// asserted is the status of a token request of the client that signs.
func (n *node) asserted(assertion, source string) (status int, err error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {jwtBearer}, "client_assertion": {assertion}}
	r, err := http.NewRequest(http.MethodPost, n.place(0, "/token"), strings.NewReader(form.Encode()))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Forwarded-For", source)
	return statusOf(n.send(r))
}

func statusOf(a *answer, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return a.StatusCode, nil
}

// signed is a new assertion of that client, which a test may replay for minutes.
func (n *node) signed() string {
	n.t.Helper()
	return n.assertion(attackerKey(), "1", members{"iss": "signer", "sub": "signer", "aud": "http://localhost/00", "exp": time.Now().Add(4 * time.Minute).Unix()})
}

// mustIssue, mustRevoke and mustJudge end the test where there is no answer.
func (n *node) mustIssue() string {
	n.t.Helper()
	token, err := n.issued(0)
	if err != nil {
		n.t.Fatal(err)
	}
	return token
}

func (n *node) mustRevoke(token string, want int) {
	n.t.Helper()
	if status, err := n.revoked(token); err != nil || status != want {
		n.t.Fatalf("revoking gets %d, %v, want %d", status, err, want)
	}
}

func (n *node) mustJudge(what, token string, want int) {
	n.t.Helper()
	if status, err := n.judged(token); err != nil || status != want {
		n.t.Errorf("%s gets %d, %v, want %d", what, status, err, want)
	}
}

// ready waits until the node knows what is revoked, so that it refuses no good token.
func (n *node) ready() {
	n.t.Helper()
	n.eventually("the node to be ready", func() bool {
		a, err := n.send(n.request(http.MethodGet, n.base+"ready", ""))
		return err == nil && a.StatusCode == http.StatusOK
	})
}

// learns waits until the node refuses a token that was revoked elsewhere, and wants
// it never to pass again.
func (n *node) learns(token string) {
	n.t.Helper()
	n.eventually("the node to learn of a revocation", func() bool {
		status, err := n.judged(token)
		return err == nil && status == http.StatusUnauthorized
	})
	n.mustJudge("a token that was refused before", token, http.StatusUnauthorized)
}

// RFC 7523, and the `jti` of an assertion: two nodes that get the same one at the
// same moment give one token together. A node that was killed in between knows no
// less, and neither does a Redis that was.
func TestOneAssertionAtTwoNodes(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	cl := startSharing(t, 2, redis.state())
	const rounds = 40
	race := func(round int, assertion string) []int {
		statuses := make([]int, len(cl.nodes))
		cl.everywhere(func(i int, n *node) {
			var err error
			if statuses[i], err = n.asserted(assertion, fmt.Sprintf("192.0.2.%d", round)); err != nil {
				t.Errorf("node %d: %v", i, err)
			}
		})
		slices.Sort(statuses)
		return statuses
	}
	var used []string
	for round := range rounds {
		used = append(used, cl.nodes[0].signed())
		if got := race(round, used[round]); !slices.Equal(got, []int{http.StatusOK, http.StatusUnauthorized}) {
			t.Fatalf("round %d: the nodes answer %v", round, got)
		}
	}
	cl.nodes[0].die()
	redis.Kill()
	redis.Start()
	cl.nodes[0].revive()
	for round, assertion := range used {
		if got := race(rounds+round, assertion); !slices.Equal(got, []int{http.StatusUnauthorized, http.StatusUnauthorized}) {
			t.Fatalf("round %d: after a restart, the nodes answer %v", round, got)
		}
	}
	for i, n := range cl.nodes {
		for _, entry := range n.entries("token refused") {
			if entry["reason"] != "assertion_replayed" {
				t.Errorf("node %d refused for another reason: %v", i, entry)
			}
		}
	}
}

// F23: without Redis, nodes go on with the revocations that they know, and with
// secrets. What cannot be told without it is answered 503. When it is back, all goes
// on by itself; what it lost, it is given again.
func TestF23RedisIsLost(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	cl := startSharing(t, 2, redis.state())
	stays, restarts := cl.nodes[0], cl.nodes[1]
	good, gone, doubtful := stays.mustIssue(), stays.mustIssue(), stays.mustIssue()
	stays.mustRevoke(gone, http.StatusOK)
	restarts.learns(gone)
	redis.Kill()

	for _, n := range cl.nodes {
		n.mustJudge("a good token without Redis", good, http.StatusOK)
		n.mustJudge("a revoked token without Redis", gone, http.StatusUnauthorized)
		n.mustRevoke(doubtful, http.StatusServiceUnavailable)
		if status, err := n.asserted(n.signed(), "192.0.2.1"); err != nil || status != http.StatusServiceUnavailable {
			t.Errorf("an assertion without Redis gets %d, %v", status, err)
		}
		if err := n.verified(0, n.mustIssue()); err != nil {
			t.Errorf("a token of a secret without Redis: %v", err)
		}
	}
	stays.entries("Redis is out of reach; the revocations that are known here stay in force, and whoever uses a single-use identifier is answered 503")
	// A node that begins without Redis does not know what is revoked.
	restarts.die()
	restarts.revive()
	restarts.mustJudge("a good token where nothing is known", good, http.StatusServiceUnavailable)
	restarts.mustIssue()
	if output, code := stays.ctl("status"); code == 0 || !strings.Contains(output, "the shared state is not current") {
		t.Errorf("status: %d\n%s", code, output)
	}

	redis.Lose()
	redis.Start()
	stays.entries("Redis lacked revocations that are known here; they are there again")
	for i, n := range cl.nodes {
		n.learns(gone)
		n.eventually("the node to be in order", func() bool { _, code := n.ctl("status"); return code == 0 })
		n.mustJudge("a good token with Redis back", good, http.StatusOK)
		if status, err := n.asserted(n.signed(), "192.0.2.2"); err != nil || status != http.StatusOK {
			t.Errorf("node %d: an assertion with Redis back gets %d, %v", i, status, err)
		}
		n.mustRevoke(n.mustIssue(), http.StatusOK)
	}
	// Whoever joins later learns of it from Redis alone.
	stays.die()
	restarts.die()
	stays.revive()
	stays.ready()
	stays.mustJudge("a token revoked before Redis lost all", gone, http.StatusUnauthorized)
	stays.mustJudge("a good token", good, http.StatusOK)
}

// F23: a Redis that may drop what it is told, or loses it with a restart, is named in
// the log, the status and a metric.
func TestF23ARedisThatMayForgetIsNamed(t *testing.T) {
	t.Parallel()
	redis := startRedis(t, "--appendonly", "no", "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru")
	n := startSharing(t, 1, redis.state()).nodes[0]
	for _, danger := range []string{"maxmemory-policy is allkeys-lru", "appendonly is off and no snapshots are saved"} {
		n.eventually("a warning of "+danger, func() bool {
			return strings.Contains(n.logged(), `"msg":"Redis may lose what is in it: `+danger)
		})
		if output, code := n.ctl("status"); code == 0 || !strings.Contains(output, danger) {
			t.Errorf("status does not name %q: %d\n%s", danger, code, output)
		}
	}
	if metrics := n.administer(http.MethodGet, "/metrics", "").body; !strings.Contains(metrics, "\ncaddy_tokenidp_state_warnings 2\n") {
		t.Errorf("the metrics do not tell:\n%s", metrics)
	}
}

// The default: revocations are in Caddy's storage. They reach the other node, and
// outlive kills.
func TestRevocationsInTheStorage(t *testing.T) {
	t.Parallel()
	cl := startSharing(t, 2, "")
	good := cl.nodes[0].mustIssue()
	var gone []string
	for round := range 4 {
		here, there := cl.nodes[round%2], cl.nodes[1-round%2]
		token := here.mustIssue()
		gone = append(gone, token)
		there.mustJudge("a token before it is revoked", token, http.StatusOK)
		here.mustRevoke(token, http.StatusOK)
		if round < 2 {
			here.mustJudge("a token after it was revoked here", token, http.StatusUnauthorized)
			there.learns(token)
			continue
		}
		here.die() // right after it has promised to know
		there.learns(token)
		here.revive()
		for _, token := range gone {
			here.mustJudge("a revoked token after a kill", token, http.StatusUnauthorized)
		}
		here.mustJudge("a good token after a kill", good, http.StatusOK)
	}
	for _, n := range cl.nodes {
		n.die()
	}
	for _, n := range cl.nodes {
		n.revive()
		for _, token := range gone {
			n.mustJudge("a revoked token after all were killed", token, http.StatusUnauthorized)
		}
		n.mustJudge("a good token after all were killed", good, http.StatusOK)
	}
}

// undecided reports whether an answer decides nothing: nobody could tell, or who was
// asked has died.
func undecided(status int, err error) bool {
	return errors.Is(err, errDied) || err == nil && (status == http.StatusBadGateway || status == http.StatusServiceUnavailable)
}
