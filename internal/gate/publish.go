package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/message"
	"github.com/headgate/headgate/internal/store"
)

const (
	// busRest is how long new claims are not published after the bus failed, so that
	// sources do not wait for a bus that is known to be away.
	busRest = 5 * time.Second
	// pageEvents and pageBytes bound what is read of a claim's events at a time.
	pageEvents = 256
	pageBytes  = 8 << 20
	// maxAttribute is Pub/Sub's limit on an attribute's value, in bytes.
	maxAttribute = 1024
)

// publishNow publishes a claim that was just made. If that fails, it is tried again.
// It calls acked once the message is out, before that is on record.
func (g *Gate) publishNow(c store.Claim, acked func()) {
	if err := g.publish(context.Background(), c, buildTime(1), acked); err != nil {
		g.log.Error("a claim is not published: a later request or sweep will try again",
			"eventID", c.EventID, "claimID", c.ID, "topic", g.svc.TargetPubSub.Topic, "error", err)
	}
}

// errBus marks an error of the bus: claims behind this one would fare no better.
var errBus = errors.New("the bus did not take the message")

// publish sends the claim's message, waits for the bus's acknowledgement and calls
// acked. It records the outcome, unless the message was published before. An error
// means that the bus did not acknowledge the message; it may have it all the same.
func (g *Gate) publish(ctx context.Context, c store.Claim, build time.Duration, acked func()) error {
	size, err := g.send(ctx, c, build)
	if c.State == store.Published { // a replay: when it first went out, and how long it is kept, stay as they are
		return err
	}
	now := g.clock()
	out := store.Outcome{PublishedAt: now, Size: int64(size), ExpireAt: whole(g.time.After(g.retention()))}
	if err != nil {
		out = store.Outcome{NextAttempt: nextAttempt(now, c.Attempts), Error: err.Error()}
	} else {
		acked()
	}
	// The message is out, whatever becomes of ctx: record it in time of its own.
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	if settleErr := g.store.Settle(settle, g.svc.ServiceName, c.ID, out); settleErr != nil {
		g.log.Error("the outcome of a publication is not recorded: the message may go out again, with the same eventID",
			"eventID", c.EventID, "claimID", c.ID, "error", settleErr)
	}
	g.changed()
	return err
}

func (g *Gate) send(ctx context.Context, c store.Claim, build time.Duration) (size int, err error) {
	building, cancel := context.WithTimeout(ctx, build)
	// Few large messages are built and sent at once. Whichever has no room in its
	// time is left to the sweep, as any other that could not be built.
	room := min(messageMemory(c, min(g.svc.MaxMessageBytes, g.bus.MaxMessageBytes())), g.work.Total())
	if err := g.work.Take(building, room); err != nil {
		cancel()
		return 0, fmt.Errorf("build the message: %w", err)
	}
	defer g.work.Give(room)
	data, form, err := g.encode(building, c)
	cancel()
	if err != nil {
		return 0, fmt.Errorf("build the message: %w", err)
	}
	ctx, cancel = context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if _, err = g.bus.Publish(ctx, g.svc.TargetPubSub.Topic, bus.Message{Data: data, Attributes: g.attributes(c, form)}); err != nil {
		g.busAway.Store(int64(g.time.Ran()))
		return 0, fmt.Errorf("%w: %w", errBus, err)
	}
	return len(data), nil
}

// messageMemory returns the memory that it takes to build and send the claim's message:
// a page of its events as they are read; one event as JSON, whose text may be escaped
// byte by byte; and the message, which grows by doubling and is copied by the bus.
func messageMemory(c store.Claim, limit int) int64 {
	size, largest := int64(0), int64(0)
	for _, l := range c.Lists {
		for _, ref := range l.Included {
			size, largest = size+ref.Size, max(largest, ref.Size)
		}
	}
	page := min(size, max(pageBytes, largest))
	return 16<<10 + 2*page + 12*largest + 4*min(2*size, int64(limit))
}

