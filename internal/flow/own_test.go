package flow

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// recorder notes when each entity was signalled.
type recorder struct {
	mu    sync.Mutex
	begin time.Time
	sent  []string
}

func (r *recorder) work(id string) func(context.Context) {
	return func(stopped context.Context) {
		signalAtMostOften(stopped, func(context.Context) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.sent = append(r.sent, id+" "+time.Since(r.begin).String())
		})
	}
}

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent)
}

// An entity that keeps changing is signalled at once, then at most once a gap, and its
// last change is never lost.
func TestOwnEntitiesAreSignalledAtMostOften(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, signals := &recorder{begin: time.Now()}, newReruns[string]()
		for range 1000 {
			signals.spawn("a", r.work("a"))
		}
		signals.spawn("b", r.work("b"))
		synctest.Wait()
		require.ElementsMatch(t, []string{"a 0s", "b 0s"}, r.all())
		time.Sleep(10 * ownGap)
		require.Equal(t, []string{"a 300ms"}, r.all()[2:], "a changed after it was signalled, b did not")
		synctest.Wait()

		signals.spawn("a", r.work("a"))
		synctest.Wait()
		require.Len(t, r.all(), 4)
		signals.spawn("a", r.work("a"))
		signals.close()
		signals.spawn("a", r.work("a"))
		synctest.Wait()
		require.Len(t, r.all(), 4, "nothing is sent after the end")
	})
}
