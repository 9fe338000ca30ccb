package e2e

import (
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

const (
	sharedQuota = 12
	// oneInSeconds is after how long the next token may be had: nothing of the quota
	// comes back while a test runs.
	oneInSeconds = 30 * 24 * 60 * 60 / sharedQuota
)

// startThrifty starts nodes with one issuer, which share the state that is given, and
// an Application with a quota.
func startThrifty(t *testing.T, nodes int, state string) *cluster {
	t.Helper()
	cl := &cluster{t: t, storage: filepath.Join(t.TempDir(), "storage"), issuers: 1, state: state}
	cl.applications = strings.Replace(clusterApplications, "client_id: worker\n", "client_id: worker\n    quota: {tokens: "+strconv.Itoa(sharedQuota)+", per: 30d}\n", 1)
	return cl.start(nodes, "EdDSA")
}

// draws asks the node for as many tokens as the quota has, and counts those that it
// gets. What it does not get, it is told when to ask for.
func (n *node) draws(got *atomic.Int64) {
	for range sharedQuota {
		a, err := n.asked(0)
		switch {
		case err != nil:
			n.t.Error(err)
		case a.StatusCode == http.StatusOK:
			got.Add(1)
		default:
			n.checkUsedUp(a)
		}
	}
}

// checkUsedUp wants the answer to be that of RFC 6585 section 4.
func (n *node) checkUsedUp(a *answer) {
	n.t.Helper()
	seconds, err := strconv.Atoi(a.Header.Get("Retry-After"))
	if a.StatusCode != http.StatusTooManyRequests || err != nil || seconds <= 0 || seconds > oneInSeconds || !strings.Contains(a.body, `"temporarily_unavailable"`) {
		n.t.Errorf("%d %s, Retry-After %q", a.StatusCode, a.body, a.Header.Get("Retry-After"))
	}
}

// usedUp wants the next request for a token to be one too many.
func (n *node) usedUp() {
	n.t.Helper()
	a, err := n.asked(0)
	if err != nil {
		n.t.Fatal(err)
	}
	n.checkUsedUp(a)
}

// Nodes that share a Redis count a quota together: at the same moment they give as many
// tokens as it has, whichever of them is asked. A node that was killed in between
// knows no less. Without Redis each counts alone, so that nobody is left without
// tokens; with it, they count there again.
func TestOneQuotaAtTwoNodes(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	cl := startThrifty(t, 2, redis.state())
	var together atomic.Int64
	cl.everywhere(func(_ int, n *node) { n.draws(&together) })
	if got := together.Load(); got != sharedQuota {
		t.Fatalf("the nodes give %d tokens together, and the quota is %d", got, sharedQuota)
	}
	cl.nodes[1].die()
	cl.nodes[1].revive()
	for _, n := range cl.nodes {
		n.usedUp()
		if lines := n.entries("token refused"); lines[0]["reason"] != "quota_exceeded" || lines[0]["client_id"] != "worker" {
			t.Errorf("the log says %v", lines[0])
		}
	}

	redis.Kill()
	for i, n := range cl.nodes {
		var alone atomic.Int64
		n.draws(&alone)
		if got := alone.Load(); got != sharedQuota {
			t.Errorf("without Redis, node %d gives %d tokens, and the quota is %d", i, got, sharedQuota)
		}
		n.usedUp()
	}

	redis.Lose()
	redis.Start()
	for _, n := range cl.nodes {
		n.eventually("a token of the quota in Redis", func() bool {
			_, err := n.issued(0)
			return err == nil
		})
	}
}
