package gate_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/gate/target"
)

// While instances are replaced, an older one leaves the receivers that it does not know to
// the newer ones. A receiver that left the configuration is given up after an hour.
func TestAnAlertWaitsForInstancesThatKnowItsReceivers(t *testing.T) {
	t.Parallel()
	for _, removed := range []bool{false, true} {
		onBoth(t, func(w *world) {
			w.configured(`"window":"anchored","observationPeriod":600`, twoEndpoints, withAlerts)
			older := w.instance(0)
			w.configured(`"window":"anchored","observationPeriod":600`, twoEndpoints,
				`,"alerts":{"topic":"`+alertTopic+`","http":[{"url":"https://a.example/new"}]}`)
			added := &sender{err: errors.New("no answer")}
			w.senders = []target.Sender{added}
			newer := w.instance(0)
			newer.post("a", "{}")
			w.ran += 11 * time.Minute
			w.tick(newer)
			require.Len(w, w.told(), 1)
			for range 3 {
				w.ran += 10 * time.Minute
				w.tick(older)
			}
			if added.err = nil; removed {
				w.ran += 40 * time.Minute
				w.tick(older)
			}
			w.ran += 10 * time.Minute
			w.tick(newer)
			require.Len(w, w.told(), 1)
			require.Equal(w, !removed, len(added.got) == 1)
		})
	}
}
