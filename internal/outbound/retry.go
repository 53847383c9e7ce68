package outbound

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/headgate/headgate/internal/fault"
)

const (
	maxAttempts  = 5
	firstPause   = 250 * time.Millisecond
	longestPause = 8 * time.Second
	// longestWait bounds what Retry-After can ask for.
	longestWait = 60 * time.Second
)

// retrying repeats calls that may be: those of methods that change nothing or
// the same again, and those that carry an Idempotency-Key.
type retrying struct{ next http.RoundTripper }

func (t *retrying) RoundTrip(req *http.Request) (*http.Response, error) {
	repeatable := repeatable(req)
	for attempt := 1; ; attempt++ {
		resp, err := t.next.RoundTrip(req)
		if attempt == maxAttempts || !repeatable || !transient(resp, err) || req.Context().Err() != nil {
			return resp, err
		}
		wait := pause(attempt)
		if resp != nil {
			if after, ok := retryAfter(resp.Header, time.Now()); ok {
				if after > longestWait {
					return resp, nil // whoever asked may come again later
				}
				wait = after
			}
			_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection is used again
			_ = resp.Body.Close()
		}
		if err := sleep(req.Context(), wait); err != nil {
			return nil, err
		}
		if req.GetBody != nil {
			body, err := req.GetBody()
			if err != nil {
				return nil, err
			}
			req = req.Clone(req.Context())
			req.Body = body
		}
	}
}

func repeatable(req *http.Request) bool {
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return false
	}
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, "":
		return true
	}
	return req.Header.Get("Idempotency-Key") != ""
}

// transient is whether the same call may fare better later.
func transient(resp *http.Response, err error) bool {
	if err != nil {
		if _, ok := errors.AsType[*fault.Error](err); ok {
			return false // it was refused here
		}
		return !errors.Is(err, context.Canceled) && !errors.Is(err, errInternal)
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// pause grows with the attempts, and differs from process to process.
func pause(attempt int) time.Duration {
	longest := min(firstPause<<(attempt-1), longestPause)
	return longest/2 + rand.N(longest/2)
}

// retryAfter reads the header: seconds, or a date.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := h.Get("Retry-After")
	if v == "" {
		return 0, false
	}
	if s, err := strconv.Atoi(v); err == nil && s >= 0 {
		return time.Duration(s) * time.Second, true
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, t.Sub(now)), true
	}
	return 0, false
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
