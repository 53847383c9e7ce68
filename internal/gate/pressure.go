package gate

import (
	"context"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
)

// countEvery is the least time between two counts of the events that wait.
const countEvery = 5 * time.Second

// full returns an error if more events wait than maxPending. One request in countEvery
// counts them, and the others go by its result, so a service takes a few seconds' events
// more than maxPending. Nothing is counted while no event arrives.
func (g *Gate) full(ctx context.Context) error {
	most := g.svc.MaxPending
	if most == 0 {
		return nil
	}
	if g.turn(&g.pressed, countEvery) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countEvery)
		n, err := g.waitingUpTo(ctx, most+1)
		cancel()
		if err != nil { // the last result holds; if the store is away, the event fails anyway
			g.log.WarnContext(ctx, "the events that wait could not be counted", "error", err)
		} else if over := n > most; g.overFull.Swap(over) != over {
			if over {
				g.log.WarnContext(ctx, "more events wait than maxPending: further ones are refused", "maxPending", most)
			} else {
				g.log.InfoContext(ctx, "fewer events wait than maxPending again", "maxPending", most)
			}
		}
	}
	if !g.overFull.Load() {
		return nil
	}
	e := fault.New(fault.TooMany, "more events wait than maxPending, which is %d: send the request again later", most)
	e.RetryAfter = countEvery
	return e
}

// waitingUpTo counts the events that wait at all endpoints, no further than limit.
func (g *Gate) waitingUpTo(ctx context.Context, limit int) (total int, err error) {
	for _, ep := range g.endpoints {
		var n int
		if g.rules.byKey {
			n, err = g.store.CountWaiting(ctx, ep, limit-total)
		} else {
			n, err = g.store.Count(ctx, ep, g.since(), limit-total)
		}
		if total += n; err != nil || total >= limit {
			break
		}
	}
	return total, err
}
