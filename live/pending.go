package live

import (
	"container/list"
	"context"
	"errors"
	"os"
	"time"
	"unicode/utf8"
)

const (
	// maxAnswers bounds the answers that wait for a client that does not read them,
	// beyond one for each subscription that it may have.
	maxAnswers = 1000
	// maxUnderAny bounds the entities that wait under a subscription to all of a type.
	// Beyond it, the client is told to read them again.
	maxUnderAny = 1000
	// maxYields bounds how often a state that waits goes behind others because a newer one
	// replaced it. Without it, a client that is always behind might never get an entity that
	// changes all the time.
	maxYields = 10
)

// slot is a place in what waits for a client. It holds one frame or state: a newer one
// replaces it. An entity has two, so that an error does not replace a state.
type slot struct {
	Name
	failed bool
	seq    uint64 // of an answer, which nothing replaces; 0 otherwise
}

// pending is a frame or a state that waits to be written.
type pending struct {
	frame []byte // ready; nil: made of snap
	sub   *subscription
	id    string // of the entity
	snap  *snapshot
	under Name // the subscription to all of a type that it counts under

	place  *list.Element // in the client's order
	yields int           // how often a newer state took a later place
}

// answer queues an answer to a Versioned client. A Plain one never gets any.
func (c *client) answer(r reply) {
	if c.protocol == Versioned {
		c.queueAnswer(r.frame())
	}
}

func (c *client) fail(ref, code, message string) {
	c.answer(reply{Type: "error", Code: code, Message: message, Ref: ref})
}

// queueAnswer queues an answer. Answers are not replaced by newer ones, so a client that
// does not read its answers is closed. No lock may be held, as close takes them.
func (c *client) queueAnswer(frame []byte) {
	c.mu.Lock()
	if c.answers >= maxAnswers+c.hub.o.MaxSubscriptions {
		c.mu.Unlock()
		c.drop(closePolicy, "answers are not read")
		return
	}
	c.answers++
	c.seq++
	c.queue(slot{seq: c.seq}, pending{frame: frame})
	c.mu.Unlock()
}

// offer queues a state, in place of an older one of the same entity. The shard's lock
// is held.
func (c *client) offer(s *subscription, id string, snap *snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.missed = s.missed || c.subscriptions[s.name] != s; s.missed {
		return
	}
	k := slot{Name: Name{s.name.Entity, id}}
	p := pending{sub: s, id: id, snap: snap}
	if _, waits := c.pending[k]; s.name.ID == Any && !waits {
		if c.underAny[s.name] >= maxUnderAny {
			c.queue(slot{Name: s.name}, pending{sub: s, frame: resyncFrame(s.name.Entity)})
			return
		}
		if c.underAny == nil {
			c.underAny = map[Name]int{}
		}
		c.underAny[s.name]++
		p.under = s.name
	}
	c.queue(k, p)
}

// inform queues a frame about the subscription's entity, in place of what waits of the
// entity. An error replaces only an error. The shard's lock is held.
func (c *client) inform(s *subscription, frame []byte, failed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.missed = s.missed || c.subscriptions[s.name] != s; s.missed {
		return
	}
	c.queue(slot{Name: s.name, failed: failed}, pending{sub: s, frame: frame})
}

// queue puts p into the slot and replaces what waits there. A newer state goes behind what
// changed before it, so that states are written in the order of their changes. c.mu is
// held. A writer runs only while something waits: an idle client costs one goroutine less.
func (c *client) queue(k slot, p pending) {
	if c.closed || !c.charge(p) {
		return
	}
	if c.pending == nil {
		c.pending, c.order = make(map[slot]pending, 1), list.New()
	}
	if old, waits := c.pending[k]; waits {
		p.under, p.place, p.yields = old.under, old.place, old.yields
		c.discharge(old)
		if p.snap != nil && p.yields < maxYields {
			p.yields++
			c.order.MoveToBack(p.place)
		}
	} else {
		p.place = c.order.PushBack(k)
	}
	c.pending[k] = p
	if !c.writing {
		c.writing = true
		c.hub.spawn(c.writePending)
	}
}

// writePending writes until nothing waits.
func (c *client) writePending() {
	for {
		c.mu.Lock()
		if len(c.pending) == 0 || c.closed {
			c.writing, c.order, c.pending = false, nil, nil
			c.mu.Unlock()
			return
		}
		k := c.order.Remove(c.order.Front()).(slot)
		p := c.pending[k]
		delete(c.pending, k)
		if p.sub == nil {
			if c.answers--; c.answers == 0 {
				c.endPace()
			}
		}
		if p.under.ID == Any {
			c.underAny[p.under]--
		}
		wanted := p.sub == nil || c.wants(k.Name, p.sub)
		c.mu.Unlock()
		err := error(nil)
		if wanted {
			err = c.write(p)
		}
		c.discharge(p)
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
				c.drop(closeGoingAway, "it does not read")
			} else { // it has left
				c.close(closeGoingAway, "it does not read")
			}
			return
		}
	}
}

// write writes one pending frame or state. Each row of a state is a frame to a Plain
// client.
func (c *client) write(p pending) error {
	switch {
	case p.frame != nil:
		return c.writeFrame(p.frame, false)
	case c.protocol == Versioned:
		return c.writeFrame(p.snap.frame(p.sub.name.Entity, p.id), false)
	}
	for i, row := range p.snap.Rows {
		if err := c.writeFrame(row, p.snap.isBinary(i)); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) writeFrame(frame []byte, binary bool) error {
	began := time.Now()
	c.writes.Store(&began)
	defer c.writes.Store(nil)
	if err := c.transport.Write(frame, binary); err != nil {
		return err
	}
	c.hub.frames.Add(1)
	c.mu.Lock()
	c.sent++
	c.last = c.hub.o.Now()
	c.mu.Unlock()
	return nil
}

// wants reports whether the client is still subscribed to what was queued for s: by s,
// or by another subscription with the same secret. c.mu is held.
func (c *client) wants(name Name, s *subscription) bool {
	for _, n := range []Name{s.name, name, {name.Entity, Any}} {
		if now := c.subscriptions[n]; now != nil && (now == s || now.asked == s.asked && n != s.name) {
			return true
		}
	}
	return false
}

// binaryRows returns which rows no text frame can carry; nil if there are none.
func binaryRows(rows [][]byte) (binary []bool) {
	for i, row := range rows {
		if utf8.Valid(row) {
			continue
		}
		if binary == nil {
			binary = make([]bool, len(rows))
		}
		binary[i] = true
	}
	return binary
}
