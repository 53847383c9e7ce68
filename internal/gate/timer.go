package gate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
)

// Timer calls this service at an instant. The gate is correct without one: a window is closed
// by its time, whoever looks at it first. A timer makes that look punctual where no process
// runs between requests.
type Timer interface {
	// Set schedules the call. A call whose name was set before is not made twice, so that all
	// instances may set it.
	Set(ctx context.Context, c TimedCall) error
}

// TimedCall is a request that a Timer makes: POST to the path of the deployment that serves
// checks.
type TimedCall struct {
	Name string // lower-case hex digits
	At   time.Time
	// Path checks the window's key. All checks whatever is due in the service; a Timer takes
	// it if it cannot call the longer Path.
	Path, All string
}

const (
	// timerTime bounds the call that sets a timer: an event waits for it.
	timerTime = 2 * time.Second
	// timerRest is the time after a failure in which no timer is set.
	timerRest = 5 * time.Second
	// timerMost is the longest time ahead for which a timer is set; Cloud Tasks takes 30 days. A timer that fires
	// before the window closes sets the next one.
	timerMost = 28 * 24 * time.Hour
	// timersKnown bounds the names of timers that an instance remembers, twice.
	timersKnown = 10_000
)

// timers sets a timer for each window that waits for its end. The instance remembers the
// windows that it has set one for, so an event of such a window costs nothing more.
type timers struct {
	timer  Timer // nil: nothing is set
	away   atomic.Int64
	failed atomic.Int64 // since the process began

	mu          sync.Mutex
	known, aged map[string]struct{}
}

// know reports whether the name is new, and remembers it.
func (t *timers) know(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.known[name]; ok {
		return false
	}
	_, old := t.aged[name]
	if t.known == nil || len(t.known) >= timersKnown {
		t.known, t.aged = make(map[string]struct{}), t.known
	}
	t.known[name] = struct{}{}
	return !old
}

func (t *timers) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, name)
	delete(t.aged, name)
}

// setTimers sets the first timer of each window that is open. Its name is that of the window,
// which all instances give it. The deadline of a session moves with each event, and the timer
// does not: it fires, finds the session open, and Rearm sets the next one.
func (g *Gate) setTimers(ctx context.Context, key string, found []foundWindow) {
	if g.timers.timer == nil {
		return
	}
	for _, w := range found {
		if w.Verdict == window.Open && !w.Closes.IsZero() {
			_ = g.setTimer(ctx, key, w.Window, g.fires(w.Window), timerName(g.svc.ServiceName, key, w.Opened))
		}
	}
}

// Rearm sets the next timer of each window of the key that is still open. A timer that has
// fired calls it after its check. If it fails, the timer should fire again.
func (g *Gate) Rearm(ctx context.Context, key *string) error {
	if g.timers.timer == nil || key == nil && g.correlated() {
		return nil
	}
	if err := g.checkKey(key); err != nil {
		return err
	}
	open, _, err := g.openOf(ctx, orEmptyKey(key))
	if err != nil {
		return unavailable(err, "the window could not be read")
	}
	for _, w := range open {
		if w.Verdict != window.Open || w.Closes.IsZero() {
			continue
		}
		at := g.fires(w)
		if soon := g.clock().Truncate(time.Second).Add(2 * time.Second); at.Before(soon) { // our clock is behind that of the timer
			at = soon
		}
		if err := g.setTimer(ctx, orEmptyKey(key), w, at, timerName(g.svc.ServiceName, orEmptyKey(key), w.Opened, at)); err != nil {
			return unavailable(err, "the next timer could not be set")
		}
	}
	return nil
}

// fires returns the instant of a window's timer: the first whole second at which the window
// has closed.
func (g *Gate) fires(w window.Window) time.Time {
	at := w.Closes.Truncate(time.Second).Add(time.Second)
	if most := g.clock().Add(timerMost).Truncate(time.Hour); at.After(most) { // every instance names the same instant
		return most
	}
	return at
}

// setTimer sets a timer unless this instance has set it before. A failure costs punctuality
// only: the next event, request or sweep finds what is due. The next event of the window tries
// again.
func (g *Gate) setTimer(ctx context.Context, key string, w window.Window, at time.Time, name string) error {
	t := &g.timers
	if !g.elapsed(&t.away, timerRest) {
		return errors.New("no timer could be set a moment ago")
	}
	if !t.know(name) {
		return nil
	}
	all := "/services/" + PathSegment(g.svc.ServiceName) + "/check"
	call := TimedCall{Name: name, At: at, Path: all, All: all}
	if g.correlated() {
		call.Path += "?key=" + url.QueryEscape(key)
	}
	ctx, cancel := context.WithTimeout(ctx, timerTime)
	defer cancel()
	err := t.timer.Set(ctx, call)
	if err != nil {
		t.forget(name)
		t.away.Store(int64(g.time.Ran()))
		g.log.WarnContext(ctx, "a timer could not be set: the window is closed by the next event, request or sweep instead",
			"correlationKey", key, "closes", w.Closes.Format(time.RFC3339), "failed", t.failed.Add(1), "error", err)
	}
	return err
}

// timersWarning says that timers cannot be set, or "".
func (g *Gate) timersWarning() string {
	n := g.timers.failed.Load()
	if n == 0 || g.elapsed(&g.timers.away, time.Hour) {
		return ""
	}
	failed := "1 timer could not be set since this instance began, within the last hour"
	if n > 1 {
		failed = strconv.FormatInt(n, 10) + " timers could not be set since this instance began, the last of them within an hour"
	}
	return failed + ": windows close by the next request instead. The log says why"
}

// timerName returns a name that does not show the key, and whose first digits are spread
// evenly, as Cloud Tasks asks for.
func timerName(service, key string, at ...time.Time) string {
	h := sha256.New()
	_, _ = io.WriteString(h, event.DeriveID("timer", service, key))
	for _, t := range at {
		_, _ = io.WriteString(h, "."+strconv.FormatInt(t.UnixMicro(), 10))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
