package syncrun_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/syncrun"
)

// Several attempts get lost. Whichever of them the row has, the last edit survives, and
// so does what the source changed meanwhile in another field.
func TestAnyOfSeveralAttemptsIsOurs(t *testing.T) {
	t.Parallel()
	for has := range 3 {
		for _, silent := range []bool{false, true} {
			t.Run(fmt.Sprint("the row has attempt ", has, ", silent ", silent), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, nil)
				w.source.silent, w.source.blind = silent, true
				w.source.put("a", map[string]any{"name": "first", "note": "x"})
				w.finished(syncrun.Start{})
				for attempt := 1; attempt <= 2; attempt++ {
					w.wait(time.Minute)
					w.put("a", map[string]any{"name": fmt.Sprint("A", attempt), "note": "x"})
					w.source.partly = func(int) (written, answered bool) { return has == attempt, false }
					require.Equal(t, syncrun.Failed, w.run(syncrun.Start{Method: syncrun.DoPush}).State)
				}
				w.heals()
				w.source.blind = false
				w.put("a", map[string]any{"name": "B", "note": "x"})
				if !silent {
					w.source.put("a", map[string]any{"note": "theirs"})
				}
				for range 3 {
					require.Zero(t, w.finished(syncrun.Start{}).Counts.Conflicts)
					w.wait(time.Minute)
				}
				want := map[string]any{"name": "B", "note": map[bool]string{true: "x", false: "theirs"}[silent]}
				require.Equal(t, want, w.records()["a"])
				require.Equal(t, want, withoutID(w.source.live())["a"])
				require.Zero(t, w.unanswered())
			})
		}
	}
}

// A request that was lost can still arrive after a pull that found the row as before.
func TestARequestThatArrivesLateIsOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("a", map[string]any{"name": "first"})
	w.finished(syncrun.Start{})
	w.wait(time.Hour)
	w.put("a", map[string]any{"name": "A"})
	w.source.partly = func(int) (written, answered bool) { return false, false }
	require.Equal(t, syncrun.Failed, w.run(syncrun.Start{}).State)
	w.heals()
	w.put("a", map[string]any{"name": "B"})
	w.finished(syncrun.Start{Method: syncrun.DoPull})
	w.source.put("a", map[string]any{"name": "A"})
	w.wait(time.Minute)
	w.finished(syncrun.Start{})
	require.Equal(t, "B", w.records()["a"]["name"])
	require.Equal(t, "B", w.source.live()["a"]["name"])
}

// A row that has neither what both sides agreed on nor what we sent was changed by the
// source: the rule decides, and the run says so.
func TestWhatTheSourceChangedAfterALostAnswerGoesByTheRule(t *testing.T) {
	t.Parallel()
	for rule, want := range map[syncrun.Rule]string{syncrun.SourceWins: "theirs", syncrun.StoreWins: "B"} {
		t.Run(string(rule), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *syncrun.Sync) { s.Conflict = rule })
			w.source.put("a", map[string]any{"name": "first"})
			w.finished(syncrun.Start{})
			w.wait(time.Hour)
			w.put("a", map[string]any{"name": "A"})
			w.source.afterPush = func() error { return errAway }
			require.Equal(t, syncrun.Failed, w.run(syncrun.Start{}).State)
			w.heals()
			w.put("a", map[string]any{"name": "B"})
			w.source.put("a", map[string]any{"name": "theirs"})
			run := w.finished(syncrun.Start{})
			require.Equal(t, int64(1), run.Counts.Conflicts)
			require.Contains(t, strings.Join(run.Warnings, "\n"), "both sides changed the same fields")
			require.Equal(t, want, w.records()["a"]["name"])
			require.Equal(t, want, w.source.live()["a"]["name"])
			require.Zero(t, w.unanswered())
		})
	}
}

// A source that keeps something else than it was sent changed the row. That goes by the
// rule, and the run says so: no edit disappears unseen.
func TestASourceThatNormalisesIsInConflict(t *testing.T) {
	t.Parallel()
	for loss, lose := range losses {
		t.Run(loss, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.source.stores = func(v any) any {
				if s, ok := v.(string); ok {
					return strings.ToUpper(s)
				}
				return v
			}
			ids := []string{"a", "b", "c", "d", "e"}
			for _, id := range ids {
				w.source.put(id, map[string]any{"name": "FIRST"})
			}
			w.finished(syncrun.Start{})
			w.wait(time.Hour)
			for _, id := range ids {
				w.put(id, map[string]any{"name": "sent"})
			}
			lose(w)
			w.heals()
			for _, id := range ids {
				w.put(id, map[string]any{"name": "edited"})
			}
			conflicts, lost := int64(0), 0
			for range 3 {
				conflicts += w.finished(syncrun.Start{}).Counts.Conflicts
				w.wait(time.Minute)
			}
			for _, r := range w.records() {
				if r["name"] == "SENT" {
					lost++
				} else {
					require.Equal(t, "EDITED", r["name"])
				}
			}
			require.Equal(t, int64(lost), conflicts)
			require.Zero(t, w.unanswered())
		})
	}
}

// A row that was deleted is made anew, and nobody hears of it. Until it is there, a pull
// finds the deleted row, which shows nothing.
func TestARowMadeAnewThatArrivesLateIsOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("a", map[string]any{"name": "first"})
	w.finished(syncrun.Start{})
	w.wait(time.Hour)
	w.remove("a")
	w.finished(syncrun.Start{})
	w.wait(time.Second)
	w.put("a", map[string]any{"name": "A"})
	w.source.partly = func(int) (written, answered bool) { return false, false }
	require.Equal(t, syncrun.Failed, w.run(syncrun.Start{}).State)
	w.heals()
	w.put("a", map[string]any{"name": "B"})
	w.finished(syncrun.Start{Method: syncrun.DoPull})
	w.source.put("a", map[string]any{"name": "A"})
	for range 2 {
		w.finished(syncrun.Start{})
		w.wait(time.Minute)
	}
	require.Equal(t, "B", w.records()["a"]["name"])
	require.Equal(t, "B", w.source.live()["a"]["name"])
	require.Zero(t, w.unanswered())
}
