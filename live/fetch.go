package live

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// fetchQueue is the groups whose entity is to be fetched now. Workers take them in
// order, and are there only while something waits: a group that waits, for its
// time or for its turn, costs no goroutine.
type fetchQueue struct {
	mu      sync.Mutex
	waiting []*group
	workers int
	most    int // workers
}

// refresh has the group's entity fetched, soon; the shard's lock is held.
func (h *Hub) refresh(g *group) {
	if g.dirty = true; g.fetching || h.stopped.Err() != nil {
		return
	}
	g.fetching = true
	h.later(g, time.Until(g.last.Add(h.o.Coalesce)))
}

// later has the group looked at after the time.
func (h *Hub) later(g *group, wait time.Duration) {
	if wait > 0 {
		time.AfterFunc(wait, func() { h.due(g) })
	} else {
		h.enqueue(g)
	}
}

// due has the group's entity fetched, unless there is no need to any more.
func (h *Hub) due(g *group) {
	sh := h.shard(g.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if g.dirty {
		h.enqueue(g)
		return
	}
	g.fetching = false
	sh.tidy(g)
}

func (h *Hub) enqueue(g *group) {
	q := &h.fetches[0]
	if g.resolver.PerSecret() { // somebody else's, who may hang
		q = &h.fetches[1]
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, g)
	if q.workers < q.most && h.spawn(func() { h.work(q) }) {
		q.workers++
	}
}

// work fetches until nothing waits.
func (h *Hub) work(q *fetchQueue) {
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 || h.stopped.Err() != nil {
			q.waiting = nil
			q.workers--
			q.mu.Unlock()
			return
		}
		g := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.mu.Unlock()
		h.fetch(g)
	}
}

// fetch fetches the group's entity, delivers it, and says when the group is to be
// looked at again.
func (h *Hub) fetch(g *group) {
	sh := h.shard(g.key)
	sh.mu.Lock()
	g.dirty, g.last = false, time.Now() // what changes from here on is another fetch's
	forced := g.forced
	g.forced = false
	sh.mu.Unlock()

	ctx, cancel := context.WithTimeout(h.stopped, fetchTimeout)
	state, err := g.resolver.Resolve(ctx, g.key, g.secret)
	cancel()
	var snap *snapshot
	if err == nil {
		if snap = h.snapshotOf(state); snap == nil {
			err = errNoMemory
		}
	}
	again := err != nil && !errors.Is(err, ErrDenied)
	if again {
		if g.failures++; g.failures == maxAttempts {
			h.o.Log.Warn("an entity cannot be fetched for its subscribers: trying again", "entity", g.key.Entity(), "id", g.key.ID, "error", err)
			h.unavailable(g)
		}
		again = g.failures < maxAttempts || h.wanted(g)
	} else {
		g.failures = 0
		h.deliver(g, snap, err, forced)
		snap.drop()
	}

	sh.mu.Lock()
	defer sh.mu.Unlock()
	wait := time.Until(g.last.Add(h.o.Coalesce))
	switch {
	case again:
		g.dirty = true
		g.forced = g.forced || forced
		h.later(g, max(wait, backoff(g.failures)))
	case g.dirty:
		h.later(g, wait)
	case len(g.subs) == 0 && wait > 0: // it is kept for as long as its next fetch would have to wait
		h.later(g, wait)
	default:
		g.fetching, g.failures = false, 0
		sh.tidy(g)
	}
}

var errNoMemory = errors.New("live: no memory for the state: clients do not read what waits for them")

// backoff grows from 100 ms to 13 s.
func backoff(failures int) time.Duration {
	least := 50 * time.Millisecond << min(failures, 8)
	return least + rand.N(least/4)
}

// wanted is whether anybody waits for the entity.
func (h *Hub) wanted(g *group) bool {
	sh := h.shard(g.key)
	sh.mu.Lock()
	n := len(g.subs)
	sh.mu.Unlock()
	return n > 0 || slices.Contains(h.secretsOf(Key{g.key.Org, g.key.Type, Any}), g.secret)
}

// deliver gives the state to the subscribers: to clients of protocol 2 if it is
// new to them, to plain ones if somebody said that it changed.
func (h *Hub) deliver(g *group, snap *snapshot, err error, forced bool) {
	if errors.Is(err, ErrDenied) {
		h.forbidden(g, forced)
		return
	}
	version := snap.Version
	if snap.Gone {
		version = goneVersion
	}
	sh := h.shard(g.key)
	sh.mu.Lock()
	changed := !g.known && forced || g.known && g.version != version
	g.known, g.version = true, version
	clients := len(g.subs)
	for s := range g.subs {
		if s.denied && s.client.protocol == 2 && s.asks == nil {
			s.asks = &s.version // it was told that it may not
		}
		s.denied = false
		if s.asks != nil {
			s.reply(snap)
		} else {
			s.take(g.key.ID, snap, forced, changed)
		}
	}
	sh.mu.Unlock()
	if !forced && !changed {
		return
	}
	defer func() { h.note(g.key, &snap.State, clients) }()
	all := h.shard(Key{g.key.Org, g.key.Type, Any})
	all.mu.Lock()
	defer all.mu.Unlock()
	if t := all.topics[Key{g.key.Org, g.key.Type, Any}]; t != nil {
		if of := t.groups[g.secret]; of != nil {
			clients += len(of.subs)
			for s := range of.subs {
				if s.client.mayTake(g.key) {
					s.client.offer(s, g.key.ID, snap)
				}
			}
		}
	}
}

// take offers the state to the client, unless it has it.
func (s *subscription) take(id string, state *snapshot, forced, changed bool) {
	if s.client.protocol == 1 {
		if forced || changed {
			s.client.offer(s, id, state)
		}
		return
	}
	if s.version == state.Version && !state.Gone {
		return
	}
	if state.Gone && s.version == goneVersion {
		return
	}
	if s.version == "" && !forced && !changed {
		return // what it has is not known, and nothing says that it is old
	}
	s.version = state.Version
	if state.Gone {
		s.version = goneVersion
	}
	s.client.offer(s, id, state)
}

// goneVersion is what a client has that was told that there is nothing.
const goneVersion = "\x00gone"

func (c *Client) mayTake(k Key) bool { return c.allowed == nil || c.allowed(k) }

// unavailable tells the group's clients of protocol 2.
func (h *Hub) unavailable(g *group) {
	sh := h.shard(g.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for s := range g.subs {
		s.fail("unavailable", "the entity cannot be read now; it is tried again")
	}
}

// forbidden tells the group's clients of protocol 2: those who do not know yet, and
// all if somebody said that the entity changed.
func (h *Hub) forbidden(g *group, forced bool) {
	sh := h.shard(g.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	g.known = false // what follows when it is allowed again is new
	for s := range g.subs {
		if forced || s.asks != nil || !s.denied {
			s.fail("forbidden", "not allowed for this secret")
		}
		s.denied, s.asks = true, nil
	}
}

// fail tells the client what went wrong with the entity, if its protocol can.
func (s *subscription) fail(code, message string) {
	if s.client.protocol == 2 {
		s.client.inform(s, reply{Type: "error", Code: code, Message: message, Entity: s.name.entity, ID: s.name.id}.frame(), true)
	}
}
