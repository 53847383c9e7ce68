package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/message"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/store"
)

const (
	// busRest is the time after a failure of the bus in which new claims are not published
	// at once. Sources then do not wait for a bus that is known to be down.
	busRest = 5 * time.Second
	// pageEvents and pageBytes bound the events of a claim that are read at a time.
	pageEvents = 256
	pageBytes  = 8 << 20
	// maxAttribute is Pub/Sub's limit on an attribute's value, in bytes.
	maxAttribute = 1024
)

// attempt says how a message is published.
type attempt struct {
	build time.Duration // the longest time to build it
	// carried says that the current span carries out what others caused: a sweep's.
	carried bool
}

// publishNow makes the first attempt to publish a new claim, whose span it gets. If it fails,
// a sweep retries. It calls acked when the bus has the message, before the store has
// recorded that.
func (g *Gate) publishNow(span trace.Span, c store.Claim, acked func()) {
	ctx := span.Into(context.Background())
	if err := g.publish(ctx, c, attempt{build: buildTime(1)}, acked); err != nil {
		g.log.ErrorContext(ctx, "a claim could not be published; a later request or sweep retries it",
			slices.Concat([]any{"eventID", c.EventID, "claimID", c.ID}, g.failedAt(c.ClaimInfo, err), []any{"error", err}, nextStep(err))...)
	}
}

// errBus marks an error of the bus. A sweep stops at one, because the next claims would
// fail in the same way.
var errBus = errors.New("the bus did not take the message")

// publish sends the claim's message, waits for the bus's acknowledgement and calls acked.
// It then records the outcome in the store, unless this is a replay. An error means that
// the bus did not acknowledge the message; the bus may have it all the same. The same holds
// if the process dies before the outcome is recorded. A retry then publishes the message
// twice, and consumers recognise it by its eventID.
//
// A claim with several targets is sent to all that wait: see deliver.
func (g *Gate) publish(ctx context.Context, c store.Claim, a attempt, acked func()) (err error) {
	defer g.measure(meter.PublishDuration, g.time.Ran(), &err)
	if len(c.Targets) == 0 && g.topicOf(c) == "" && !isDeadLetter(c.ClaimInfo) { // it was claimed before the configuration had other targets than a topic
		c.Targets = g.newTargets(g.clock())
	}
	if len(c.Targets) > 0 {
		_, err := g.deliver(ctx, delivery{c: c, choose: pending}, a, acked)
		return err
	}
	size, err := g.send(ctx, c, a)
	if c.State == store.Published { // a replay changes neither PublishedAt nor ExpireAt
		return err
	}
	now := g.clock()
	out := store.Outcome{PublishedAt: now, Size: int64(size), ExpireAt: whole(g.time.After(g.retention())), Parts: c.Parts}
	if err != nil {
		out = store.Outcome{NextAttempt: nextAttempt(now, c.Attempts), Error: err.Error()}
	} else {
		acked()
	}
	// Record the outcome even if ctx has ended, or a message that the bus has would be
	// published again.
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	if settleErr := g.store.Settle(settle, g.svc.ServiceName, c.ID, out); settleErr != nil {
		g.log.ErrorContext(ctx, "the outcome of a publication could not be recorded; the message may be published again, with the same eventID",
			"eventID", c.EventID, "claimID", c.ID, "error", settleErr)
	} else {
		g.logMessage(ctx, c, out)
	}
	g.changed()
	return err
}

// send builds the claim's message and publishes it.
func (g *Gate) send(ctx context.Context, c store.Claim, a attempt) (size int, err error) {
	if isDeadLetter(c.ClaimInfo) && g.topicOf(c) == "" { // another instance, or a former configuration, has a topic for it
		g.deadAway.Store(int64(g.time.Ran()))
		return 0, fault.New(fault.Conflict, "message %q is a dead letter, and the configuration has no deadLetter.topic: it waits for one", c.EventID)
	}
	built, err := g.assemble(ctx, c, a.build)
	if err != nil {
		return 0, err
	}
	defer built.done()
	ctx, span := g.beginMessage(ctx, c, a, built)
	defer func() { span.End(err) }()
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if _, err = g.bus.Publish(ctx, g.topicOf(c), bus.Message{Data: built.data, Attributes: g.attributes(ctx, c, built.form)}); err != nil {
		if isDeadLetter(c.ClaimInfo) { // the topic of the messages may be well
			g.deadAway.Store(int64(g.time.Ran()))
			return 0, fmt.Errorf("the topic of dead letters did not take the message: %w", err)
		}
		g.busAway.Store(int64(g.time.Ran()))
		return 0, fmt.Errorf("%w: %w", errBus, err)
	}
	return len(built.data), nil
}

