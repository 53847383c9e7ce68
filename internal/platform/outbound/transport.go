package outbound

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/fence"
)

// transport is the Client as an http.RoundTripper.
type transport Client

// errSlow is the cause with which a call is cancelled that takes longer than
// Options.Timeout.
var errSlow = errors.New("outbound: the call took too long")

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	out, span := traced(req)
	resp, err := (*Client)(t).roundTrip(out)
	endTraced(span, resp, err)
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

func (c *Client) roundTrip(req *http.Request) (*http.Response, error) {
	if err := c.permit(req.URL); err != nil {
		closeBody(req)
		return nil, err
	}
	if err := c.waitTurn(req.Context(), req.URL.Hostname()); err != nil {
		closeBody(req)
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	stop := func() bool { return true }
	if _, has := ctx.Deadline(); !has {
		stop = time.AfterFunc(c.o.Timeout, func() { cancel(errSlow) }).Stop
	}
	resp, err := c.send(ctx, cancel, req)
	stop()
	if err != nil {
		defer cancel(nil)
		if refused := cmp.Or(refusal(err), refusal(context.Cause(ctx))); refused != nil {
			return nil, refused
		}
		if caller := req.Context().Err(); caller != nil {
			return nil, caller
		}
		if errors.Is(context.Cause(ctx), errSlow) {
			return nil, fault.Wrap(fault.Unavailable, err, "%s did not answer within %v", req.URL.Host, c.o.Timeout)
		}
		return nil, c.describe(req.URL.Host, err)
	}
	resp.Body = newBody(ctx, cancel, resp.Body, req.URL.Host, c.o.Timeout)
	return resp, nil
}

// refusal returns the *fence.Refusal in the error, or nil.
func refusal(err error) error {
	if r, ok := errors.AsType[*fence.Refusal](err); ok {
		return r
	}
	return nil
}

// permit checks what the URL alone tells, before a connection is made.
func (c *Client) permit(u *url.URL) error {
	switch {
	case u.Hostname() == "":
		return fault.New(fault.Invalid, "the URL has no host")
	case u.Scheme == "https", u.Scheme == "http" && (c.o.AllowHTTP || isLoopback(u.Hostname())):
		return nil
	case u.Scheme == "http" && c.o.HTTPSetting != "":
		return fault.New(fault.Invalid, "calls to %s must use https, unless %s in the configuration is true", u.Host, c.o.HTTPSetting)
	case u.Scheme == "http":
		return fault.New(fault.Invalid, "calls to %s must use https", u.Host)
	default:
		return fault.New(fault.Invalid, "calls must use https: the URL of %s has another scheme", u.Host)
	}
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// maxHosts bounds for how many hosts the rate is remembered.
const maxHosts = 1000

// waitTurn waits until the host's rate allows another request.
func (c *Client) waitTurn(ctx context.Context, host string) error {
	if c.o.RatePerSecond <= 0 {
		return nil
	}
	now := c.o.Now()
	turn := c.limiter(hostPort(host, ""), now).ReserveN(now, 1)
	wait := turn.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	if !fits(ctx, wait) {
		turn.CancelAt(now)
		f := fault.New(fault.Unavailable, "too many requests to %s at once", host)
		f.RetryAfter = wait
		return f
	}
	err := c.o.Sleep(ctx, wait)
	if err != nil {
		turn.CancelAt(c.o.Now())
	}
	return err
}

func (c *Client) limiter(host string, now time.Time) *rate.Limiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok := c.limits[host]
	if !ok {
		if len(c.limits) >= maxHosts {
			for h, l := range c.limits { // a limiter with its whole burst is like a new one: drop it
				if l.TokensAt(now) >= float64(c.o.Burst) {
					delete(c.limits, h)
				}
			}
		}
		l = rate.NewLimiter(rate.Limit(c.o.RatePerSecond), c.o.Burst)
		c.limits[host] = l
	}
	return l
}

// fits reports whether the wait ends before the context's deadline.
func fits(ctx context.Context, wait time.Duration) bool {
	deadline, has := ctx.Deadline()
	return !has || wait < time.Until(deadline)
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // nothing was sent
	}
}

// checkRedirect implements http.Client.CheckRedirect.
func (c *Client) checkRedirect(req *http.Request, via []*http.Request) error {
	from := via[len(via)-1]
	switch {
	case c.o.MaxRedirects == 0:
		return fault.New(fault.Invalid, "%s answers with a redirect to %s, which is not followed", from.URL.Host, req.URL.Host)
	case len(via) > c.o.MaxRedirects:
		return fault.New(fault.Invalid, "%s redirects more than %d times", from.URL.Host, c.o.MaxRedirects)
	case req.Method != from.Method:
		return fault.New(fault.Invalid, "%s answers a %s with a redirect that would change it to a %s", from.URL.Host, from.Method, req.Method)
	case req.URL.Hostname() != from.URL.Hostname() || origin(req.URL) != origin(from.URL) && !upgrades(from.URL, req.URL):
		return fault.New(fault.Invalid, "%s redirects to %s, another host, which is not followed", from.URL.Host, req.URL.Host)
	}
	return nil
}

func origin(u *url.URL) string { return u.Scheme + " " + u.Host }

// upgrades reports whether a redirect leads from http to https, both at their default
// ports.
func upgrades(from, to *url.URL) bool {
	return from.Scheme == "http" && to.Scheme == "https" && from.Port() == "" && to.Port() == ""
}

// body is the body of a response. Each read has a deadline, so that a server that stops
// sending does not block the reader for ever.
type body struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	idle   *time.Timer
	wait   time.Duration
	host   string
}

func newBody(ctx context.Context, cancel context.CancelCauseFunc, b io.ReadCloser, host string, wait time.Duration) io.ReadCloser {
	idle := time.AfterFunc(wait, func() { cancel(errSlow) })
	idle.Stop()
	return &body{b, ctx, cancel, idle, wait, host}
}

func (b *body) Read(p []byte) (int, error) {
	b.idle.Reset(b.wait)
	n, err := b.ReadCloser.Read(p)
	b.idle.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		if errors.Is(context.Cause(b.ctx), errSlow) {
			err = fault.Wrap(fault.Unavailable, err, "%s stopped in the middle of an answer", b.host)
		} else if b.ctx.Err() == nil {
			err = fault.Wrap(fault.Unavailable, err, "the answer of %s broke off", b.host)
		}
	}
	return n, err
}

func (b *body) Close() error {
	defer b.cancel(nil)
	b.idle.Stop()
	return b.ReadCloser.Close()
}
