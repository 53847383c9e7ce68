package run_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/sync/source"
)

func TestPushAndNoEcho(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.put("a", map[string]any{"name": "from here", "value": 1})
	w.source.put("b", map[string]any{"name": "from there", "value": 2})
	run := w.finished(syncrun.Start{})
	require.Equal(t, int64(2), run.Counts.Created) // one each way
	require.Equal(t, "from here", w.source.live()["a"]["name"])
	require.Equal(t, 1, w.source.pushes)

	for range 3 { // what was pushed comes back, and goes no further
		w.wait(time.Second)
		run = w.finished(syncrun.Start{})
		require.Zero(t, run.Counts.Created+run.Counts.Updated+run.Counts.Deleted)
	}
	require.Equal(t, 1, w.source.pushes)
	e, err := w.ents.Get(t.Context(), "acme", "item", "a")
	require.NoError(t, err)
	require.Equal(t, int64(1), e.Version)
}

// A push refuses a record whose id is not a valid key at the source. It also refuses a
// record whose row had a key of other columns before the definition changed.
func TestAnIDThatIsNoKeyIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *definition.Sync) {
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

// A push to a source that takes no changes fails with a message for people.
func TestAPushToWhatIsReadOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.put("a", map[string]any{"name": "a"})
	w.source.beforePush = func() error { return source.ErrReadOnly }
	run := w.run(syncrun.Start{})
	require.Equal(t, syncrun.Failed, run.State)
	require.Equal(t, []string{"the data source takes no changes: nothing can be pushed to it"}, run.Errors)
}

// The source learns which columns are nil because the record has no such field: there a new
// row may have the source's default.
func TestANewRowAndDefaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	var sent source.Change
	w.source.duringPush = func(changes []source.Change) { sent = changes[0] }
	w.put("a", map[string]any{"name": "x", "value": nil})
	w.finished(syncrun.Start{})
	require.Equal(t, map[string]any{"name": "x", "value": nil, "note": nil}, sent.Fields)
	require.Equal(t, []string{"note"}, sent.Lacking)
}
