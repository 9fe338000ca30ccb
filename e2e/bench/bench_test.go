//go:build linux

package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	rounds    = 7
	aRound    = 1500 * time.Millisecond
	warmUp    = 500 * time.Millisecond
	remembers = 10_000 // tokens of a busy server
	usedOnce  = 20_000 // tokens: more than a round can check

	pairsOfServers = 5
	shortRounds    = 33
	aShortRound    = 150 * time.Millisecond
)

// TestMain is also the program that signs and does nothing else, so that it can
// have the server's core.
func TestMain(m *testing.M) {
	if algorithm := os.Getenv("BENCH_SIGN"); algorithm != "" {
		signAlone(algorithm)
		return
	}
	os.Exit(m.Run())
}

func signAlone(algorithm string) {
	input := make([]byte, 400) // a token's
	sign(algorithm, input)     // makes the key
	n, begin := 0, time.Now()
	for time.Since(begin) < aRound {
		sign(algorithm, input)
		n++
	}
	fmt.Print(n, " ", time.Since(begin).Seconds())
}

// BenchmarkVerify compares what verify lets through with the same request to the
// same answer without verify, in turns.
func BenchmarkVerify(b *testing.B) {
	s := start(b, build(b), byDefault)
	rs, es := s.tokens(b, "rs", "RS256", usedOnce), s.tokens(b, "es", "ES256", usedOnce)
	leaveServerCore(b)
	fmt.Printf("\n%d rounds of %v for each, 64 connections, GOMAXPROCS=1, pinned: %v, %s\n", rounds, aRound, pinning() != "", runtime.Version())
	t := newTable("route", "requests/s", "per CPU second", "of `respond`, CPU", "p50", "p99", "p99 of `respond`")
	defer t.Flush()
	for _, row := range []struct {
		name, route string
		tokens      []string
		once        bool
		revoked     int // other tokens, before
	}{
		{"`respond`, again", "bare", rs[:1], false, 0},
		{"`vars`, the least of handlers", "vars", rs[:1], false, 0},
		{"RS256, 1 token", "RS256", rs[:1], false, 0},
		{"RS256, 10,000 tokens", "RS256", rs[:remembers], false, 0},
		{"ES256, 1 token", "ES256", es[:1], false, 0},
		{"ES256, 10,000 tokens", "ES256", es[:remembers], false, 0},
		{"and two claim headers, RS256, 10,000 tokens", "headers", rs[:remembers], false, 0},
		{"and two issuers, RS256, 10,000 tokens", "two", rs[:remembers], false, 0},
		{"and all that, and 100,000 revoked tokens", "all", rs[:remembers], false, 100_000},
		{"RS256, tokens never seen", "RS256", rs, true, 0},
		{"ES256, tokens never seen", "ES256", es, true, 0},
	} {
		if row.revoked > 0 {
			s.revoke(b, row.revoked)
		}
		bare, verified := s.get("bare", row.tokens, false), s.get(row.route, row.tokens, row.once)
		if strings.Contains(routes[row.route], "verify") {
			s.guards(b, row.route)
		}
		bare.run(b, s, warmUp)
		if !row.once {
			verified.remember(b, s)
		}
		var a, z result
		var ratios []float64
		for range rounds {
			if row.once {
				s.forget(b)
			}
			x, y := bare.run(b, s, aRound), verified.run(b, s, aRound)
			ratios = append(ratios, y.perCPUSecond()/x.perCPUSecond())
			a.add(x)
			z.add(y)
		}
		t.row(row.name, count(z.perSecond()), count(z.perCPUSecond()), spread(ratios),
			milliseconds(z.quantile(.5)), milliseconds(z.quantile(.99)), milliseconds(a.quantile(.99)))
	}
}

// remember has the server verify each token once, and warm up.
func (l *load) remember(b *testing.B, s *server) {
	b.Helper()
	each := *l
	each.once = true
	each.run(b, s, time.Minute)
	l.run(b, s, warmUp)
}

