package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/headgate/headgate/internal/platform/trace"
)

// recorder records spans with the SDK, whose sampler decides which ones.
type recorder struct{ tracer oteltrace.Tracer }

var kinds = map[trace.Kind]oteltrace.SpanKind{
	trace.Internal: oteltrace.SpanKindInternal, trace.Server: oteltrace.SpanKindServer, trace.Client: oteltrace.SpanKindClient,
	trace.Producer: oteltrace.SpanKindProducer, trace.Consumer: oteltrace.SpanKindConsumer,
}

// Start implements [trace.Recorder].
func (r recorder) Start(parent trace.Context, kind trace.Kind, name string) trace.Recording {
	ctx := context.Background()
	if parent.Valid() {
		ctx = oteltrace.ContextWithRemoteSpanContext(ctx, spanContext(parent))
	}
	_, span := r.tracer.Start(ctx, text(name), oteltrace.WithSpanKind(kinds[kind]))
	return recording{span}
}

func spanContext(c trace.Context) oteltrace.SpanContext {
	o := oteltrace.SpanContextConfig{TraceID: c.Trace, SpanID: c.Span, Remote: true}
	if c.Sampled {
		o.TraceFlags = oteltrace.FlagsSampled
	}
	return oteltrace.NewSpanContext(o)
}

// recording is a span of the SDK.
type recording struct{ span oteltrace.Span }

// Context implements [trace.Recording].
func (r recording) Context() trace.Context {
	c := r.span.SpanContext()
	return trace.Context{Trace: c.TraceID(), Span: c.SpanID(), Sampled: c.IsSampled()}
}

// SetString implements [trace.Recording].
func (r recording) SetString(name, value string) {
	r.span.SetAttributes(attribute.String(name, text(value)))
}

// SetInt implements [trace.Recording].
func (r recording) SetInt(name string, value int) { r.span.SetAttributes(attribute.Int(name, value)) }

// Link implements [trace.Recording].
func (r recording) Link(to trace.Context) {
	r.span.AddLink(oteltrace.Link{SpanContext: spanContext(to)})
}

// End implements [trace.Recording].
func (r recording) End(kind string) {
	if kind != "" {
		r.span.SetStatus(codes.Error, "")
		r.span.SetAttributes(attribute.String("error.type", kind))
	}
	r.span.End()
}
