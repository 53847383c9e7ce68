package draft_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/draft"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/platform/trace/tracetest"
	"github.com/headgate/headgate/internal/store/drivertest"
)

// What a draft asks of its source is a span of the request, with the number of rows and none
// of their values.
func TestCallsOfASourceAreSpans(t *testing.T) {
	t.Parallel()
	var spans tracetest.Recorder
	ctx, request := trace.New(&spans).Start(t.Context(), trace.Server, "request")
	src := &source{rows: draft.Rows{"1": {"name": "a"}}}
	s := draft.NewService(draft.Options{Docs: drivertest.SQLite(t), Sources: map[string]draft.Source{"d": src}})
	_, err := s.Edit(ctx, "d", "me", map[string]draft.Row{"2": {"name": "b"}})
	require.NoError(t, err)
	_, err = s.Save(ctx, "d", "me")
	require.NoError(t, err)
	require.Equal(t, map[string]any{"headgate.draft": "d", "headgate.rows": 1}, spans.Named("fetch draft")[0].Attributes)
	saved := spans.Named("save draft")
	require.Len(t, saved, 1)
	require.Equal(t, request.Context(), saved[0].Parent)
	require.Equal(t, map[string]any{"headgate.draft": "d", "headgate.rows": 2}, saved[0].Attributes)
}