// encode returns the message in the largest form that the bus takes.
func (g *Gate) encode(ctx context.Context, c store.Claim) ([]byte, message.Form, error) {
	limit := min(g.svc.MaxMessageBytes, g.bus.MaxMessageBytes())
	head, lists, size := g.headOf(c)
	form := message.Whole
	if size > 2*int64(limit) { // JSON does not halve anything: do not read it all for nothing
		form = message.NoContent
	}
	for ; ; form++ {
		if form == message.NoEvents { // no smaller one is left: only the bus's own limit counts
			limit = g.bus.MaxMessageBytes()
		}
		buf := &message.Limit{Max: limit}
		err := message.Write(buf, head, lists, form, g.fetch(ctx))
		if errors.Is(err, message.ErrTooLarge) && form < message.NoEvents {
			continue
		}
		return buf.Bytes(), form, err
	}
}

func (g *Gate) headOf(c store.Claim) (message.Head, []message.List, int64) {
	head := message.Head{
		EventID: c.EventID, Date: c.Date, ServiceName: c.Service, TriggerType: c.TriggerType,
		ContentURL: g.contentURL(c.EventID),
	}
	lists, size := make([]message.List, len(c.Lists)), int64(0)
	for i, l := range c.Lists {
		lists[i] = message.List{
			Key: l.Key, Count: l.Count, Need: l.Need, Send: l.Send, First: l.First, Last: l.Last, Included: l.Included,
		}
		for _, ref := range l.Included {
			size += ref.Size
		}
	}
	return head, lists, size
}

// fetch reads events a page at a time: from memory if this instance has just
// stored them, from the store otherwise.
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

// attributes are EventSync's serviceName, the ids to deduplicate on, and the
// CloudEvents attributes in Pub/Sub's binding.
func (g *Gate) attributes(c store.Claim, form message.Form) map[string]string {
	attrs := map[string]string{
		"serviceName":    cut(c.Service),
		"eventID":        c.EventID,
		"claimID":        c.ID,
		"triggerType":    c.TriggerType,
		"content-type":   "application/json",
		"ce-specversion": "1.0",
		"ce-id":          c.EventID,
		"ce-source":      cut("/services/" + PathSegment(c.Service)),
		"ce-type":        "dev.headgate.sync.v1",
		"ce-time":        c.Date.Format(time.RFC3339Nano),
	}
	if form != message.Whole {
		attrs["claimCheck"] = "true"
	}
	return attrs
}

// cut shortens an attribute to what Pub/Sub takes; the message has it whole.
func cut(s string) string {
	if len(s) <= maxAttribute {
		return s
	}
	n := maxAttribute
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// WriteMessage writes the whole message of an eventID, as it was published or,
// if that was a claim check, with everything it stands for. ready is called
// once, before the first byte, when nothing but the reader can fail any more;
// size is -1 where the message is too large to be known whole by then.
// NotFound: no such message. Gone: its events have expired.
func (g *Gate) WriteMessage(ctx context.Context, eventID string, w io.Writer, ready func(size int)) error {
	c, err := g.claimOf(ctx, eventID)
	if err != nil {
		return err
	}
	head, lists, _ := g.headOf(c)
	room := g.answers.Hold()
	defer room.Release()
	if err := room.Resize(ctx, messageMemory(c, pageBytes)); err != nil {
		return err
	}
	buf := &message.Limit{Max: pageBytes}
	err = message.Write(buf, head, lists, message.Whole, g.fetch(ctx))
	switch {
	case errors.Is(err, message.ErrTooLarge):
		ready(-1)
		return message.Write(w, head, lists, message.Whole, g.fetch(ctx))
	case err != nil:
		return g.expired(err, eventID)
	}
	ready(len(buf.Bytes()))
	_, err = w.Write(buf.Bytes())
	return err
}
