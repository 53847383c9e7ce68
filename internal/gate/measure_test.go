package gate_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/meter/metertest"
	"github.com/headgate/headgate/internal/store"
)

// racedStore lets another instance be faster than the next claim.
type racedStore struct {
	store.Store
	faster func()
}

func (s *racedStore) Claim(ctx context.Context, c store.Claim, taken []store.Taken) error {
	if faster := s.faster; faster != nil {
		s.faster = nil
		faster()
	}
	return s.Store.Claim(ctx, c, taken)
}

func everyGauge(*meter.Metric) bool { return true }

func TestMeasurements(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		m := new(metertest.Recorder)
		w.meter = meter.New(m)
		raced := &racedStore{Store: w.store.Store}
		w.store.Store = raced
		i, other := w.instance(0), w.instance(0)
		w.pass(time.Hour) // the clocks are settled by then
		i.send("a", "one")
		i.send("a", "one") // a duplicate
		w.ran += 30 * time.Second
		g := new(metertest.Recorder)
		require.NoError(t, i.Gauges(t.Context(), everyGauge, g.Set))
		require.EqualValues(t, 1, g.Sum(meter.WindowsOpen, "s"))
		require.InDelta(t, 30, g.Sum(meter.WindowOldest, "s"), 1)
		require.EqualValues(t, 1, g.Sum(meter.Have, "s", "a"))
		require.EqualValues(t, 0, g.Sum(meter.Have, "s", "b"))
		require.EqualValues(t, 1, g.Sum(meter.Need, "s", "b"))

		w.bus.set(true)
		raced.faster = func() { _, err := other.Check(context.Background(), nil); require.NoError(t, err) }
		i.send("b", "two")
		require.EqualValues(t, 1, m.Sum(meter.Messages, "s", "complete"), "by one of the two")
		require.EqualValues(t, 1, m.Sum(meter.ClaimsLost, "s"))
		require.EqualValues(t, 1, m.Times(meter.PublishDuration, "s", meter.Failed))
		w.ran += time.Minute
		g = new(metertest.Recorder)
		require.NoError(t, i.Gauges(t.Context(), everyGauge, g.Set))
		require.EqualValues(t, 1, g.Sum(meter.Backlog, "s"))
		require.InDelta(t, 60, g.Sum(meter.BacklogAge, "s"), 1)
		require.EqualValues(t, 0, g.Sum(meter.WindowOldest, "s"))

		w.bus.set(false)
		i.send("a", "three")
		i.send("a", "four")
		w.pass(period+time.Minute, i)
		require.EqualValues(t, 2, m.Sum(meter.EventsExpired, "s", "a"))
		require.EqualValues(t, 3, m.Sum(meter.Events, "s", "a", meter.EventStored))
		require.EqualValues(t, 1, m.Sum(meter.Events, "s", "a", meter.EventDuplicate))
		require.Positive(t, m.Times(meter.SweepDuration, "s", meter.Succeeded))
		require.Positive(t, m.Times(meter.CheckDuration, "s", meter.Succeeded))
		require.EqualValues(t, 5, m.Times(meter.IngestDuration, "s", meter.Succeeded))

		i.send("a", "five")
		_, err := i.Trigger(t.Context(), nil)
		require.NoError(t, err)
		require.EqualValues(t, 1, m.Sum(meter.Messages, "s", "manual"))
	})
}

// Where windows are set apart by key, the gauges are those of all keys.
func TestGaugesOfManyKeys(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		cfg, err := config.Parse([]byte(`{"serviceName":"s","trigger":{"type":"window","window":"anchored","observationPeriod":600,"onClose":"drop"},
			"correlation":{"key":"event.text"},"endpoints":[{"eventKey":"a","distinct":"'x'"},{"eventKey":"b"}],"targetPubSub":{"topic":"` + topic + `"}}`))
		require.NoError(t, err)
		w.cfg = cfg.Services[0]
		m := new(metertest.Recorder)
		w.meter = meter.New(m)
		i := w.instance(0)
		for _, key := range []string{"1", "2", "3", "3"} {
			_, err := i.Ingest(t.Context(), gate.Incoming{EventKey: "a", Meta: event.Meta{Method: "POST"}, Content: []byte(key)})
			require.NoError(t, err)
			w.ran += time.Second
		}
		g := new(metertest.Recorder)
		require.NoError(t, i.Gauges(t.Context(), everyGauge, g.Set))
		require.EqualValues(t, 3, g.Sum(meter.WindowsOpen, "s"))
		require.EqualValues(t, 3, g.Sum(meter.Have, "s", "a"))
		require.InDelta(t, 4, g.Sum(meter.WindowOldest, "s"), 1)
		require.EqualValues(t, 1, m.Sum(meter.EventsSuperseded, "s", "a"))
		require.EqualValues(t, 4, m.Sum(meter.Events, "s", "a", meter.EventStored))

		w.ran += period + time.Minute
		require.NoError(t, i.CloseDue(t.Context()))
		require.EqualValues(t, 3, m.Sum(meter.Messages, "s", "dropped"))

		g = new(metertest.Recorder)
		require.NoError(t, i.Gauges(t.Context(), func(g *meter.Metric) bool { return g.Logged }, g.Set))
		require.Zero(t, g.Times(meter.Have, "s", "a"), "what is not wanted is not read")
		require.EqualValues(t, 1, g.Times(meter.Backlog, "s"))
	})
}

// Whoever asks for the gauges all the time does not have the store read all windows each time.
func TestTheCostOfGauges(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"observationPeriod":600`, twoEndpoints, `,"correlation":{"key":"event.body.k"}`)
		counting := &tallyStore{Store: w.store.Store, n: map[string]int{}}
		w.store.Store = counting
		i := w.instance(0)
		reads := func() (calls int, have float64) {
			before, g := counting.n["waiting"], new(metertest.Recorder)
			require.NoError(t, i.Gauges(t.Context(), everyGauge, g.Set))
			return counting.n["waiting"] - before, g.Sum(meter.Have, "s", "a")
		}
		var events []gate.Incoming
		for k := range 250 {
			events = append(events, gate.Incoming{EventKey: "a", Meta: event.Meta{Method: "POST"}, Content: fmt.Appendf(nil, `{"k":%d}`, k)})
		}
		_, err := i.Ingest(t.Context(), events[:99]...)
		require.NoError(t, err)
		for range 3 {
			calls, have := reads()
			require.Equal(t, 2, calls, "few events are read each time")
			require.EqualValues(t, 99, have)
		}
		_, err = i.Ingest(t.Context(), events[99:]...)
		require.NoError(t, err)
		for again := range 3 {
			calls, have := reads()
			require.Equal(t, again == 0, calls > 0, "250 events are read once in 20 seconds")
			require.EqualValues(t, 250, have)
		}
		w.pass(20 * time.Second)
		calls, _ := reads()
		require.Equal(t, 2, calls)
	})
}
