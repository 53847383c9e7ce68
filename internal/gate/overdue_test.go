package gate_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/gate/alert"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/meter/metertest"
)

const (
	everyHour = `,"expect":[{"cron":"0 * * * *"}]`
	overdue   = "no complete message was published in time"
)

// beginAt makes the world begin at a local time.
func (w *world) beginAt(local, zone string) {
	at, err := time.LoadLocation(zone)
	require.NoError(w, err)
	began, err := time.ParseInLocation("2006-01-02 15:04", local, at)
	require.NoError(w, err)
	w.began = began.UTC()
}

// live lets time pass, a minute at a time, while the instances do what they do every second.
func (w *world) live(d time.Duration, instances ...*instance) {
	w.Helper()
	for ; d > 0; d -= time.Minute {
		w.ran += min(d, time.Minute)
		w.tick(instances...)
	}
}

// instants returns the instants of the alerts of expectations that went out.
func (w *world) instants() (list []string) {
	for _, a := range w.alerts() {
		if a.Kind == alert.Overdue {
			list = append(list, a.At.Format("02 15:04"))
		}
	}
	return list
}

func TestAMessageThatDoesNotComeIsAlertedOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		m := new(metertest.Recorder)
		w.meter = meter.New(m)
		w.beginAt("2026-05-04 12:10", "UTC")
		w.configured(`"observationPeriod":600`, twoEndpoints, everyHour+withAlerts)
		logs := w.logs()
		i, other := w.instance(0), w.instance(0)
		w.live(10*time.Minute, i, other)
		i.send("a", "")
		require.NotEmpty(w, i.send("b", ""))
		w.live(50*time.Minute, i, other) // 13:10
		require.Empty(w, w.instants(), "12:00 was before anybody looked, and 13:00 was met")
		w.live(45*time.Minute, i, other) // 13:55
		i.send("a", "")
		w.live(6*time.Minute, i, other) // 14:01
		require.Equal(w, []string{"04 14:00"}, w.instants())
		require.Equal(w, []string{"overdue   a1/1 b0/1 -b"}, w.told())
		a := w.alerts()[0]
		require.Equal(w, a.At.Add(-time.Hour), *a.Since)
		i.restart()
		other.restart()
		w.live(30*time.Minute, other, i)
		require.Len(w, w.instants(), 1, "restarts do not repeat it")
		require.EqualValues(w, 1, m.Sum(meter.Alerts, w.cfg.ServiceName, "overdue"))
		lines := logs.saying(overdue)
		require.Len(w, lines, 1)
		require.Equal(w, "WARN", lines[0]["level"])
		require.Equal(w, "2026-05-04T14:00:00Z", lines[0]["at"])
		require.Equal(w, []any{map[string]any{"eventKey": "b", "have": 0.0, "need": 1.0}}, lines[0]["missing"])
	})
}

// After downtime, each instant of the last day is told.
func TestInstantsThatWereMissedAreAlerted(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.beginAt("2026-05-04 12:10", "UTC")
		w.configured(`"observationPeriod":600`, twoEndpoints, everyHour+withAlerts)
		i, other := w.instance(0), w.instance(0)
		w.tick(i)
		i.send("a", "")
		i.send("b", "")
		i.Idle()
		w.ran += 4 * time.Hour
		i.restart()
		var both sync.WaitGroup
		for _, one := range []*instance{i, other} {
			both.Go(func() { _ = one.CloseDue(context.Background()) })
		}
		both.Wait()
		w.tick(i, other)
		require.ElementsMatch(w, []string{"04 14:00", "04 15:00", "04 16:00"}, w.instants(), "13:00 was met")
		w.ran += 100 * time.Hour
		w.tick(other, i)
		require.Len(w, w.instants(), 3+24)
	})
}

