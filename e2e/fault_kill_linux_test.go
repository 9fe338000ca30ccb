package e2e

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// kills is how often a node is killed. Each kill has two issuers of its own: the
// first has a planned rotation, the second one that signs at once.
const kills = 12

// moments of a rotation, as the storage shows them.
var moments = []struct {
	name    string
	reached func(cl *cluster, folder string) bool
}{
	{"it has begun", func(*cluster, string) bool { return true }},
	{"it has the lock", func(cl *cluster, folder string) bool { return cl.locked(folder) }},
	{"it writes the key", func(_ *cluster, folder string) bool { return len(entries(folder)) > 1 }},
	{"the key is there", func(_ *cluster, folder string) bool { return len(matching(entries(folder), ".json")) > 1 }},
}

// F1: a node is killed while it rotates, again and again. Every token of either
// node verifies at both, all the time; nothing fails but what is asked of a
// node that is dead.
func TestF01KilledWhileRotating(t *testing.T) {
	t.Parallel()
	cl := startCluster(t, 2, 2*kills, "EdDSA")
	cl.settle()
	l := startLoad(cl)
	random := rand.New(rand.NewPCG(1, 9068))
	unanswered := 0
	for round := range kills {
		l.busy.Store(int64(2 * round))
		victim, moment, looks := cl.nodes[random.IntN(2)], moments[round%len(moments)], random.IntN(200)
		folder := cl.folder(2*round + round/len(moments)%2)

		answered := victim.rotateBoth(round, random.IntN(3) == 0)
		victim.at("a moment of the rotation", func() bool { return len(answered) == 2 || moment.reached(cl, folder) })
		for range looks { // a while, without sleeping
			entries(folder)
		}
		victim.die()
		for range 2 {
			if err := <-answered; err != nil {
				unanswered++
			}
		}
		victim.revive()
		cl.agree(2 * round)
		cl.agree(2*round + 1)
		if t.Failed() {
			t.Fatalf("round %d: killed when %s, and %d looks later", round, moment.name, looks)
		}
	}
	used := l.end()
	t.Logf("%d of %d rotations were cut off; %d tokens were issued", unanswered, 2*kills, l.issued.Load())
	if unanswered == 0 {
		t.Error("every rotation was answered before the kill")
	}
	cl.checkRotated(used)
	cl.checkRotatesAgain(used)
}

// rotateBoth begins the rotations of a round: by the command, or by what that
// asks.
func (n *node) rotateBoth(round int, byCommand bool) <-chan error {
	answered := make(chan error, 2)
	for i, now := range []bool{false, true} {
		issuer := 2*round + i
		go func() {
			if !byCommand {
				_, err := n.rotate(issuer, now)
				answered <- err
				return
			}
			cmd := caddyCommand(n.dir, n.home, n.admin, "tokenidp", "keys", "rotate", fmt.Sprintf("--issuer=http://localhost/%02d", issuer), fmt.Sprintf("--now=%t", now))
			answered <- cmd.Run()
		}()
	}
	return answered
}

// die kills the node. From now on it owes no answer.
func (n *node) die() {
	n.t.Helper()
	n.life.Add(1)
	n.kill()
}

// revive starts the node again. From now on it owes every answer.
func (n *node) revive() {
	n.t.Helper()
	n.caddy = n.again().serving()
	n.http.CloseIdleConnections()
	n.life.Add(1)
}

// load is what the clients of a cluster ask all the time.
type load struct {
	cl      *cluster
	busy    atomic.Int64 // the first of the two issuers that rotate
	issued  atomic.Int64
	ending  atomic.Bool
	clients sync.WaitGroup

	mu   sync.Mutex
	used []map[string]string // by issuer: a token of each kid that was used
}

func startLoad(cl *cluster) *load {
	l := &load{cl: cl, used: make([]map[string]string, cl.issuers)}
	cl.t.Cleanup(func() { l.end() })
	for i := range l.used {
		l.used[i] = make(map[string]string)
	}
	for client := range 2 {
		random := rand.New(rand.NewPCG(2, uint64(client)))
		l.clients.Go(func() {
			for !l.ending.Load() {
				l.once(random)
			}
		})
	}
	return l
}

