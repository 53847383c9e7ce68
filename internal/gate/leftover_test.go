package gate_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

// rules are the trigger and the further fields of a service.
type rules struct{ trigger, more string }

var (
	plain = rules{`"observationPeriod":600`, ``}
	keyed = rules{`"window":"anchored","observationPeriod":600,"onClose":"partial"`, byOrder}
)

// A service that gets other rules leaves events in sets that nobody looks at. They are found
// at the next start, kept for a day in case the rules come back, and then counted and logged.
func TestEventsOfFormerRulesLeaveAfterADay(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]rules{"from keys to plain": {keyed, plain}, "from plain to keys": {plain, keyed}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(w *world) {
				var logged bytes.Buffer
				w.log = slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelWarn})
				w.configured(change[0].trigger, twoEndpoints, change[0].more)
				i := w.instance(0)
				i.post("a", order(1))
				i.post("a", order(2))
				w.ran += 2 * time.Minute

				w.configured(change[1].trigger, twoEndpoints, change[1].more)
				i.restart()
				w.pass(time.Minute, i)
				require.Contains(w, logged.String(), "events wait under rules that the service no longer has")
				logged.Reset()
				w.hourly(2, i)
				require.Empty(w, logged.String(), "they are kept, and the warning is given once")
				require.Empty(w, w.published())

				w.hourly(24, i)
				require.Contains(w, logged.String(), "events left the window without a message")
				s, err := i.Status(context.Background(), nil)
				require.NoError(w, err)
				require.Equal(w, 2, s.Endpoints[0].Expired)
				require.Zero(w, w.pointers(), "no pointer is left")

				logged.Reset()
				i.restart()
				w.hourly(2, i)
				require.Empty(w, logged.String())
			})
		})
	}
}

// A rollback within a day finds the events as they were.
func TestEventsOfFormerRulesAreThereAfterARollback(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(keyed.trigger, twoEndpoints, keyed.more)
		i := w.instance(0)
		i.post("a", order(1))
		w.configured(plain.trigger, twoEndpoints, plain.more)
		i.restart()
		w.pass(5*time.Minute, i)
		i.post("b", order(1))
		w.configured(keyed.trigger, twoEndpoints, keyed.more)
		i.restart()
		require.NotEmpty(w, i.post("b", order(1)).Triggered)
		require.Equal(w, []string{"1 complete a1 b1"}, w.published())
	})
}

// A process looks for them once, so sweeps cost no more than before.
func TestFormerRulesAreLookedForOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(plain.trigger, twoEndpoints, plain.more)
		scanning := &scanningStore{Store: w.store.Store}
		w.store.Store = scanning
		i := w.instance(0)
		w.hourly(5, i)
		require.Equal(w, 2, scanning.scans, "one for each endpoint")
	})
}

// hourly lets hours pass, each with a sweep.
func (w *world) hourly(n int, i *instance) {
	for range n {
		w.ran += time.Hour
		_, err := i.Sweep(context.Background())
		require.NoError(w, err)
	}
}

// pointers returns the number of pointers in all sets of endpoint a.
func (w *world) pointers() int {
	ep := store.Endpoint{Service: "s", Key: "a"}
	ps, err := w.store.Pending(context.Background(), ep, time.Time{}, 0)
	require.NoError(w, err)
	n, err := w.store.CountWaiting(context.Background(), ep, 0)
	require.NoError(w, err)
	return len(ps) + n
}
