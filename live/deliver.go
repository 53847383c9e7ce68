package live

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// goneVersion is the version of a client that was told that the entity is gone. No
// resolver's version begins with a zero byte.
const goneVersion = "\x00gone"

// deliver gives the result of a fetch to the group's clients. A Versioned client gets
// the state if it does not have it. A Plain one, whose version nobody knows, gets it if
// a change was announced (forced) or found by comparing. It returns the number of clients.
func (h *Hub) deliver(g *group, snap *snapshot, err error, forced bool) (clients int) {
	switch {
	case errors.Is(err, ErrDenied):
		h.tellDenied(g, forced, "forbidden", "not allowed for this secret")
		return 0
	case err != nil: // a *SecretError: fetch retries after any other
		h.refuseSecret(g, forced, err)
		return 0
	}
	version := snap.clientVersion()
	sh := h.shard(g.key)
	sh.mu.Lock()
	changed := !g.known && forced || g.known && g.version != version
	g.known, g.version = true, version
	clients = h.toEach(sh, g, func(s *subscription) {
		if s.denied && s.client.protocol == Versioned && s.have == nil {
			s.have = &s.version // it was told "forbidden", and now learns what there is
		}
		s.denied = false
		if s.have != nil {
			s.answerHave(snap)
		} else {
			s.take(g.key.ID, snap, forced, changed)
		}
	})
	if !forced && !changed {
		return 0
	}
	if clients += h.deliverToAny(g, snap); clients > 0 {
		h.o.Delivered(Delivery{At: h.o.Now().UTC(), Key: g.key, Version: snap.Version, Gone: snap.Gone, Clients: clients})
	}
	return clients
}

// deliverToAny gives the state to the subscriptions to all of its type, and returns how
// many there are.
func (h *Hub) deliverToAny(g *group, snap *snapshot) int {
	sh := h.shard(g.key.anyOfType())
	sh.mu.Lock()
	of := sh.find(g.key.anyOfType(), g.secret)
	if of == nil {
		sh.mu.Unlock()
		return 0
	}
	return h.toEach(sh, of, func(s *subscription) {
		if s.client.mayTake(g.key) {
			s.client.offer(s, g.key.ID, snap)
		}
	})
}

// toEach calls give for each subscription of the group and returns how many there are. The
// shard's lock is held at the beginning and in each call, but not between the calls, so that
// nobody waits for it until thousands of clients are served, and not at the end. The
// goroutines that do this are writers, too: what is needed to write to a client is still in
// the processor's cache.
func (h *Hub) toEach(sh *shard, g *group, give func(*subscription)) int {
	subs := slices.Collect(maps.Keys(g.subs))
	g.gives++
	sh.mu.Unlock()
	var begun atomic.Int64
	some := func(writes bool) {
		for {
			end := int(begun.Add(writeBatch))
			if end-writeBatch >= len(subs) {
				return
			}
			sh.mu.Lock()
			for _, s := range subs[end-writeBatch : min(end, len(subs))] {
				give(s)
			}
			sh.mu.Unlock()
			if writes {
				h.writeSome()
			}
		}
	}
	writes := h.writes.join()
	var helpers sync.WaitGroup
	for n := writeBatch; n < len(subs) && h.writes.join(); n += writeBatch {
		helpers.Go(func() {
			some(true)
			h.leaveWriters()
		})
	}
	some(writes)
	if writes {
		h.leaveWriters()
	}
	helpers.Wait()
	sh.mu.Lock()
	g.gives--
	sh.mu.Unlock()
	return len(subs)
}

// take offers the state to the client unless it has it; the shard's lock is held.
func (s *subscription) take(id string, snap *snapshot, forced, changed bool) {
	if s.client.protocol == Plain {
		if forced || changed {
			s.client.offer(s, id, snap)
		}
		return
	}
	version := snap.clientVersion()
	if s.version == version {
		return
	}
	if s.version == "" && !forced && !changed {
		return // we do not know its version, and nothing says that it is old
	}
	s.version = version
	s.client.offer(s, id, snap)
}

// answerHave answers a client that said which version it has; the shard's lock is held.
func (s *subscription) answerHave(snap *snapshot) {
	have := *s.have
	s.have = nil
	s.version = snap.clientVersion()
	r := reply{Entity: s.name.Entity, ID: &s.name.ID}
	switch {
	case snap.Gone:
		r.Type = "gone"
		s.client.inform(s, r.message(), false)
	case snap.Version != "" && snap.Version == have:
		r.Type, r.Version = "current", snap.Version
		s.client.inform(s, r.message(), false)
	default:
		s.client.offer(s, s.name.ID, snap)
	}
}

// tellUnavailable tells the group's Versioned clients that the entity cannot be read.
func (h *Hub) tellUnavailable(g *group) {
	sh := h.shard(g.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for s := range g.subs {
		s.fail("unavailable", "the entity cannot be read now; it is tried again")
	}
}

// tellDenied tells the group's Versioned clients why they do not get the entity: those
// that were not told yet, and all of them if a change was announced.
func (h *Hub) tellDenied(g *group, forced bool, code, message string) {
	sh := h.shard(g.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	g.known = false // a later fetch that is allowed must count as a new state
	for s := range g.subs {
		if forced || s.have != nil || !s.denied {
			s.fail(code, message)
		}
		s.denied, s.have = true, nil
	}
}

// fail tells a Versioned client what went wrong with the entity; the shard's lock is
// held. A Plain one cannot be told.
func (s *subscription) fail(code, message string) {
	if s.client.protocol == Versioned {
		s.client.inform(s, reply{Type: "error", Code: code, Message: message, Entity: s.name.Entity, ID: &s.name.ID}.message(), true)
	}
}
