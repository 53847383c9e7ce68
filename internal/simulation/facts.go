package simulation

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/memorystore"
)

// facts holds what the gate did in one step: in one request, or in one look.
type facts struct {
	lines []*Line
	gone  []string // ids of events that wait no more
	keys  []string // of the events that were stored or claimed
}

// begin begins a step.
func (s *simulator) begin() {
	s.step++
	s.facts = facts{lines: s.facts.lines[:0], gone: s.facts.gone[:0], keys: s.facts.keys[:0]}
}

// finish ends a step. The gate has done all of it, and is idle.
func (s *simulator) finish() error {
	for _, l := range s.facts.lines {
		l.step = s.step
		if !l.labelled {
			s.label(l)
		}
		if l.Kind == Expired { // several keys were swept at once
			for _, ids := range l.Events {
				slices.Sort(ids)
			}
		}
		s.lines = append(s.lines, l)
	}
	for _, id := range s.facts.gone {
		delete(s.labels, id)
	}
	for _, key := range s.facts.keys {
		if s.closes && !s.store.WaitsUnder(s.svc.ServiceName, key) {
			s.deadlines.remove(key)
		}
	}
	if len(s.lines) == 0 {
		return nil
	}
	return s.flush(s.horizon())
}

// horizon returns the instant before which no further line can be. Sweeps find later what
// has left its window.
func (s *simulator) horizon() time.Time {
	at := s.time()
	if first, waits := s.earliest(); waits && !s.closes && first.Before(at) {
		at = first
	}
	if !s.reset.IsZero() && s.reset.Before(at) {
		at = s.reset
	}
	return at
}

// label names the events of a line as their file does.
func (s *simulator) label(l *Line) {
	if len(s.labels) == 0 {
		return
	}
	for _, ids := range l.Events {
		for i, id := range ids {
			if label, ok := s.labels[id]; ok {
				ids[i] = label
			}
		}
	}
}

// recorder is the store of the simulated gate. It notes what the gate does to it.
type recorder struct {
	*memorystore.Store
	s *simulator
}

// Append notes the windows of the events.
func (r *recorder) Append(ctx context.Context, appends []store.Append) []store.AppendResult {
	results := r.Store.Append(ctx, appends)
	r.s.noting.Lock()
	defer r.s.noting.Unlock()
	for i, res := range results {
		if res.Err != nil || res.Duplicate {
			continue
		}
		if lost := res.Superseded; lost.ID != "" && lost.ID != appends[i].Event.ID {
			r.s.summary.Superseded++
			r.s.facts.gone = append(r.s.facts.gone, lost.ID)
		}
		if isLetter := appends[i].Endpoint.Key != appends[i].Event.Key; isLetter {
			continue // it is in no window
		}
		if p := appends[i].Place; p != nil && r.s.closes {
			r.s.deadlines.set(p.Key, r.s.gate.Earliest(p.At))
			r.s.facts.keys = append(r.s.facts.keys, p.Key)
		}
	}
	return results
}

// Claim notes the window that was released or closed.
//
// Nothing is sent, so a message counts as published once it is claimed. A sweep of a service
// that keeps its events would publish what is left of a window once some have left it. When
// depends on its scheduler alone, so it is refused, as if the message had been claimed before.
func (r *recorder) Claim(ctx context.Context, c store.Claim, taken []store.Taken) error {
	if r.s.sweeping && r.s.svc.Trigger.KeepEventAfterTrigger {
		return store.ErrConflict
	}
	if c.State == store.Claimed {
		c.State, c.PublishedAt, c.NextAttempt = store.Published, c.Date, time.Time{}
		c.ExpireAt, c.Targets = c.Date.Add(r.s.retention), nil
	}
	if err := r.Store.Claim(ctx, c, taken); err != nil {
		return err
	}
	r.s.noting.Lock()
	defer r.s.noting.Unlock()
	r.s.facts.lines = append(r.s.facts.lines, lineOf(c))
	r.s.alerted(c.Docs)
	for _, t := range taken {
		for _, p := range t.Pointers {
			r.s.facts.gone = append(r.s.facts.gone, p.ID)
		}
		for _, w := range t.Waiting {
			r.s.facts.gone = append(r.s.facts.gone, w.ID)
		}
	}
	key := ""
	if c.Window != nil {
		if key = c.Window.Key; c.Window.Reason != "" { // a single event, which was in no window
			return nil
		}
	}
	if r.s.svc.Trigger.KeepEventAfterTrigger {
		r.s.claims.add(key, c.Date, r.s.svc.Trigger.Period())
	}
	r.s.facts.keys = append(r.s.facts.keys, key)
	return nil
}

