package telemetry

import (
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/headgate/headgate/internal/platform/telemetry/otlptest"
	"github.com/headgate/headgate/internal/platform/trace"
)

// start starts what the environment asks for. The exporters read the environment of the
// process, so its tests are not parallel.
func start(t *testing.T, background bool, env map[string]string) *Telemetry {
	t.Helper()
	for name, value := range env {
		t.Setenv(name, value)
	}
	c, err := FromEnv(os.Getenv)
	require.NoError(t, err)
	x, err := Start(t.Context(), Options{Choice: c, BackgroundCPU: background, Version: "v1", Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return x
}

func TestNothingIsExportedUnlessAsked(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	x := start(t, true, nil)
	require.Nil(t, x)
	require.Nil(t, x.Tracer())
	require.NoError(t, x.Flush(t.Context()))
	require.NoError(t, x.Close(t.Context()))
}

func TestSpansAreExported(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // after the receivers, which end connections
	for _, background := range []bool{true, false} {
		r := otlptest.New(t)
		x := start(t, background, map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": r.URL, "OTEL_SERVICE_NAME": "mine", "OTEL_RESOURCE_ATTRIBUTES": "team=water",
		})
		_, span := x.Tracer().Start(t.Context(), trace.Internal, "one")
		span.End(nil)
		require.NoError(t, x.FlushSpans(t.Context()))
		spans, resource := r.Spans()
		require.Len(t, spans, 1)
		require.Equal(t, "one", spans[0].GetName())
		require.Equal(t, "mine", resource["service.name"])
		require.Equal(t, "water", resource["team"])
		require.Equal(t, "v1", resource["service.version"])
		require.NotEmpty(t, resource["service.instance.id"])

		_, span = x.Tracer().Start(t.Context(), trace.Internal, "two")
		span.End(nil)
		require.NoError(t, x.Close(t.Context()))
		spans, _ = r.Spans()
		require.Len(t, spans, 2, "Close exports what is left")
		require.NoError(t, x.Close(t.Context()))
	}
}
