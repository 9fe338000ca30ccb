package e2e

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// cluster is several Caddys on one storage. All serve the same issuers, each at
// a port of its own. The issuers are many, so that each rotation of a test may
// have one of its own; they are on the loopback interface, without TLS.
type cluster struct {
	t       *testing.T
	storage string
	issuers int
	nodes   []*node

	state        string // in the option tokenidp, if any
	applications string // default: clusterApplications
}

// node is a Caddy of a cluster, at a place that stays where it is restarted.
type node struct {
	*caddy
	base string
	http *http.Client
	// life is odd while the node may be down, and another number after.
	life atomic.Int64
}

// clusterApplications authenticate without a slow hash.
var clusterApplications = `
resources:
  - name: orders-api
    scopes: [{name: orders.read}]
applications:
  - client_id: worker
    secrets: [{id: "1", hash: "` + sha256Of(generatedSecret) + `"}]
    scopes: [orders.read]
    default_scopes: [orders.read]
`

// startCluster starts the nodes, all at the same moment, on an empty storage.
func startCluster(t *testing.T, nodes, issuers int, algorithm string) *cluster {
	t.Helper()
	return (&cluster{t: t, storage: filepath.Join(t.TempDir(), "storage"), issuers: issuers}).start(nodes, algorithm)
}

func (cl *cluster) start(nodes int, algorithm string) *cluster {
	cl.t.Helper()
	for range nodes {
		cl.nodes = append(cl.nodes, cl.joinAs(cl.caddyfile(algorithm), cl.t.TempDir(), nil))
	}
	for _, n := range cl.nodes {
		n.started()
	}
	return cl
}

// joinAs runs one more Caddy, as somebody else if attributes say so.
func (cl *cluster) joinAs(caddyfile, home string, as *syscall.SysProcAttr) *node {
	cl.t.Helper()
	c := &caddy{ports: newPorts(cl.t), home: home}
	c.admin = "localhost:" + c.ports.free["2019"]
	c.dir = workspace(cl.t, c.ports, caddyfile, map[string]string{"applications.yaml": cmp.Or(cl.applications, clusterApplications)})
	transport := new(http.Transport)
	cl.t.Cleanup(transport.CloseIdleConnections)
	return &node{
		caddy: run(cl.t, c, "Caddyfile", as),
		base:  c.url("http://localhost:5001/"), http: &http.Client{Transport: transport, Timeout: patience},
	}
}

// started waits until the node serves.
func (n *node) started() *node {
	n.t.Helper()
	n.serving()
	return n
}

// behindABalancer lets requests say from where they come, so that the failed
// authentications of a test are not all of one source.
const behindABalancer = "\tservers {\n\t\ttrusted_proxies static 127.0.0.1/8 ::1/128\n\t\ttrusted_proxies_strict\n\t}\n"

func (cl *cluster) caddyfile(algorithm string) string {
	var issuers, routes strings.Builder
	routes.WriteString("\thandle /ready {\n\t\t@ready tokenidp_ready\n\t\trespond @ready ready\n\t\trespond 503\n\t}\n") // what a balancer asks
	for i := range cl.issuers {
		fmt.Fprintf(&issuers, "\t\tissuer http://localhost/%02d {\n\t\t\tapplications applications.yaml\n\t\t\tsigning_algorithm %s\n\t\t}\n", i, algorithm)
		fmt.Fprintf(&routes, "\ttokenidp http://localhost/%02[1]d\n\thandle /%02[1]d/orders {\n\t\tverify orders.read {\n\t\t\tissuer http://localhost/%02[1]d\n\t\t}\n\t\trespond fine\n\t}\n", i)
	}
	return "{\n\tauto_https off\n\tstorage file_system " + cl.storage + "\n" + behindABalancer + "\ttokenidp {\n" + cl.state + "\n" + issuers.String() + "\t}\n}\nhttp://localhost:5001 {\n" + routes.String() + "}\n"
}

// place is the URL of an endpoint of the issuer's at the node.
func (n *node) place(issuer int, path string) string {
	return fmt.Sprintf("%s%02d%s", n.base, issuer, path)
}

// errDied is for a node that was killed before it answered.
var errDied = errors.New("the node was killed")

// send sends a request that the node must answer, unless it was killed.
func (n *node) send(r *http.Request) (*answer, error) {
	life := n.life.Load()
	a, err := exchange(n.http, r)
	if err != nil && (life%2 == 1 || n.life.Load() != life) {
		return nil, errDied
	}
	return a, err
}

