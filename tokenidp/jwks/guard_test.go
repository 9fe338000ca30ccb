package jwks

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// IANA's special-purpose registries (RFC 6890), and what is written to look like
// something else.
func TestOnlyPublicAddressesAreDialled(t *testing.T) {
	for address, want := range map[string]bool{
		"8.8.8.8":              true,
		"1.1.1.1":              true,
		"100.63.255.255":       true,
		"100.128.0.0":          true,
		"172.15.255.255":       true,
		"172.32.0.0":           true,
		"223.255.255.255":      true,
		"2606:4700::1111":      true,
		"2001:4860:4860::8888": true,
		"::ffff:8.8.8.8":       true,
		"64:ff9b::8.8.8.8":     true,

		"127.0.0.1":                false,
		"127.255.255.254":          false,
		"0.0.0.0":                  false,
		"0.1.2.3":                  false,
		"10.0.0.1":                 false,
		"172.16.0.1":               false,
		"172.31.255.255":           false,
		"192.168.1.1":              false,
		"169.254.169.254":          false,
		"100.64.0.1":               false,
		"100.100.100.200":          false,
		"168.63.129.16":            false,
		"192.0.0.192":              false,
		"192.0.2.1":                false,
		"198.18.0.1":               false,
		"198.51.100.1":             false,
		"203.0.113.1":              false,
		"224.0.0.1":                false,
		"239.255.255.250":          false,
		"240.0.0.1":                false,
		"255.255.255.255":          false,
		"::":                       false,
		"::1":                      false,
		"::7f00:1":                 false,
		"::ffff:127.0.0.1":         false,
		"::ffff:169.254.169.254":   false,
		"::ffff:0:127.0.0.1":       false,
		"64:ff9b::127.0.0.1":       false,
		"64:ff9b::10.0.0.1":        false,
		"64:ff9b::169.254.169.254": false,
		"64:ff9b:1::8.8.8.8":       false,
		"2001::1":                  false,
		"2001:db8::1":              false,
		"2002:7f00:1::":            false,
		"2002:808:808::":           false,
		"3fff::1":                  false,
		"fc00::1":                  false,
		"fd00:ec2::254":            false,
		"fe80::1":                  false,
		"fe80::1%lo":               false,
		"2606:4700::1111%eth0":     false,
		"fec0::1":                  false,
		"ff02::1":                  false,
		"100::1":                   false,
		"5f00::1":                  false,
	} {
		err := refuseInternal("tcp", netip.AddrPortFrom(netip.MustParseAddr(address), 443).String(), nil)
		if (err == nil) != want || err != nil && !errors.Is(err, ErrInternalAddress) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"", "8.8.8.8", "example.com:443", "/run/admin.sock", "@abstract"} {
		if err := refuseInternal("tcp", address, nil); !errors.Is(err, ErrInternalAddress) {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// nameserver answers every question for an address with the next of a list, for
// ever with the last.
func nameserver(t *testing.T, answers ...string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		query := make([]byte, 1500)
		for asked := 0; ; {
			n, from, err := conn.ReadFrom(query)
			if err != nil {
				return
			}
			reply, answered := answer(query[:n], netip.MustParseAddr(answers[min(asked, len(answers)-1)]))
			if answered {
				asked++
			}
			_, _ = conn.WriteTo(reply, from)
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func answer(query []byte, addr netip.Addr) (reply []byte, answered bool) {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil, false
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	q := m.Questions[0]
	header := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 0}
	switch {
	case q.Type == dnsmessage.TypeA && addr.Is4():
		m.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AResource{A: addr.As4()}}}
	case q.Type == dnsmessage.TypeAAAA && addr.Is6():
		m.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}}}
	}
	reply, _ = m.Pack()
	return reply, m.Answers != nil
}

// insideServer is a server that an application must not reach, and how often one
// connected.
func insideServer(t *testing.T) (port string, reached *atomic.Int32) {
	t.Helper()
	reached = new(atomic.Int32)
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			reached.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, reached
}

// DNS says where a name leads when it is dialled, and that is what is judged.
func TestGuardedTransportRefusesNamesThatLeadInside(t *testing.T) {
	port, reached := insideServer(t)
	for name, addresses := range map[string][]string{
		"loopback":       {"127.0.0.1"},
		"metadata":       {"169.254.169.254"},
		"private":        {"10.255.255.1"},
		"IPv4-mapped":    {"::ffff:127.0.0.1"},
		"NAT64":          {"64:ff9b::7f00:1"},
		"loopback, IPv6": {"::1"},
		"unspecified":    {"0.0.0.0"},
	} {
		transport := guarded(&net.Dialer{Resolver: nameserver(t, addresses...)})
		_, err := (&http.Client{Transport: transport}).Get("https://rebind.example:" + port)
		if !errors.Is(err, ErrInternalAddress) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, host := range []string{"127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "0.0.0.0", "[::]"} {
		_, err := (&http.Client{Transport: GuardedTransport()}).Get("https://" + host + ":" + port)
		if !errors.Is(err, ErrInternalAddress) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if reached.Load() != 0 {
		t.Error("the server inside was reached")
	}
}

// Who looks the name up first and judges that answer, judges another one than is
// dialled.
func TestGuardedTransportWithstandsRebinding(t *testing.T) {
	port, reached := insideServer(t)
	resolver := nameserver(t, "8.8.8.8", "127.0.0.1")
	if first, err := resolver.LookupNetIP(t.Context(), "ip4", "rebind.example"); err != nil || first[0].String() != "8.8.8.8" {
		t.Fatalf("%v, %v", first, err)
	}
	_, err := (&http.Client{Transport: guarded(&net.Dialer{Resolver: resolver})}).Get("https://rebind.example:" + port)
	if !errors.Is(err, ErrInternalAddress) || reached.Load() != 0 {
		t.Errorf("%v, reached %d times", err, reached.Load())
	}
}

// What the guard refuses is there: without it, the same name leads inside.
func TestOperatorsTransportReachesPrivateAddresses(t *testing.T) {
	set := newSet(t, "k1")
	server := overTLS(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, set) })
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	transport := hardened(&net.Dialer{Resolver: nameserver(t, "127.0.0.1")})
	transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	s := sourceAt(t, server, func(o *Options) { o.Transport, o.JWKSURL = transport, "https://idp.example.com:"+port })
	mustKey(t, s, "k1") // httptest's certificate is for example.com, too
}

// A proxy would resolve the name where nobody looks.
func TestGuardedTransportUsesNoProxy(t *testing.T) {
	if GuardedTransport().Proxy != nil {
		t.Error("there is a proxy")
	}
	if Transport(nil).Proxy == nil {
		t.Error("the operator's proxy is not used")
	}
}

// A source behind the guard fails like one whose issuer is down.
func TestSourceWithGuardedTransport(t *testing.T) {
	port, reached := insideServer(t)
	s, err := New(Options{Issuer: "client", JWKSURL: "https://127.0.0.1:" + port, Algorithms: []string{"EdDSA"}, Transport: GuardedTransport()})
	if err != nil {
		t.Fatal(err)
	}
	if err := wantOutOfReach(t, s, "k1"); !errors.Is(err, ErrInternalAddress) || !strings.Contains(err.Error(), "127.0.0.1") || reached.Load() != 0 {
		t.Error(err)
	}
}
