package memorystore

import (
	"context"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// Append implements [store.Store]. It keeps the bytes of the events: their owner must not
// change them any more.
func (s *Store) Append(ctx context.Context, events []store.Append) []store.AppendResult {
	results := make([]store.AppendResult, len(events))
	if err := s.lock(ctx); err != nil {
		for i := range results {
			results[i].Err = err
		}
		return results
	}
	defer s.mu.Unlock()
	for i := range events {
		results[i] = s.add(&events[i])
	}
	return results
}

// add stores the event with its pointer, unless it is stored already.
func (s *Store) add(a *store.Append) store.AppendResult {
	e, svc := &a.Event, s.service(a.Endpoint.Service)
	if len(e.ID) != event.IDLen {
		return store.AppendResult{Err: fault.New(fault.Invalid, "%.40q is not the id of an event", e.ID)}
	}
	if old := svc.events[e.ID]; old != nil {
		stored := store.AppendResult{ReceivedAt: old.ReceivedAt}
		if a.Attempt != "" && a.Attempt == old.attempt {
			return stored
		}
		if !a.Forgotten(old.ReceivedAt) {
			stored.Duplicate = true
			return stored
		}
		svc.remove(e.ID)
		svc.put(event.ArchivedID(e.ID, old.ReceivedAt), old)
	}
	svc.names.prune(a.ForgetBefore)
	svc.messages.prune(e.ReceivedAt)
	if receivedAt, ok := svc.names.find(e.ID); ok && !a.Forgotten(receivedAt) {
		return store.AppendResult{ReceivedAt: receivedAt, Duplicate: true}
	}
	one := &stored{Event: *e, attempt: a.Attempt, expireAt: a.ExpireAt}
	one.ReceivedAt = one.ReceivedAt.UTC()
	ref := event.Ref{ID: e.ID, ReceivedAt: one.ReceivedAt, Size: int64(len(e.Content))}
	if s.options.Forget {
		one.Meta, one.Content = event.Meta{}, nil
	} else {
		ref.Size = e.Size()
	}
	svc.put(e.ID, one)
	s.expire(one.expireAt)
	result := store.AppendResult{ReceivedAt: one.ReceivedAt}
	if ep := s.endpoint(a.Endpoint); a.Place == nil {
		one.waits++
		ep.plain.put(ref)
	} else {
		result.Superseded = s.place(svc, ep, a.Place, ref, one)
	}
	s.release(svc, e.ID)
	return result
}

// place adds the pointer of an event to the set of its key. If the place has a slot, it
// returns the event that lost the slot.
func (s *Store) place(svc *service, ep *endpoint, p *store.Place, ref event.Ref, one *stored) (lost event.Ref) {
	w := store.Waiting{Ref: ref, Key: p.Key, At: p.At.UTC(), First: p.At.UTC(), Slot: p.Slot}
	if there, found := ep.inSlot(p.Key, p.Slot); found {
		over := !p.Over.IsZero() && !there.ReceivedAt.After(p.Over)
		if !over && (p.KeepFirst || there.ReceivedAt.After(ref.ReceivedAt)) {
			return ref
		}
		lost = there.Ref
		s.unwait(svc, ep, there)
		if !over {
			if w.First = there.First; p.HoldAt {
				w.At = there.At
			}
		}
	}
	one.waits++
	ep.wait(w)
	return lost
}

// unwait deletes a pointer of a key, and reports whether it was there.
func (s *Store) unwait(svc *service, ep *endpoint, w store.Waiting) bool {
	if !ep.unwait(w) {
		return false
	}
	s.unpoint(svc, w.Ref)
	return true
}

// unpoint notes that a pointer to the event is gone.
func (s *Store) unpoint(svc *service, ref event.Ref) {
	if e, id := svc.find(ref); e != nil {
		e.waits--
		s.release(svc, id)
	}
}

// expire notes that something expires at the instant.
func (s *Store) expire(at time.Time) {
	if !at.IsZero() && (s.expires.IsZero() || at.Before(s.expires)) {
		s.expires = at
	}
}

// Events implements [store.Store].
func (s *Store) Events(ctx context.Context, service string, members []store.Member) ([]event.Event, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	svc := s.service(service)
	out := make([]event.Event, len(members))
	for i, m := range members {
		e, _ := svc.find(m)
		if e == nil {
			return nil, store.ErrNotFound
		}
		out[i] = e.Event
		out[i].ID = m.ID
	}
	return out, nil
}
