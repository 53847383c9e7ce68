package live

import (
	"sync"
	"sync/atomic"
	"time"
)

// Protocol is the protocol of a client: Plain or Versioned.
type Protocol int

// The protocols, with the numbers by which clients ask for them (?protocol=2).
const (
	// Plain is entity-sync's protocol: no answers, one frame for each row of a change.
	Plain Protocol = 1
	// Versioned has answers, versions, and subscriptions to all of a type.
	Versioned Protocol = 2
)

// transport is a client's connection.
type transport interface {
	// Write sends a message. It returns an error if that takes too long.
	Write(m message) error
	// Ping returns once the peer answered, or an error.
	Ping() error
	// Close ends the connection with a WebSocket close code. It is idempotent and does
	// not wait.
	Close(code int, reason string)
}

// prompt is a transport that need not wait for the client.
type prompt interface {
	// Begin sends as much of a message as the connection takes at once.
	Begin(m message) (taken, error)
	// Finish sends the rest of a message of which the connection took a part. It waits for
	// the client, as Write does.
	Finish() error
}

// Close codes of RFC 6455 and its registry.
const (
	closeGoingAway = 1001
	closeProtocol  = 1002
	closeInvalid   = 1007
	closePolicy    = 1008
	closeTooBig    = 1009
	closeRestart   = 1012
	closeBusy      = 1013 // "try again later"
)

// client is a connected client.
type client struct {
	hub       *Hub
	transport transport
	kind      string // websocket or sse
	remote    string
	protocol  Protocol
	allowed   func(Key) bool // nil allows everything
	until     time.Time      // when its access ends; zero: never
	weight    int64          // of the connection, in bytes

	id    string
	since time.Time
	end   time.Time // when the connection has to end; zero: never

	waits    atomic.Int64 // bytes that wait for it, alone or shared with others
	handled  atomic.Int64 // frames from it
	handling atomic.Bool  // a frame from it
	// writes is the time since which a write waits for the client; nil: none does.
	writes atomic.Pointer[time.Time]

	mu            sync.Mutex
	secret        string
	subscriptions map[Name]*subscription
	pending       queue
	underAny      map[Name]int  // entities that wait under a subscription to all of a type
	answers       int           // that wait
	answersSent   chan struct{} // closed when none waits any more; nil: nobody waits for that
	seq           uint64
	writing       bool // something waits and will be written
	closed        bool
	sent          int64
	last          time.Time // of a write
	timer         *time.Timer
}

// subscription is a client's subscription to an entity. The lock of the key's shard
// guards secret, version, have, denied and missed.
type subscription struct {
	client  *client
	name    Name
	key     Key
	asked   string  // the client's secret when it subscribed
	secret  string  // of its group
	version string  // that the client has; "" if unknown
	have    *string // the version that it said it has; nil once answered
	denied  bool    // the client was told why it does not get the entity
	missed  bool    // something came after another subscription replaced it
	ended   bool    // it is none of the client's subscriptions any more; its mu guards this

	weight atomic.Int64 // that it has taken of the hub's memory
}

// mayTake reports whether the client's access covers the key.
func (c *client) mayTake(k Key) bool { return c.allowed == nil || c.allowed(k) }

// isClosed reports whether the client was closed.
func (c *client) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// close ends the client. It is idempotent and does not wait for the writer, which may
// be stuck in a write.
func (c *client) close(code int, reason string) { c.shut(code, reason) }

// drop is close for a client that does not keep up.
func (c *client) drop(code int, reason string) {
	if c.shut(code, reason) {
		c.hub.dropped.Add(1)
	}
}

// shut closes the client, and reports whether it was open.
func (c *client) shut(code int, reason string) bool {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return false
	}
	c.closed = true
	subs, waits := c.subscriptions, c.pending
	c.subscriptions, c.pending = nil, queue{}
	for _, s := range subs {
		s.ended = true
	}
	c.endPace()
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	for p := waits.first; p != nil; p = p.next {
		c.discharge(p)
	}
	for _, s := range subs {
		c.hub.remove(s)
	}
	c.hub.forget(c)
	c.hub.memory.Give(c.weight)
	c.transport.Close(code, reason)
	return true
}

// ClientInfo describes a connected client, for people.
type ClientInfo struct {
	ID            string    `json:"id"`
	Transport     string    `json:"transport"` // websocket or sse
	Protocol      Protocol  `json:"protocol"`
	Remote        string    `json:"remote"`        // address
	Since         time.Time `json:"since"`         // when it connected
	Subscriptions []Name    `json:"subscriptions"` // the first of them
	Count         int       `json:"count"`         // of subscriptions
	Sent          int64     `json:"sent"`          // frames
	LastSent      time.Time `json:"lastSent,omitzero"`
	Waiting       int       `json:"waiting"` // frames
}

// Name is an entity as a client names it, see [KeyOf].
type Name struct {
	Entity string `json:"entity"`
	ID     string `json:"id"`
}

const shownSubscriptions = 20

func (c *client) info() ClientInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := ClientInfo{
		ID: c.id, Transport: c.kind, Protocol: c.protocol, Remote: c.remote, Since: c.since, Count: len(c.subscriptions), Sent: c.sent,
		LastSent: c.last, Waiting: c.pending.n, Subscriptions: []Name{},
	}
	for name := range c.subscriptions {
		if len(i.Subscriptions) == shownSubscriptions {
			break
		}
		i.Subscriptions = append(i.Subscriptions, name)
	}
	return i
}
