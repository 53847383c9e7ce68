package app

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// recorder notes when what was signalled.
type recorder struct {
	mu    sync.Mutex
	begin time.Time
	sent  []string
}

func (r *recorder) send(_ context.Context, k live.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, k.ID+" "+time.Since(r.begin).String())
}

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent)
}

// What keeps changing is signalled at once, then at most once a gap, and the last
// change is never lost.
func TestBeacon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{begin: time.Now()}
		b := newBeacon(r.send)
		key := func(id string) live.Key { return live.Key{Org: OwnOrg, Type: GateType, ID: id} }
		for range 1000 {
			b.light(key("a"))
		}
		b.light(key("b"))
		synctest.Wait()
		require.ElementsMatch(t, []string{"a 0s", "b 0s"}, r.all())
		time.Sleep(10 * beaconGap)
		require.Equal(t, []string{"a 300ms"}, r.all()[2:], "a changed after it was signalled, b did not")
		synctest.Wait()
		b.mu.Lock()
		require.Empty(t, b.lit, "nothing is remembered of what is at rest")
		b.mu.Unlock()

		b.light(key("a"))
		synctest.Wait()
		require.Len(t, r.all(), 4)
		b.light(key("a"))
		b.close()
		b.light(key("a"))
		synctest.Wait()
		require.Len(t, r.all(), 4, "nothing is sent after the end")
	})
}
