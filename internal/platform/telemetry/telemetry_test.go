package telemetry

import (
	"context"
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	otlptraces "go.opentelemetry.io/proto/otlp/trace/v1"
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

// OTEL_TRACES_SAMPLER decides which spans are recorded. What is not recorded is passed on as
// such, and costs no export.
func TestSamplerOfTheEnvironment(t *testing.T) {
	remote := trace.Parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	unsampled := remote
	unsampled.Sampled = false
	for name, c := range map[string]struct {
		sampler            string
		root, child, other bool // of a caller whose span is sampled, and of another one
	}{
		"the default": {"", true, true, false},
		"all":         {"always_on", true, true, true},
		"none":        {"always_off", false, false, false},
		"as callers":  {"parentbased_always_off", false, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := otlptest.New(t)
			x := start(t, false, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": r.URL, "OTEL_METRICS_EXPORTER": "none", "OTEL_TRACES_SAMPLER": c.sampler})
			defer func() { require.NoError(t, x.Close(context.Background())) }()
			want := 0
			for _, one := range []struct {
				parent  trace.Context
				sampled bool
			}{{trace.Context{}, c.root}, {remote, c.child}, {unsampled, c.other}} {
				ctx, span := x.Tracer().Start(trace.With(t.Context(), one.parent), trace.Server, "request")
				require.Equal(t, one.sampled, span.On())
				require.Equal(t, one.sampled, trace.Parse(trace.Parent(ctx)).Sampled, "what is passed on")
				if one.parent.Valid() {
					require.Equal(t, one.parent.Trace, span.Context().Trace)
				}
				_, inner := trace.Start(ctx, trace.Internal, "inner")
				require.Equal(t, one.sampled, inner.On())
				inner.End(nil)
				span.End(nil)
				if one.sampled {
					want += 2
				}
			}
			require.NoError(t, x.FlushSpans(t.Context()))
			spans, _ := r.Spans()
			require.Len(t, spans, want)
		})
	}
}

func TestSpansOfOTLP(t *testing.T) {
	r := otlptest.New(t)
	x := start(t, false, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": r.URL, "OTEL_METRICS_EXPORTER": "none"})
	defer func() { require.NoError(t, x.Close(context.Background())) }()
	parent := trace.Parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	other := trace.Parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	_, span := x.Tracer().Continue(t.Context(), parent, trace.Consumer, "process")
	span.SetString("a", "b")
	span.SetInt("n", 7)
	span.Link(other)
	span.Fail("timeout")
	require.NoError(t, x.FlushSpans(t.Context()))
	spans, _ := r.Spans()
	require.Len(t, spans, 1)
	s := spans[0]
	require.Equal(t, "process", s.GetName())
	require.Equal(t, otlptraces.Span_SPAN_KIND_CONSUMER, s.GetKind())
	require.Equal(t, parent.Trace[:], s.GetTraceId())
	require.Equal(t, parent.Span[:], s.GetParentSpanId())
	require.Len(t, s.GetLinks(), 1)
	require.Equal(t, other.Trace[:], s.GetLinks()[0].GetTraceId())
	require.Equal(t, other.Span[:], s.GetLinks()[0].GetSpanId())
	require.Equal(t, otlptraces.Status_STATUS_CODE_ERROR, s.GetStatus().GetCode())
	attributes := map[string]string{}
	for _, a := range s.GetAttributes() {
		attributes[a.GetKey()] = a.GetValue().String()
	}
	require.Len(t, attributes, 3)
	require.Contains(t, attributes["error.type"], "timeout")
}
