package gate_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/store/drivertest"
)

// With keepEventAfterTrigger, no event leaves the window, and the same message is still
// published once.
func TestAKeptWindowInParts(t *testing.T) {
	t.Parallel()
	drivertest.Each(t, func(t *testing.T, st drivertest.Store) {
		p := newPair(t, st, `,"keepEventAfterTrigger":true`, window.All, window.All, 6)
		t.Cleanup(func() { p.close(0); p.close(1) })
		p.send(0, "a", 19)
		p.conn[0].left = 2
		p.send(0, "b", 1)
		p.idle()
		p.start(0)
		p.ran += time.Minute
		for range 2 {
			for n := range p.one {
				_, err := p.one[n].Sweep(context.Background())
				require.NoError(t, err)
				p.idle()
			}
		}
		require.Len(t, p.bus.ids(), 1)
		require.Len(t, p.read(p.bus.ids()[0]).Events["a"].Events, 19)
		got, err := p.one[1].Trigger(context.Background(), nil)
		require.NoError(t, err)
		require.True(t, got.Repeated)
		require.Equal(t, p.bus.ids()[0], got.EventID)
	})
}

// A window of a key is one message too, however it ends.
func TestAWindowOfAKeyInParts(t *testing.T) {
	t.Parallel()
	for name, trigger := range map[string]string{
		"sliding":           `,"condition":"a && b"`,
		"anchored":          `,"window":"anchored"`,
		"anchored, partial": `,"window":"anchored","onClose":"partial"`,
		"anchored, close":   `,"window":"anchored","release":"close"`,
		"session":           `,"window":"session","release":"close","maxPeriod":7200`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drivertest.Each(t, func(t *testing.T, st drivertest.Store) {
				p := newPair(t, st, trigger, window.All, window.All, 6)
				t.Cleanup(func() { p.close(0); p.close(1) })
				p.send(0, "a", 40)
				for kill := range 3 {
					n := kill % 2
					p.conn[n].left, p.conn[n].lost = 2*kill, kill == 1
					p.ran += time.Second
					if kill == 0 && name != "anchored, partial" {
						p.send(n, "b", 1)
					}
					if kill == 0 && name != "sliding" && name != "anchored" {
						p.ran += time.Hour
						p.send(1, "a", 3) // of the next window
					}
					_, err := p.one[n].Check(context.Background(), nil)
					require.True(t, err == nil || errors.Is(err, errDead), "%v", err)
					p.idle()
					p.start(n)
					p.ran += 20 * time.Second
				}
				_, err := p.one[0].Sweep(context.Background())
				require.NoError(t, err)
				p.idle()
				require.Len(t, p.bus.ids(), 1)
				require.Len(t, p.read(p.bus.ids()[0]).Events["a"].Events, 40)
			})
		})
	}
}

// What a claim in parts takes does not leave its window, although events that are kept have
// no mark.
func TestAKeptWindowOfAKeyInPartsDoesNotExpire(t *testing.T) {
	t.Parallel()
	drivertest.Each(t, func(t *testing.T, st drivertest.Store) {
		p := newPair(t, st, `,"condition":"a && b","keepEventAfterTrigger":true`, window.All, window.All, 6)
		t.Cleanup(func() { p.close(0); p.close(1) })
		p.send(0, "a", 19)
		p.conn[0].left = 2
		p.send(0, "b", 1)
		p.idle()
		p.conn[1].left = 0 // no commit of a part succeeds
		for range 3 {
			p.ran += time.Hour
			_, err := p.one[1].Sweep(context.Background())
			require.NoError(t, err)
			p.idle()
		}
		p.start(1)
		p.ran += time.Minute
		_, err := p.one[1].Sweep(context.Background())
		require.NoError(t, err)
		p.idle()
		require.Len(t, p.bus.ids(), 1)
		require.Len(t, p.read(p.bus.ids()[0]).Events["a"].Events, 19)
	})
}

// The alert of a large window that closed incomplete is sent when the claim is whole.
func TestALargeWindowIsAlertedAtOnce(t *testing.T) {
	t.Parallel()
	for _, onClose := range []string{"drop", "partial"} {
		onBoth(t, func(w *world) {
			w.configured(`"window":"anchored","observationPeriod":600,"onClose":"`+onClose+`"`, twoEndpoints, withAlerts)
			w.store.Store = &killedStore{Store: w.store.Store, max: 6, left: -1, now: w.truth}
			i := w.instance(0)
			for range 20 {
				i.send("a", "")
			}
			w.ran += 10 * time.Minute
			require.NoError(w, i.CloseDue(w.Context()))
			i.Idle()
			require.Len(w, w.alerts(), 1)
			require.Equal(w, 20, w.alerts()[0].Endpoints[0].Have)
		})
	}
}
