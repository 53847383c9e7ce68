package outbound

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
)

// rules state which addresses the client may connect to.
type rules struct {
	hosts    map[string]bool // "host" and "host:port" that may have internal addresses
	prefixes []netip.Prefix  // always allowed, even link-local ones
	guardian *ssrf.Guardian
}

func newRules(allow []string, loopback bool) (*rules, error) {
	r := &rules{hosts: map[string]bool{}, guardian: ssrf.New(ssrf.WithAnyPort())}
	if loopback {
		r.prefixes = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	for _, entry := range allow {
		if p, err := netip.ParsePrefix(entry); err == nil {
			r.prefixes = append(r.prefixes, p.Masked())
			continue
		}
		if a, err := netip.ParseAddr(strings.Trim(entry, "[]")); err == nil {
			a = a.Unmap()
			r.prefixes = append(r.prefixes, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		host, port, err := net.SplitHostPort(entry)
		if err != nil {
			host, port = entry, ""
		}
		if host == "" || strings.ContainsAny(host, "/@:* ") || strings.Trim(port, "0123456789") != "" {
			return nil, fmt.Errorf("%q is not a host, a host:port, an address or a CIDR prefix", entry)
		}
		r.hosts[hostPort(host, port)] = true
	}
	return r, nil
}

func hostPort(host, port string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if port == "" {
		return host
	}
	return net.JoinHostPort(host, port)
}

// check returns a function for net.Dialer.Control, which the dialer calls with each
// address that the name resolved to, before it connects.
func (r *rules) check(host, port string) func(network, address string, _ syscall.RawConn) error {
	listed := r.hosts[hostPort(host, "")] || r.hosts[hostPort(host, port)]
	return func(network, address string, conn syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil || network != "tcp4" && network != "tcp6" {
			return r.guardian.Safe(network, address, conn)
		}
		ip := a.Addr().Unmap().WithZone("")
		for _, p := range r.prefixes {
			if p.Contains(ip) {
				return nil
			}
		}
		if r.hosts[a.String()] {
			return nil
		}
		if to := throughNAT64(ip); listed && !to.IsLinkLocalUnicast() && !to.IsMulticast() && !to.IsUnspecified() && !metadata[to] {
			return nil
		}
		return r.guardian.SafeAddr(ip)
	}
}

// metadata has the addresses outside of the link-local range at which clouds serve
// credentials: AWS, Google Cloud and Alibaba Cloud.
var metadata = map[netip.Addr]bool{
	netip.MustParseAddr("fd00:ec2::254"):   true,
	netip.MustParseAddr("fd20:ce::254"):    true,
	netip.MustParseAddr("100.100.100.200"): true,
}

var nat64 = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052

// throughNAT64 returns the IPv4 address to which a NAT64 gateway translates ip, or ip
// itself.
func throughNAT64(ip netip.Addr) netip.Addr {
	if !nat64.Contains(ip) {
		return ip
	}
	b := ip.As16()
	return netip.AddrFrom4([4]byte(b[12:]))
}

// DialContext connects to a server that does not speak HTTP, such as a database. It
// checks the address as HTTP calls do.
func (c *Client) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := c.dial(ctx, network, addr)
	if err != nil && ctx.Err() == nil {
		host, _, splitErr := net.SplitHostPort(addr)
		if splitErr != nil {
			host = addr
		}
		return nil, c.describe(host, err)
	}
	return conn, err
}

func (c *Client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %q has no port", ssrf.ErrInvalidHostPort, addr)
	}
	d := c.dialer
	d.Control = c.rules.check(host, port)
	return d.DialContext(ctx, network, addr)
}