// once gets a token somewhere, and has it verified everywhere.
func (l *load) once(random *rand.Rand) {
	issuer := int(l.busy.Load()) + random.IntN(2)
	if random.IntN(4) == 0 {
		issuer = random.IntN(l.cl.issuers)
	}
	from := random.IntN(len(l.cl.nodes))
	token, err := l.cl.nodes[from].issued(issuer)
	if err != nil {
		if !errors.Is(err, errDied) {
			l.cl.t.Errorf("issuer %d: node %d gives no token: %v", issuer, from, err)
		}
		return
	}
	l.issued.Add(1)
	l.mu.Lock()
	l.used[issuer][keyID(l.cl.t, token)] = token
	l.mu.Unlock()
	for i, n := range l.cl.nodes {
		if err := n.verified(issuer, token); err != nil && !errors.Is(err, errDied) {
			l.cl.t.Errorf("issuer %d: node %d refuses a token of node %d: %v", issuer, i, from, err)
		}
	}
}

// end ends the load, and returns the tokens to remember.
func (l *load) end() []map[string]string {
	l.ending.Store(true)
	l.clients.Wait()
	return l.used
}

// checkRotated looks at what the kills have left behind: the keys that were
// used, at most one more for each kill, and nothing that cannot be read.
func (cl *cluster) checkRotated(used []map[string]string) {
	cl.t.Helper()
	for issuer, tokens := range used {
		for i, n := range cl.nodes {
			kids := n.published(issuer)
			for kid, token := range tokens {
				if !slices.Contains(kids, kid) {
					cl.t.Errorf("issuer %d: node %d publishes %v, but %s was used", issuer, i, kids, kid)
				}
				cl.accept(issuer, token)
			}
		}
		// The first key, and what the one rotation made of this issuer's.
		if whole := matching(entries(cl.folder(issuer)), ".json"); len(whole) > 2 {
			cl.t.Errorf("issuer %d: stored are %v", issuer, whole)
		}
	}
	for i, n := range cl.nodes {
		for entry, state := range n.states() {
			if state == "unreadable" {
				cl.t.Errorf("node %d cannot read %s", i, entry)
			}
		}
		for line := range strings.Lines(n.logged()) {
			if strings.Contains(line, `"level":"error"`) {
				cl.t.Errorf("node %d logged: %s", i, line)
			}
		}
	}
}

// checkRotatesAgain wants every issuer to rotate, whatever locks the dead have
// left behind.
func (cl *cluster) checkRotatesAgain(used []map[string]string) {
	cl.t.Helper()
	var all sync.WaitGroup
	for issuer := range used {
		all.Go(func() {
			if made, err := cl.nodes[issuer%2].rotate(issuer, true); err != nil || !made.Made {
				cl.t.Errorf("issuer %d does not rotate any more: %v", issuer, err)
			}
		})
	}
	all.Wait()
	for issuer, tokens := range used {
		cl.agree(issuer)
		for token := range maps.Values(tokens) {
			cl.accept(issuer, token)
		}
	}
}

// F1: a key that signs at once is found by a peer that lags, by one read of the
// storage in five seconds. The first such key is never refused; another soon
// after may be, as unknown and for no longer than that.
func TestF01APeerFindsKeysThatSignAtOnce(t *testing.T) {
	t.Parallel()
	cl := startCluster(t, 2, 1, "EdDSA")
	peer := cl.nodes[1]
	cl.agree(0)
	var kids []string
	for range 2 {
		made, err := cl.nodes[0].rotate(0, true)
		if err != nil || !made.Made {
			t.Fatalf("%+v %v", made, err)
		}
		token, err := cl.nodes[0].issued(0)
		if err != nil || keyID(t, token) != made.KeyID {
			t.Fatalf("the key %s does not sign: %v", made.KeyID, err)
		}
		if len(kids) == 0 {
			if err := peer.verified(0, token); err != nil {
				t.Errorf("the peer did not look for the key: %v", err)
			}
		}
		peer.eventually("the peer to find "+made.KeyID, func() bool { return peer.verified(0, token) == nil })
		kids = append(kids, made.KeyID)
	}
	for line := range strings.Lines(peer.logged()) {
		if strings.Contains(line, `"request refused"`) && !strings.Contains(line, `"reason":"unknown_key"`) {
			t.Errorf("refused otherwise: %s", line)
		}
	}
	cl.agree(0)
	if published := peer.published(0); !slices.Contains(published, kids[0]) || !slices.Contains(published, kids[1]) {
		t.Errorf("the peer publishes %v, want %v among them", published, kids)
	}
}
