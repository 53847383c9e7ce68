package live

import "sync"

// pending is a message or a state that waits to be written.
type pending struct {
	slot  slot
	ready message // without wire: made of snap
	sub   *subscription
	id    string // of the entity
	snap  *snapshot
	under Name // the subscription to all of a type that it counts under

	yields     int // how often a newer state took a later place
	prev, next *pending

	// While it is written:
	at    int   // the message that is written now: a state may be several
	begun taken // of that message
}

// replace takes what another one brings, and keeps its place.
func (p *pending) replace(by *pending) {
	p.ready, p.sub, p.id, p.snap = by.ready, by.sub, by.id, by.snap
}

// spare holds what was written, for what waits next: a change makes one for each client.
var spare = sync.Pool{New: func() any { return new(pending) }}

// reuse gives p back. Nobody may use it any more.
func reuse(p *pending) {
	*p = pending{}
	spare.Put(p)
}

// slot is a place in what waits for a client. It holds one message or state: a newer one
// replaces it. An entity has two, so that an error does not replace a state.
type slot struct {
	Name
	failed bool
	seq    uint64 // of an answer, which nothing replaces; 0 otherwise
}

// fewWait is how many may wait before they are found by a map. To most clients one change
// is written after the other, and a map for each of these would cost more than the write.
const fewWait = 8

// queue is what waits for a client, in the order in which it is written.
type queue struct {
	first, last *pending
	n           int
	by          map[slot]*pending // nil while few wait
}

// find returns what waits in the slot, or nil.
func (q *queue) find(k slot) *pending {
	if q.by != nil {
		return q.by[k]
	}
	for p := q.first; p != nil; p = p.next {
		if p.slot == k {
			return p
		}
	}
	return nil
}

// push adds p behind all others.
func (q *queue) push(p *pending) {
	q.link(p)
	if q.n++; q.by != nil {
		q.by[p.slot] = p
	} else if q.n > fewWait {
		q.by = make(map[slot]*pending, 2*fewWait)
		for p := q.first; p != nil; p = p.next {
			q.by[p.slot] = p
		}
	}
}

// pop removes the first and returns it; nil: nothing waits.
func (q *queue) pop() *pending {
	p := q.first
	if p == nil {
		return nil
	}
	q.unlink(p)
	delete(q.by, p.slot)
	if q.n--; q.n == 0 {
		q.by = nil
	}
	return p
}

// moveToBack puts p behind all others.
func (q *queue) moveToBack(p *pending) {
	q.unlink(p)
	q.link(p)
}

func (q *queue) link(p *pending) {
	p.prev, p.next = q.last, nil
	if q.last == nil {
		q.first = p
	} else {
		q.last.next = p
	}
	q.last = p
}

func (q *queue) unlink(p *pending) {
	if p.prev == nil {
		q.first = p.next
	} else {
		p.prev.next = p.next
	}
	if p.next == nil {
		q.last = p.prev
	} else {
		p.next.prev = p.prev
	}
	p.prev, p.next = nil, nil
}
