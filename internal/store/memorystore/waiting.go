package memorystore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// keySet is the set of one key of an endpoint.
type keySet struct {
	list  []store.Waiting          // in order, while it is short
	many  *ordered[store.Waiting]  // the same, once it is long; then list is nil
	slots map[string]store.Waiting // those with a slot
}

// long is the length from which the set of a key is kept in chunks.
const long = 64

func (k *keySet) len() int {
	if k.many != nil {
		return k.many.len()
	}
	return len(k.list)
}

func (k *keySet) put(w store.Waiting) {
	if k.many == nil && len(k.list) == long {
		k.many = newOrdered(event.Waiting.Compare)
		for _, old := range k.list {
			k.many.put(old)
		}
		k.list = nil
	}
	if k.many != nil {
		k.many.put(w)
		return
	}
	at, found := slices.BinarySearchFunc(k.list, w, event.Waiting.Compare)
	if found {
		k.list[at] = w
		return
	}
	k.list = slices.Insert(k.list, at, w)
}

func (k *keySet) remove(w store.Waiting) bool {
	if k.many != nil {
		_, ok := k.many.remove(w)
		return ok
	}
	at, ok := slices.BinarySearchFunc(k.list, w, event.Waiting.Compare)
	if ok {
		k.list = slices.Delete(k.list, at, at+1)
	}
	return ok
}

// in returns the pointers in the span, at most limit unless that is 0.
func (k *keySet) in(span store.Span, limit int) (ws []store.Waiting) {
	before := func(w store.Waiting) bool { return w.At.Before(span.From) }
	if k.many == nil {
		from, _ := slices.BinarySearchFunc(k.list, span.From, func(w store.Waiting, t time.Time) int { return cmp.Or(w.At.Compare(t), 1) })
		rest := k.list[from:]
		n := 0
		for n < len(rest) && (limit == 0 || n < limit) && span.Has(rest[n].At) {
			n++
		}
		return slices.Clone(rest[:n])
	}
	for w := range k.many.from(before) {
		if !span.Has(w.At) || limit > 0 && len(ws) == limit {
			break
		}
		ws = append(ws, w)
	}
	return ws
}

// inSlot returns the pointer that waits in the slot of the key.
func (e *endpoint) inSlot(key, slot string) (w store.Waiting, ok bool) {
	k := e.keys[key]
	if slot == "" || k == nil {
		return w, false
	}
	w, ok = k.slots[slot]
	return w, ok
}

func (e *endpoint) wait(w store.Waiting) {
	k := e.keys[w.Key]
	if k == nil {
		k = new(keySet)
		e.keys[w.Key] = k
	}
	if w.Slot != "" {
		if k.slots == nil {
			k.slots = map[string]store.Waiting{}
		}
		k.slots[w.Slot] = w
	}
	k.put(w)
	e.all.put(w)
}

// unwait deletes the pointer, and reports whether it was there. Its id and time tell it from
// one that has taken its slot.
func (e *endpoint) unwait(w store.Waiting) bool {
	k := e.keys[w.Key]
	if k == nil || !k.remove(w) {
		return false
	}
	if there, ok := k.slots[w.Slot]; ok && there.ID == w.ID {
		delete(k.slots, w.Slot)
	}
	if k.len() == 0 {
		delete(e.keys, w.Key)
	}
	e.all.remove(w)
	return true
}

// has reports whether the pointer waits.
func (e *endpoint) has(w store.Waiting) bool {
	there, ok := e.all.get(w)
	return ok && there.Key == w.Key
}

// WaitingOf implements [store.Windows].
func (s *Store) WaitingOf(ctx context.Context, ep store.Endpoint, key string, in store.Span, _ bool, limit int) ([]store.Waiting, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	k := s.endpoint(ep).keys[key]
	if k == nil {
		return nil, nil
	}
	return k.in(in, limit), nil
}

// WaitingUpTo implements [store.Windows].
func (s *Store) WaitingUpTo(ctx context.Context, ep store.Endpoint, upTo time.Time, after *store.Cursor, limit int) ([]store.Waiting, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	before := none[store.Waiting]
	if after != nil {
		last := store.Waiting{Ref: event.Ref{ID: after.ID}, At: after.Date}
		before = func(w store.Waiting) bool { return w.Compare(last) <= 0 }
	}
	var ws []store.Waiting
	for w := range s.endpoint(ep).all.from(before) {
		if len(ws) == limit || !upTo.IsZero() && w.At.After(upTo) {
			break
		}
		ws = append(ws, w)
	}
	return ws, nil
}

// CountWaiting implements [store.Windows].
func (s *Store) CountWaiting(ctx context.Context, ep store.Endpoint, limit int) (int, error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	n := s.endpoint(ep).all.len()
	if limit > 0 {
		n = min(n, limit)
	}
	return n, nil
}

// DiscardWaiting implements [store.Windows].
func (s *Store) DiscardWaiting(ctx context.Context, ep store.Endpoint, ws []store.Waiting) (n int, err error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	e, svc := s.endpoint(ep), s.service(ep.Service)
	for _, w := range ws {
		if s.unwait(svc, e, w) {
			n++
		}
	}
	return n, nil
}
