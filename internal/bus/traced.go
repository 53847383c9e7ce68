package bus

import (
	"context"
	"maps"

	"github.com/headgate/headgate/internal/platform/trace"
)

// TraceParent is the attribute that names the span that sent a message, as Trace Context
// writes it.
const TraceParent = "traceparent"

// Traced returns b with a span for each message that is sent within a trace, and for each that
// is received with a TraceParent. system is the value of the attribute messaging.system of
// the semantic conventions. If no spans are recorded it is b itself.
func Traced(b Bus, t *trace.Tracer, system string) Bus {
	if !t.On() {
		return b
	}
	return &traced{b, t, system}
}

type traced struct {
	Bus
	tracer *trace.Tracer
	system string
}

// Publish implements [Bus].
func (b *traced) Publish(ctx context.Context, topic string, m Message) (string, error) {
	ctx, span := trace.Start(ctx, trace.Producer, "publish "+topic)
	if parent := trace.Parent(ctx); parent != "" {
		attributes := maps.Clone(m.Attributes)
		if attributes == nil {
			attributes = make(map[string]string, 1)
		}
		attributes[TraceParent] = parent
		m.Attributes = attributes
	}
	id, err := b.Bus.Publish(ctx, topic, m)
	b.describe(span, "publish", "send", topic, id, len(m.Data))
	span.End(err)
	return id, err
}

// Receive implements [Bus].
func (b *traced) Receive(ctx context.Context, s Subscription, ready func(), handle func(context.Context, Message) error) error {
	return b.Bus.Receive(ctx, s, ready, func(ctx context.Context, m Message) error {
		parent := trace.Parse(m.Attributes[TraceParent])
		if !parent.Valid() {
			return handle(ctx, m)
		}
		ctx, span := b.tracer.Continue(ctx, parent, trace.Consumer, "process "+s.Topic)
		b.describe(span, "process", "process", s.Topic, m.ID, len(m.Data))
		span.SetString("messaging.destination.subscription.name", s.Name)
		err := handle(ctx, m)
		span.End(err)
		return err
	})
}

func (b *traced) describe(span trace.Span, operation, kind, topic, id string, size int) {
	span.SetString("messaging.system", b.system)
	span.SetString("messaging.operation.name", operation)
	span.SetString("messaging.operation.type", kind)
	span.SetString("messaging.destination.name", topic)
	span.SetString("messaging.message.id", id)
	span.SetInt("messaging.message.body.size", size)
}
