package gate_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/emulator"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/firestorestore"
	"github.com/headgate/headgate/internal/store/sqlitestore"
)

// For random rules, events, crashes, skewed clocks and late looks, every event that was
// acknowledged is in exactly one message or record, and each of these is right.
func TestWindowsAgainstWhatIsObvious(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		st, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, st.Close()) })
		rapid.Check(t, func(t *rapid.T) {
			tr := newTrial(t, rapid.Custom(drawPlan).Draw(t, "plan"), st, false)
			defer tr.close()
			tr.run()
			tr.check()
		})
	})
	t.Run("sqlite, with a time of its own", func(t *testing.T) {
		t.Parallel()
		st, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, st.Close()) })
		rapid.Check(t, func(t *rapid.T) {
			p := rapid.Custom(drawPlan).Draw(t, "plan")
			p.Skew *= 72 // up to an hour: the store's time decides
			tr := newTrial(t, p, st, true)
			defer tr.close()
			tr.run()
			tr.check()
		})
	})
	t.Run("firestore", func(t *testing.T) {
		t.Parallel()
		_, project := emulator.Firestore(t)
		st, err := firestorestore.Open(t.Context(), firestorestore.Options{Project: project, CallTimeout: time.Minute})
		require.NoError(t, err)
		t.Cleanup(func() { _ = st.Close() })
		for seed := range 5 {
			tr := newTrial(t, rapid.Custom(drawPlan).Example(seed), st, true)
			tr.run()
			tr.check()
			tr.close()
		}
	})
}

// check requires that each event has one end, and that each claim is right.
func (tr *trial) check() {
	in := map[string]int{}
	known := map[string]bool{}
	for _, c := range tr.claims {
		for _, l := range c.Lists {
			for _, ref := range l.Included {
				in[ref.ID]++
			}
		}
		require.False(tr, known[c.EventID], "two claims have one eventID")
		known[c.EventID] = true
		tr.checkClaim(c)
		tr.checkSent(c)
	}
	for id := range tr.sent {
		require.True(tr, known[id], "a message has no claim")
	}
	for id := range tr.acked {
		require.Contains(tr, tr.stored, id, "an acknowledged event is not stored")
	}
	for id, e := range tr.stored {
		d, gone := tr.discarded[id]
		switch in[id] {
		case 0:
			require.True(tr, tr.lost[id] || gone, "%s of %s, received at %s, is lost", e.Event.Key, e.Place.Key, e.Event.ReceivedAt)
		case 1:
			require.False(tr, tr.lost[id], "a superseded event is in a claim")
		default:
			require.Fail(tr, "an event is in two claims")
		}
		if gone && in[id] == 0 && !d.asked {
			tr.checkOver(d)
		}
	}
	tr.checkIntervals()
}

// checkOver requires that an event left its window by age or by a scheduled reset.
func (tr *trial) checkOver(d discard) {
	skew := tr.slack()
	aged := tr.Rules.Kind == "sliding" && d.at.Add(skew).Sub(d.waited.ReceivedAt) >= tr.period()
	reset := d.at.Add(skew).Truncate(5 * time.Minute) // the latest one
	require.True(tr, aged || tr.Rules.Resets && !d.waited.ReceivedAt.After(reset), "an event that still counts was discarded")
}

// slack is the difference of the instances' clocks. None is left where the store has a time, but
// for what a clock is not set for.
func (tr *trial) slack() time.Duration {
	if tr.timed {
		return min(tr.Skew.Abs(), time.Second)
	}
	return tr.Skew.Abs()
}

func (tr *trial) period() time.Duration { return time.Duration(tr.Rules.Period) * time.Second }

func (tr *trial) checkSent(c claimed) {
	want := topic
	switch c.Window.Completion {
	case store.Expired:
		require.Empty(tr, tr.sent[c.EventID], "a dropped window is published")
		return
	case store.DeadLettered:
		want = deadTopic
	}
	sent := tr.sent[c.EventID]
	require.NotEmpty(tr, sent, "a %s window is not published", c.Window.Completion)
	// A clock that is ahead by more than a lease takes the claim from its publisher.
	require.True(tr, tr.deaths || tr.Skew != 0 || len(sent) == 1, "a message is published %d times", len(sent))
	require.Equal(tr, []string{want}, slices.Compact(slices.Sorted(slices.Values(sent))))
}

// checkClaim requires that the members are of one key and one window, and that the
// completion agrees with them.
func (tr *trial) checkClaim(c claimed) {
	w, r := c.Window, tr.Rules
	var have [3]int
	var members []store.Append
	for i, l := range c.Lists {
		have[i] = len(l.Included)
		for _, ref := range l.Included {
			require.Equal(tr, w.Key, tr.stored[ref.ID].Place.Key, "a claim has one key")
			require.True(tr, tr.stored[ref.ID].Event.ReceivedAt.Equal(ref.ReceivedAt))
			members = append(members, tr.stored[ref.ID])
		}
	}
	require.True(tr, r.Max == 0 || have[0] <= r.Max || w.Completion == store.Manual, "more events than the bound")
	holds := r.holds(have)
	require.True(tr, holds == (w.Completion == store.Complete) || w.Completion == store.Manual, "%s with %v", w.Completion, have)
	if w.Completion == store.Manual {
		return
	}
	skew := tr.slack()
	if w.Completion != store.Complete || r.AtClose && r.Kind != "sliding" {
		require.False(tr, w.Closes.IsZero())
		require.False(tr, c.truth.Add(skew).Before(w.Closes), "a window is closed early")
	}
	times := make([]time.Time, len(members))
	for i, m := range members {
		times[i] = m.Place.At
	}
	slices.SortFunc(times, time.Time.Compare)
	first, last := times[0], times[len(times)-1]
	switch r.Kind {
	case "sliding":
		// The look that released it may be a late one, but the events were together once.
		require.Less(tr, last.Sub(first), tr.period()+skew, "an event had left the window")
		return
	case "anchored":
		require.Equal(tr, tr.period(), w.Closes.Sub(w.Opened))
	case "session":
		require.LessOrEqual(tr, w.Closes.Sub(w.Opened), time.Duration(r.MaxPeriod)*time.Second)
		for i := 1; i < len(times) && !r.Distinct && r.Max == 0; i++ {
			require.Less(tr, times[i].Sub(times[i-1]), tr.period(), "a pause ends a session")
		}
	case "tumbling":
		require.True(tr, w.Opened.Equal(first.Truncate(tr.period())), "%s opened at %s", first, w.Opened)
		require.Less(tr, last.Sub(w.Opened), tr.period(), "an event is of another interval")
		require.Equal(tr, tr.period()+time.Duration(r.Grace)*time.Second, w.Closes.Sub(w.Opened))
		return
	}
	require.False(tr, first.Before(w.Opened), "an event is of an earlier window")
	require.True(tr, last.Before(w.Closes), "an event is of a later window")
}

// checkIntervals requires that an interval closes once.
func (tr *trial) checkIntervals() {
	if tr.Rules.Kind != "tumbling" || tr.Rules.Max > 0 || tr.Skew != 0 {
		return
	}
	type interval struct {
		key    string
		opened time.Time
	}
	ends := map[interval]store.Completion{}
	for _, c := range tr.claims {
		if one := (interval{c.Window.Key, c.Window.Opened}); c.Window.Completion != store.Complete && c.Window.Completion != store.Manual {
			require.Empty(tr, ends[one], "an interval ends twice")
			ends[one] = c.Window.Completion
		}
	}
}
