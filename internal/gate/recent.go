package gate

import (
	"sync"

	"github.com/headgate/headgate/internal/event"
)

// recentEvents keeps the newest events in memory, up to a sum of bytes, first in first out.
// A claim usually follows its last events at once, and finds them here.
type recentEvents struct {
	mu    sync.Mutex
	max   int64
	bytes int64
	byID  map[string]event.Event
	order []event.Ref // ring: head is the oldest
	head  int
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
	return &recentEvents{max: maxBytes, byID: make(map[string]event.Event)}
}

func (r *recentEvents) add(e event.Event) {
	ref := event.Ref{ID: e.ID, ReceivedAt: e.ReceivedAt, Size: weigh(e)}
	if ref.Size > r.max/4 {
		return // one large event must not push out all the others
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.byID[e.ID]; ok {
		return
	}
	r.byID[e.ID] = e
	r.order = append(r.order, ref)
	r.bytes += ref.Size
	for r.bytes > r.max {
		r.dropOldest()
	}
	if r.head > len(r.order)/2 { // free the consumed half
		r.order = append(r.order[:0:0], r.order[r.head:]...)
		r.head = 0
	}
}

func (r *recentEvents) dropOldest() {
	ref := r.order[r.head]
	r.head++
	r.bytes -= ref.Size
	if e, ok := r.byID[ref.ID]; ok && e.ReceivedAt.Equal(ref.ReceivedAt) {
		delete(r.byID, ref.ID)
	}
}

// get returns the event with the reference's id and time. The id alone is not enough: it
// may have been used again after it was forgotten.
func (r *recentEvents) get(ref event.Ref) (event.Event, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.byID[ref.ID]
	return e, ok && e.ReceivedAt.Equal(ref.ReceivedAt)
}
