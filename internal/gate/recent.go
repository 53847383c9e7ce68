package gate

import (
	"slices"
	"sync"

	"github.com/headgate/headgate/internal/event"
)

// recentEvents keeps the newest events in memory until they are published, up to a sum of
// bytes, first in first out. A claim usually follows its last events at once, and finds them
// here.
type recentEvents struct {
	mu    sync.Mutex
	max   int64
	bytes int64
	byID  map[string]recentEvent
	order []event.Ref // ring: head is the oldest; some may be forgotten
	head  int
}

type recentEvent struct {
	event.Event
	weight int64
}

// weigh estimates the memory that an event takes.
func weigh(e event.Event) int64 {
	n := 512 + len(e.Content) + len(e.Meta.RawQuery)
	for _, m := range [...]map[string][]string{e.Meta.Headers, e.Meta.Query} {
		for k, vs := range m {
			n += 64 + len(k)
			for _, v := range vs {
				n += 16 + len(v)
			}
		}
	}
	for k, v := range e.Meta.CloudEvent {
		n += 64 + len(k) + len(v)
	}
	return int64(n)
}

func newRecentEvents(maxBytes int64) *recentEvents {
	return &recentEvents{max: maxBytes, byID: make(map[string]recentEvent)}
}

func (r *recentEvents) add(e event.Event) {
	weight := weigh(e)
	if weight > r.max/4 {
		return // one large event must not push out all the others
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.byID[e.ID]; ok {
		return
	}
	r.byID[e.ID] = recentEvent{e, weight}
	r.order = append(r.order, event.Ref{ID: e.ID, ReceivedAt: e.ReceivedAt})
	r.bytes += weight
	for r.bytes > r.max {
		r.drop(r.order[r.head])
		r.head++
	}
	if len(r.order) > 2*len(r.byID)+64 { // free what is consumed or forgotten
		r.order = slices.DeleteFunc(slices.Clone(r.order[r.head:]), func(ref event.Ref) bool { _, ok := r.find(ref); return !ok })
		r.head = 0
	}
}

// forget drops events that are published, so that they take no memory until they are old.
func (r *recentEvents) forget(lists []event.List) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range lists {
		for _, ref := range l.Included {
			r.drop(ref)
		}
	}
}

func (r *recentEvents) drop(ref event.Ref) {
	if e, ok := r.find(ref); ok {
		r.bytes -= e.weight
		delete(r.byID, ref.ID)
	}
}

// find returns the event with the reference's id and time. The id alone is not enough: it
// may have been used again after it was forgotten.
func (r *recentEvents) find(ref event.Ref) (recentEvent, bool) {
	e, ok := r.byID[ref.ID]
	return e, ok && e.ReceivedAt.Equal(ref.ReceivedAt)
}

// get returns the event of the reference if it is in memory.
func (r *recentEvents) get(ref event.Ref) (event.Event, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.find(ref)
	return e.Event, ok
}