// built is a message that is ready to be sent.
type built struct {
	data   []byte
	form   message.Form
	traces *eventTraces // of its events; nil: no spans are recorded
	done   func()       // gives back the message's memory
}

// assemble builds the claim's message.
func (g *Gate) assemble(ctx context.Context, c store.Claim, build time.Duration) (b built, err error) {
	building, cancel := context.WithTimeout(ctx, build)
	defer cancel()
	in, err := g.includedIn(c)
	if err != nil {
		return b, err
	}
	if g.tracer.On() {
		b.traces = new(eventTraces)
		in.traces = b.traces
	}
	// The memory of all messages under way is bounded. A message that gets none within its
	// build time fails like any other that could not be built, and a sweep retries it.
	room := min(in.sendMemory(min(g.svc.MaxMessageBytes, g.bus.MaxMessageBytes())), g.work.Total())
	if err := g.work.Take(building, room); err != nil {
		return b, fmt.Errorf("build the message: %w", err)
	}
	if b.data, b.form, err = g.encode(building, in); err != nil {
		g.work.Give(room)
		return b, fmt.Errorf("build the message: %w", err)
	}
	b.done = func() { g.work.Give(room) }
	return b, nil
}

// messageMemory estimates the memory needed to build and send a claim's message. It is
// the sum of: a page of events as they are read; the largest event as JSON, in which every
// byte may be escaped; and the message, whose buffer doubles as it grows and which the bus
// copies.
func (in included) messageMemory(limit int) int64 {
	size, largest := in.size()
	page, copies := min(size, max(pageBytes, largest)), int64(4)
	if len(in.c.Targets) > 0 { // a body that has the message as text inside of other JSON
		copies = 10
	}
	return 16<<10 + 2*page + 12*largest + copies*min(2*size, int64(limit)) + in.memory()
}

// sendMemory is messageMemory for the message that is published.
func (in included) sendMemory(limit int) int64 {
	if in.c.Parts > 0 && !in.g.format().Strict() {
		return 64 << 10 // it has no events
	}
	return in.messageMemory(limit)
}

// encode returns the message in the largest form that fits the bus and the configuration.
func (g *Gate) encode(ctx context.Context, in included) ([]byte, message.Form, error) {
	limit := min(g.svc.MaxMessageBytes, g.bus.MaxMessageBytes())
	head := g.headOf(in.c)
	if head.Format.Strict() {
		return g.encodeStrict(ctx, in, head, limit)
	}
	size, _ := in.size()
	form := message.Whole
	switch {
	case in.c.Parts > 0: // even the list of its events may be too large
		form = message.NoEvents
	case size > 2*int64(limit): // JSON never halves the size: the whole message cannot fit, so do not read it
		form = message.NoContent
	}
	for ; ; form++ {
		if form == message.NoEvents { // the smallest form: only the bus's own limit still counts
			limit = g.bus.MaxMessageBytes()
		}
		buf := &message.Limit{Max: limit}
		err := message.WriteFrom(buf, head, in.c.Lists, form, in.events(ctx))
		if errors.Is(err, message.ErrTooLarge) && form < message.NoEvents {
			continue
		}
		return buf.Bytes(), form, err
	}
}

// encodeStrict returns the whole message, because EventSync's formats have no claim check. If
// it is too large, the claim keeps waiting with that error, its events are kept, and an
// operator decides. A message without its bodies would look to the consumer like a whole one.
func (g *Gate) encodeStrict(ctx context.Context, in included, head message.Head, limit int) ([]byte, message.Form, error) {
	buf := &message.Limit{Max: limit}
	err := message.WriteFrom(buf, head, in.c.Lists, message.Whole, in.events(ctx))
	if errors.Is(err, message.ErrTooLarge) {
		err = fault.Wrap(fault.Conflict, err,
			"message %q has over %d bytes, and messageFormat %s has no claim check: read it at %s, or set messageFormat to headgate",
			in.c.EventID, limit, head.Format, head.ContentURL)
	}
	return buf.Bytes(), message.Whole, err
}

// format returns the format of the service's messages.
func (g *Gate) format() message.Format { return message.Format(g.svc.MessageFormat) }

// headOf returns the head of the claim's message.
func (g *Gate) headOf(c store.Claim) message.Head {
	head := message.Head{
		Format:  g.format(),
		EventID: c.EventID, Date: c.Date, ServiceName: c.Service, TriggerType: c.TriggerType,
		ContentURL: g.contentURL(c.EventID),
	}
	if w := c.Window; w != nil {
		head.Window = &message.Window{CorrelationKey: w.Key, Completion: string(w.Completion), Reason: w.Reason}
		for _, m := range w.Missing {
			head.Window.Missing = append(head.Window.Missing, message.Shortfall{EventKey: m.Key, Have: m.Have, Need: m.Need})
		}
		if !w.Opened.IsZero() && !w.Closes.IsZero() {
			head.Window.Window = &message.Times{Opened: w.Opened, Closes: w.Closes}
		}
	}
	return head
}

