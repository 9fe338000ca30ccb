package jwks

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
)

// stepTimeout bounds each step of a request, for a user who forgets to bound the
// whole.
const stepTimeout = 2 * fetchTimeout

// Transport makes the transport for URLs that an operator chose, or an issuer that
// the operator trusts: private addresses are fine, and a proxy is. Certificates are
// checked against the roots, or, where those are nil, the system's.
func Transport(roots *x509.CertPool) *http.Transport {
	t := hardened(&net.Dialer{Timeout: stepTimeout})
	t.Proxy = http.ProxyFromEnvironment
	if roots != nil {
		t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return t
}

// hardened bounds what the other side can make us hold and wait for. It speaks
// HTTP/1.1: a fetch every few minutes gains nothing from more. It keeps no
// connection: an idle one would hold a goroutine, and the address that the name
// had when it was made.
func hardened(d *net.Dialer) *http.Transport {
	return &http.Transport{
		DialContext:            d.DialContext,
		DisableKeepAlives:      true,
		TLSHandshakeTimeout:    stepTimeout,
		ResponseHeaderTimeout:  stepTimeout,
		MaxResponseHeaderBytes: 64 << 10,
	}
}
