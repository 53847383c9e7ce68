package run_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/mapping"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// A row that had no key is off the list once it has one and is accepted, and there
// once if it is refused for something else.
func TestARetriedRowIsOnTheListOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *syncrun.Sync) {
		s.Type, s.MaxRejected = syncrun.Pull, new(1.0)
		s.Mapping["item"] = &mapping.Type{Key: []string{"code"}}
	})
	w.source.put("a", map[string]any{"name": "n", "value": 1})
	w.source.put("b", map[string]any{"name": "m", "value": "abc"})
	w.source.put("c", map[string]any{"name": "o", "value": strings.Repeat("x", 70_000)})
	require.Equal(t, int64(3), w.run(syncrun.Start{}).Counts.Rejected)
	def := *w.def
	def.Mapping = map[string]*mapping.Type{"item": {Key: []string{"name"}, Fields: map[string]mapping.Field{"value": {From: "value", Type: "number"}}}}
	_, err := w.svc.UpdateSync(t.Context(), "s", &def, "")
	require.NoError(t, err)
	for range 3 {
		w.wait(time.Second)
		w.run(syncrun.Start{Retry: true})
		require.Len(t, w.records(), 1)
		list, _, err := w.svc.Rejects(t.Context(), "s", "", 10)
		require.NoError(t, err)
		require.Len(t, list, 2) // one is too large to be kept whole, and so to be retried
	}
}
