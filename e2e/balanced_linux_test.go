package e2e

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// startBalancer runs the balancer of examples/cluster in front of the nodes, which
// here speak HTTP.
func (cl *cluster) startBalancer() *node {
	cl.t.Helper()
	caddyfile := read(cl.t, "../examples/cluster/balancer/Caddyfile")
	caddyfile = regexp.MustCompile(`(?s)\n\t\t# [^\n]*\n\t\ttransport http \{.*?\n\t\t\}`).ReplaceAllLiteralString(caddyfile, "")
	for _, part := range [][2]string{
		{"\nlocalhost:5001 {", "\nhttp://localhost:5001 {"},
		{"https://localhost:5002 https://localhost:5004", strings.TrimSuffix(cl.nodes[0].base, "/") + " " + strings.TrimSuffix(cl.nodes[1].base, "/")},
	} {
		if !strings.Contains(caddyfile, part[0]) {
			cl.t.Fatalf("the balancer of the example has no %s", part[0])
		}
		caddyfile = strings.Replace(caddyfile, part[0], part[1], 1)
	}
	c := start(cl.t, caddyfile, options{})
	transport := new(http.Transport)
	cl.t.Cleanup(transport.CloseIdleConnections)
	return &node{caddy: c, base: c.url("http://localhost:5001/"), http: &http.Client{Transport: transport, Timeout: patience}}
}

// traffic is what clients ask of a cluster through its balancer, and of its nodes.
type traffic struct {
	*cluster
	front   *node
	issued  atomic.Int64
	ending  atomic.Bool
	clients sync.WaitGroup

	mu         sync.Mutex
	good, gone []string // tokens; those that are gone, all nodes know
	unanswered int
}

func (cl *cluster) startTraffic(front *node) *traffic {
	l := &traffic{cluster: cl, front: front}
	cl.t.Cleanup(l.end)
	for client := range 3 {
		random := rand.New(rand.NewPCG(3, uint64(client)))
		l.clients.Go(func() {
			for !l.ending.Load() && !cl.t.Failed() {
				l.once(random)
			}
		})
	}
	return l
}

func (l *traffic) end() {
	l.ending.Store(true)
	l.clients.Wait()
}

// once gets a token, uses it, and gives it back or keeps it. Then it looks at what
// the nodes think of tokens that were given back or kept before.
func (l *traffic) once(random *rand.Rand) {
	token, err := l.front.issued(0)
	if err != nil {
		// A balancer does not send a token request again that a node has seen, and it may
		// take the other node for dead, too, for a moment. What a node answers has a body.
		if strings.HasPrefix(err.Error(), "502 ") || err.Error() == "503 " {
			l.count()
			return
		}
		l.t.Errorf("no token: %v", err)
		return
	}
	l.issued.Add(1)
	l.decides(l.front, "a good token at the balancer", token, http.StatusOK)
	if random.IntN(2) == 0 {
		l.giveBack(token, random)
	} else {
		l.remember(&l.good, token)
	}
	for _, n := range l.nodes {
		if token := l.any(&l.gone, random); token != "" {
			l.agrees(n, "a revoked token", token, http.StatusUnauthorized)
		}
		if token := l.any(&l.good, random); token != "" {
			l.agrees(n, "a good token", token, http.StatusOK)
		}
	}
}

// giveBack revokes a token until somebody says that it is. From then on, who said so
// refuses it, and all others soon.
func (l *traffic) giveBack(token string, random *rand.Rand) {
	asked := append([]*node{l.front}, l.nodes...)[random.IntN(3)]
	for {
		status, err := asked.revoked(token)
		if err == nil && status == http.StatusOK {
			break
		}
		if !undecided(status, err) {
			l.t.Errorf("revoking gets %d, %v", status, err)
			return
		}
		if l.count(); l.t.Failed() || l.ending.Load() {
			return // it is neither good nor gone
		}
		asked = l.front
	}
	if asked != l.front {
		l.agrees(asked, "a token that was revoked here", token, http.StatusUnauthorized)
	}
	for _, n := range l.nodes {
		l.front.eventually("a node to learn of a revocation", func() bool {
			status, err := n.judged(token)
			if !undecided(status, err) && (err != nil || status != http.StatusOK && status != http.StatusUnauthorized) {
				l.t.Errorf("a revoked token gets %d, %v", status, err)
			}
			// Who has died learns of it before it decides anything.
			return status == http.StatusUnauthorized || errors.Is(err, errDied) || l.t.Failed()
		})
	}
	l.remember(&l.gone, token)
}

// agrees wants the node to decide so, if it decides.
func (l *traffic) agrees(n *node, what, token string, want int) {
	if status, err := n.judged(token); undecided(status, err) {
		l.count()
	} else if err != nil || status != want {
		l.t.Errorf("%s gets %d, %v, want %d", what, status, err, want)
	}
}

// decides asks until somebody decides, and wants it to be so.
func (l *traffic) decides(n *node, what, token string, want int) {
	for deadline := time.Now().Add(patience); ; l.count() {
		status, err := n.judged(token)
		if undecided(status, err) && time.Now().Before(deadline) {
			continue
		}
		if err != nil || status != want {
			l.t.Errorf("%s gets %d, %v, want %d", what, status, err, want)
		}
		return
	}
}

func (l *traffic) count() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unanswered++
}

func (l *traffic) remember(tokens *[]string, token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*tokens = append(*tokens, token)
}

func (l *traffic) any(tokens *[]string, random *rand.Rand) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(*tokens) == 0 {
		return ""
	}
	return (*tokens)[random.IntN(len(*tokens))]
}

// Two nodes behind a balancer, killed and started again in turns under load: no
// decision is wrong, no revocation is lost, no good token is refused.
func TestNodesBehindABalancerAreKilled(t *testing.T) {
	t.Parallel()
	cl := startSharing(t, 2, startRedis(t).state())
	l := cl.startTraffic(cl.startBalancer())
	proceed := func() {
		t.Helper()
		from := l.issued.Load()
		l.front.eventually("traffic", func() bool { return l.issued.Load() >= from+8 || t.Failed() })
		if t.Failed() {
			t.FailNow()
		}
	}
	for round := range 4 {
		victim := cl.nodes[round%2]
		proceed()
		victim.die()
		proceed()
		victim.revive()
	}
	proceed()
	l.end()
	t.Logf("%d tokens, %d of them revoked; %d requests were not decided at once", l.issued.Load(), len(l.gone), l.unanswered)
	if len(l.gone) == 0 || len(l.good) == 0 {
		t.Fatal("no token was kept, or none revoked")
	}
	// A node that was never there knows the same.
	cl.nodes = append(cl.nodes, cl.joinAs(cl.caddyfile("EdDSA"), t.TempDir(), nil).started())
	for _, n := range cl.nodes {
		n.ready()
		for _, token := range l.gone {
			n.mustJudge("a revoked token at the end", token, http.StatusUnauthorized)
		}
		for _, token := range l.good {
			n.mustJudge("a good token at the end", token, http.StatusOK)
		}
	}
}
