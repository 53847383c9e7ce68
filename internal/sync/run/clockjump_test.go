package run_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// jump moves the clock while do runs, and then sets it right again.
func (w *world) jump(by time.Duration, do func()) {
	w.wait(by)
	do()
	w.wait(11*time.Second - by)
}

// The clock of this process and of the source is wrong during a run, and right again
// afterwards. Every later change reaches the other side, whenever the next run is.
func TestNothingIsPassedOverAfterAClockJump(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{2 * time.Hour, 10 * 24 * time.Hour, -time.Hour} {
		for _, next := range []time.Duration{time.Minute, by.Abs() / 2, by.Abs() + time.Hour} {
			t.Run(fmt.Sprint(by, ", next run after ", next), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, nil)
				set := func(value string) {
					w.put("here", map[string]any{"name": value})
					w.source.put("there", map[string]any{"name": value})
				}
				for i := range 3 {
					set(fmt.Sprint("before ", i))
					w.finished(syncrun.Start{})
					w.wait(2 * time.Hour)
				}
				w.jump(by, func() {
					set("during")
					w.finished(syncrun.Start{})
				})
				w.wait(30 * time.Second)
				set("after")
				w.wait(next)
				w.finished(syncrun.Start{})
				require.Equal(t, "after", w.source.live()["here"]["name"])
				require.Equal(t, "after", w.records()["there"]["name"])
				for range 3 { // until nothing is read a second time
					w.wait(time.Hour)
					w.finished(syncrun.Start{})
				}
				last := w.finished(syncrun.Start{})
				require.Zero(t, last.Counts.Created+last.Counts.Updated+last.Counts.Deleted)
			})
		}
	}
}

// The clock is set back for a while, in which people edit and no run starts.
func TestEditsOfABackwardJumpArePushed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for i := range 3 {
		w.put("here", map[string]any{"name": fmt.Sprint("before ", i)})
		w.finished(syncrun.Start{})
		w.wait(2 * time.Hour)
	}
	w.finished(syncrun.Start{})
	w.wait(time.Minute)
	w.jump(-time.Hour, func() {
		w.put("here", map[string]any{"name": "edited"})
		w.source.put("there", map[string]any{"name": "edited"})
	})
	w.wait(2 * time.Hour)
	w.finished(syncrun.Start{})
	require.Equal(t, "edited", w.source.live()["here"]["name"])
	require.Equal(t, "edited", w.records()["there"]["name"])
}

// A process is killed, and the clock is set back. Its run is taken over before the clock
// has reached the end of its lease again.
func TestAKilledRunIsTakenOverAlthoughTheClockWentBack(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{-time.Hour, -10 * 365 * 24 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			for i := range 20 {
				w.source.put(fmt.Sprint("r", i), map[string]any{"name": "n"})
			}
			w.source.pageSize = 5
			docs := &dyingStore{Docs: w.store}
			docs.left.Store(4)
			doomed := w.serviceOn(docs)
			run, err := doomed.Start(context.Background(), "s", syncrun.Start{})
			require.NoError(t, err)
			eventually(t, func() bool { return docs.left.Load() < 0 })
			_ = doomed.Close(context.Background())
			w.wait(by)
			_, taken, err := w.svc.Due(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, taken)
			run, err = w.svc.Wait(context.Background(), "s", run.ID, nil)
			require.NoError(t, err)
			require.Equal(t, syncrun.Finished, run.State, "%q", run.Errors)
			require.Len(t, w.records(), 20)
		})
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		require.True(t, time.Now().Before(deadline), "not within a minute")
		<-time.After(time.Millisecond)
	}
}

// due calls Due every ten minutes, and returns the times at which runs began.
func (w *world) due(svc *syncrun.Service, d time.Duration) (began []string) {
	w.t.Helper()
	for range int(d / (10 * time.Minute)) {
		w.wait(10 * time.Minute)
		began = append(began, w.dueNow(svc)...)
	}
	return began
}

func (w *world) dueNow(svc *syncrun.Service) (began []string) {
	w.t.Helper()
	runs, _, err := svc.Due(context.Background())
	require.NoError(w.t, err)
	for _, r := range runs {
		_, err := svc.Wait(context.Background(), "s", r.ID, nil)
		require.NoError(w.t, err)
		began = append(began, w.now().Format("2 15:04"))
	}
	return began
}

// A clock that jumps neither skips a due time nor repeats one again and again. A clock that
// goes back reaches a due time twice. A second run is harmless; no run would not be.
func TestSchedulesOutliveClockJumps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, frequency string
		by              time.Duration
		another         bool // another process calls Due next
		during          int  // runs that start while the clock is wrong
		want            []string
	}{
		{"two hours forward", "hourly", 2 * time.Hour, false, 1, []string{"4 06:06", "4 07:06", "4 08:06", "4 09:06", "4 10:06"}},
		{"ten days forward", "hourly", 240 * time.Hour, false, 1, []string{"4 06:06", "4 07:06", "4 08:06", "4 09:06", "4 10:06"}},
		{"ten days forward", "hourly", 240 * time.Hour, true, 1, []string{"4 06:06", "4 07:06", "4 08:06", "4 09:06", "4 10:06"}},
		{"ten days forward", "0 8 * * *", 240 * time.Hour, false, 1, []string{"4 08:06"}},
		{"an hour back", "hourly", -time.Hour, false, 0, []string{"4 05:16", "4 06:06", "4 07:06", "4 08:06", "4 09:06", "4 10:06"}},
	} {
		t.Run(fmt.Sprint(c.name, " ", c.frequency, c.another), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *definition.Sync) { s.Frequency = c.frequency })
			require.Empty(t, w.dueNow(w.svc)) // at 05:06:07
			w.jump(c.by, func() { require.Len(t, w.dueNow(w.svc), c.during) })
			svc := w.svc
			if c.another {
				svc = w.service()
			}
			require.Equal(t, c.want, w.due(svc, 5*time.Hour))
		})
	}
	t.Run("back for good", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(s *definition.Sync) { s.Frequency = "hourly" })
		require.Equal(t, []string{"4 06:06", "4 07:06"}, w.due(w.svc, 2*time.Hour+10*time.Minute))
		w.wait(-90 * time.Minute) // 07:16 → 05:46
		require.Equal(t, []string{"4 06:06", "4 07:06", "4 08:06"}, w.due(w.svc, 3*time.Hour))
	})
}

// If looking at all due times fails half-way, the next call of Due repeats it, and not
// the one ten minutes later.
func TestALookAtAllThatFailsIsRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *definition.Sync) { s.Frequency = "hourly" })
	w.jump(240*time.Hour, func() { require.Len(t, w.dueNow(w.svc), 1) }) // its next due time is days ahead
	docs := &unlisted{Docs: w.store}
	svc := w.serviceOn(docs)
	docs.fails.Store(true)
	_, _, err := svc.Due(t.Context())
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	docs.fails.Store(false)
	require.Empty(t, w.dueNow(svc))
	stored, err := w.defs.Get(t.Context(), "s")
	require.NoError(t, err)
	require.Equal(t, 1, int(stored.Replanned), "it is due in an hour again")
}

// unlisted is a store that cannot list the syncs while it fails.
type unlisted struct {
	store.Docs
	fails atomic.Bool
}

func (u *unlisted) List(ctx context.Context, l store.Listing) ([]store.Doc, error) {
	if u.fails.Load() && l.Collection.Kind == "syncs" {
		return nil, errDead
	}
	return u.Docs.List(ctx, l)
}
