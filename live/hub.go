package live

import (
	"context"
	"crypto/rand"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/shutdown"
)

// Hub has the clients of one instance of a server. Its methods may be called from many
// goroutines.
type Hub struct {
	o       Options
	memory  *budget.Budget // nil has no bound
	seed    maphash.Seed
	shards  [64]shard
	fetches [2]fetchQueue // shared resolvers, and those per secret
	writes  writeQueue

	handlersMu sync.RWMutex
	handlers   map[string]Resolver // by entity
	unhandled  map[string]struct{} // entities without a handler that were logged

	frames, dropped atomic.Uint64 // see Stats

	receiving atomic.Bool // from the queue
	relieving atomic.Bool

	mu      sync.Mutex
	members map[*client]struct{}
	closing bool // no client may join
	ended   bool // no goroutine may start

	startOnce sync.Once
	stop      context.CancelFunc
	stopped   context.Context
	running   sync.WaitGroup
}

// New returns a hub. It starts nothing: call [Hub.Start].
func New(o Options) *Hub {
	h := &Hub{o: o.withDefaults(), seed: maphash.MakeSeed(), members: map[*client]struct{}{}, handlers: map[string]Resolver{}, unhandled: map[string]struct{}{}}
	for i := range h.fetches {
		h.fetches[i].maxWorkers = maxFetches
	}
	h.writes.maxWriters = maxWriters()
	if o.MaxMemory > 0 {
		h.memory = budget.New(o.MaxMemory)
		// The size of a state that we fetch ourselves is unknown until it is there.
		h.fetches[0].maxWorkers = int(min(maxFetches, max(2, o.MaxMemory/fetchWeight)))
	}
	for i := range h.shards {
		h.shards[i].topics = map[Key]*topic{}
	}
	h.stopped, h.stop = context.WithCancel(context.Background())
	return h
}

// Start starts to receive from the queue and to compare versions, until [Hub.Close].
// Without it the hub serves clients, but gets no changes of other instances. It
// returns at once. Further calls do nothing.
func (h *Hub) Start() {
	h.startOnce.Do(func() {
		h.spawn(h.compareRegularly)
		if h.o.Queue != nil {
			h.spawn(h.receive)
		}
	})
}

// Drain refuses new clients and closes those that are connected (1012), so that they
// connect to another instance. Versioned clients are told when to do so. Call it when
// the server begins to shut down: WebSockets and streams do not end by themselves.
func (h *Hub) Drain() {
	h.mu.Lock()
	h.closing = true
	h.mu.Unlock()
	h.closeClients("the server restarts")
}

// Close drains the hub, stops it, and waits until everything that it started has ended.
// It returns the error of ctx if that takes too long. Further calls only wait.
func (h *Hub) Close(ctx context.Context) error {
	h.Drain()
	h.stop()
	h.mu.Lock()
	h.ended = true
	h.mu.Unlock()
	return shutdown.Wait(ctx, &h.running)
}

// spawn runs f in a goroutine that Close waits for. It returns false if the hub ended.
func (h *Hub) spawn(f func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return false
	}
	h.running.Go(f)
	return true
}

// Len returns how many clients are connected to this hub.
func (h *Hub) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.members)
}

// Clients returns the clients that are connected to this hub, in no order.
func (h *Hub) Clients() []ClientInfo {
	all := h.all()
	out := make([]ClientInfo, len(all))
	for i, c := range all {
		out[i] = c.info()
	}
	return out
}

func (h *Hub) all() []*client {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*client, 0, len(h.members))
	for c := range h.members {
		all = append(all, c)
	}
	return all
}

// closeClients closes all clients (1012). Each is told to reconnect at another time, or
// all would reconnect at once.
func (h *Hub) closeClients(reason string) {
	for _, c := range h.all() {
		h.spawn(func() { c.bye(reason) })
	}
}

// join registers a client. It returns false if the hub is closing.
func (h *Hub) join(c *client) bool {
	c.hub, c.id, c.since, c.subscriptions = h, rand.Text(), h.o.Now(), map[Name]*subscription{}
	h.mu.Lock()
	closing := h.closing
	if !closing {
		h.members[c] = struct{}{}
	}
	h.mu.Unlock()
	if !closing {
		c.startHeartbeat(h.lifetime())
		h.o.ClientsChanged(Key{})
	}
	return !closing
}

func (h *Hub) forget(c *client) {
	h.mu.Lock()
	delete(h.members, c)
	h.mu.Unlock()
	h.o.ClientsChanged(Key{})
}

// compareRegularly compares versions until the hub stops.
func (h *Hub) compareRegularly() {
	t := time.NewTicker(h.o.CompareEvery)
	defer t.Stop()
	for {
		select {
		case <-h.stopped.Done():
			return
		case <-t.C:
			h.compare()
		}
	}
}

func (h *Hub) compare() { h.Compare(func(Key) bool { return true }) }

// Compare fetches those entities with subscribers on this hub that which selects, and sends
// the ones whose version changed. So clients get changes whose message was lost. The hub
// compares all entities every [Options.CompareEvery]. Subscriptions to "*" are left out.
// Compare does not wait for the fetches. It holds locks of the hub while it calls which.
func (h *Hub) Compare(which func(Key) bool) {
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		for k, t := range sh.topics {
			if k.ID == Any || !which(k) {
				continue
			}
			for _, g := range t.groups {
				h.refresh(g)
			}
		}
		sh.mu.Unlock()
	}
}