// lineOf returns the line of a claim.
func lineOf(c store.Claim) *Line {
	l := &Line{At: c.Date, Kind: Message, EventID: c.EventID, Have: map[string]int{}, Events: map[string][]string{}}
	for _, list := range c.Lists {
		if list.Count == 0 {
			continue
		}
		l.Have[list.Key] = list.Count
		ids := make([]string, len(list.Included))
		for i, m := range list.Included {
			ids[i] = m.ID
		}
		l.Events[list.Key] = ids
	}
	w := c.Window
	if w == nil {
		return l
	}
	l.Key = w.Key
	switch w.Completion {
	case store.Expired:
		l.Kind = Dropped
	case store.DeadLettered:
		l.Kind = DeadLetter
	default:
		l.Completion = w.Completion
	}
	if !w.Opened.IsZero() && !w.Closes.IsZero() {
		l.Opened, l.Closes = &w.Opened, &w.Closes
	}
	l.Reason = w.Reason
	for _, m := range w.Missing {
		l.Missing = append(l.Missing, Shortfall{EventKey: m.Key, Have: m.Have, Need: m.Need})
	}
	return l
}

// Discard notes the events that have left the plain set.
func (r *recorder) Discard(ctx context.Context, ep store.Endpoint, ps []store.Pointer) (int, error) {
	n, err := r.Store.Discard(ctx, ep, ps)
	r.s.noting.Lock()
	defer r.s.noting.Unlock()
	if n > 0 {
		for _, p := range ps {
			r.s.left(ep.Key, event.Waiting{Ref: p, At: p.ReceivedAt})
		}
	}
	return n, err
}

// DiscardWaiting notes the events that have left the set of a key.
func (r *recorder) DiscardWaiting(ctx context.Context, ep store.Endpoint, ws []store.Waiting) (int, error) {
	n, err := r.Store.DiscardWaiting(ctx, ep, ws)
	r.s.noting.Lock()
	defer r.s.noting.Unlock()
	if n > 0 {
		for _, w := range ws {
			r.s.left(ep.Key, w)
		}
	}
	return n, err
}

// left notes that an event has left its window.
func (s *simulator) left(eventKey string, w event.Waiting) {
	s.facts.gone = append(s.facts.gone, w.ID)
	s.facts.keys = append(s.facts.keys, w.Key)
	if s.claims.had(w.Key, w.ReceivedAt, s.svc.Trigger.Period()) {
		return
	}
	at := s.gate.Earliest(w.At)
	if reset := s.gate.NextReset(w.ReceivedAt.Add(-time.Nanosecond)); !reset.IsZero() && (s.closes || reset.Before(at)) {
		at = reset
	}
	i := slices.IndexFunc(s.facts.lines, func(l *Line) bool { return l.Kind == Expired && l.At.Equal(at) && l.Key == w.Key })
	if i < 0 {
		i = len(s.facts.lines)
		s.facts.lines = append(s.facts.lines, &Line{At: at, Kind: Expired, Key: w.Key, Have: map[string]int{}, Events: map[string][]string{}})
	}
	l := s.facts.lines[i]
	l.Have[eventKey]++
	l.Events[eventKey] = append(l.Events[eventKey], w.ID)
}

// claimTimes has the recent claims of each key of a service that keeps its events. Such a
// claim has every event of the window, although these go on waiting.
type claimTimes map[string][]time.Time

func (c *claimTimes) add(key string, at time.Time, period time.Duration) {
	if *c == nil {
		*c = claimTimes{}
	}
	kept := (*c)[key]
	for len(kept) > 0 && kept[0].Before(at.Add(-2*period)) {
		kept = kept[1:]
	}
	(*c)[key] = append(kept, at)
}

// had reports whether a claim had the event that was received at the instant.
func (c claimTimes) had(key string, receivedAt time.Time, period time.Duration) bool {
	return slices.ContainsFunc(c[key], func(at time.Time) bool { return !at.Before(receivedAt) && at.Sub(receivedAt) <= period })
}

// listener is a bus that takes every message. Those of windows are known from their claims.
type listener struct{}

// Publish implements [bus.Bus].
func (b *listener) Publish(context.Context, string, bus.Message) (string, error) { return "1", nil }

// Receive implements [bus.Bus].
func (b *listener) Receive(ctx context.Context, _ bus.Subscription, _ func(), _ func(context.Context, bus.Message) error) error {
	<-ctx.Done()
	return nil
}

// MaxMessageBytes implements [bus.Bus].
func (b *listener) MaxMessageBytes() int { return math.MaxInt32 }

// Ping implements [bus.Bus].
func (b *listener) Ping(context.Context, string) error { return nil }

// Close implements [bus.Bus].
func (b *listener) Close() error { return nil }
