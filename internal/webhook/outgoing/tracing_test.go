package outgoing_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/platform/trace/tracetest"
	"github.com/headgate/headgate/internal/webhook/occurrence"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// A delivery continues the trace of what caused it, in each of its attempts and whichever
// process makes them.
func TestDeliveriesContinueTheTrace(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		var spans tracetest.Recorder
		tracer := trace.New(&spans)
		traced := func(o *outgoing.Options) { o.Tracer, o.BackgroundCPU = tracer, false }
		w.svc = w.service(traced)
		r := newReceiver(t)
		w.subscribe(r, "", nil, occurrence.Records)
		of := newReceiver(t)
		w.register(of, "l")
		r.answer(503)
		of.answer(503)

		ctx, cause := tracer.Start(t.Context(), trace.Server, "request")
		box := occurrence.Outbox{Subscribed: w.svc.Subscribed, Stored: func() {}}
		writes := box.Writes(ctx, occurrence.Occurrence{ID: "o1", Type: occurrence.Records, Source: "/test", Subject: "items", Time: w.tick(), Data: json.RawMessage(`{}`)})
		_, err := w.store.Commit(ctx, writes)
		require.NoError(t, err)
		w.tick()
		_, err = w.svc.Receive(ctx, "l", "w1", json.RawMessage(`[]`))
		require.NoError(t, err)
		w.sweep(w.svc)

		r.answer(200)
		of.answer(200)
		w.wait(outgoing.KeptFor / 30)
		other := w.service(traced)
		w.sweep(other)
		all := spans.Named("deliver webhook")
		require.Len(t, all, 4, "two attempts of each")
		for _, s := range all {
			require.Equal(t, cause.Context(), s.Parent)
		}
		for _, target := range []*receiver{r, of} {
			calls := target.calls()
			require.Len(t, calls, 2)
			for _, c := range calls {
				hop := trace.Parse(c.header.Get("Traceparent"))
				require.Equal(t, cause.Context().Trace, hop.Trace)
			}
		}
		require.Len(t, spans.Named("POST"), 4)
	})
}
