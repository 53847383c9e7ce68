package gate

import (
	"context"
	"errors"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/store"
)

// The trace of a message is that of the event that completed its window: the latest one. Each
// event keeps the span of its request, so whichever instance publishes the message, and
// however late, continues this trace and links to those of the other events. Only a message
// that a user released or sends again belongs to the trace of that request.

// The attributes of the gate's spans that the semantic conventions do not have.
const (
	serviceAttribute = "headgate.service"
	eventsAttribute  = "headgate.events"
)

// callers are the requests that share a check.
type callers struct {
	first  trace.Span  // whose child the check is
	others trace.Links // to which it is linked
}

// callerIn returns the request of ctx.
func callerIn(ctx context.Context) callers { return callers{first: trace.Current(ctx)} }

// callersOf returns the requests of the units.
func callersOf(units ...*unit) (c callers) {
	for _, u := range units {
		c.join(callers{first: u.span})
	}
	return c
}

func (c *callers) join(more callers) {
	if c.first == (trace.Span{}) {
		c.first = more.first
	} else {
		c.others.Add(more.first.Context())
	}
	c.others.Join(more.others)
}

// check begins the span of a check. A check that no request waits for has none: a ticker looks
// at windows every second.
func (c *callers) check(ctx context.Context, g *Gate) (context.Context, trace.Span) {
	ctx, span := trace.Start(c.first.Into(ctx), trace.Internal, "check window")
	span.SetString(serviceAttribute, g.svc.ServiceName)
	c.others.To(span)
	return ctx, span
}

// beginCommit begins a span in the trace of each request whose events are committed together.
// It returns nil if no spans are recorded.
func beginCommit(units []*unit, events int) (spans []trace.Span) {
	for i, u := range units {
		_, span := trace.Start(u.span.Into(context.Background()), trace.Internal, "store events")
		if span == (trace.Span{}) {
			continue
		}
		if spans == nil {
			spans = make([]trace.Span, len(units))
		}
		span.SetInt(eventsAttribute, len(u.appends))
		span.SetInt("db.operation.batch.size", events)
		spans[i] = span
	}
	return spans
}

// endCommit ends the spans of beginCommit. The results are those of all units.
func endCommit(spans []trace.Span, units []*unit, results []store.AppendResult) {
	for i, span := range spans {
		n := len(units[i].appends)
		var failed error
		for _, r := range results[:n] {
			failed = errFirst(failed, r.Err)
		}
		span.End(failed)
		results = results[n:]
	}
}

// beginClaim begins the span of a claim.
func (g *Gate) beginClaim(ctx context.Context, t taking, r window.Release) (context.Context, trace.Span) {
	if !g.tracer.On() {
		return ctx, trace.Span{}
	}
	var cause trace.Context
	if !t.asked {
		lists := make([]event.List, len(r.Lists))
		for i, l := range r.Lists {
			lists[i] = l.List
		}
		cause = g.causeOf(ctx, lists)
	}
	ctx, span := g.continues(ctx, cause, "claim window")
	span.SetString(serviceAttribute, g.svc.ServiceName)
	return ctx, span
}

func endClaim(span trace.Span, eventID string, err error) {
	span.SetString("messaging.message.id", eventID)
	if errors.Is(err, store.ErrConflict) {
		span.Fail("conflict") // another instance was first: that is how instances agree
		return
	}
	span.End(err)
}

// continues begins a span of the trace to which cause belongs. If the current span belongs to
// it, it is a child of that; otherwise it is linked to it.
func (g *Gate) continues(ctx context.Context, cause trace.Context, name string) (context.Context, trace.Span) {
	if trace.Of(ctx).Trace == cause.Trace {
		return g.tracer.Start(ctx, trace.Internal, name)
	}
	return g.tracer.Continue(ctx, cause, trace.Internal, name)
}

// largestCause is the size of the largest event that is read for its trace alone.
const largestCause = 1 << 20

// causeOf returns the span of the latest event's request. It is zero if it is not known. The
// event is in memory, unless another instance stored it.
func (g *Gate) causeOf(ctx context.Context, lists []event.List) trace.Context {
	var latest event.Ref
	for _, l := range lists {
		if n := len(l.Included); n > 0 && latest.Compare(l.Included[n-1]) < 0 {
			latest = l.Included[n-1]
		}
	}
	if latest.ID == "" || latest.Size > largestCause {
		return trace.Context{}
	}
	found, err := g.events(ctx, []event.Ref{latest})
	if err != nil { // the trace breaks off; nothing else depends on it
		return trace.Context{}
	}
	return trace.Parse(found[0].Meta.Traceparent)
}

// eventTraces collects the spans of the requests of a message's events.
type eventTraces struct {
	links  trace.Links
	latest event.Ref
	cause  trace.Context // of the latest event
}

// add takes an event. A nil eventTraces takes none.
func (t *eventTraces) add(e event.Event) {
	if t == nil {
		return
	}
	c := trace.Parse(e.Meta.Traceparent)
	t.links.Add(c)
	if ref := (event.Ref{ID: e.ID, ReceivedAt: e.ReceivedAt}); t.latest.Compare(ref) < 0 {
		t.latest, t.cause = ref, c
	}
}

// beginMessage begins the span of an attempt to publish a message, with links to its events.
func (g *Gate) beginMessage(ctx context.Context, c store.Claim, a attempt, b built) (context.Context, trace.Span) {
	if b.traces == nil {
		return ctx, trace.Span{}
	}
	cause := trace.Of(ctx)
	if a.carried || !cause.Valid() {
		if cause = b.traces.cause; b.traces.latest.ID == "" { // a claim check, whose events were not read
			cause = g.causeOf(ctx, c.Lists)
		}
	}
	ctx, span := g.continues(ctx, cause, "publish message")
	span.SetString(serviceAttribute, g.svc.ServiceName)
	span.SetString("messaging.message.id", c.EventID)
	span.SetInt("messaging.message.body.size", len(b.data))
	span.SetInt(eventsAttribute, c.NumberOfEvents)
	b.traces.links.To(span)
	return ctx, span
}
