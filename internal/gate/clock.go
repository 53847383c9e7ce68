package gate

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
)

// newClock returns a clock that looks at the machine's.
func newClock() *clock.Steady {
	began := time.Now()
	return clock.New(clock.Options{Wall: time.Now, Mono: func() time.Duration { return time.Since(began) }})
}

// never is long before the process began.
const never = time.Duration(math.MinInt64 / 2)

// elapsed reports whether d has passed since what at says.
func (g *Gate) elapsed(at *atomic.Int64, d time.Duration) bool {
	return g.time.Ran()-time.Duration(at.Load()) >= d
}

// turn reports whether d has passed since the last turn, and if so takes this one.
func (g *Gate) turn(at *atomic.Int64, d time.Duration) bool {
	last, now := at.Load(), int64(g.time.Ran())
	return time.Duration(now-last) >= d && at.CompareAndSwap(last, now)
}

// clock returns the time as the store keeps it.
func (g *Gate) clock() time.Time { return whole(g.time.Now()) }

// since returns the instant after which an event is in the window. An event exactly
// a period old is out. There is no upper bound: an event of a faster clock must not be
// missed.
func (g *Gate) since() time.Time { return whole(g.time.Since(g.svc.Trigger.Period())) }

func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// memoryOfNames returns between which instants a stored event must have been received
// to count as the same as one of its name. The later one is for events that a clock
// far ahead has stamped: their names would never be forgotten. It is zero, for never,
// until the clock is settled: one that is far behind takes every name for such a one,
// and each event that its source sends again would count twice.
func (g *Gate) memoryOfNames(s clock.Stamp) (before, after time.Time) {
	if s.Settled {
		after = whole(s.Latest.Add(g.remember()))
	}
	return whole(s.Since), after
}

// observe compares the clock with the store's own time, if that is due. An error means
// that the store has never said what time it is.
func (g *Gate) observe(ctx context.Context) error {
	err := g.time.Observe(ctx, g.store.Now)
	switch {
	case err == nil:
		return nil
	case g.time.Observed():
		g.log.WarnContext(ctx, "the clock cannot be compared with the store's time: nothing is deleted meanwhile", "error", err)
		return nil
	}
	return unavailable(err, "the store does not say what time it is")
}
