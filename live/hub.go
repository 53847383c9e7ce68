package live

import (
	"context"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/clock"
)

// The defaults of Options.
const (
	DefaultCoalesce = 100 * time.Millisecond
	DefaultCompare  = 5 * time.Minute
	DefaultMaxSubs  = 1000
	DefaultMaxFrame = 64 << 10
	DefaultFrames   = 50
)

const (
	fetchTimeout = 10 * time.Second
	maxFetches   = 64 // at once, of each kind
	fetchWeight  = 8 << 20
	maxAttempts  = 6
	pingEvery    = 25 * time.Second
)

// Options are what a Hub works with.
type Options struct {
	// Resolver of a type of entities.
	Resolver func(Key) Resolver
	Log      *slog.Logger
	Now      func() time.Time
	Random   func() string // an id that no other call has returned
	// Coalesce is the least time between two fetches of an entity.
	Coalesce time.Duration
	// Compare is how often the versions of what is subscribed to are compared.
	Compare time.Duration
	// MaxConnection ends connections before the platform does, at spread times; 0: never.
	MaxConnection time.Duration
	MaxSubs       int // of a client
	MaxFrame      int // bytes, from a client
	// FramesPerSecond from a client.
	FramesPerSecond int
	// PassThrough gets frames that are not for us. May be nil.
	PassThrough func(ctx context.Context, secret string, frame []byte) error
	// Memory bounds what clients cost together; the zero value does not.
	Memory budget.Memory
	// Own is the organisation of entities about the hub itself: no journal, no Moved.
	Own string
	// Moved is told that clients, their subscriptions or what they were sent are not
	// as they were. It must not block. May be nil.
	Moved func()
}

// Hub has the clients of this instance.
type Hub struct {
	o       Options
	seed    maphash.Seed
	shards  [64]shard
	journal journal
	fetches [2]fetchQueue // of what we have, and of what others have

	relieving atomic.Bool

	mu      sync.Mutex
	clients map[*Client]struct{}
	closing bool
	ended   bool // nothing more is started

	stop    context.CancelFunc
	stopped context.Context
	running sync.WaitGroup
}

// New returns a hub. Start begins its work.
func New(o Options) *Hub {
	h := &Hub{o: o, seed: maphash.MakeSeed(), clients: map[*Client]struct{}{}}
	for i := range h.fetches {
		h.fetches[i].most = maxFetches
	}
	if live := o.Memory.Live; live != nil { // what a fetch of ours weighs is not known before it is done
		h.fetches[0].most = int(min(maxFetches, max(2, live.Total()/fetchWeight)))
	}
	if h.o.Now == nil {
		h.o.Now = time.Now
	}
	setDefault(&h.o.Coalesce, DefaultCoalesce)
	setDefault(&h.o.Compare, DefaultCompare)
	setDefault(&h.o.MaxSubs, DefaultMaxSubs)
	setDefault(&h.o.MaxFrame, DefaultMaxFrame)
	setDefault(&h.o.FramesPerSecond, DefaultFrames)
	for i := range h.shards {
		h.shards[i].topics = map[Key]*topic{}
	}
	h.stopped, h.stop = context.WithCancel(context.Background())
	return h
}

func setDefault[T comparable](v *T, byDefault T) {
	var zero T
	if *v == zero {
		*v = byDefault
	}
}

// Start compares versions until Close.
func (h *Hub) Start() {
	h.spawn(func() {
		t := time.NewTicker(h.o.Compare)
		defer t.Stop()
		for {
			select {
			case <-h.stopped.Done():
				return
			case <-t.C:
				h.compare()
			}
		}
	})
}

// Drain takes no more clients, and tells those who are there to come back, to
// another instance.
func (h *Hub) Drain() {
	h.mu.Lock()
	h.closing = true
	h.mu.Unlock()
	h.CloseClients("the server restarts")
}

