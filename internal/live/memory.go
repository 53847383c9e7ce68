package live

import (
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
)

// These are the bytes that a client and its parts take, estimated on the high side.
// TestNothingWeighsMoreThanItCounts measures them.
const (
	clientWeight       = 32 << 10 // two buffers, a goroutine that reads, the socket
	subscriptionWeight = 1536     // beside four times its names
	entryWeight        = 384      // an entry of the queue, beside its frame
	stateWeight        = 1 << 10  // beside three times its rows: as they are, and as frames
	smallFrame         = 4 << 10  // a frame from a client up to this size is part of clientWeight
	frameCopies        = 4        // a larger one is in memory so many times while it is handled
)

// When memory becomes short, new clients and subscriptions are refused first, so that
// connected clients are still served. Then clients that do not read are closed. The rest of
// the budget is for short answers.
const (
	admitTo   = 70 // percent of the budget
	relieveAt = 85
	relieveTo = 75
)

// closeBusy is "try again later" (RFC 6455's registry).
const closeBusy = 1013

func (h *Hub) percent(n int64) int64 { return h.o.Memory.Live.Total() / 100 * n }

// admit takes memory for a client or a subscription, unless there is little left.
func (h *Hub) admit(weight int64) bool {
	live := h.o.Memory.Live
	if live == nil {
		return true
	}
	return live.Used()+weight <= h.percent(admitTo) && live.Try(weight)
}

// enter takes the memory of a client that is about to connect, with subscriptions
// of that weight.
func (h *Hub) enter(subscriptions int64) error {
	live := h.o.Memory.Live
	if live != nil && live.Used()+clientWeight+subscriptions > h.percent(admitTo) || !h.admit(clientWeight) {
		f := fault.New(fault.Unavailable, "this instance has no memory for another client: connect again later, or to another instance")
		f.RetryAfter = 5 * time.Second
		return f
	}
	return nil
}

func subscriptionOf(entity, id string) int64 {
	return subscriptionWeight + 4*int64(len(entity)+len(id))
}

// giveBack returns what the subscription weighs; it is idempotent, as removing is.
func (h *Hub) giveBack(s *subscription) { h.o.Memory.Live.Give(s.weight.Swap(0)) }

// snapshotOf returns the state, and takes its memory until the last client has been sent
// it. Where there is no room, clients that do not read are closed, and the others get
// time to read. It returns nil if there was no room after that, or the hub stopped. The
// caller drops the snapshot, and must hold no lock of the hub.
func (h *Hub) snapshotOf(state State) *snapshot {
	s := &snapshot{State: state, budget: h.o.Memory.Live, weight: stateWeight}
	for _, row := range state.Rows {
		s.weight += 3 * int64(len(row))
	}
	s.holders.Store(1)
	if s.budget == nil {
		return s
	}
	// To wait with the state at hand costs less than to read it again and again.
	for deadline := time.Now().Add(roomTimeout); !h.makeRoom(s.weight); {
		if s.weight > h.percent(relieveAt) || time.Now().After(deadline) {
			return nil
		}
		select {
		case <-h.stopped.Done():
			return nil
		case <-time.After(roomEvery):
		}
	}
	return s
}

// makeRoom takes the memory of a state if there is room, or can be made at once.
func (h *Hub) makeRoom(weight int64) bool {
	live, most := h.o.Memory.Live, h.percent(relieveAt)
	if live.Used()+weight > most {
		h.relieve(weight)
	}
	return live.Used()+weight <= most && live.Try(weight)
}

// keep counts one more client that the state is queued for.
func (s *snapshot) keep() {
	if s != nil {
		s.holders.Add(1)
	}
}

// drop undoes keep; the last one gives the memory back.
func (s *snapshot) drop() {
	if s != nil && s.holders.Add(-1) == 0 {
		s.budget.Give(s.weight)
	}
}

// patience is how long one write may block before a client counts as one that does not
// read. A client that reads, however slowly, ends a write in less.
const patience = 3 * time.Second

// After roomTimeout, every client that held a state at its beginning has read it or is
// closed. roomEvery is how often a state that waits looks for room.
const (
	roomTimeout = writeTimeout + patience
	roomEvery   = 50 * time.Millisecond
)

// relieve closes clients that do not read, those with the longest queues first,
// until there is room. Such a client misses nothing: it connects again, and says which
// versions it has. A client that reads slowly stays; where only such clients are left,
// there is no room, and changes are fetched more slowly instead.
func (h *Hub) relieve(room int64) {
	for h.o.Memory.Live.Used()+room > h.percent(relieveTo) {
		stuck, waits := (*Client)(nil), int64(0)
		h.mu.Lock()
		for c := range h.clients {
			if n := c.waits.Load(); n > waits && c.blockedFor() >= patience {
				stuck, waits = c, n
			}
		}
		h.mu.Unlock()
		if stuck == nil {
			return
		}
		stuck.close(closeBusy, "this client does not read, and its memory is needed")
	}
}

// blockedFor returns how long the client's present write has taken; 0: it has none.
func (c *Client) blockedFor() time.Duration {
	if since := c.writes.Load(); since != nil {
		return time.Since(*since)
	}
	return 0
}

// relieveSoon starts relieve in a goroutine, for callers that hold a lock.
func (h *Hub) relieveSoon() {
	if h.relieving.CompareAndSwap(false, true) && !h.spawn(func() {
		h.relieve(0)
		h.relieving.Store(false)
	}) {
		h.relieving.Store(false)
	}
}

// charge takes the memory of an entry that is about to be queued. If there is none, it
// reports false, and the client is closed soon. The caller holds c.mu.
func (c *Client) charge(p pending) bool {
	live := c.hub.o.Memory.Live
	if live == nil {
		return true
	}
	weight := p.weight()
	if !live.Try(weight) {
		c.hub.spawn(func() { c.close(closeBusy, "this instance has no memory for this client's queue") })
		return false
	}
	if live.Used() > c.hub.percent(relieveAt) {
		c.hub.relieveSoon()
	}
	p.state.keep()
	c.waits.Add(weight + p.shared())
	return true
}

// pace waits, if there is little memory left, until the client's answers are sent. No
// frame is read from the client meanwhile: otherwise one that sends faster than it reads
// would be closed although it does read.
func (c *Client) pace() {
	live := c.hub.o.Memory.Live
	if live == nil || live.Used() <= c.hub.percent(admitTo) {
		return
	}
	c.mu.Lock()
	if c.closed || c.notes == 0 {
		c.mu.Unlock()
		return
	}
	if c.answered == nil {
		c.answered = make(chan struct{})
	}
	answered := c.answered
	c.mu.Unlock()
	c.handling.Store(true) // its pong is not read, either
	<-answered
	c.handling.Store(false)
}

// proceed ends pace. The caller holds c.mu.
func (c *Client) proceed() {
	if c.answered != nil {
		close(c.answered)
		c.answered = nil
	}
}

// discharge gives back the memory that charge took.
func (c *Client) discharge(p pending) {
	live := c.hub.o.Memory.Live
	if live == nil {
		return
	}
	weight := p.weight()
	c.waits.Add(-weight - p.shared())
	live.Give(weight)
	p.state.drop()
}

func (p *pending) weight() int64 { return entryWeight + int64(len(p.frame)) }

// shared returns the weight of the state, which other clients' queues hold as well.
func (p *pending) shared() int64 {
	if p.state == nil {
		return 0
	}
	return p.state.weight
}
