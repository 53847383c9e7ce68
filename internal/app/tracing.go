package app

import (
	"context"
	"time"

	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/live"
)

// flushTime bounds how long the answer to a request waits for a receiver of spans.
const flushTime = 2 * time.Second

// Tracer returns what records spans; nil: none are recorded.
func (a *App) Tracer() *trace.Tracer { return a.o.Tracer }

// FlushSpans returns a function that exports the spans that have ended. It is nil where that
// happens in the background. Spans that the receiver does not take in time are lost.
func (a *App) FlushSpans() func(ctx context.Context) {
	if a.backgroundCPU || a.o.Telemetry == nil || !a.o.Tracer.On() {
		return nil
	}
	return func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, flushTime)
		defer cancel()
		if err := a.o.Telemetry.FlushSpans(ctx); err != nil {
			a.o.Log.WarnContext(ctx, "spans could not be exported before the request ended", "error", err)
		}
	}
}

// traceLive begins the span of a change on its way to the live clients of this instance.
func (a *App) traceLive(ctx context.Context, k live.Key, traceparent string) (context.Context, func(clients int, err error)) {
	ctx, span := a.o.Tracer.Continue(ctx, trace.Parse(traceparent), trace.Internal, "deliver to live clients")
	span.SetString("headgate.entity", k.Entity())
	return ctx, func(clients int, err error) {
		span.SetInt("headgate.clients", clients)
		span.End(err)
	}
}