// fetch returns a function that reads events a page at a time: from memory if this instance
// has just stored them, otherwise from the store.
func (g *Gate) fetch(ctx context.Context) message.Fetch {
	return func(included []event.Ref) iter.Seq2[event.Event, error] {
		return func(yield func(event.Event, error) bool) {
			for len(included) > 0 {
				n, size := 0, int64(0)
				for n < len(included) && n < pageEvents && (n == 0 || size+included[n].Size <= pageBytes) {
					size += included[n].Size
					n++
				}
				page, err := g.events(ctx, included[:n])
				if err != nil {
					yield(event.Event{}, err)
					return
				}
				for _, e := range page {
					if !yield(e, nil) {
						return
					}
				}
				included = included[n:]
			}
		}
	}
}

// events returns the events named, in order. It asks the store only for those that are not
// in memory.
func (g *Gate) events(ctx context.Context, refs []event.Ref) ([]event.Event, error) {
	out := make([]event.Event, len(refs))
	var missing []event.Ref
	var at []int
	for i, ref := range refs {
		e, ok := g.recent.get(ref)
		if !ok {
			missing, at = append(missing, ref), append(at, i)
		}
		out[i] = e
	}
	if len(missing) == 0 {
		return out, nil
	}
	read, err := g.store.Events(ctx, g.svc.ServiceName, missing)
	if err != nil {
		return nil, err
	}
	for i, e := range read {
		out[at[i]] = e
	}
	return out, nil
}

// attributes returns the message's attributes on the bus: EventSync's serviceName, the ids
// to deduplicate on, and the CloudEvents attributes in Pub/Sub's binding.
func (g *Gate) attributes(ctx context.Context, c store.Claim, form message.Form) map[string]string {
	attrs := map[string]string{
		"serviceName":    cut(c.Service),
		"eventID":        c.EventID,
		"claimID":        c.ID,
		"triggerType":    c.TriggerType,
		"content-type":   "application/json",
		"ce-specversion": "1.0",
		"ce-id":          c.EventID,
		"ce-source":      cut(g.source()),
		"ce-type":        typeOf(c.ClaimInfo),
		"ce-time":        c.Date.Format(time.RFC3339Nano),
	}
	if form != message.Whole {
		attrs["claimCheck"] = "true"
	}
	if parent := trace.Parent(ctx); parent != "" { // CloudEvents' extension for tracing; the hop's own is beside it
		attrs["ce-traceparent"] = parent
	}
	if w := c.Window; w != nil {
		attrs["completion"] = string(w.Completion)
		if w.Reason != "" {
			attrs["reason"] = w.Reason
		}
		if g.correlated() && (w.Key != "" || w.Reason == "") { // a dead letter may have no key
			attrs["correlationKey"] = cut(w.Key)
		}
	}
	return attrs
}

// topicOf returns the topic of a claim's message; "" if the configuration has none.
func (g *Gate) topicOf(c store.Claim) string {
	switch {
	case !isDeadLetter(c.ClaimInfo):
		return g.topic
	case g.svc.DeadLetter != nil:
		return g.svc.DeadLetter.Topic
	}
	return ""
}

// cut shortens an attribute's value to Pub/Sub's limit. The message itself has it whole.
func cut(s string) string { return cutAt(s, maxAttribute) }

// cutAt returns the first characters of s that have at most n bytes.
func cutAt(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// WriteMessage writes the whole message of an eventID to w, including the parts that a
// claim check left out. It calls ready once, before the first byte. A message of up to
// pageBytes is built first, so that its size is known and only w can still fail. A larger
// one is written as it is read, with size -1, and can break off in the middle.
//
// The error is NotFound if there is no such message, and Gone if its events have expired.
func (g *Gate) WriteMessage(ctx context.Context, eventID string, w io.Writer, ready func(size int)) error {
	c, err := g.claimOf(ctx, eventID)
	if err != nil {
		return err
	}
	in, err := g.includedIn(c)
	if err != nil {
		return err
	}
	head := g.headOf(c)
	room := g.answers.Hold()
	defer room.Release()
	if err := room.Resize(ctx, in.messageMemory(pageBytes)); err != nil {
		return err
	}
	buf := &message.Limit{Max: pageBytes}
	err = message.WriteFrom(buf, head, c.Lists, message.Whole, in.events(ctx))
	switch {
	case errors.Is(err, message.ErrTooLarge):
		ready(-1)
		return message.WriteFrom(w, head, c.Lists, message.Whole, in.events(ctx))
	case err != nil:
		return g.expired(err, eventID)
	}
	ready(len(buf.Bytes()))
	_, err = w.Write(buf.Bytes())
	return err
}
