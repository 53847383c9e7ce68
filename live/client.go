package live

import (
	"sync"
	"sync/atomic"
	"time"
)

// Transport is a client's connection.
type Transport interface {
	// Write sends one frame; it returns an error if that takes too long.
	Write(frame []byte) error
	// Ping returns once the peer answered, or an error.
	Ping() error
	// Close ends the connection with a WebSocket close code; it is idempotent.
	Close(code int, reason string)
}

// Close codes of RFC 6455.
const (
	closeGoingAway = 1001
	closeProtocol  = 1002
	closeInvalid   = 1007
	closePolicy    = 1008
	closeTooBig    = 1009
	closeRestart   = 1012
)

// maxNotes bounds the answers to frames that wait for a client who does not read
// them, beyond one for each subscription that it may have.
const maxNotes = 1000

// maxOfAny bounds the entities that wait under a subscription to all of a type:
// beyond it the client is told to read them all again.
const maxOfAny = 1000

// Client is a connected client.
type Client struct {
	hub       *Hub
	transport Transport
	id        string
	kind      string // websocket, sse
	remote    string
	protocol  int // 1: entity-sync's; 2: ours
	since     time.Time
	end       time.Time      // when the connection has to; zero: never
	allowed   func(Key) bool // nil: all
	until     time.Time      // it is; zero: always

	weight   int64        // of the connection, in bytes
	waits    atomic.Int64 // bytes of what waits, for it alone or for others too
	handled  atomic.Int64 // frames of its
	handling atomic.Bool  // one
	// writes is when the present write began; nil: there is none.
	writes atomic.Pointer[time.Time]

	mu      sync.Mutex
	secret  string
	subs    map[subKey]*subscription
	pending map[pendKey]pending
	order   []pendKey
	notes   int // that wait
	// answered is closed when no note waits any more; nil: nobody waits for that.
	answered chan struct{}
	any      map[subKey]int
	seq      uint64
	writing  bool
	closed   bool
	sent     int64
	last     time.Time // of a write
	timer    *time.Timer
}

// subKey is a subscription as the client named it.
type subKey struct{ entity, id string }

// pendKey is what may wait once: the newest of an entity, and what went wrong
// with it.
type pendKey struct {
	subKey
	failed bool
	seq    uint64 // of an answer to a frame, which nothing replaces
}

// pending is what waits to be written.
type pending struct {
	frame []byte // ready; nil: of state
	sub   *subscription
	id    string // of the entity
	state *snapshot
	under subKey // the pattern that it counts under
}

// subscription is a client's to an entity. The hub's shard lock
// guards secret, version, asks, denied and missed.
type subscription struct {
	client  *Client
	name    subKey
	key     Key
	asked   string  // the client's secret when it subscribed
	secret  string  // of its group
	version string  // that the client has; "" unknown
	asks    *string // the version that it says it has, until it is answered
	denied  bool    // and it was told
	missed  bool    // what came when the client had another in its place

	weight atomic.Int64 // that it has taken of the hub's memory
}

// note queues an answer to a frame. No lock of the hub's may be held: a client
// that does not read its answers is closed.
func (c *Client) note(frame []byte) {
	c.mu.Lock()
	if c.notes >= maxNotes+c.hub.o.MaxSubs {
		c.mu.Unlock()
		c.close(closePolicy, "answers are not read")
		return
	}
	c.notes++
	c.seq++
	c.queue(pendKey{seq: c.seq}, pending{frame: frame})
	c.mu.Unlock()
}

// offer queues a state, in place of an older one of the same entity. The shard's lock
// is held.
func (c *Client) offer(s *subscription, id string, state *snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.missed = s.missed || c.subs[s.name] != s; s.missed {
		return
	}
	k := pendKey{subKey: subKey{s.name.entity, id}}
	p := pending{sub: s, id: id, state: state}
	if _, waits := c.pending[k]; s.name.id == Any && !waits {
		if c.any[s.name] >= maxOfAny {
			c.queue(pendKey{subKey: s.name}, pending{sub: s, frame: resyncFrame(s.name.entity)})
			return
		}
		if c.any == nil {
			c.any = map[subKey]int{}
		}
		c.any[s.name]++
		p.under = s.name
	}
	c.queue(k, p)
}

// inform queues a frame about the subscription's entity, in place of what waits
// of it; what went wrong replaces only its like. The shard's lock is held.
func (c *Client) inform(s *subscription, frame []byte, failed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.missed = s.missed || c.subs[s.name] != s; s.missed {
		return
	}
	c.queue(pendKey{subKey: s.name, failed: failed}, pending{sub: s, frame: frame})
}

