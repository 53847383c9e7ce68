package telemetry

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/telemetry/otlptest"
	"github.com/headgate/headgate/internal/platform/trace"
)

// Whatever text a caller gets into an attribute, what is exported with it arrives, and it takes
// little memory until then.
func TestAttributesAreShortAndUTF8(t *testing.T) {
	r := otlptest.New(t)
	x := start(t, true, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": r.URL})
	t.Cleanup(func() { _ = x.Close(context.Background()) })
	_, span := x.Tracer().Start(t.Context(), trace.Internal, "name \xff")
	span.SetString("long", strings.Repeat("ä", 1<<20))
	span.SetString("broken", "a\xffb")
	span.End(nil)
	x.Meter().Add(meter.Events, 1, "jobs", "a\xffb", meter.EventStored)
	x.Meter().Add(meter.Events, 1, "jobs", strings.Repeat("x", 1<<20), meter.EventStored)
	require.NoError(t, x.Flush(t.Context()))
	spans, _ := r.Spans()
	require.Len(t, spans, 1)
	require.Equal(t, "name \uFFFD", spans[0].GetName())
	found := map[string]string{}
	for _, a := range spans[0].GetAttributes() {
		found[a.GetKey()] = a.GetValue().GetStringValue()
		require.True(t, utf8.ValidString(found[a.GetKey()]))
	}
	require.Equal(t, strings.Repeat("ä", longest/2), found["long"])
	require.Equal(t, "a\uFFFDb", found["broken"])
	require.EqualValues(t, 1, r.Value(t, "headgate.events", map[string]string{"headgate.endpoint": "a\uFFFDb"}))
	require.EqualValues(t, 1, r.Value(t, "headgate.events", map[string]string{"headgate.endpoint": strings.Repeat("x", longest)}))
}
