// Package trace follows a source's request through everything that it causes. It is all that
// use cases know of tracing: package telemetry records the spans with OpenTelemetry's SDK.
//
// The current span is in the context. [Start] begins a child of it. A use case that goes on
// with what is stored, such as the publication of a claim, has a [Tracer], and continues the
// trace that was stored with it.
//
// If no spans are recorded, the Tracer is nil and each Span is the zero Span. Then all calls
// do nothing and allocate nothing, and nothing is stored. The names of spans and of their
// attributes are those of docs/tracing.md. Attributes have no bodies, no credentials and
// no texts of errors: the log has these, with the trace's id.
package trace

import (
	"context"

	"github.com/headgate/headgate/internal/platform/fault"
)

// MaxLinks is the most links of a span, as it is OpenTelemetry's default.
const MaxLinks = 128

// Kind tells how a span relates to its parent and its children, in OpenTelemetry's words.
type Kind int

// The kinds of spans.
const (
	Internal Kind = iota
	Server
	Client
	Producer
	Consumer
)

// Recorder records spans.
type Recorder interface {
	// Start begins a span. A parent that names no span makes it the first of a trace.
	Start(parent Context, kind Kind, name string) Recording
}

// Recording is a span that a Recorder records.
type Recording interface {
	Context() Context
	SetString(attribute, value string)
	SetInt(attribute string, value int)
	// Link says that the span was caused by another one, too, or is about it.
	Link(to Context)
	// End ends the span. kind is that of its error; "" if it has none.
	End(kind string)
}

// Tracer begins spans. nil records nothing.
type Tracer struct{ r Recorder }

// New returns a Tracer.
func New(r Recorder) *Tracer { return &Tracer{r} }

// Span is a part of a trace. The zero Span is none.
type Span struct{ c *current }

// current is the span that a context has. Without a tracer, another process records it.
type current struct {
	Context
	t *Tracer
	r Recording
}

type key struct{}

func of(ctx context.Context) *current {
	c, _ := ctx.Value(key{}).(*current)
	return c
}

// With returns ctx with the span of another process, which a request names. The span is not
// stored and not passed on unless a Tracer continues it. It returns ctx itself if c is zero.
func With(ctx context.Context, c Context) context.Context {
	if !c.HasTrace() {
		return ctx
	}
	return context.WithValue(ctx, key{}, &current{Context: c})
}

// Of returns the current span of ctx, also if another process records it.
func Of(ctx context.Context) Context {
	if c := of(ctx); c != nil {
		return c.Context
	}
	return Context{}
}

// Current returns the current span of ctx, to make it that of work that outlasts ctx. If
// another process records it, it only has its Context.
func Current(ctx context.Context) Span { return Span{of(ctx)} }

// Into returns ctx with s as its current span.
func (s Span) Into(ctx context.Context) context.Context {
	if s.c == nil {
		return ctx
	}
	return context.WithValue(ctx, key{}, s.c)
}

// Parent returns the current span as a traceparent: for what is stored or sent. It is "" if
// this process records no spans.
func Parent(ctx context.Context) string {
	if c := of(ctx); c != nil && c.t != nil {
		return c.String()
	}
	return ""
}

// Start begins a child of the current span. If this process does not record that, it records
// nothing.
func Start(ctx context.Context, kind Kind, name string) (context.Context, Span) {
	c := of(ctx)
	if c == nil {
		return ctx, Span{}
	}
	return c.t.start(ctx, c.Context, kind, name)
}

// On reports whether spans are recorded.
func (t *Tracer) On() bool { return t != nil }

// Start begins a child of the current span, or the first span of a trace.
func (t *Tracer) Start(ctx context.Context, kind Kind, name string) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	return t.start(ctx, Of(ctx), kind, name)
}

// Continue begins a child of a span that was stored, or that came with a message. The current
// span of ctx, which merely carries that out, is linked. If parent names no span, Continue is
// Start.
func (t *Tracer) Continue(ctx context.Context, parent Context, kind Kind, name string) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	carrier := Of(ctx)
	if !parent.Valid() {
		return t.start(ctx, carrier, kind, name)
	}
	ctx, span := t.start(ctx, parent, kind, name)
	if carrier != parent {
		span.Link(carrier)
	}
	return ctx, span
}

func (t *Tracer) start(ctx context.Context, parent Context, kind Kind, name string) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	r := t.r.Start(parent, kind, name)
	c := &current{r.Context(), t, r}
	return context.WithValue(ctx, key{}, c), Span{c}
}

// On reports whether the span is recorded, so that its attributes are worth their making.
func (s Span) On() bool { return s.c != nil && s.c.r != nil && s.c.Sampled }

// Context returns the span's; zero if there is none.
func (s Span) Context() Context {
	if s.c == nil {
		return Context{}
	}
	return s.c.Context
}

// SetString sets an attribute. "" is not set.
func (s Span) SetString(attribute, value string) {
	if s.On() && value != "" {
		s.c.r.SetString(attribute, value)
	}
}

// SetInt sets an attribute.
func (s Span) SetInt(attribute string, value int) {
	if s.On() {
		s.c.r.SetInt(attribute, value)
	}
}

// Link links the span to another one, if to names one.
func (s Span) Link(to Context) {
	if s.On() && to.Valid() {
		s.c.r.Link(to)
	}
}

// End ends the span. An error makes it a failed one.
func (s Span) End(err error) {
	if s.c != nil && s.c.r != nil {
		s.c.r.End(fault.TypeOf(err))
	}
}

// Fail ends the span as a failed one, with the kind of the error.
func (s Span) Fail(kind string) {
	if s.c != nil && s.c.r != nil {
		s.c.r.End(kind)
	}
}
