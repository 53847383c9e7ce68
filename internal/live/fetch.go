package live

import (
	"context"
	"errors"
	"math/rand/v2"
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
		select {
		case h.fetch <- struct{}{}:
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
		<-h.fetch

		again := err != nil && !errors.Is(err, ErrDenied)
		if again {
			if failures++; failures >= maxAttempts {
				h.o.Log.Warn("an entity could not be fetched for its subscribers", "entity", g.key.Entity(), "id", g.key.ID, "error", err)
				h.tell(g, reply{Type: "error", Code: "unavailable", Message: "the entity cannot be read now"})
				again = false
			}
		} else {
			failures = 0
			h.deliver(g, state, err, forced)
		}
		sh.mu.Lock()
		if again {
			g.dirty = true
			g.forced = g.forced || forced
		}
		if !g.dirty {
			g.fetching = false
			sh.tidy(g)
			sh.mu.Unlock()
			return
		}
		sh.mu.Unlock()
		if again && !h.pause(time.Duration(50<<failures)*time.Millisecond+rand.N(50*time.Millisecond)) {
			return
		}
	}
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
		h.tell(g, reply{Type: "error", Code: "forbidden", Message: "not allowed for this secret"})
		return
	}
	sh := h.shard(g.key)
	sh.mu.Lock()
	changed := g.state == nil && forced || g.state != nil && (g.state.Version != state.Version || g.state.Gone != state.Gone)
	g.state = &state
	for s := range g.subs {
		if s.asks != nil {
			s.reply(&state)
		} else {
			s.take(g.key.ID, &state, forced, changed)
		}
	}
	sh.mu.Unlock()
	if !forced && !changed {
		return
	}
	all := h.shard(Key{g.key.Org, g.key.Type, Any})
	all.mu.Lock()
	defer all.mu.Unlock()
	if t := all.topics[Key{g.key.Org, g.key.Type, Any}]; t != nil {
		if of := t.groups[g.secret]; of != nil {
			for s := range of.subs {
				if s.client.mayTake(g.key) {
					s.client.offer(s, g.key.ID, &state)
				}
			}
		}
	}
}

// take offers the state to the client, unless it has it.
func (s *subscription) take(id string, state *State, forced, changed bool) {
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

// tell sends an answer to the group's clients of protocol 2.
func (h *Hub) tell(g *group, r reply) {
	sh := h.shard(g.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for s := range g.subs {
		if s.client.protocol == 2 {
			r.Entity, r.ID = s.name.entity, s.name.id
			s.client.note(r.frame())
		}
	}
}
