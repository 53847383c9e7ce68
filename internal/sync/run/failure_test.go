package run_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/source"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// A record that is put under an id which is no key of the source's is refused, and
// so is one whose row had a key of other columns before the definition changed.
func TestAnIDThatIsNoKeyIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *syncrun.Sync) {
		s.Mapping["item"] = &mapping.Type{Key: []string{"id", "name"}}
		s.MaxRejected = new(1.0)
	})
	w.put("abc", map[string]any{"value": 1})
	w.put("a.b.c", map[string]any{"value": 1})
	w.put("a.b", map[string]any{"value": 1})
	run := w.run(syncrun.Start{Method: syncrun.DoPush})
	require.Equal(t, syncrun.Partial, run.State, "%q", run.Errors)
	require.Equal(t, int64(2), run.Counts.Rejected)
	require.Equal(t, int64(1), run.Counts.Created)
	list, _, err := w.svc.Rejects(t.Context(), "s", "", 10)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Contains(t, list[0].Reason, "columns")
}

// Whatever a source does, the process lives on and the run has an end.
func TestAPanicFailsTheRun(t *testing.T) {
	t.Parallel()
	for _, during := range []string{"pull", "push"} {
		t.Run(during, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.put("a", map[string]any{"name": "a"})
			w.source.put("b", map[string]any{"name": "b"})
			switch during {
			case "pull":
				w.source.beforePage = func(int) error { panic("sk_prod_hunter2") }
			default:
				w.source.beforePush = func() error { panic("sk_prod_hunter2") }
			}
			run := w.run(syncrun.Start{})
			require.Equal(t, syncrun.Failed, run.State)
			require.Equal(t, []string{"internal error; the log has its cause"}, run.Errors)
			w.source.beforePage, w.source.beforePush = nil, nil
			w.wait(time.Second)
			w.finished(syncrun.Start{})
			require.Len(t, w.records(), 2)
			require.Len(t, w.source.live(), 2)
		})
	}
}

// A source that takes no changes says so.
func TestAPushToWhatIsReadOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.put("a", map[string]any{"name": "a"})
	w.source.beforePush = func() error { return source.ErrReadOnly }
	run := w.run(syncrun.Start{})
	require.Equal(t, syncrun.Failed, run.State)
	require.Equal(t, []string{"the data source takes no changes: nothing can be pushed to it"}, run.Errors)
}
