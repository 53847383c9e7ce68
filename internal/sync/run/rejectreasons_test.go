package run_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// A summary has at most 100 reasons, and says whether there are more.
func TestASummarySaysThatThereAreMoreReasons(t *testing.T) {
	t.Parallel()
	const reasons = 101
	w := newWorld(t, func(def *definition.Sync) {
		all := 1.0
		def.Type, def.MaxRejected = definition.Pull, &all
		for n := range reasons {
			def.Mapping["item"].Fields[fmt.Sprint("f", n)] = mapping.Field{From: fmt.Sprint("f", n), Type: "number"}
		}
	})
	for n := range reasons - 1 {
		w.source.put(fmt.Sprint("row", n), map[string]any{"name": "x", fmt.Sprint("f", n): "bad"})
	}
	require.Equal(t, syncrun.Partial, w.run(syncrun.Start{}).State)
	s, err := w.svc.RejectSummary(t.Context(), "s")
	require.NoError(t, err)
	require.Len(t, s.Reasons, 100)
	require.False(t, s.More)
	w.source.put("last", map[string]any{"name": "x", fmt.Sprint("f", reasons-1): "bad"})
	w.run(syncrun.Start{})
	s, err = w.svc.RejectSummary(t.Context(), "s")
	require.NoError(t, err)
	require.Len(t, s.Reasons, 100)
	require.True(t, s.More)
	require.Equal(t, reasons, s.Total)
}
