// Package outbound is the one way out: every call to a system outside goes
// through a Client. It keeps callers who may name a URL away from internal
// addresses, bounds the time and the rate of calls, and repeats those that may be
// repeated.
//
// Addresses are checked when a connection is made, after the name was resolved,
// so a name that resolves to an internal address is refused too. No proxy is
// used: behind one, nothing could be checked. What is not repeated or did not
// help is the caller's: the last answer, or an error with a *fault.Error in it
// whose texts have no more of a URL than its host. But http.Client puts a
// *url.Error with the URL around that, which fault.WithoutURL takes off.
package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// The defaults of Options.
const (
	DefaultTimeout  = 30 * time.Second
	DefaultAttempts = 4
)

const (
	dialTimeout  = 5 * time.Second
	tlsTimeout   = 10 * time.Second
	maxRedirects = 5
)

// Options say what calls may do. The zero value allows public addresses over
// https, without redirects.
type Options struct {
	// Allow lists what may be internal: "host", "host:port", an address or a
	// CIDR prefix. A host that is listed still cannot be a link-local address, or
	// another at which clouds serve credentials, unless the address is listed itself.
	Allow []string
	// AllowLoopback allows this machine's own addresses.
	AllowLoopback bool
	// AllowHTTP allows http:// beyond loopback.
	AllowHTTP bool
	// HTTPSetting names the setting that AllowHTTP comes from, for the message of a
	// refused call; "" if there is none.
	HTTPSetting string
	// MaxRedirects is how many redirects are followed, at most 5, and only to the
	// same host without a change of the method. Any other is an error.
	MaxRedirects int
	// Timeout bounds a call, its repetitions included, up to the header of the
	// answer, unless the context has a deadline; and then every wait for more of
	// the body. 0 is DefaultTimeout.
	Timeout time.Duration
	// Attempts bounds how often a request is sent. 0 is DefaultAttempts.
	Attempts int
	// RatePerSecond bounds the requests to each host, whatever the port; 0 does not. Burst, at least
	// 1, may be sent at once.
	RatePerSecond float64
	Burst         int
	// RootCAs verify servers; nil: the system's.
	RootCAs *x509.CertPool
	// Resolver resolves names; nil: the system's.
	Resolver *net.Resolver
	// Now is the clock that Retry-After is read with; nil: time.Now.
	Now func() time.Time
	// Sleep waits, or returns the context's error; nil: with a timer.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Client makes calls. It is safe for concurrent use.
type Client struct {
	o      Options
	rules  *rules
	dialer net.Dialer
	base   http.RoundTripper

	mu     sync.Mutex
	limits map[string]*rate.Limiter // by host
}

// New returns a client, or an error that says which of o.Allow cannot be read.
func New(o Options) (*Client, error) {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Attempts <= 0 {
		o.Attempts = DefaultAttempts
	}
	o.MaxRedirects = min(max(o.MaxRedirects, 0), maxRedirects)
	o.Burst = max(o.Burst, 1)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	rules, err := newRules(o.Allow, o.AllowLoopback)
	if err != nil {
		return nil, fmt.Errorf("outbound: %w", err)
	}
	c := &Client{o: o, rules: rules, limits: map[string]*rate.Limiter{}}
	c.dialer = net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Resolver: o.Resolver}
	c.base = &http.Transport{
		DialContext:            c.dialGated,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
		TLSHandshakeTimeout:    tlsTimeout,
		ResponseHeaderTimeout:  o.Timeout,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConns:           100,
		MaxIdleConnsPerHost:    16,
		MaxResponseHeaderBytes: 256 << 10,
		ForceAttemptHTTP2:      true,
	}
	return c, nil
}

// HTTP returns the client for HTTP. Callers bound what they read of a body.
func (c *Client) HTTP() *http.Client {
	return &http.Client{Transport: (*transport)(c), CheckRedirect: c.checkRedirect}
}

// Close closes the connections that wait for more.
func (c *Client) Close() {
	if t, ok := c.base.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
