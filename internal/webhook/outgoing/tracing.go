package outgoing

import (
	"context"
	"time"

	"github.com/headgate/headgate/internal/platform/trace"
)

// tracedCall is call within a span of the trace in which the delivery was caused, perhaps by
// another process and days ago. The target gets the traceparent of the request.
func (s *Service) tracedCall(ctx context.Context, t *Target, d *Delivery) (status int, retryAfter time.Duration, err error) {
	parent := d.Traceparent
	if d.Occurrence != nil {
		parent = d.Occurrence.Traceparent
	}
	ctx, span := s.tracer.Continue(ctx, trace.Parse(parent), trace.Producer, "deliver webhook")
	span.SetString("headgate.webhook", t.ID)
	span.SetString("messaging.message.id", d.WebhookID)
	span.SetInt("headgate.attempt", d.Tries+1)
	status, retryAfter, err = s.call(ctx, t, d)
	span.End(err)
	return status, retryAfter, err
}
