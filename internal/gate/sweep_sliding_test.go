package gate_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store/drivertest"
)

// A sweep deletes what left a sliding window a minute ago or earlier. It does not put what has
// left since then into a message with events that came after that.
func TestASweepReleasesNoEventThatHasLeftItsWindow(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(testing.TB) drivertest.Store{
		"sqlite": func(t testing.TB) drivertest.Store { return drivertest.SQLite(t) },
		"memory": func(t testing.TB) drivertest.Store { return drivertest.Memory(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := worldOn(t, open(t), true) // a clock that is settled at once
			w.configured(`"observationPeriod":600`, twoEndpoints, byOrder)
			i := w.instance(0)
			i.post("a", order(1)) // the sweep looks at windows of which something has left
			w.ran += 2 * time.Minute
			i.post("a", order(1))
			w.ran += 10*time.Minute + 30*time.Second
			i.post("b", order(1))
			_, err := i.Sweep(t.Context())
			require.NoError(t, err)
			i.Idle()
			require.Empty(t, w.bus.ids(), "a and b were never together")
			i.post("a", order(1))
			i.Idle()
			require.Len(t, w.bus.ids(), 1, "b still waits, and is released with what completes its window")
		})
	}
}
