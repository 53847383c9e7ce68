package gate

import (
	"context"
	"hash/maphash"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// CountKeys counts the correlation keys for which events wait. It reads at most so many events
// that wait; more says that there are others, whose keys may not be counted.
func (g *Gate) CountKeys(ctx context.Context, most int) (keys int, more bool, err error) {
	if !g.correlated() {
		return 0, false, fault.New(fault.Invalid, "count is for a service with correlation")
	}
	seed := maphash.MakeSeed()
	seen := make(map[uint64]struct{}) // hashes, because keys can be long
	since := g.since()
	read := 0
	for _, ep := range g.endpoints {
		for after := (*store.Cursor)(nil); ; {
			limit := min(sweepPage, most-read+1)
			page, err := g.store.WaitingUpTo(ctx, ep, time.Time{}, after, limit)
			if err != nil {
				return 0, false, unavailable(err, "the windows could not be read")
			}
			for _, w := range page {
				if read == most {
					return len(seen), true, nil
				}
				read++
				if g.Closes() || w.At.After(since) { // others have left their window
					seen[maphash.String(seed, w.Key)] = struct{}{}
				}
			}
			if len(page) < limit {
				break
			}
			last := page[len(page)-1]
			after = &store.Cursor{Date: last.At, ID: last.ID}
		}
	}
	return len(seen), false, nil
}
