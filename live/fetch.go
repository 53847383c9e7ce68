package live

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	fetchTimeout = 10 * time.Second
	maxFetches   = 64      // at once, of each queue
	fetchWeight  = 8 << 20 // bytes that one fetch may hold
	maxAttempts  = 6       // before subscribers are told
)

// fetchQueue holds the groups whose entity is to be fetched now. Its workers exist only
// while groups wait in it. A group that waits, for its time or for a worker, costs no
// goroutine: many thousands may wait after an outage.
type fetchQueue struct {
	mu         sync.Mutex
	waiting    []*group
	workers    int
	maxWorkers int
}

// refresh requests a fetch of the group's entity; the shard's lock is held. Fetches of
// a group never overlap: a request during one leads to another after it, which is what
// keeps states in order.
func (h *Hub) refresh(g *group) {
	if g.dirty = true; g.fetching || h.stopped.Err() != nil {
		return
	}
	g.fetching = true
	h.enqueueAfter(g, time.Until(g.last.Add(h.o.Coalesce)))
}

// enqueueAfter enqueues the group after the wait, if it still needs a fetch then.
func (h *Hub) enqueueAfter(g *group, wait time.Duration) {
	if wait > 0 {
		time.AfterFunc(wait, func() { h.due(g) })
	} else {
		h.enqueue(g)
	}
}

// due enqueues the group if it needs a fetch, and drops it otherwise.
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

// enqueue puts the group into the queue of its kind. Resolvers per secret are often
// another service, which may hang: they must not take the workers of the others.
func (h *Hub) enqueue(g *group) {
	q := &h.fetches[0]
	if g.resolver.PerSecret() {
		q = &h.fetches[1]
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, g)
	if q.workers < q.maxWorkers && h.spawn(func() { h.work(q) }) {
		q.workers++
	}
}

// work fetches until the queue is empty.
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

// fetch fetches the group's entity, delivers it, and arranges the group's next fetch.
func (h *Hub) fetch(g *group) {
	sh := h.shard(g.key)
	sh.mu.Lock()
	g.dirty, g.last = false, time.Now() // a change from here on needs another fetch
	forced, traceparent := g.forced, g.traceparent
	g.forced, g.traceparent = false, ""
	sh.mu.Unlock()

	ctx, cancel := context.WithTimeout(announcedIn(h.stopped, forced), fetchTimeout)
	clients, end := 0, func(int, error) {}
	if traceparent != "" {
		ctx, end = h.o.Trace(ctx, g.key, traceparent)
	}
	state, err := g.resolver.Resolve(ctx, g.key, g.secret)
	cancel()
	var snap *snapshot
	if err == nil {
		if snap = h.snapshotOf(state); snap == nil {
			err = errNoMemory
		}
	}
	_, ofSecret := errors.AsType[*SecretError](err)
	retry := err != nil && !errors.Is(err, ErrDenied) && !ofSecret
	if retry {
		if g.failures++; g.failures == maxAttempts {
			h.o.Log.Warn("an entity cannot be fetched for its subscribers: trying again", "entity", g.key.Entity(), "id", g.key.ID, "error", err)
			h.tellUnavailable(g)
		}
		retry = g.failures < maxAttempts || h.wanted(g)
	} else {
		g.failures = 0
		clients = h.deliver(g, snap, err, forced)
		snap.drop()
	}
	end(clients, err)

	sh.mu.Lock()
	defer sh.mu.Unlock()
	wait := time.Until(g.last.Add(h.o.Coalesce))
	switch {
	case retry:
		g.dirty = true
		g.forced, g.traceparent = g.forced || forced, cmp.Or(g.traceparent, traceparent)
		h.enqueueAfter(g, max(wait, backoff(g.failures)))
	case g.dirty:
		h.enqueueAfter(g, wait)
	case len(g.subs) == 0 && wait > 0:
		// Only subscriptions to all of the type use this group. Without it the next
		// change would be fetched at once: it is kept until Coalesce is over.
		h.enqueueAfter(g, wait)
	default:
		g.fetching, g.failures = false, 0
		sh.tidy(g)
	}
}

var errNoMemory = errors.New("live: no memory for the state: clients do not read what waits for them")

// backoff returns the wait before a retry. It grows from 100 ms to 13 s.
func backoff(failures int) time.Duration {
	least := 50 * time.Millisecond << min(failures, 8)
	return least + rand.N(least/4)
}

// wanted reports whether a client is subscribed to the entity, or to all of its type.
func (h *Hub) wanted(g *group) bool {
	sh := h.shard(g.key)
	sh.mu.Lock()
	n := len(g.subs)
	sh.mu.Unlock()
	return n > 0 || slices.Contains(h.secretsOf(g.key.anyOfType()), g.secret)
}
