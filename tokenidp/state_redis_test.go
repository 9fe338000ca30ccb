package tokenidp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// What is unsafe, or has no effect, is an error at the place where it is written, and
// shows nothing secret. Nothing is connected.
func TestStateRedisIsChecked(t *testing.T) {
	t.Setenv("REDIS_PASSWORD", "hush")
	t.Setenv("REDIS_URL", "https://redis.example.com")
	noPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(noPEM, []byte("hush"), 0o600); err != nil {
		t.Fatal(err)
	}
	const far, here, tls = "redis://redis.example.com", "redis://127.0.0.1", "rediss://redis.example.com"
	for _, row := range []struct {
		name  string
		state StateRedis
		want  string // empty: in order
	}{
		{"TLS", StateRedis{URLs: []string{tls}, Username: "caddy", Password: "{env.REDIS_PASSWORD}"}, ""},
		{"loopback", StateRedis{URLs: []string{here}}, ""},
		{"no TLS", StateRedis{URLs: []string{far}}, "redis.example.com is reached without TLS"},
		{"Sentinels here may name a Redis elsewhere", StateRedis{URLs: []string{here}, SentinelMaster: "m"}, "127.0.0.1 is reached without TLS, and so is the Redis that it names"},
		{"a Cluster here may name nodes elsewhere", StateRedis{URLs: []string{here}, Cluster: true}, "127.0.0.1 is reached without TLS, and so are all nodes"},
		{"a Cluster of several URLs may, too", StateRedis{URLs: []string{here, here}}, "127.0.0.1 is reached without TLS, and so are all nodes"},
		{"Sentinels without TLS, as said", StateRedis{URLs: []string{here}, SentinelMaster: "m", InsecurePlaintext: true}, ""},
		{"a Cluster without TLS, as said", StateRedis{URLs: []string{here}, Cluster: true, InsecurePlaintext: true}, ""},
		{"no TLS, as said", StateRedis{URLs: []string{far}, InsecurePlaintext: true}, ""},
		{"no URL", StateRedis{}, "needs a URL"},
		{"a URL that is none, in a placeholder", StateRedis{URLs: []string{"{env.REDIS_URL}"}}, `begins with "https"`},
		{"an empty placeholder", StateRedis{URLs: []string{"{env.NO_SUCH_VARIABLE}"}}, "has no value"},
		{"a password in the clear", StateRedis{URLs: []string{tls}, Password: "hush"}, "must be a placeholder"},
		{"a password of Sentinels in the clear", StateRedis{URLs: []string{tls}, SentinelMaster: "m", SentinelPassword: "hush"}, "must be a placeholder"},
		{"a password that is not set", StateRedis{URLs: []string{tls}, Password: "{env.NO_SUCH_VARIABLE}"}, "has no value"},
		{"a user alone", StateRedis{URLs: []string{tls}, Username: "caddy"}, "without a password"},
		{"a user of no Sentinels", StateRedis{URLs: []string{tls}, SentinelUsername: "caddy"}, "without sentinel_master"},
		{"Sentinels of a Cluster", StateRedis{URLs: []string{tls}, SentinelMaster: "m", Cluster: true}, "needs no Sentinels"},
		{"authorities of nothing", StateRedis{URLs: []string{here}, TLSCA: noPEM}, "write rediss://"},
		{"no authorities", StateRedis{URLs: []string{tls}, TLSCA: noPEM}, "there is no certificate"},
		{"no file", StateRedis{URLs: []string{tls}, TLSCA: noPEM + ".gone"}, "tls_ca"},
		{"a certificate without a key", StateRedis{URLs: []string{tls}, TLSCertificate: noPEM}, "needs its key"},
		{"a certificate that is none", StateRedis{URLs: []string{tls}, TLSCertificate: noPEM, TLSKey: noPEM}, "tls_client"},
		{"less than no replicas", StateRedis{URLs: []string{tls}, WaitReplicas: -1}, "wait_replicas"},
		{"a Cluster with a database", StateRedis{URLs: []string{tls + "/1"}, Cluster: true}, "the database 0 alone"},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.state.Source = "Caddyfile:7"
			err := row.state.Provision(caddy.Context{})
			switch {
			case row.want == "" && err != nil:
				t.Error(err)
			case row.want == "":
			case err == nil || !strings.HasPrefix(err.Error(), "Caddyfile:7: ") || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "hush"):
				t.Errorf("%v, want %s", err, row.want)
			}
		})
	}
}

// Configurations that say the same share a state, and others do not.
func TestStateRedisIdentity(t *testing.T) {
	identity := func(s StateRedis) string {
		if err := s.Provision(caddy.Context{}); err != nil {
			t.Fatal(err)
		}
		return s.identity(nil)
	}
	a := identity(StateRedis{URLs: []string{"redis://127.0.0.1"}, Source: "Caddyfile:3"})
	if a != identity(StateRedis{URLs: []string{"redis://127.0.0.1"}, Source: "Caddyfile:4"}) {
		t.Error("the place matters")
	}
	for _, other := range []StateRedis{{URLs: []string{"redis://127.0.0.2"}}, {URLs: []string{"redis://127.0.0.1"}, Prefix: "shop:"}, {URLs: []string{"redis://127.0.0.1"}, WaitReplicas: 1}} {
		if a == identity(other) {
			t.Errorf("%+v is the same", other)
		}
	}
}

// A password of Sentinels that was replaced is taken up by a reload, and so are
// authorities and a certificate that were.
func TestAReloadTakesUpWhatWasRotated(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(file(name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	renew := func() {
		t.Helper()
		key, certificate := selfSigned(t)
		write("key.pem", key)
		write("cert.pem", certificate)
	}
	identity := func() string {
		t.Helper()
		s := StateRedis{
			URLs: []string{"rediss://redis.example.com"}, SentinelMaster: "m", SentinelPassword: "{file." + file("password") + "}",
			TLSCA: file("ca.pem"), TLSCertificate: file("cert.pem"), TLSKey: file("key.pem"),
		}
		if err := s.Provision(caddy.Context{}); err != nil {
			t.Fatal(err)
		}
		return s.identity(nil)
	}
	_, ca := selfSigned(t)
	renew()
	write("ca.pem", ca)
	write("password", []byte("one"))
	before := identity()
	if before != identity() {
		t.Error("nothing was rotated, and yet it is another")
	}
	for name, rotate := range map[string]func(){
		"the password of the Sentinels": func() { write("password", []byte("two")) },
		"the authorities":               func() { _, ca := selfSigned(t); write("ca.pem", ca) },
		"the certificate":               renew,
	} {
		rotate()
		after := identity()
		if after == before {
			t.Errorf("%s was rotated, and the connections of before are kept", name)
		}
		before = after
	}
}

// selfSigned makes a certificate and its key, as PEM.
func selfSigned(t *testing.T) (key, certificate []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
