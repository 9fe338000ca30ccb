package jwks

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
)

// ErrInternalAddress is wrapped in the error of a [GuardedTransport] if the URL leads to
// an address that is not public.
var ErrInternalAddress = errors.New("not an address of the public Internet")

// GuardedTransport returns a transport for URLs that an operator did not choose, such as a
// client's jwks_uri. It connects to public addresses only, against server-side request
// forgery (RFC 9700 section 4.11 and RFC 8725bis). It checks the address when it connects,
// so DNS rebinding does not help an attacker. It uses no proxy, because a proxy would
// resolve the name itself.
//
// It cannot know which public addresses are the operator's own. Those need the same
// protection as against the Internet.
func GuardedTransport() *http.Transport {
	return guarded(&net.Dialer{Timeout: stepTimeout})
}

func guarded(d *net.Dialer) *http.Transport {
	d.Control = refuseInternal
	return hardened(d)
}

func refuseInternal(_, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil || !public(target.Addr()) {
		return fmt.Errorf("%w: %s", ErrInternalAddress, address)
	}
	return nil
}

// public reports whether an address is in none of the special-purpose registries of IANA
// (RFC 6890). For IPv6 it accepts only allocated ranges.
func public(addr netip.Addr) bool {
	addr = addr.Unmap() // ::ffff:127.0.0.1 is dialled as 127.0.0.1
	if nat64.Contains(addr) {
		bytes := addr.As16()
		addr = netip.AddrFrom4([4]byte(bytes[12:])) // RFC 6052 section 2.1
	}
	if !addr.Is4() && !globalUnicast.Contains(addr) {
		return false
	}
	for _, prefix := range special {
		if prefix.Contains(addr) {
			return false
		}
	}
	return addr.IsValid()
}

var (
	nat64         = netip.MustParsePrefix("64:ff9b::/96")
	globalUnicast = netip.MustParsePrefix("2000::/3")

	special = prefixes(
		"0.0.0.0/8",        // this host (RFC 1122)
		"10.0.0.0/8",       // private (RFC 1918)
		"100.64.0.0/10",    // carrier-grade NAT (RFC 6598), where clouds have metadata, too
		"127.0.0.0/8",      // loopback
		"168.63.129.16/32", // not IANA's: inside Azure, the host's own services
		"169.254.0.0/16",   // link-local (RFC 3927), cloud metadata
		"172.16.0.0/12",    // private
		"192.0.0.0/24",     // protocol assignments (RFC 6890)
		"192.0.2.0/24",     // documentation (RFC 5737)
		"192.88.99.0/24",   // 6to4 relays (RFC 7526)
		"192.168.0.0/16",   // private
		"198.18.0.0/15",    // benchmarks (RFC 2544)
		"198.51.100.0/24",  // documentation
		"203.0.113.0/24",   // documentation
		"224.0.0.0/4",      // multicast
		"240.0.0.0/4",      // reserved, broadcast
		"2001::/23",        // protocol assignments, Teredo with an IPv4 address inside (RFC 4380)
		"2001:db8::/32",    // documentation (RFC 3849)
		"2002::/16",        // 6to4, with an IPv4 address inside (RFC 3056)
		"3fff::/20",        // documentation (RFC 9637)
	)
)

func prefixes(all ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, 0, len(all))
	for _, p := range all {
		parsed = append(parsed, netip.MustParsePrefix(p))
	}
	return parsed
}
