package gate_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each event of a session takes the place of the one before, until the longest time of a
// session has passed. The session closes at that time, and not when the last event is a
// period old.
func TestASessionOfOneSlotClosesAtItsLongest(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"window":"session","observationPeriod":120,"maxPeriod":300,"onClose":"partial"`,
			`{"eventKey":"a","distinct":"event.body.order"},{"eventKey":"b"}`, byOrder)
		i := w.instance(0)
		for w.ran < 300*time.Second {
			i.post("a", order(1))
			i.Idle()
			w.ran += 100 * time.Second
		}
		w.ran = 299 * time.Second
		i.post("a", order(1))
		require.NoError(t, i.CloseDue(t.Context()))
		i.Idle()
		require.Empty(w, w.published())
		w.ran = 300 * time.Second
		require.NoError(t, i.CloseDue(t.Context()))
		i.Idle()
		require.Equal(w, []string{"1 partial a1 b0 -b"}, w.published())
	})
}