// asked asks the node for a token of the issuer.
func (n *node) asked(issuer int) (*answer, error) {
	r, err := http.NewRequest(http.MethodPost, n.place(issuer, "/token"), strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("worker", generatedSecret)
	return n.send(r)
}

// issued gets a token of the issuer from the node.
func (n *node) issued(issuer int) (string, error) {
	a, err := n.asked(issuer)
	if err != nil {
		return "", err
	}
	token := accessToken(a.body)
	if a.StatusCode != http.StatusOK || token == "" {
		return "", fmt.Errorf("%d %s", a.StatusCode, a.body)
	}
	return token, nil
}

// verified has the node verify a token of the issuer.
func (n *node) verified(issuer int, token string) error {
	r, err := http.NewRequest(http.MethodGet, n.place(issuer, "/orders"), nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	a, err := n.send(r)
	if err == nil && (a.StatusCode != http.StatusOK || a.body != "fine") {
		err = fmt.Errorf("%d %s %s", a.StatusCode, a.body, a.Header.Get("WWW-Authenticate"))
	}
	return err
}

// agree wants a token of each node, for the issuer, to verify at every node.
func (cl *cluster) agree(issuer int) {
	cl.t.Helper()
	for i, from := range cl.nodes {
		token, err := from.issued(issuer)
		if err != nil {
			cl.t.Fatalf("issuer %d: node %d gives no token: %v", issuer, i, err)
		}
		cl.accept(issuer, token)
	}
}

// accept wants a token to verify at every node.
func (cl *cluster) accept(issuer int, token string) {
	cl.t.Helper()
	for i, n := range cl.nodes {
		if err := n.verified(issuer, token); err != nil {
			cl.t.Errorf("issuer %d: node %d refuses a token of key %s: %v", issuer, i, keyID(cl.t, token), err)
		}
	}
}

// published are the kids in the node's JWK Set of the issuer.
func (n *node) published(issuer int) []string {
	n.t.Helper()
	return kidsOf(n.t, send(n.t, n.http, n.request(http.MethodGet, n.place(issuer, "/.well-known/jwks.json"), "")).body)
}

// rotation is what the admin endpoint answers to one.
type rotation struct {
	KeyID string `json:"kid"`
	Made  bool   `json:"made"`
}

// rotate asks the node for a rotation, at once or planned.
func (n *node) rotate(issuer int, now bool) (made rotation, err error) {
	response, err := adminClient.Post(fmt.Sprintf("http://%s/tokenidp/keys/rotate?issuer=http://localhost/%02d&now=%t", n.admin, issuer, now), "", nil)
	if err != nil {
		return made, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return made, err
	}
	if response.StatusCode != http.StatusOK {
		return made, fmt.Errorf("%d %s", response.StatusCode, body)
	}
	return made, json.Unmarshal(body, &made)
}

// states are those of all keys that the node knows, by entry.
func (n *node) states() map[string]string {
	n.t.Helper()
	var all []struct {
		Keys []struct{ Entry, State string }
	}
	if err := json.Unmarshal([]byte(n.administer(http.MethodGet, "/tokenidp/keys", "").body), &all); err != nil {
		n.t.Fatal(err)
	}
	states := make(map[string]string)
	for _, issuer := range all {
		for _, k := range issuer.Keys {
			states[k.Entry] = k.State
		}
	}
	return states
}

// folder is that of the issuer's keys in the storage.
func (cl *cluster) folder(issuer int) string {
	cl.t.Helper()
	found, err := filepath.Glob(filepath.Join(cl.storage, "tokenidp", fmt.Sprintf("localhost%02d-????????", issuer), "keys"))
	if err != nil || len(found) != 1 {
		cl.t.Fatalf("the folders of issuer %d are %v, %v", issuer, found, err)
	}
	return found[0]
}

// entries are the names of what is in the folder, whole or not.
func entries(folder string) (names []string) {
	found, _ := os.ReadDir(folder)
	for _, entry := range found {
		names = append(names, entry.Name())
	}
	return names
}

// locked reports whether some node has the lock of the folder.
func (cl *cluster) locked(folder string) bool {
	issuer := filepath.Base(filepath.Dir(folder))
	return len(matching(entries(filepath.Join(cl.storage, "locks")), issuer)) > 0
}

func matching(names []string, part string) (found []string) {
	for _, name := range names {
		if strings.Contains(name, part) {
			found = append(found, name)
		}
	}
	return found
}

// settle waits until no node refreshes a lock that it had. certmagic goes on
// refreshing the file for five seconds after the lock was given back, and for
// ever if somebody else has the lock by then: that one must not die.
func (cl *cluster) settle() {
	cl.t.Helper()
	for _, n := range cl.nodes {
		n.eventually("the last lock to be forgotten", func() bool {
			_, refreshing := n.goroutines("certmagic.keepLockfileFresh")
			return refreshing == 0
		})
	}
}

// everywhere does the work for all nodes at the same time.
func (cl *cluster) everywhere(work func(i int, n *node)) {
	var all sync.WaitGroup
	for i, n := range cl.nodes {
		all.Go(func() { work(i, n) })
	}
	all.Wait()
}