// Close is Drain, and waits for what is under way.
func (h *Hub) Close(ctx context.Context) error {
	h.Drain()
	h.stop()
	h.mu.Lock()
	h.ended = true
	h.mu.Unlock()
	done := make(chan struct{})
	go func() { h.running.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// spawn runs f unless the hub has ended.
func (h *Hub) spawn(f func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return false
	}
	h.running.Go(f)
	return true
}

// CloseClients ends all clients with 1012: they come back, at spread times.
func (h *Hub) CloseClients(reason string) {
	h.mu.Lock()
	all := make([]*Client, 0, len(h.clients))
	for c := range h.clients {
		all = append(all, c)
	}
	h.mu.Unlock()
	for _, c := range all {
		h.spawn(func() { c.bye(reason) })
	}
}

// bye says when to come back, and closes.
func (c *Client) bye(reason string) {
	if c.protocol == 2 {
		_ = c.transport.Write(reply{Type: "bye", Message: reason, ReconnectAfterMs: 100 + rand.IntN(4900)}.frame())
	}
	c.close(closeRestart, reason)
}

// Len is how many clients are connected here.
func (h *Hub) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.clients)
}

// Clients are those that are connected here.
func (h *Hub) Clients() []Info {
	h.mu.Lock()
	all := make([]*Client, 0, len(h.clients))
	for c := range h.clients {
		all = append(all, c)
	}
	h.mu.Unlock()
	out := make([]Info, len(all))
	for i, c := range all {
		out[i] = c.info()
	}
	return out
}

// join registers a client; false: the hub is closing.
func (h *Hub) join(c *Client) bool {
	c.hub, c.id, c.since, c.subs = h, h.o.Random(), h.o.Now(), map[subKey]*subscription{}
	h.mu.Lock()
	closing := h.closing
	if !closing {
		h.clients[c] = struct{}{}
	}
	h.mu.Unlock()
	if !closing {
		c.arm(h.lifetime())
		h.moved(Key{})
	}
	return !closing
}

func (h *Hub) forget(c *Client) {
	h.mu.Lock()
	delete(h.clients, c)
	h.mu.Unlock()
	h.moved(Key{})
}

// lifetime is when a connection ends that begins now: not all at once.
func (h *Hub) lifetime() time.Time {
	if h.o.MaxConnection <= 0 {
		return time.Time{}
	}
	most := h.o.MaxConnection
	return h.o.Now().Add(most*4/5 + rand.N(most/5+1))
}

// arm has the client pinged from time to time until its end.
func (c *Client) arm(end time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end = end
	c.timer = time.AfterFunc(c.next(pingEvery*4/5+rand.N(pingEvery/5)), c.beat)
}

// beat asks whether the client is there, or ends its connection if it is time.
func (c *Client) beat() {
	switch now := c.hub.o.Now(); {
	case !c.until.IsZero() && !now.Before(c.until):
		c.bye("the token has expired")
		return
	case !c.end.IsZero() && clock.Over(c.end, now, c.hub.o.MaxConnection):
		c.bye("this connection has been open for long")
		return
	}
	before := c.handled.Load()
	// Its pong comes after its frames, and those may wait for whom they are passed on to.
	if err := c.transport.Ping(); err != nil && !c.handling.Load() && c.handled.Load() == before {
		c.close(closeGoingAway, "it does not answer")
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.timer.Reset(c.next(pingEvery))
	}
}

// Signal says that an entity changed.
func (h *Hub) Signal(k Key) {
	if !k.Valid() || k.ID == Any {
		return // nobody can have subscribed to it
	}
	secrets := h.secretsOf(Key{k.Org, k.Type, Any}) // of those who want all of the type
	sh := h.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	t := sh.topics[k]
	if t == nil && len(secrets) == 0 {
		return
	}
	for _, secret := range secrets {
		sh.group(k, secret, h.o.Resolver(k))
	}
	for _, g := range sh.topics[k].groups {
		g.forced = true
		h.refresh(g)
	}
}

// compare fetches everything that is subscribed to, for signals that were lost.
func (h *Hub) compare() {
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		for k, t := range sh.topics {
			if k.ID == Any {
				continue
			}
			for _, g := range t.groups {
				h.refresh(g)
			}
		}
		sh.mu.Unlock()
	}
}