// queue is called with c.mu held.
func (c *Client) queue(k pendKey, p pending) {
	if c.closed || !c.charge(p) {
		return
	}
	if old, waits := c.pending[k]; waits {
		p.under = old.under
		c.discharge(old)
	} else {
		c.order = append(c.order, k)
	}
	if c.pending == nil {
		c.pending = make(map[pendKey]pending, 1)
	}
	c.pending[k] = p
	if !c.writing {
		c.writing = true
		c.hub.spawn(c.drain) // an idle client has no writer
	}
}

// drain writes until nothing waits.
func (c *Client) drain() {
	for {
		c.mu.Lock()
		if len(c.order) == 0 || c.closed { // close has emptied it
			c.writing, c.order, c.pending = false, nil, nil
			c.mu.Unlock()
			return
		}
		k := c.order[0]
		c.order = c.order[1:]
		p := c.pending[k]
		delete(c.pending, k)
		if p.sub == nil {
			if c.notes--; c.notes == 0 {
				c.proceed()
			}
		}
		if p.under.id == Any {
			c.any[p.under]--
		}
		wanted := p.sub == nil || c.wants(k.subKey, p.sub)
		c.mu.Unlock()
		err := error(nil)
		if wanted { // or else it unsubscribed meanwhile
			err = c.write(p)
		}
		c.discharge(p)
		if err != nil {
			c.close(closeGoingAway, "it does not read")
			return
		}
	}
}

func (c *Client) write(p pending) error {
	defer c.writes.Store(nil)
	for _, frame := range c.frames(p) {
		began := time.Now()
		c.writes.Store(&began)
		if err := c.transport.Write(frame); err != nil {
			return err
		}
		c.mu.Lock()
		c.sent++
		c.last = c.hub.o.Now()
		c.mu.Unlock()
	}
	return nil
}

// wants is whether the client is still subscribed to what was queued for s, by it
// or by another subscription with the same secret; c.mu is held.
func (c *Client) wants(name subKey, s *subscription) bool {
	for _, n := range []subKey{s.name, name, {name.entity, Any}} {
		if now := c.subs[n]; now != nil && (now == s || now.asked == s.asked && n != s.name) {
			return true
		}
	}
	return false
}

// frames are what is written of it.
func (c *Client) frames(p pending) [][]byte {
	switch {
	case p.frame != nil:
		return [][]byte{p.frame}
	case c.protocol == 1:
		return p.state.Rows
	default:
		return [][]byte{p.state.frame(p.sub.name.entity, p.id)}
	}
}

// close ends the client; it is idempotent. It does not wait for the writer.
func (c *Client) close(code int, reason string) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	subs, pending := c.subs, c.pending
	c.subs, c.pending, c.order = nil, nil, nil
	c.proceed()
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	for _, p := range pending {
		c.discharge(p)
	}
	for _, s := range subs {
		c.hub.remove(s)
	}
	c.hub.forget(c)
	c.hub.o.Memory.Live.Give(c.weight)
	c.transport.Close(code, reason)
}

// Info is a client as people are shown it.
type Info struct {
	ID            string    `json:"id"`
	Transport     string    `json:"transport"` // websocket or sse
	Protocol      int       `json:"protocol"`
	Remote        string    `json:"remote"`
	Since         time.Time `json:"since"`
	Subscriptions []Named   `json:"subscriptions"` // the first of them
	Count         int       `json:"count"`         // of subscriptions
	Sent          int64     `json:"sent"`          // frames
	LastSent      time.Time `json:"lastSent,omitzero"`
	Waiting       int       `json:"waiting"` // frames
}

// Named is an entity as a client named it.
type Named struct {
	Entity string `json:"entity"`
	ID     string `json:"id"`
}

const shownSubscriptions = 20

func (c *Client) info() Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := Info{
		ID: c.id, Transport: c.kind, Protocol: c.protocol, Remote: c.remote, Since: c.since, Count: len(c.subs), Sent: c.sent,
		LastSent: c.last, Waiting: len(c.order), Subscriptions: []Named{},
	}
	for name := range c.subs {
		if len(i.Subscriptions) == shownSubscriptions {
			break
		}
		i.Subscriptions = append(i.Subscriptions, Named{name.entity, name.id})
	}
	return i
}
