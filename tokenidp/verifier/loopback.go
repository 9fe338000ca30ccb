package verifier

import (
	"net"
	"strings"
)

// IsLoopback tells by the name of a host (RFC 6761 section 6.3), or by its address,
// that what is sent to it does not leave the machine.
func IsLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
