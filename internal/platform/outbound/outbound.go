// Package outbound makes every call to systems outside. Users may choose the URLs of
// such calls, so a Client refuses internal addresses. It also bounds the duration and
// the rate of calls, and retries where that is safe.
//
// A Client checks the address when it connects, after the name was resolved. A name that
// resolves to an internal address is therefore refused as well. No proxy is used,
// because the address behind it could not be checked.
//
// When no retry is left or allowed, the caller gets the last answer or an error. The
// error contains a *fault.Error, whose texts have only the host of a URL, because the
// rest may hold credentials. http.Client wraps it into a *url.Error that has the whole
// URL; fault.WithoutURL removes that.
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

// Options configure a Client. The zero value allows public addresses over https, without
// redirects.
type Options struct {
	// Allow lists internal destinations that are allowed: "host", "host:port", an
	// address or a CIDR prefix. A listed host still may not have a link-local address,
	// or another at which clouds serve credentials, unless that address is listed too.
	Allow []string
	// AllowSetting names the setting that sets Allow, for the message of a refused call; ""
	// if callers must not know it.
	AllowSetting string
	// AllowLoopback allows this machine's own addresses.
	AllowLoopback bool
	// AllowHTTP allows http:// beyond loopback.
	AllowHTTP bool
	// HTTPSetting names the setting that sets AllowHTTP, for the message of a refused
	// call; "" if there is none.
	HTTPSetting string
	// MaxRedirects bounds how many redirects are followed; at most 5. A redirect to
	// another host, or one that changes the method, is an error.
	MaxRedirects int
	// Timeout bounds a call with its retries, up to the header of the answer, unless
	// the context has a deadline. It also bounds each wait for more of the body.
	// 0 means DefaultTimeout.
	Timeout time.Duration
	// Attempts bounds how often a request is sent. 0 means DefaultAttempts.
	Attempts int
	// RatePerSecond bounds the requests to each host, over all its ports; 0 means no
	// bound. Burst requests, at least 1, may be sent at once.
	RatePerSecond float64
	Burst         int
	// RootCAs verify servers; nil: the system's.
	RootCAs *x509.CertPool
	// Resolver resolves names; nil: the system's.
	Resolver *net.Resolver
	// Now is the clock for dates in Retry-After; nil: time.Now.
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

// New returns a client, or an error that names the entry of o.Allow that is not valid.
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

// HTTP returns the client for HTTP. The caller must bound how much of a body it reads.
func (c *Client) HTTP() *http.Client {
	return &http.Client{Transport: (*transport)(c), CheckRedirect: c.checkRedirect}
}

// Close closes idle connections. A process that ends need not call it; a test does, so that it
// leaves no goroutine behind.
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
