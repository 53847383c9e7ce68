// Package outbound is the one way out: every call to an address that somebody
// configured goes through it.
//
// Invariants:
//
//   - Addresses are checked when they are dialled, after the name was resolved,
//     so that no name, redirect or change of DNS leads to an internal address
//     that is not allowed explicitly.
//   - Beyond loopback connections are encrypted, unless that is waived.
//   - A call ends: connecting, the answer's head and the whole each have a limit.
//   - What may be repeated is, with growing pauses and as Retry-After says; what
//     may not, is not.
//   - No error text holds a query, a user or a password of a URL.
package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
	"golang.org/x/time/rate"

	"github.com/headgate/headgate/internal/fault"
)

// Options say where calls may go, and how often.
type Options struct {
	// Allow are internal addresses that may be called: host, host:port, an IP
	// address or a CIDR.
	Allow []string
	// AllowLoopback permits loopback addresses, as on a laptop.
	AllowLoopback bool
	// AllowHTTP permits unencrypted calls beyond loopback.
	AllowHTTP bool
	// RatePerSecond bounds the calls to one host; 0: 50.
	RatePerSecond int
}

const (
	dialTimeout   = 5 * time.Second
	headTimeout   = 30 * time.Second
	defaultRate   = 50
	maxRedirects  = 5
	maxHosts      = 1_000 // whose rate is remembered
	maxConnsPer   = 16
	idleTimeout   = 90 * time.Second
	keepAliveFreq = 30 * time.Second
)

// Client makes calls out. Its methods may be called concurrently.
type Client struct {
	o        Options
	prefixes []netip.Prefix
	hosts    map[string]bool // host or host:port, as configured
	http     *http.Client
	base     *http.Transport

	mu    sync.Mutex
	rates map[string]*rate.Limiter
}

// New returns a client. Close it.
func New(o Options) *Client {
	c := &Client{o: o, hosts: make(map[string]bool), rates: make(map[string]*rate.Limiter)}
	for _, a := range o.Allow {
		if p, err := netip.ParsePrefix(a); err == nil {
			c.prefixes = append(c.prefixes, p)
		} else if ip, err := netip.ParseAddr(a); err == nil {
			c.prefixes = append(c.prefixes, netip.PrefixFrom(ip, ip.BitLen()))
		} else {
			c.hosts[strings.ToLower(a)] = true
		}
	}
	c.base = &http.Transport{
		DialContext: c.DialContext, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: headTimeout,
		MaxIdleConnsPerHost: maxConnsPer, MaxConnsPerHost: 4 * maxConnsPer, IdleConnTimeout: idleTimeout,
	}
	c.http = &http.Client{Transport: &retrying{next: &checked{c}}, CheckRedirect: redirect}
	return c
}

// HTTP returns the client for HTTP. A call takes as long as its context lets it,
// and without a deadline a minute for each attempt's answer to begin.
func (c *Client) HTTP() *http.Client { return c.http }

// Close closes idle connections.
func (c *Client) Close() { c.base.CloseIdleConnections() }

// redirect follows within a host only: credentials are for it alone.
func redirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fault.New(fault.Invalid, "%s redirects more than %d times", req.URL.Host, maxRedirects)
	}
	if req.URL.Host != via[0].URL.Host || via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fault.New(fault.Invalid, "%s redirects to another host, which is not followed", via[0].URL.Host)
	}
	return nil
}

type allowedKey struct{}

// DialContext connects, if the address may be called.
func (c *Client) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("outbound: %w", err)
	}
	named := c.hosts[strings.ToLower(host)] || c.hosts[strings.ToLower(addr)]
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: keepAliveFreq, ControlContext: c.control}
	conn, err := d.DialContext(context.WithValue(ctx, allowedKey{}, named), network, addr)
	if errors.Is(err, errInternal) {
		return nil, fault.Wrap(fault.Forbidden, err, "%s is an internal address: sync.allowHosts has to name it before it can be called", host)
	}
	return conn, err
}

var errInternal = errors.New("outbound: the address is internal")

// guard knows which addresses are public.
var guard = sync.OnceValue(func() *ssrf.Guardian { return ssrf.New(ssrf.WithAnyPort()) })

// control is called with the very address that is about to be connected to.
func (c *Client) control(ctx context.Context, network, address string, conn syscall.RawConn) error {
	if named, _ := ctx.Value(allowedKey{}).(bool); named {
		return nil
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", errInternal, err)
	}
	ip := ap.Addr().Unmap()
	if c.o.AllowLoopback && ip.IsLoopback() {
		return nil
	}
	for _, p := range c.prefixes {
		if p.Contains(ip) {
			return nil
		}
	}
	if err := guard().Safe(network, address, conn); err != nil {
		return fmt.Errorf("%w: %w", errInternal, err)
	}
	return nil
}

// checked refuses what may not be asked for, and waits its turn.
type checked struct{ c *Client }

func (t *checked) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.c.check(req.URL); err != nil {
		return nil, err
	}
	if err := t.c.limiter(req.URL.Host).Wait(req.Context()); err != nil {
		return nil, err
	}
	resp, err := t.c.base.RoundTrip(req)
	if err != nil {
		return nil, plain(err)
	}
	return resp, nil
}

func (c *Client) check(u *url.URL) error {
	switch {
	case u.Scheme == "https", u.Scheme == "http" && (c.o.AllowHTTP || isLoopback(u.Hostname())):
		return nil
	case u.Scheme == "http":
		return fault.New(fault.Invalid, "%s is called over http: beyond loopback it has to be https, unless sync.allowHTTP is set", u.Host)
	default:
		return fault.New(fault.Invalid, "only http and https can be called, not %s", u.Scheme)
	}
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func (c *Client) limiter(host string) *rate.Limiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.rates[host]
	if l == nil {
		if len(c.rates) >= maxHosts {
			clear(c.rates)
		}
		perSecond := c.o.RatePerSecond
		if perSecond == 0 {
			perSecond = defaultRate
		}
		l = rate.NewLimiter(rate.Limit(perSecond), perSecond)
		c.rates[host] = l
	}
	return l
}

// plain takes the URL out of an error, which may hold credentials.
func plain(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
