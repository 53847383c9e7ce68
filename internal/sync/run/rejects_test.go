package run_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

func TestRejects(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *definition.Sync) { s.Type = definition.Pull })
	for i := range 9 {
		w.source.put(fmt.Sprint("r", i), map[string]any{"value": i})
	}
	w.source.put("bad", map[string]any{"value": "abc"})
	run := w.run(syncrun.Start{})
	require.Equal(t, syncrun.Partial, run.State)
	require.Equal(t, int64(1), run.Counts.Rejected)
	require.Len(t, w.records(), 9)
	list, _, err := w.svc.Rejects(t.Context(), "s", "", 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "bad", list[0].Key)
	require.Equal(t, "value", list[0].Field)
	require.Contains(t, list[0].Reason, "not a number")
	require.Equal(t, 1, list[0].Count)

	w.wait(time.Second)
	run = w.run(syncrun.Start{Retry: true}) // still bad
	require.Equal(t, syncrun.Partial, run.State)
	list, _, err = w.svc.Rejects(t.Context(), "s", "", 10)
	require.NoError(t, err)
	require.Equal(t, 2, list[0].Count)

	def := *w.def // the mapping was wrong, not the row
	fields := maps.Clone(def.Mapping["item"].Fields)
	fields["value"] = mapping.Field{From: "value"}
	m := *def.Mapping["item"]
	m.Fields = fields
	def.Mapping = map[string]*mapping.Type{"item": &m}
	_, err = w.defs.Update(t.Context(), "s", &def, "")
	require.NoError(t, err)
	run = w.finished(syncrun.Start{Retry: true})
	require.Equal(t, int64(1), run.Counts.Created)
	require.Equal(t, "abc", w.records()["bad"]["value"])
	list, _, err = w.svc.Rejects(t.Context(), "s", "", 10)
	require.NoError(t, err)
	require.Empty(t, list)
}

// A row with text that is not UTF-8 stays rejected when it is tried again: what is kept of it
// is not the row.
func TestARetryOfTextThatIsNotUTF8(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *definition.Sync) { s.Type = definition.Pull; all := 1.0; s.MaxRejected = &all })
	w.source.put("bad", map[string]any{"name": "Jos\xe9"})
	for _, retry := range []bool{false, true} {
		run := w.run(syncrun.Start{Retry: retry})
		require.Equal(t, syncrun.Partial, run.State)
		require.Empty(t, w.records())
		list, _, err := w.svc.Rejects(t.Context(), "s", "", 10)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Contains(t, list[0].Reason, "UTF-8")
		require.Contains(t, string(list[0].Raw), "Jos")
		w.wait(time.Second)
	}
}

func TestTooManyRejectsFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *definition.Sync) { s.Type = definition.Pull })
	for i := range 10 {
		w.source.put(fmt.Sprint("r", i), map[string]any{"value": "abc"})
	}
	run := w.run(syncrun.Start{})
	require.Equal(t, syncrun.Failed, run.State)
	require.Contains(t, run.Errors[0], "10 of 10 rows were rejected")
}

// A rejected row without a key leaves the list when it gets a key and is accepted. If it is
// rejected for another reason, it is on the list once.
func TestARetriedRowIsOnTheListOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *definition.Sync) {
		s.Type, s.MaxRejected = definition.Pull, new(1.0)
		s.Mapping["item"] = &mapping.Type{Key: []string{"code"}}
	})
	w.source.put("a", map[string]any{"name": "n", "value": 1})
	w.source.put("b", map[string]any{"name": "m", "value": "abc"})
	w.source.put("c", map[string]any{"name": "o", "value": strings.Repeat("x", 70_000)})
	require.Equal(t, int64(3), w.run(syncrun.Start{}).Counts.Rejected)
	def := *w.def
	def.Mapping = map[string]*mapping.Type{"item": {Key: []string{"name"}, Fields: map[string]mapping.Field{"value": {From: "value", Type: "number"}}}}
	_, err := w.defs.Update(t.Context(), "s", &def, "")
	require.NoError(t, err)
	for range 3 {
		w.wait(time.Second)
		w.run(syncrun.Start{Retry: true})
		require.Len(t, w.records(), 1)
		list, _, err := w.svc.Rejects(t.Context(), "s", "", 10)
		require.NoError(t, err)
		require.Len(t, list, 2) // one is too large to be kept whole, so it cannot be retried
	}
}
