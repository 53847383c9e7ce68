package live

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"
)

// refresh has the group's entity fetched, soon; the shard's lock is held.
func (h *Hub) refresh(g *group) {
	if g.dirty = true; g.fetching || h.stopped.Err() != nil {
		return
	}
	g.fetching = h.spawn(func() { h.fetchLoop(g) })
}

// fetchLoop fetches until nothing changed since the last fetch began.
func (h *Hub) fetchLoop(g *group) {
	sh := h.shard(g.key)
	failures := 0
	for {
		sh.mu.Lock()
		wait := time.Until(g.last.Add(h.o.Coalesce))
		sh.mu.Unlock()
		if !h.pause(wait) {
			return
		}
		slots := h.fetch[0]
		if g.resolver.PerSecret() { // somebody else's, who may hang
			slots = h.fetch[1]
		}
		select {
		case slots <- struct{}{}:
		case <-h.stopped.Done():
			return
		}
		sh.mu.Lock()
		g.dirty, g.last = false, time.Now() // what changes from here on is another fetch's
		forced := g.forced
		g.forced = false
		sh.mu.Unlock()

		ctx, cancel := context.WithTimeout(h.stopped, fetchTimeout)
		state, err := g.resolver.Resolve(ctx, g.key, g.secret)
		cancel()
		<-slots

		again := err != nil && !errors.Is(err, ErrDenied)
		if again {
			if failures++; failures == maxAttempts {
				h.o.Log.Warn("an entity cannot be fetched for its subscribers: trying again", "entity", g.key.Entity(), "id", g.key.ID, "error", err)
				h.unavailable(g)
			}
			again = failures < maxAttempts || h.wanted(g)
		} else {
			failures = 0
			h.deliver(g, state, err, forced)
		}
		sh.mu.Lock()
		if again {
			g.dirty = true
			g.forced = g.forced || forced
		}
		if until := time.Until(g.last.Add(h.o.Coalesce)); !g.dirty && len(g.subs) == 0 && until > 0 {
			sh.mu.Unlock() // it is kept for as long as its next fetch would have to wait
			if !h.pause(until) {
				return
			}
			sh.mu.Lock()
		}
		if !g.dirty {
			g.fetching = false
			sh.tidy(g)
			sh.mu.Unlock()
			return
		}
		sh.mu.Unlock()
		if again && !h.pause(backoff(failures)) {
			return
		}
	}
}

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

func (h *Hub) pause(d time.Duration) bool {
	if d <= 0 {
		return h.stopped.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-h.stopped.Done():
		return false
	}
}

// deliver gives the state to the subscribers: to clients of protocol 2 if it is
// new to them, to plain ones if somebody said that it changed.
func (h *Hub) deliver(g *group, state State, err error, forced bool) {
	if errors.Is(err, ErrDenied) {
		h.forbidden(g, forced)
		return
	}
	version := state.Version
	if state.Gone {
		version = goneVersion
	}
	snap := &snapshot{State: state}
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
	defer func() { h.note(g.key, &state, clients) }()
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
