package live

import (
	"sync"
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

// maxNotes bounds the answers that wait for a client who does not read them.
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

	mu      sync.Mutex
	secret  string
	subs    map[subKey]*subscription
	pending map[pendKey]pending
	order   []pendKey
	notes   int // that wait
	any     map[subKey]int
	seq     uint64
	writing bool
	closed  bool
	sent    int64
	last    time.Time // of a write
	timer   *time.Timer
}

// subKey is a subscription as the client named it.
type subKey struct{ entity, id string }

// pendKey is what may wait once.
type pendKey struct {
	subKey
	seq uint64 // of an answer, which nothing replaces
}

// pending is what waits to be written.
type pending struct {
	note  []byte // ready
	sub   *subscription
	id    string // of the entity
	state *State
}

// subscription is a client's to an entity. The hub's shard lock
// guards version and asks.
type subscription struct {
	client  *Client
	name    subKey
	key     Key
	secret  string
	version string  // that the client has; "" unknown
	asks    *string // the version that it says it has, until it is answered
}

// note queues an answer.
func (c *Client) note(frame []byte) {
	c.mu.Lock()
	if c.notes >= maxNotes {
		c.mu.Unlock()
		c.close(closePolicy, "answers are not read")
		return
	}
	c.notes++
	c.seq++
	c.queue(pendKey{seq: c.seq}, pending{note: frame})
	c.mu.Unlock()
}

// offer queues a state, in place of an older one of the same entity.
func (c *Client) offer(s *subscription, id string, state *State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := pendKey{subKey: subKey{s.name.entity, id}}
	if s.name.id == Any {
		if _, waits := c.pending[k]; !waits && c.any[s.name] >= maxOfAny {
			c.queue(pendKey{subKey: s.name}, pending{sub: s}) // read them all again
			return
		} else if !waits {
			if c.any == nil {
				c.any = map[subKey]int{}
			}
			c.any[s.name]++
		}
	}
	c.queue(k, pending{sub: s, id: id, state: state})
}

// queue is called with c.mu held.
func (c *Client) queue(k pendKey, p pending) {
	if c.closed {
		return
	}
	if _, waits := c.pending[k]; !waits {
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
		if len(c.order) == 0 || c.closed {
			c.writing, c.order, c.pending = false, nil, nil
			c.mu.Unlock()
			return
		}
		k := c.order[0]
		c.order = c.order[1:]
		p := c.pending[k]
		delete(c.pending, k)
		switch {
		case p.note != nil:
			c.notes--
		case p.sub != nil && p.sub.name.id == Any && p.state != nil:
			c.any[p.sub.name]--
		}
		_, subscribed := c.subs[k.subKey]
		if p.sub != nil {
			subscribed = c.subs[p.sub.name] == p.sub
		}
		c.mu.Unlock()
		if p.note == nil && !subscribed {
			continue // it unsubscribed meanwhile
		}
		for _, frame := range c.frames(p) {
			if err := c.transport.Write(frame); err != nil {
				c.close(closeGoingAway, "it does not read")
				return
			}
			c.mu.Lock()
			c.sent++
			c.last = c.hub.o.Now()
			c.mu.Unlock()
		}
	}
}

// frames are what is written of it.
func (c *Client) frames(p pending) [][]byte {
	switch {
	case p.note != nil:
		return [][]byte{p.note}
	case p.state == nil:
		return [][]byte{resyncFrame(p.sub.name.entity)}
	case c.protocol == 1:
		return p.state.Rows
	default:
		return [][]byte{entityFrame(p.sub.name.entity, p.id, p.state)}
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
	subs := c.subs
	c.subs = nil
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	for _, s := range subs {
		c.hub.remove(s)
	}
	c.hub.forget(c)
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