// The commit that creates the alert also moves the evaluation on.
func TestAnOverdueAlertOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.beginAt("2026-05-04 12:50", "UTC")
		w.configured(`"observationPeriod":600`, twoEndpoints, everyHour+withAlerts)
		i, other := w.instance(0), w.instance(0)
		w.tick(i)
		w.bus.set(true)
		w.ran += 11 * time.Minute
		w.tick(i)
		w.bus.set(false)
		require.Empty(w, w.instants())
		w.ran += 5 * time.Minute
		w.tick(other)
		i.restart()
		w.live(10*time.Minute, i, other)
		require.Equal(w, []string{"04 13:00"}, w.instants())
	})
}

// Only a complete message that was published counts: not one that is partial, that was
// triggered by hand, or that still waits for the bus.
func TestOnlyACompletePublicationCounts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.beginAt("2026-05-04 12:10", "UTC")
		w.configured(`"window":"anchored","observationPeriod":600,"onClose":"partial"`, twoEndpoints, everyHour)
		logs := w.logs()
		i := w.instance(0)
		w.tick(i)
		i.post("a", "{}")
		w.live(15*time.Minute, i)
		i.post("a", "{}")
		_, err := i.Trigger(w.Context(), nil)
		require.NoError(w, err)
		w.live(40*time.Minute, i)
		require.Equal(w, []string{" partial a1 b0 -b", " manual a1 b0 -b"}, w.published())
		require.Len(w, logs.saying(overdue), 1, "13:00")

		w.bus.set(true)
		i.post("a", "{}")
		i.post("b", "{}")
		w.live(60*time.Minute, i)
		require.Len(w, logs.saying(overdue), 2, "14:00")
		w.bus.set(false)
		for range 8 {
			_, err = i.Sweep(w.Context())
			require.NoError(w, err)
			w.live(time.Minute, i)
		}
		require.Len(w, w.published(), 3)
		w.live(60*time.Minute, i)
		require.Len(w, logs.saying(overdue), 2, "15:00 was met by the message that came late")
	})
}

// A window without any further rule says nothing of its completion; its events do.
func TestAManualMessageOfAPlainWindowDoesNotCount(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.beginAt("2026-05-04 12:10", "UTC")
		w.configured(`"observationPeriod":600`, twoEndpoints, everyHour+withAlerts)
		i := w.instance(0)
		w.tick(i)
		i.send("a", "")
		_, err := i.Trigger(w.Context(), nil)
		require.NoError(w, err)
		w.live(time.Hour, i)
		require.Equal(w, []string{"04 13:00"}, w.instants())
	})
}

func TestAnOverdueServiceNamesItsOldestKeys(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.beginAt("2026-05-04 12:50", "UTC")
		w.configured(`"window":"anchored","observationPeriod":86400`, twoEndpoints, `,"correlation":{"key":"event.body.order"}`+everyHour+withAlerts)
		i := w.instance(0)
		w.tick(i)
		for n := range 13 {
			w.ran += time.Second
			i.post("a", order(n))
		}
		w.live(15*time.Minute, i)
		list := w.alerts()
		require.Len(w, list, 1)
		require.Len(w, list[0].Windows, 10)
		require.True(w, list[0].MoreWindows)
		require.Empty(w, list[0].Missing)
		for n, open := range list[0].Windows {
			require.Equal(w, fmt.Sprint(n), open.CorrelationKey)
			require.Equal(w, "b", open.Missing[0].EventKey)
		}
	})
}

// Windows that closed incomplete while the expectation waited are what people look for, and
// not those that have opened since.
func TestAnOverdueServiceNamesTheWindowThatClosed(t *testing.T) {
	t.Parallel()
	for more, want := range map[string]string{"": "", `,"correlation":{"key":"event.body.order"}`: "1"} {
		onBoth(t, func(w *world) {
			w.beginAt("2026-05-04 12:05", "UTC")
			w.configured(`"window":"anchored","observationPeriod":600`, twoEndpoints, more+everyHour+withAlerts)
			i := w.instance(0)
			w.tick(i)
			i.post("a", order(1))
			w.live(50*time.Minute, i) // it closed at 12:15
			i.post("b", order(2))
			w.ran += 2 * time.Hour // nobody looks for a while
			w.tick(i)
			list := w.alerts()
			list = slices.DeleteFunc(list, func(a alert.Alert) bool { return a.Kind != alert.Overdue })
			require.Len(w, list, 2)
			slices.SortFunc(list, func(a, b alert.Alert) int { return a.At.Compare(b.At) })
			for n, short := range []string{"b", "a"} { // the other one closed at 13:05
				a := list[n]
				if want == "" {
					require.Equal(w, "dropped", a.Completion)
					require.Equal(w, short, a.Missing[0].EventKey)
					require.Equal(w, 10*time.Minute, a.Window.Closes.Sub(a.Window.Opened))
					continue
				}
				require.Len(w, a.Windows, 1)
				require.Equal(w, "dropped", a.Windows[0].Completion)
				require.Equal(w, fmt.Sprint(n+1), a.Windows[0].CorrelationKey)
				require.Equal(w, short, a.Windows[0].Missing[0].EventKey)
			}
		})
	}
}

