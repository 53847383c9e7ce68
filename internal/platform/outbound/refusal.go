package outbound

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Refused returns the error with which the client will refuse every call of the URL, or nil.
// It resolves the name in the URL, and calls nothing. It returns nil for a name that cannot be
// resolved now, and for a client that is not of this package.
func Refused(ctx context.Context, client *http.Client, u *url.URL) error {
	return refusedURL(client, u, func(resolver *net.Resolver, host string) []netip.Addr {
		if resolver == nil {
			resolver = net.DefaultResolver
		}
		addrs, err := resolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return nil
		}
		return addrs
	})
}

// RefusedUnresolved is Refused without asking a name server. Of the names that resolve to
// internal addresses it knows only localhost.
func RefusedUnresolved(client *http.Client, u *url.URL) error {
	return refusedURL(client, u, func(_ *net.Resolver, host string) []netip.Addr {
		if strings.EqualFold(host, "localhost") {
			return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
		}
		return nil
	})
}

func refusedURL(client *http.Client, u *url.URL, lookup func(*net.Resolver, string) []netip.Addr) error {
	switch t := client.Transport.(type) {
	case noClient:
		return errNoClient
	case *transport:
		c := (*Client)(t)
		if err := c.permit(u); err != nil {
			return err
		}
		return c.refusedHost(u, lookup)
	}
	return nil
}

// refusedHost returns an error if no address of the URL's host may be connected to.
func (c *Client) refusedHost(u *url.URL, lookup func(*net.Resolver, string) []netip.Addr) (err error) {
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	var addrs []netip.Addr
	if a, err := netip.ParseAddr(host); err == nil {
		addrs = []netip.Addr{a}
	} else {
		addrs = lookup(c.o.Resolver, host)
	}
	check := c.rules.check(host, port)
	for _, a := range addrs {
		network := "tcp6"
		if a = a.Unmap(); a.Is4() {
			network = "tcp4"
		}
		if err = check(network, net.JoinHostPort(a.String(), port), nil); err == nil {
			return nil
		}
	}
	if err != nil {
		err = c.describe(u.Host, err)
	}
	return err
}
