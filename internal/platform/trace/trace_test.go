package trace_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/platform/trace/tracetest"
)

const named = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestSpansHaveParents(t *testing.T) {
	t.Parallel()
	var spans tracetest.Recorder
	remote := trace.Parse(named)
	ctx, server := trace.New(&spans).Start(trace.With(t.Context(), remote), trace.Server, "request")
	require.Equal(t, server.Context(), trace.Of(ctx))
	require.Equal(t, server.Context().String(), trace.Parent(ctx))
	require.Equal(t, server, trace.Current(ctx))
	inner, child := trace.Start(ctx, trace.Internal, "commit")
	child.SetString("none", "")
	child.SetInt("n", 1)
	child.End(fault.New(fault.Conflict, "a secret"))
	server.End(nil)

	all := spans.Ended()
	require.Len(t, all, 2)
	require.Equal(t, server.Context(), all[0].Parent)
	require.Equal(t, remote.Trace, all[0].Trace)
	require.Equal(t, map[string]any{"n": 1}, all[0].Attributes)
	require.Equal(t, "conflict", all[0].Failed, "the text of an error is not shown")
	require.Equal(t, remote, all[1].Parent)
	require.Empty(t, all[1].Failed)
	require.Equal(t, child.Context(), trace.Of(trace.Current(inner).Into(t.Context())))
	require.Equal(t, t.Context(), trace.Current(t.Context()).Into(t.Context()))
}

func TestStoredTraceContinues(t *testing.T) {
	t.Parallel()
	var spans tracetest.Recorder
	tracer := trace.New(&spans)
	sweep, _ := tracer.Start(t.Context(), trace.Server, "sweep")
	stored := trace.Parse(named)
	for name, c := range map[string]struct {
		ctx            context.Context
		stored, parent trace.Context
		links          []trace.Context
	}{
		"a sweep":                     {sweep, stored, stored, []trace.Context{trace.Of(sweep)}},
		"a document without a trace":  {sweep, trace.Context{}, trace.Of(sweep), nil},
		"a ticker":                    {t.Context(), stored, stored, nil},
		"a ticker, and no trace":      {t.Context(), trace.Context{}, trace.Context{}, nil},
		"the request that stored it":  {trace.With(t.Context(), stored), stored, stored, nil},
		"a caller that is not traced": {trace.With(t.Context(), trace.Context{}), stored, stored, nil},
	} {
		_, span := tracer.Continue(c.ctx, c.stored, trace.Internal, name)
		span.End(nil)
		all := spans.Named(name)
		require.Len(t, all, 1)
		require.Equal(t, c.parent, all[0].Parent, name)
		require.Equal(t, c.links, all[0].Links, name)
	}
}

func TestWhatAnotherProcessRecordsIsNotStored(t *testing.T) {
	t.Parallel()
	ctx := trace.With(t.Context(), trace.Parse(named))
	require.Empty(t, trace.Parent(ctx))
	require.False(t, trace.Current(ctx).On())
	require.Equal(t, trace.Of(ctx), trace.Of(trace.Current(ctx).Into(t.Context())), "for the log")
	trace.Current(ctx).End(nil)
	after, span := trace.Start(ctx, trace.Internal, "x")
	require.Zero(t, span)
	require.Equal(t, ctx, after)
}

func TestLinksAreBounded(t *testing.T) {
	t.Parallel()
	var spans tracetest.Recorder
	_, span := trace.New(&spans).Start(t.Context(), trace.Internal, "message")
	var l, more trace.Links
	l.Add(trace.Context{})
	for i := range 2 * trace.MaxLinks {
		c := trace.Context{Span: [8]byte{1}}
		binary.BigEndian.PutUint64(c.Trace[:], uint64(i/2+1))
		more.Add(c)
	}
	l.Join(more)
	l.Add(trace.Parse(named))
	l.To(span)
	span.End(nil)
	links := spans.Ended()[0].Links
	require.Len(t, links, trace.MaxLinks)
	require.Equal(t, byte(trace.MaxLinks), links[trace.MaxLinks-1].Trace[7], "one of each trace")
}

func TestKindsOfErrors(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"timeout": fault.Wrap(fault.Unavailable, context.DeadlineExceeded, "x"), "cancelled": context.Canceled, "_OTHER": errors.New("x"),
	} {
		var spans tracetest.Recorder
		_, span := trace.New(&spans).Start(t.Context(), trace.Internal, "x")
		span.End(err)
		require.Equal(t, want, spans.Ended()[0].Failed)
	}
}

// off makes all the calls that a request makes.
func off(ctx context.Context, t *trace.Tracer) {
	ctx, server := t.Start(ctx, trace.Server, "request")
	inner, span := trace.Start(ctx, trace.Internal, "commit")
	span.SetString("a", "b")
	span.SetInt("n", 1)
	span.Link(trace.Of(inner))
	_, message := t.Continue(trace.Current(inner).Into(ctx), trace.Context{}, trace.Internal, "publish")
	var l trace.Links
	l.Add(trace.Of(ctx))
	l.To(message)
	if trace.Parent(ctx) != "" || span.On() || t.On() {
		panic("on")
	}
	message.End(nil)
	span.End(nil)
	server.End(context.Canceled)
}

func TestOffCostsNothing(t *testing.T) { // not parallel: AllocsPerRun counts what others allocate
	type other struct{}
	ctx := context.WithValue(t.Context(), other{}, 1)
	require.Zero(t, testing.AllocsPerRun(100, func() { off(ctx, nil) }))
}

func BenchmarkOff(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		off(b.Context(), nil)
	}
}
