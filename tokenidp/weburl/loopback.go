package weburl

import (
	"net"
	"net/url"
	"strings"
)

// IsLoopback reports whether what is sent to the host stays on this machine. A host is a
// name (RFC 6761 section 6.3) or an address, without a port.
func IsLoopback(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || IsLoopbackAddress(host)
}

// IsLoopbackAddress reports whether the text is an IP address of the loopback interface.
func IsLoopbackAddress(address string) bool {
	ip := net.ParseIP(address)
	return ip != nil && ip.IsLoopback()
}

// IsProtected reports whether nobody on the network can read or change what is sent to
// the URL: it is https, or http on the loopback interface.
func IsProtected(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && IsLoopback(u.Hostname())
}
