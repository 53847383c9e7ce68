package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	firstPause  = 100 * time.Millisecond // at most, before the second attempt
	longPause   = 10 * time.Second       // at most, before any attempt, beside Retry-After
	longestWait = 24 * time.Hour         // of Retry-After
	// patience bounds the attempts under a context that has no deadline.
	patience = 5 * time.Minute
	// silence bounds the time without a byte from the server, after which an attempt ends. A
	// machine that vanished sends no reset.
	silence = time.Minute
)

var errSilent = fmt.Errorf("no answer within %v", silence)

// exchange attempts a call until its answer is final, or ctx ends.
func exchange(ctx context.Context, attempt func(context.Context) error) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	var last error
	for n := 1; ; n++ {
		err := attempt(ctx)
		if f, ok := errors.AsType[*final](err); ok {
			return f.err
		}
		if err == nil || !temporary(err) {
			return err
		}
		if ctx.Err() == nil || last == nil { // the end of ctx says less than the error before it
			last = err
		}
		if !pause(ctx, pauseAfter(n, last)) {
			return gaveUp(ctx, n, last)
		}
	}
}

// final marks an error of an attempt that no other attempt would change.
type final struct{ err error }

func (f *final) Error() string { return f.err.Error() }

// gaveUp returns the error of a call that may succeed later.
func gaveUp(ctx context.Context, attempts int, last error) error {
	why := ctx.Err()
	if why == nil { // the deadline is before the next attempt
		why = context.DeadlineExceeded
	}
	if errors.Is(last, why) {
		return fmt.Errorf("headgate: gave up after %d attempts: %w", attempts, last)
	}
	return fmt.Errorf("headgate: gave up after %d attempts: %w; the last one: %w", attempts, why, last)
}

// temporary reports whether the next attempt may succeed. That holds for whatever goes wrong
// on the way, such as a connection that a restarting server refuses or resets.
func temporary(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Temporary()
	}
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return !untrusted
}

// pauseAfter returns the time until the next attempt: exponential with full jitter, so that
// the clients of a server that restarts do not return together; and not before Retry-After.
func pauseAfter(attempts int, err error) time.Duration {
	longest := longPause
	if attempts < 10 {
		longest = min(longPause, firstPause<<(attempts-1))
	}
	wait := rand.N(longest)
	if e, ok := errors.AsType[*Error](err); ok {
		wait += e.retryAfter
	}
	return wait
}

// pause waits, and reports whether it did. It returns at once if ctx would end before that.
func pause(ctx context.Context, d time.Duration) bool {
	if end, ok := ctx.Deadline(); ctx.Err() != nil || ok && time.Until(end) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// retryAfter returns how long an answer asks to wait: seconds, or a date by the server's own
// clock if the answer tells that. It is at most a day, and 0 if the answer asks for nothing.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) { // a number out of range becomes the largest one
		return time.Duration(min(seconds, uint64(longestWait/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if clock, err := http.ParseTime(h.Get("Date")); err == nil {
		now = clock
	}
	return min(max(at.Sub(now), 0), longestWait)
}
