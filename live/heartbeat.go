package live

import (
	"math/rand/v2"
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
)

const pingEvery = 25 * time.Second

// byeTimeout bounds how long a client keeps its connection after its access ended, if it
// reads so slowly that a ping or the last frame waits.
const byeTimeout = 3 * time.Second

// lifetime returns when a connection that begins now has to end. The times are spread,
// or clients that connected together would all reconnect together. Zero means never.
func (h *Hub) lifetime() time.Time {
	if h.o.MaxConnection <= 0 {
		return time.Time{}
	}
	most := h.o.MaxConnection
	return h.o.Now().Add(most*4/5 + rand.N(most/5+1))
}

// startHeartbeat starts the timer that pings the client and ends its connection.
func (c *client) startHeartbeat(end time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end = end
	c.timer = time.AfterFunc(c.nextBeat(pingEvery*4/5+rand.N(pingEvery/5)), c.beat)
}

// beat pings the client, or ends its connection if it is time.
func (c *client) beat() {
	if !c.until.IsZero() {
		end := max(c.until.Sub(c.hub.o.Now()), 0) + byeTimeout
		defer time.AfterFunc(end, func() { c.close(closeRestart, "the token has expired") }).Stop()
	}
	switch now := c.hub.o.Now(); {
	case !c.until.IsZero() && !now.Before(c.until):
		c.bye("the token has expired")
		return
	case !c.end.IsZero() && clock.Over(c.end, now, c.hub.o.MaxConnection):
		c.bye("this connection has been open for long")
		return
	}
	before := c.handled.Load()
	// The pong comes behind the client's other frames, and those may wait for
	// PassThrough. While frames are being handled, a missing pong proves nothing.
	if err := c.transport.Ping(); err != nil && !c.handling.Load() && c.handled.Load() == before {
		c.close(closeGoingAway, "it does not answer")
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.timer.Reset(c.nextBeat(pingEvery))
	}
}

// nextBeat returns the time until the next beat: d, or less if the client's access
// ends before that.
func (c *client) nextBeat(d time.Duration) time.Duration {
	if c.until.IsZero() {
		return d
	}
	return max(min(d, c.until.Sub(c.hub.o.Now())), time.Millisecond)
}

// bye tells the client when to reconnect, and closes it. The times are spread, or all
// clients of an instance would reconnect at once.
func (c *client) bye(reason string) {
	if c.protocol == Versioned {
		_ = c.transport.Write(reply{Type: "bye", Message: reason, ReconnectAfterMs: 100 + rand.IntN(4900)}.message())
	}
	c.close(closeRestart, reason)
}