// Clocks change: a local time that does not exist is the first instant after the gap, and
// one that occurs twice counts once.
func TestExpectationsOnDaysWhenClocksChange(t *testing.T) {
	t.Parallel()
	for begin, want := range map[string][]string{
		"2026-03-28 12:00": {"29 01:00", "30 00:30"},
		"2026-10-24 12:00": {"25 00:30", "26 01:30"},
	} {
		onBoth(t, func(w *world) {
			w.beginAt(begin, "Europe/Berlin")
			w.configured(`"observationPeriod":600`, twoEndpoints, `,"expect":[{"cron":"30 2 * * *","timeZone":"Europe/Berlin"}]`+withAlerts)
			i := w.instance(0)
			for range 48 * 4 {
				w.tick(i)
				w.ran += 15 * time.Minute
			}
			require.Equal(w, want, w.instants())
		})
	}
}

// Nothing was expected at instants of a schedule before it was configured.
func TestAnotherScheduleBeginsAnew(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.beginAt("2026-05-04 12:10", "UTC")
		w.configured(`"observationPeriod":600`, twoEndpoints, `,"expect":[{"cron":"0 6 * * *"}]`+withAlerts)
		i := w.instance(0)
		w.tick(i)
		w.ran += 5 * time.Hour // 17:10
		w.configured(`"observationPeriod":600`, twoEndpoints, everyHour+withAlerts)
		i.restart()
		w.tick(i)
		require.Empty(w, w.instants())
		w.ran += time.Hour
		w.tick(i)
		require.Equal(w, []string{"04 18:00"}, w.instants())
	})
}

// The clock of one instance may be far ahead, and the store may have no time that corrects it.
// What that instance has evaluated in advance does not silence the others.
func TestAClockThatWasAheadDoesNotSilenceExpectations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.beginAt("2026-05-04 12:10", "UTC")
	w.configured(`"observationPeriod":600`, twoEndpoints, everyHour+withAlerts)
	ahead := w.instance(30 * 24 * time.Hour)
	w.tick(ahead)
	w.ran += time.Hour
	w.tick(ahead) // it has evaluated until a month from now
	i := w.instance(0)
	w.tick(i)
	w.ran += time.Hour
	w.tick(i)
	require.Contains(w, w.instants(), "04 14:00")
}

// An expectation that is not yet due costs nothing.
func TestExpectationsAreReadAtTheirInstantsOnly(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.beginAt("2026-05-04 12:10", "UTC")
		w.configured(`"observationPeriod":600`, twoEndpoints, everyHour)
		docs, tally := &countingDocs{Docs: w.docs}, &tallyStore{Store: w.store.Store, n: map[string]int{}}
		w.docs, w.store = docs, &timedStore{tally, w}
		i := w.instance(0)
		i.send("a", "")
		i.send("b", "")
		i.Idle()
		w.tick(i)
		w.ran += time.Minute
		w.tick(i)
		before, calls := tally.n["claims"], docs.calls
		for range 2000 { // half an hour of seconds
			w.ran += time.Second
			w.tick(i)
		}
		require.Equal(w, before, tally.n["claims"])
		require.Equal(w, calls, docs.calls)
		w.ran += time.Hour
		w.tick(i)
		require.Equal(w, before+1, tally.n["claims"], "the latest message tells")
	})
}
