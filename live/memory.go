package live

import (
	"net/http"
	"time"
)

// These are the bytes that clients take, estimated on the high side: TestNothingWeighsMoreThanItCounts
// measures it.
const (
	clientWeight       = 32 << 10 // a goroutine that reads, the socket, what connecting leaves to collect
	subscriptionWeight = 1536     // beside four times its names
	entryWeight        = 384      // of what waits, beside the frame
	stateWeight        = 1 << 10  // beside three times its rows: as they are, and as frames
	smallFrame         = 4 << 10  // from a client; part of its weight
	frameCopies        = 4        // of a larger one while it is handled
)

// Most clients read, and few do not. New clients and subscriptions are refused first, so
// that connected ones can be served. Then clients that do not read are closed. The rest
// is for short answers.
const (
	admitTo   = 70 // percent of MaxMemory
	relieveAt = 85
	relieveTo = 75
)

// patience is the time for which one write may block. Then the client counts as one that
// does not read. A client that reads, however slowly, ends a write in less.
const patience = 3 * time.Second

// After roomTimeout, every client that held a state at its beginning has read it or is
// closed. roomEvery is how often a state that waits looks for room.
const (
	roomTimeout = writeTimeout + patience
	roomEvery   = 50 * time.Millisecond
)

func (h *Hub) percent(n int64) int64 { return h.memory.Total() / 100 * n }

// admit takes memory for a client or a subscription. It returns false if too little is
// left.
func (h *Hub) admit(weight int64) bool {
	if h.memory == nil {
		return true
	}
	return h.memory.Used()+weight <= h.percent(admitTo) && h.memory.Try(weight)
}

// admitClient takes the memory of a client that is about to connect. The client is
// refused as well if there is no room for its subscriptions, which have this weight.
func (h *Hub) admitClient(subscriptions int64) error {
	if h.memory != nil && h.memory.Used()+clientWeight+subscriptions > h.percent(admitTo) || !h.admit(clientWeight) {
		return refuse(http.StatusServiceUnavailable, "this instance has no memory for another client: connect again later, or to another instance", 5*time.Second)
	}
	return nil
}

func weightOf(name Name) int64 {
	return subscriptionWeight + 4*int64(len(name.Entity)+len(name.ID))
}

// freeSubscription returns what the subscription weighs. It is idempotent, as removing
// is.
func (h *Hub) freeSubscription(s *subscription) { h.memory.Give(s.weight.Swap(0)) }

// snapshotOf returns the state with the memory that it takes until the last client has
// it. Where there is no room, clients that do not read are closed, and the others get
// time to read. It returns nil if there was no room after that, or the hub stopped. The
// caller drops the snapshot, and holds no lock of the hub's.
func (h *Hub) snapshotOf(state State) *snapshot {
	s := &snapshot{State: state, memory: h.memory, weight: stateWeight}
	s.rows = rowMessages(&s.State)
	for _, row := range state.Rows {
		s.weight += 3 * int64(len(row))
	}
	s.holders.Store(1)
	if h.memory == nil {
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
	most := h.percent(relieveAt)
	if h.memory.Used()+weight > most {
		h.relieve(weight)
	}
	return h.memory.Used()+weight <= most && h.memory.Try(weight)
}

// keep counts a client that the state waits for.
func (s *snapshot) keep() {
	if s != nil {
		s.holders.Add(1)
	}
}

// drop undoes keep. The last drop frees the memory.
func (s *snapshot) drop() {
	if s != nil && s.holders.Add(-1) == 0 {
		s.memory.Give(s.weight)
	}
}

// relieve closes clients that do not read, those for whom most waits first, until there
// is room. Such a client has lost nothing: it reconnects and says which versions it has.
// A client that reads slowly stays. Where only such clients are left there is no room,
// and changes are fetched more slowly instead.
func (h *Hub) relieve(room int64) {
	for h.memory.Used()+room > h.percent(relieveTo) {
		stuck, waits := (*client)(nil), int64(0)
		h.mu.Lock()
		for c := range h.members {
			if n := c.waits.Load(); n > waits && c.blockedFor() >= patience {
				stuck, waits = c, n
			}
		}
		h.mu.Unlock()
		if stuck == nil {
			return
		}
		stuck.drop(closeBusy, "it does not keep up, and the memory is needed")
	}
}

// relieveSoon runs relieve in a goroutine, for callers that hold a lock.
func (h *Hub) relieveSoon() {
	if h.relieving.CompareAndSwap(false, true) && !h.spawn(func() {
		h.relieve(0)
		h.relieving.Store(false)
	}) {
		h.relieving.Store(false)
	}
}

// blockedFor returns how long the client's present write has taken, or 0 if there is
// none.
func (c *client) blockedFor() time.Duration {
	if since := c.writes.Load(); since != nil {
		return time.Since(*since)
	}
	return 0
}

// charge takes the memory of p, which is to wait. c.mu is held. If there is none, charge
// returns false, and the client is closed soon.
func (c *client) charge(p *pending) bool {
	memory := c.hub.memory
	if memory == nil {
		return true
	}
	weight := p.weight()
	if !memory.Try(weight) {
		c.hub.spawn(func() { c.drop(closeBusy, "there is no memory for what waits for it") })
		return false
	}
	if memory.Used() > c.hub.percent(relieveAt) {
		c.hub.relieveSoon()
	}
	p.snap.keep()
	c.waits.Add(weight + p.sharedWeight())
	return true
}

// discharge returns what charge took.
func (c *client) discharge(p *pending) {
	if c.hub.memory == nil {
		return
	}
	weight := p.weight()
	c.waits.Add(-weight - p.sharedWeight())
	c.hub.memory.Give(weight)
	p.snap.drop()
}

func (p *pending) weight() int64 { return entryWeight + int64(len(p.ready.wire)) }

// sharedWeight returns the weight of what waits for other clients as well.
func (p *pending) sharedWeight() int64 {
	if p.snap == nil {
		return 0
	}
	return p.snap.weight
}

// pace waits, if little memory is left, until the client's answers are written. No frame
// is read from it meanwhile. Without that, a client that sends faster than it reads
// would be closed for answers that it is going to read.
func (c *client) pace() {
	memory := c.hub.memory
	if memory == nil || memory.Used() <= c.hub.percent(admitTo) {
		return
	}
	c.mu.Lock()
	if c.closed || c.answers == 0 {
		c.mu.Unlock()
		return
	}
	if c.answersSent == nil {
		c.answersSent = make(chan struct{})
	}
	sent := c.answersSent
	c.mu.Unlock()
	c.handling.Store(true) // its pong is not read either, see beat
	<-sent
	c.handling.Store(false)
}

// endPace ends pace. c.mu is held.
func (c *client) endPace() {
	if c.answersSent != nil {
		close(c.answersSent)
		c.answersSent = nil
	}
}
