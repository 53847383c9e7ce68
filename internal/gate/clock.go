package gate

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
)

// newClock returns a clock that reads the machine's.
func newClock() *clock.Steady {
	began := time.Now()
	return clock.New(clock.Options{Wall: time.Now, Mono: func() time.Duration { return time.Since(began) }})
}

// never is the initial value of "when did this last happen": long before the process began.
const never = time.Duration(math.MinInt64 / 2)

// elapsed reports whether d has passed since the instant in at. Both are readings of
// time.Ran, which no correction of the clock moves.
func (g *Gate) elapsed(at *atomic.Int64, d time.Duration) bool {
	return g.time.Ran()-time.Duration(at.Load()) >= d
}

// turn reports whether d has passed since the last turn, and if so takes this turn. Of
// several concurrent callers one gets it.
func (g *Gate) turn(at *atomic.Int64, d time.Duration) bool {
	last, now := at.Load(), int64(g.time.Ran())
	return time.Duration(now-last) >= d && at.CompareAndSwap(last, now)
}

// clock returns the time as the store keeps it.
func (g *Gate) clock() time.Time { return whole(g.time.Now()) }

// since returns the start of the window. An event is in the window if it was received
// after this instant; one that is exactly a period old is not. There is no upper bound,
// because an event may have been stamped by a clock that is ahead of this one.
func (g *Gate) since() time.Time { return whole(g.time.Since(g.svc.Trigger.Period())) }

func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// memoryOfNames returns the two instants between which a stored event makes a new one with
// the same idempotency key a duplicate. Outside of them the key is forgotten.
//
// before ends the ordinary memory. after is for events that a clock far ahead has stamped:
// without it, their keys would be remembered until that future has passed. after is zero
// (no bound) until the clock is settled (docs/decisions/010). A clock that is far behind
// would find every stored event in its future, forget all keys, and count each retry twice.
func (g *Gate) memoryOfNames(s clock.Stamp) (before, after time.Time) {
	if s.Settled {
		after = whole(s.Latest.Add(g.remember()))
	}
	return whole(s.Since), after
}

// observe compares the clock with the store's own time, if that is due. If the store does
// not answer, a clock that was compared before keeps running, and only deletions wait. An
// error means that the clock has never been compared with the store's.
func (g *Gate) observe(ctx context.Context) error {
	err := g.time.Observe(ctx, g.store.Now)
	switch {
	case err == nil:
		return nil
	case g.time.Observed():
		g.log.WarnContext(ctx, "the clock could not be compared with the store's time; nothing is deleted until it can", "error", err)
		return nil
	}
	return unavailable(err, "the store's time could not be read")
}
