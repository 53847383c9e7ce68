package gate_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/platform/trace/tracetest"
)

// source is a request of a source, with its own trace.
func source(spans *tracetest.Recorder, n int) (context.Context, trace.Span) {
	caller := trace.Parse(fmt.Sprintf("00-%032x-%016x-01", n, n))
	return trace.New(spans).Start(trace.With(context.Background(), caller), trace.Server, "request")
}

// sendIn ingests an event, a second after the one before.
func (i *instance) sendIn(ctx context.Context, key string) gate.Ingested {
	i.w.ran += time.Second
	out, err := i.Ingest(ctx, gate.Incoming{EventKey: key, Meta: event.Meta{Method: "POST"}, Content: []byte("x")})
	require.NoError(i.w, err)
	return out
}

func only(t *testing.T, spans *tracetest.Recorder, name string) tracetest.Span {
	t.Helper()
	all := spans.Named(name)
	require.Len(t, all, 1, name)
	return all[0]
}

// One trace leads from the request that completes a window to the message. The message's span
// has a link to the request of each event.
func TestMessageContinuesTheTraceOfTheEventThatCompletedIt(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		var spans tracetest.Recorder
		w.tracer = trace.New(&spans)
		one, two := w.instance(0), w.instance(0)
		first, a := source(&spans, 1)
		one.sendIn(first, "a")
		stored := only(w.T, &spans, "store events")
		require.Equal(w, a.Context(), stored.Parent)
		require.Equal(w, map[string]any{"headgate.events": 1, "db.operation.batch.size": 1}, stored.Attributes)
		require.Equal(w, a.Context(), only(w.T, &spans, "check window").Parent)

		second, b := source(&spans, 2)
		id := two.sendIn(second, "b").Triggered
		require.NotEmpty(w, id)
		require.NoError(w, two.Close(context.Background()))

		require.Equal(w, b.Context(), spans.Named("store events")[1].Parent)
		check, claim := spans.Named("check window")[1], only(w.T, &spans, "claim window")
		message, sent := only(w.T, &spans, "publish message"), only(w.T, &spans, "publish "+topic)
		require.Equal(w, b.Context(), check.Parent)
		require.Equal(w, check.Context, claim.Parent)
		require.Equal(w, claim.Context, message.Parent)
		require.Equal(w, message.Context, sent.Parent)
		require.Equal(w, trace.Producer, sent.Kind)
		require.ElementsMatch(w, []trace.Context{a.Context(), b.Context()}, message.Links)
		require.Equal(w, id, message.Attributes["messaging.message.id"])
		require.Equal(w, 2, message.Attributes["headgate.events"])
		attributes := w.bus.sent[0].Attributes
		require.Equal(w, sent.String(), attributes["traceparent"])
		require.Equal(w, message.String(), attributes["ce-traceparent"])
	})
}

// A claim whose publisher died is published by another instance, in the trace of the event
// that completed it. The sweep that does so is linked.
func TestLaterAttemptContinuesTheTrace(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		var spans tracetest.Recorder
		w.tracer = trace.New(&spans)
		one, two := w.instance(0), w.instance(0)
		first, a := source(&spans, 1)
		second, b := source(&spans, 2)
		one.sendIn(first, "a")
		w.bus.set(true)
		one.sendIn(second, "b")
		require.NoError(w, one.Close(context.Background()))
		require.Equal(w, "_OTHER", only(w.T, &spans, "publish message").Failed)
		w.bus.set(false)

		third, sweep := source(&spans, 3)
		s, err := two.SweepNow(third)
		require.NoError(w, err)
		require.Equal(w, 1, s.Republished)
		message := spans.Named("publish message")[1]
		require.Equal(w, b.Context(), message.Parent)
		require.ElementsMatch(w, []trace.Context{sweep.Context(), a.Context(), b.Context()}, message.Links)
		require.Equal(w, message.String(), w.bus.sent[0].Attributes["ce-traceparent"])
	})
}

// A window that nobody claimed, because the instance died after the commit, is claimed in the
// trace of its latest event.
func TestLaterClaimContinuesTheTrace(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		var spans tracetest.Recorder
		w.tracer = trace.New(&spans)
		w.cfg.Trigger.Type = "none"
		one := w.instance(0)
		first, _ := source(&spans, 1)
		second, b := source(&spans, 2)
		one.sendIn(first, "a")
		one.sendIn(second, "b")

		w.cfg.Trigger.Type = "window"
		two := w.instance(0)
		third, _ := source(&spans, 3)
		v, err := two.Check(third, nil)
		require.NoError(w, err)
		require.NotEmpty(w, v.Triggered)
		claim, check := only(w.T, &spans, "claim window"), only(w.T, &spans, "check window")
		require.Equal(w, b.Context(), claim.Parent)
		require.Equal(w, []trace.Context{check.Context}, claim.Links)
	})
}

// A message that a user releases belongs to the trace of that request.
func TestReleasedMessageBelongsToTheUsersRequest(t *testing.T) {
	t.Parallel()
	var spans tracetest.Recorder
	w := newWorld(t)
	w.tracer = trace.New(&spans)
	i := w.instance(0)
	first, a := source(&spans, 1)
	i.sendIn(first, "a")
	second, user := source(&spans, 2)
	released, err := i.Trigger(second, nil)
	require.NoError(w, err)
	require.Equal(w, user.Context(), only(t, &spans, "claim window").Parent)
	require.Equal(w, []trace.Context{a.Context()}, only(t, &spans, "publish message").Links)

	third, again := source(&spans, 3)
	_, err = i.Replay(third, released.EventID, "")
	require.NoError(w, err)
	require.Equal(w, again.Context(), spans.Named("publish message")[1].Parent)
}

// A message of many events has a bounded number of links.
func TestLinksOfAMessageAreBounded(t *testing.T) {
	t.Parallel()
	var spans tracetest.Recorder
	w := newWorld(t)
	w.tracer = trace.New(&spans)
	w.cfg.Endpoints[0].EventToSend = "all"
	i := w.instance(0)
	for n := range trace.MaxLinks + 10 {
		ctx, _ := source(&spans, n+1)
		i.sendIn(ctx, "a")
	}
	ctx, last := source(&spans, 1000)
	i.sendIn(ctx, "b")
	require.NoError(w, i.Close(context.Background()))
	message := only(t, &spans, "publish message")
	require.Equal(t, last.Context().Trace, message.Trace)
	require.Len(t, message.Links, trace.MaxLinks)
	require.Equal(t, trace.MaxLinks+11, message.Attributes["headgate.events"])
}

// The trace of an event is stored with it: it costs no further write.
func TestTracingCostsNoWrite(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		tally := &tallyStore{Store: w.store.Store, n: map[string]int{}}
		w.store.Store = tally
		costs := func() map[string]int {
			clear(tally.n)
			i := w.instance(0)
			ctx, _ := source(new(tracetest.Recorder), 1)
			for range 3 {
				i.sendIn(ctx, "a")
			}
			i.sendIn(ctx, "b")
			require.NoError(w, i.Close(context.Background()))
			return maps.Clone(tally.n)
		}
		off := costs()
		w.tracer = trace.New(new(tracetest.Recorder))
		require.Equal(w, off, costs())
	})
}
