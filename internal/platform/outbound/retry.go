package outbound

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/fence"
)

const (
	firstWait = 200 * time.Millisecond
	mostWait  = 5 * time.Second
	// mostAsked is the longest Retry-After for which send waits. An answer that asks for
	// more is returned to the caller, who can retry much later.
	mostAsked = 20 * time.Second
)

type once struct{}

// Once returns a context for calls that are sent once: the caller retries by itself.
func Once(ctx context.Context) context.Context { return context.WithValue(ctx, once{}, true) }

// send sends the request until an answer needs no retry, the attempts are used up, or
// the next wait would exceed the deadline.
func (c *Client) send(ctx context.Context, cancel context.CancelCauseFunc, req *http.Request) (*http.Response, error) {
	start, attempts := c.o.Now(), c.o.Attempts
	if ctx.Value(once{}) != nil {
		attempts = 1
	}
	for attempt := 1; ; attempt++ {
		if err := fence.Allow(ctx); err != nil { // early, to spare a useless connection
			closeBody(req)
			return nil, err
		}
		out := fenced(ctx, cancel, req)
		if attempt > 1 && hasBody(req) {
			body, err := req.GetBody()
			if err != nil {
				return nil, err
			}
			out.Body = body
		}
		resp, err := c.base.RoundTrip(out)
		if attempt >= attempts || ctx.Err() != nil || !mayRepeat(req, resp, err) {
			return resp, err
		}
		wait, ok := c.wait(attempt, resp)
		_, bounded := ctx.Deadline()
		if !ok || !fits(ctx, wait) || !bounded && c.o.Now().Add(wait).Sub(start) > c.o.Timeout {
			return resp, err
		}
		if resp != nil {
			discard(resp)
		}
		if err := c.o.Sleep(ctx, wait); err != nil {
			return nil, err
		}
		if err := c.waitTurn(ctx, req.URL.Hostname()); err != nil {
			return nil, err
		}
	}
}

func hasBody(req *http.Request) bool { return req.Body != nil && req.Body != http.NoBody }

// mayRepeat reports whether a retry is safe and may help. A request that the server
// certainly did not act on may always be sent again. Any other must be idempotent.
func mayRepeat(req *http.Request, resp *http.Response, err error) bool {
	if hasBody(req) && req.GetBody == nil {
		return false
	}
	if err != nil {
		return transient(err) && (idempotent(req) || neverSent(err))
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests:
		return true
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return idempotent(req)
	case http.StatusInternalServerError:
		return req.Method == http.MethodGet || req.Method == http.MethodHead
	}
	return false
}

// IdempotencyKey is the header by which a server recognises a request that it has
// already processed.
const IdempotencyKey = "Idempotency-Key"

func idempotent(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return req.Header.Get(IdempotencyKey) != ""
}

// wait returns how long to wait after an attempt; false if that is too long.
func (c *Client) wait(attempt int, resp *http.Response) (time.Duration, bool) {
	longest := min(firstWait<<(attempt-1), mostWait)
	wait := longest/2 + rand.N(longest/2+1)
	if resp == nil {
		return wait, true
	}
	asked := RetryAfter(resp, c.o.Now())
	if asked > mostAsked {
		return 0, false
	}
	if asked > 0 { // spread the clients that were told the same time
		wait = asked + rand.N(min(asked/10, time.Second)+1)
	}
	return wait, true
}

// RetryAfter returns how long the answer asks the client to wait, at most a day. It is 0
// if the answer does not say.
func RetryAfter(resp *http.Response, now time.Time) time.Duration {
	const longest = 24 * time.Hour
	text := strings.TrimSpace(resp.Header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) { // a number out of range becomes the largest one
		return time.Duration(min(seconds, uint64(longest/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if clock, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		now = clock // the server's clock, by which it also chose the other time
	}
	return min(max(at.Sub(now), 0), longest)
}

// discard reads the rest of the body if that is small, so that the connection can be
// reused.
func discard(resp *http.Response) {
	const little = 4 << 10
	if resp.ContentLength >= 0 && resp.ContentLength <= little {
		_, _ = io.CopyN(io.Discard, resp.Body, little) // if more is left, Close closes the connection
	}
	_ = resp.Body.Close()
}