// BenchmarkObserved compares verify in servers that count usage, write the audit log to a
// file and have Caddy's metrics on with verify in servers that do not, each beside its own
// respond. It is about less than what other users of the machine change from one second to
// the next, and less than what the place of a process in memory changes. So it has many
// short turns, and several servers of each kind.
func BenchmarkObserved(b *testing.B) {
	binary := build(b)
	var pairs [pairsOfServers][2]*server
	var tokens [pairsOfServers][2][]string
	for i := range pairs {
		for kind, observed := range []observation{nothing, all} {
			pairs[i][kind] = start(b, binary, observed)
			tokens[i][kind] = pairs[i][kind].tokens(b, "es", "ES256", remembers)
		}
	}
	leaveServerCore(b)
	fmt.Printf("\n%d servers of each kind, each %d rounds of %v, 64 connections, GOMAXPROCS=1, pinned: %v, %s\n", pairsOfServers, shortRounds, aShortRound, pinning() != "", runtime.Version())
	t := newTable("tokens", "of `respond`, CPU, without", "with", "points lost, each pair")
	defer t.Flush()
	for _, n := range []int{1, remembers} {
		var turns [pairsOfServers][2]turns
		for round := range shortRounds + 1 {
			for i, pair := range pairs {
				for kind, s := range pair {
					bare, verified := s.get("bare", tokens[i][kind][:n], false), s.get("ES256", tokens[i][kind][:n], false)
					if round == 0 {
						s.guards(b, "ES256")
						bare.run(b, s, warmUp)
						verified.remember(b, s)
						continue
					}
					turns[i][kind].add(bare.run(b, s, aShortRound), verified.run(b, s, aShortRound))
				}
			}
		}
		var ratios [2][]float64
		var lost []float64
		for _, pair := range turns {
			without, with := pair[0].ofRespond(), pair[1].ofRespond()
			ratios[0], ratios[1], lost = append(ratios[0], without), append(ratios[1], with), append(lost, without-with)
		}
		t.row(strconv.Itoa(n), spread(ratios[0]), spread(ratios[1]), spread(lost))
	}
	for _, pair := range pairs {
		pair[1].audits(b)
	}
}

// turns are the CPU seconds of a request, in turns: of respond, and what verify adds in the
// turn after it.
type turns struct{ respond, added []float64 }

func (t *turns) add(bare, verified result) {
	t.respond = append(t.respond, 1/bare.perCPUSecond())
	t.added = append(t.added, 1/verified.perCPUSecond()-1/bare.perCPUSecond())
}

func (t *turns) ofRespond() float64 {
	respond := middle(t.respond)
	return respond / (respond + middle(t.added))
}

// audits makes sure that the audit log has a line of an allowed request, and none is lost.
func (s *server) audits(b *testing.B) {
	b.Helper()
	file, err := os.Open(filepath.Join(s.process.Dir, "audit.log"))
	check(b, err)
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if bytes.Contains(lines.Bytes(), []byte(`"event":"allowed"`)) {
			if lost := s.metric(b, "caddy_tokenidp_audit_lines_lost_total"); lost > 0 {
				b.Errorf("%.0f lines of the audit log are lost", lost)
			}
			return
		}
	}
	b.Fatal("the audit log has no line of an allowed request")
}

// guards makes sure that the route would refuse, so that what is measured is
// verify.
func (s *server) guards(b *testing.B, route string) {
	b.Helper()
	response, err := http.Get("http://" + s.routes[route])
	check(b, err)
	response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		b.Fatalf("%s answers %d without a token", route, response.StatusCode)
	}
}

// BenchmarkIssue compares the tokens that an issuer gives with the signatures that
// the same core makes when it does nothing else, in turns.
func BenchmarkIssue(b *testing.B) {
	s := start(b, build(b), byDefault)
	leaveServerCore(b)
	fmt.Printf("\n%d rounds of %v for each, 16 connections, GOMAXPROCS=1, pinned: %v, %s\n", rounds, aRound, pinning() != "", runtime.Version())
	t := newTable("algorithm, secret", "tokens/s", "per CPU second", "signatures per CPU second", "of them", "p50", "p99")
	defer t.Flush()
	for _, row := range []struct{ algorithm, issuer, client string }{
		{"RS256", "rs", "generated"}, {"RS256", "rs", "chosen"},
		{"ES256", "es", "generated"}, {"ES256", "es", "chosen"},
		{"EdDSA", "ed", "generated"}, {"EdDSA", "ed", "chosen"},
	} {
		l := &load{address: s.site, connections: 16, want: []byte(`"access_token":"ey`), requests: [][]byte{spelled(b, s.tokenRequest(row.issuer, row.client))}}
		l.run(b, s, warmUp)
		var tokens, signatures result
		var ratios []float64
		for range rounds {
			x, y := raw(b, row.algorithm), l.run(b, s, aRound)
			ratios = append(ratios, y.perCPUSecond()/x.perCPUSecond())
			signatures.add(x)
			tokens.add(y)
		}
		secret := map[string]string{"generated": "generated", "chosen": "argon2id"}[row.client]
		t.row(row.algorithm+", "+secret, count(tokens.perSecond()), count(tokens.perCPUSecond()), count(signatures.perCPUSecond()), spread(ratios),
			milliseconds(tokens.quantile(.5)), milliseconds(tokens.quantile(.99)))
	}
}

// raw signs on the server's core.
func raw(b *testing.B, algorithm string) result {
	b.Helper()
	program := onServerCore(must(os.Executable()))
	program.Env = []string{"BENCH_SIGN=" + algorithm, "GOMAXPROCS=1"}
	output, err := program.Output()
	check(b, err)
	signed, elapsed, _ := strings.Cut(string(output), " ")
	cpu := program.ProcessState.UserTime() + program.ProcessState.SystemTime()
	return result{answers: must(strconv.Atoi(signed)), elapsed: must(strconv.ParseFloat(elapsed, 64)), cpu: cpu.Seconds()}
}
