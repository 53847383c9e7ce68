package gate_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// An instance without a topic for dead letters publishes none of them to its other targets.
// They wait for an instance that has one.
func TestDeadLettersWaitForTheirTopic(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		const anchored = `"window":"anchored","observationPeriod":600`
		w.configure("s", anchored, twoEndpoints, "")
		older := w.cfg
		older.DeadLetter = nil
		newer := w.cfg
		newer.Trigger.OnClose, newer.Endpoints = "deadLetter", slices.Clone(newer.Endpoints)
		newer.Endpoints[0].OnError, newer.Endpoints[0].Filter = "deadLetter", "event.body.n > 0"
		w.cfg = newer
		i := w.instance(0)
		w.cfg = older
		old := w.instance(0)
		w.bus.set(true)
		i.post("a", `{"n":1}`)
		i.post("a", `{}`)
		w.ran += 11 * time.Minute
		require.NoError(w, i.CloseDue(context.Background()))
		i.Idle()
		w.bus.set(false)
		for range 3 {
			w.ran += 10 * time.Minute
			_, err := old.SweepNow(context.Background())
			require.NoError(w, err)
		}
		require.Empty(w, w.bus.sent)
		claims := w.claims("s")
		require.Len(w, claims, 2)
		for _, c := range claims {
			require.Equal(w, store.DeadLettered, c.Window.Completion)
			require.Equal(w, store.Claimed, c.State)
			_, err := old.Replay(context.Background(), c.EventID, "")
			require.Equal(w, fault.Conflict, fault.CodeOf(err))
		}
		w.ran += 10 * time.Minute
		_, err := i.SweepNow(context.Background())
		require.NoError(w, err)
		require.Len(w, w.bus.sent, 2)
		for _, m := range w.bus.sent {
			require.Equal(w, "deadLetter", m.Attributes["completion"])
		}
	})
}
