package jwks

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
)

// stepTimeout bounds each step of a request, for callers without a limit for the whole
// request.
const stepTimeout = 2 * fetchTimeout

// Transport returns a transport for URLs that an operator chose, or an issuer that the
// operator trusts. Private addresses and a proxy are allowed. Certificates are checked
// against the roots, or the system's if roots is nil.
func Transport(roots *x509.CertPool) *http.Transport {
	t := hardened(&net.Dialer{Timeout: stepTimeout})
	t.Proxy = http.ProxyFromEnvironment
	if roots != nil {
		t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return t
}

// hardened returns a transport with limits for memory and time. It uses HTTP/1.1, because
// there is only one fetch every few minutes. It keeps no idle connection, which would hold
// a goroutine and an old address of the name.
func hardened(d *net.Dialer) *http.Transport {
	return &http.Transport{
		DialContext:            d.DialContext,
		DisableKeepAlives:      true,
		TLSHandshakeTimeout:    stepTimeout,
		ResponseHeaderTimeout:  stepTimeout,
		MaxResponseHeaderBytes: 64 << 10,
	}
}
