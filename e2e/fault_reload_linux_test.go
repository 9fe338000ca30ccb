package e2e

import (
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// reloads is how often a valid configuration replaces another.
const reloads = 50

// reloading is a shop whose configuration is replaced again and again.
type reloading struct {
	*caddy
	loaded int
}

// F19: the configuration is replaced many times, and fails to be in between,
// while clients ask for tokens and use them. No request is lost, no token is
// signed with a key that was not published before, and nothing is left of the
// configurations before.
func TestF19ReloadsUnderLoad(t *testing.T) {
	t.Parallel()
	p := newPorts(t)
	busy, err := net.Listen("tcp", ":"+p.free["5003"])
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	r := &reloading{caddy: start(t, reloadedCaddyfile("RS256", "fine"), options{ports: p, files: map[string]string{
		"applications.yaml": clusterApplications, "broken.yaml": brokenApplications,
	}})}
	for range 5 {
		r.reload()
	}
	files := r.descriptors()
	all, _ := r.goroutines("")

	l := startReloadLoad(r.caddy)
	for i := range reloads {
		r.reload()
		if i%4 == 0 {
			r.failToReload(i / 4)
		}
	}
	l.end()
	t.Logf("%d requests; %d connections did not come about, %d were closed instead of an answer", l.sent.Load(), l.unconnected.Load(), l.unanswered.Load())
	l.checkTokens()

	r.eventually("what was before the reloads", func() bool {
		now, _ := r.goroutines("")
		return now <= all+10 && r.descriptors() <= files+10
	})
	for _, function := range []string{"live.(*Library).Run", "signing.(*Ring).Run", "usage.(*Store).Run"} {
		if _, n := r.goroutines(function); n != 1 {
			t.Errorf("%s runs %d times", function, n)
		}
	}
	if kids := r.kids(); len(kids) != 2 {
		t.Errorf("published are %v; want the key, and a successor for the other algorithm", kids)
	}
}

// reloadedCaddyfile names its files with their folder: a configuration that is
// posted has none.
func reloadedCaddyfile(algorithm, answer string) string {
	return strings.Replace(shopOptions, "applications.yaml\n", "applications.yaml\n\t\t\tsigning_algorithm "+algorithm+"\n", 1) +
		"localhost:5001 {\n\ttokenidp\n\thandle /orders {\n\t\tverify orders.read\n\t\trespond \"" + answer + "\"\n\t}\n}\n"
}

// next is the configuration that is loaded next: one of two in turn, and from
// the middle on of another algorithm.
func (r *reloading) next() string {
	algorithm := "RS256"
	if r.loaded > reloads/2 {
		algorithm = "ES256"
	}
	return r.url(reloadedCaddyfile(algorithm, []string{"fine", "fine too"}[r.loaded%2]))
}

// reload replaces the configuration, by the command or by what that asks.
func (r *reloading) reload() {
	r.t.Helper()
	r.loaded++
	var output string
	var done bool
	if r.loaded%5 == 0 {
		write(r.t, filepath.Join(r.dir, "Caddyfile"), r.next())
		output, done = r.reloadCommand()
	} else {
		output, done = r.post(r.next())
	}
	if !done {
		r.t.Fatalf("reload %d: %s", r.loaded, output)
	}
}

func (r *reloading) reloadCommand() (output string, done bool) {
	r.t.Helper()
	r.eventually("the admin endpoint", func() bool { // see administer
		printed, err := caddyCommand(r.dir, r.home, r.admin, "reload", "--config", "Caddyfile").CombinedOutput()
		output, done = string(printed), err == nil
		return done || !strings.Contains(output, "EOF") && !strings.Contains(output, "connection reset")
	})
	return output, done
}

func (r *reloading) post(config string) (output string, done bool) {
	r.t.Helper()
	for _, name := range []string{"applications.yaml", "broken.yaml"} {
		config = strings.ReplaceAll(config, "applications "+name, "applications "+filepath.Join(r.dir, name))
	}
	a := r.administer(http.MethodPost, "/load", config, "Content-Type: text/caddyfile")
	return a.body, a.StatusCode == http.StatusOK
}

// failToReload loads a configuration with a mistake.
func (r *reloading) failToReload(i int) {
	r.t.Helper()
	good := r.next()
	for _, mistake := range []struct{ config, says string }{
		{strings.Replace(good, "tokenidp\n\thandle", "tokenidp {\n\thandle", 1), "Caddyfile:"},
		{strings.Replace(good, "orders.read", "orders.raed", 1), "unknown scope"},
		{strings.Replace(good, "applications.yaml", "broken.yaml", 1), "broken.yaml:2:"},
		{good + r.url(":5003 {\n\trespond busy\n}\n"), "address already in use"},
	}[i%4 : i%4+1] {
		output, done := r.post(mistake.config)
		if i%8 >= 4 {
			write(r.t, filepath.Join(r.dir, "Caddyfile"), mistake.config)
			output, done = r.reloadCommand()
		}
		if done || !strings.Contains(output, mistake.says) {
			r.t.Errorf("a reload that must fail because of %q: %t %s", mistake.says, done, output)
		}
	}
}

// startReloadLoad has clients of all kinds ask all the time.
func startReloadLoad(c *caddy) *clients {
	l := &clients{caddy: c}
	l.publish(c.client())
	l.every(func() { l.publish(c.client()) })
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for _, keep := range []bool{true, false} {
			client := c.client()
			if protocol == "HTTP/1.1" {
				client.Transport.(*http.Transport).ForceAttemptHTTP2 = false
			}
			l.every(func() {
				if !keep {
					client.CloseIdleConnections()
				}
				l.orders(client, protocol)
			})
		}
	}
	c.t.Cleanup(l.end)
	return l
}

// orders gets a token and uses it.
func (l *clients) orders(client *http.Client, protocol string) {
	published := *l.published.Load()
	token, ok := l.token(client, protocol)
	if !ok {
		return
	}
	if kid := keyID(l.t, token); !slices.Contains(published, kid) {
		l.t.Errorf("a token is signed with %s, and %v were published before", kid, published)
	}
	a := l.send(client, func() *http.Request {
		return l.request(http.MethodGet, "https://localhost:5001/orders", "", bearer(token))
	})
	if a != nil && (a.StatusCode != http.StatusOK || !strings.HasPrefix(a.body, "fine") || a.Proto != protocol) {
		l.t.Errorf("%s: a verified request gets %d %q", a.Proto, a.StatusCode, a.body)
	}
}

// publish looks at the keys.
func (l *clients) publish(client *http.Client) {
	defer client.CloseIdleConnections()
	a := l.send(client, func() *http.Request {
		return l.request(http.MethodGet, "https://localhost:5001/.well-known/jwks.json", "")
	})
	if a == nil || a.StatusCode != http.StatusOK {
		l.t.Errorf("the keys get %v", a)
		return
	}
	kids := kidsOf(l.t, a.body)
	l.published.Store(&kids)
}
