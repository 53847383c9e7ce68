package gate_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/meter/metertest"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/platform/trace/tracetest"
)

// Each attempt to deliver an alert is a span. It belongs to the trace in which the alert was
// created, here that of the window's event, also if another process delivers it.
func TestAttemptsToDeliverAnAlertAreSpans(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		var spans tracetest.Recorder
		m := new(metertest.Recorder)
		w.tracer, w.meter = trace.New(&spans), meter.New(m)
		w.configured(`"window":"anchored","observationPeriod":600,"onClose":"drop"`, twoEndpoints, withAlerts)
		i := w.instance(0)
		ctx, request := source(&spans, 1)
		i.sendIn(ctx, "a")
		w.ran += 10*time.Minute + time.Second
		w.bus.set(true)
		w.tick(i)
		w.ran += time.Minute
		w.bus.set(false)
		i.restart()
		w.pass(2*time.Minute, i)
		i.Idle()
		require.Len(w, w.alerts(), 1)
		attempts := spans.Named("deliver alert")
		require.Len(w, attempts, 2)
		for n, failed := range []string{"_OTHER", ""} {
			require.Equal(w, trace.Producer, attempts[n].Kind)
			require.Equal(w, request.Context().Trace, attempts[n].Trace)
			require.Equal(w, failed, attempts[n].Failed)
			require.Equal(w, map[string]any{
				"headgate.service": w.cfg.ServiceName, "headgate.alert.kind": "incomplete", "messaging.message.id": w.alerts()[0].ID, "headgate.attempt": n + 1,
			}, attempts[n].Attributes)
		}
		require.EqualValues(w, 1, m.Sum(meter.Alerts, w.cfg.ServiceName, "incomplete"), "created once")
	})
}

// A claim in parts has one span, in the trace of the request that began it. It ends when the
// claim is whole.
func TestAClaimInPartsIsASpan(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		var spans tracetest.Recorder
		w.tracer = trace.New(&spans)
		w.configured(`"observationPeriod":600`, twoEndpoints, "")
		w.cfg.Endpoints[0].EventToSend = window.All
		w.store.Store = &killedStore{Store: w.store.Store, max: 4, left: -1, now: w.truth}
		i := w.instance(0)
		for range 11 {
			i.post("a", `{"x":"`+event.RandomID()+`"}`)
		}
		ctx, last := source(&spans, 99)
		i.sendIn(ctx, "b")
		i.Idle()
		claim, message := only(w.T, &spans, "claim window"), only(w.T, &spans, "publish message")
		require.Equal(w, last.Context().Trace, claim.Trace)
		require.True(w, slices.ContainsFunc(spans.Named("check window"), func(s tracetest.Span) bool { return s.Context == claim.Parent }))
		require.Empty(w, claim.Failed)
		require.Equal(w, 12, claim.Attributes["headgate.events"])
		require.Greater(w, claim.Attributes["headgate.parts"], 2)
		require.Equal(w, message.Attributes["messaging.message.id"], claim.Attributes["messaging.message.id"])
		require.Equal(w, last.Context().Trace, message.Trace)
	})
}
