package gate

import (
	"context"
	"time"
)

// Retention returns the time for which a published message is kept.
func (g *Gate) Retention() time.Duration { return g.retention() }

// Earliest returns the first instant at which something may become of an event with that
// window's time, if no other event comes: its window closes, or it leaves a sliding window.
// A driver of virtual time jumps there, and need not look each second.
func (g *Gate) Earliest(at time.Time) time.Time { return g.rules.shape.Earliest(at) }

// NextClose returns the first instant from now on at which a window of the correlation key
// closes; zero: none does. key is "" for a service without correlation.
func (g *Gate) NextClose(ctx context.Context, key string) (time.Time, error) {
	now := g.windowTime()
	waiting, _, _, err := g.waitingOf(ctx, scope{key: key}, now, false)
	if err != nil {
		return time.Time{}, unavailable(err, "the window could not be read")
	}
	return g.rules.shape.NextClose(waiting, now), nil
}

// NextReset returns the first scheduled reset after the instant; zero: there is none.
func (g *Gate) NextReset(after time.Time) time.Time {
	if g.rules.shape.Resets == nil {
		return time.Time{}
	}
	return g.rules.shape.Resets.Next(after)
}

// NextExpected returns the first instant of the service's expectations after the instant;
// zero: there is none.
func (g *Gate) NextExpected(after time.Time) time.Time {
	if g.rules.expect == nil {
		return time.Time{}
	}
	return g.rules.expect.Next(after)
}

// Expect evaluates the expectations whose instants have come, and looks at no window. The
// first call begins with the instant after it. CloseDue does the same after its windows.
func (g *Gate) Expect(ctx context.Context) error {
	if !g.enter() {
		return errClosing
	}
	defer g.inFlight.Done()
	if err := g.observe(ctx); err != nil {
		return err
	}
	return g.tellOverdue(ctx)
}
