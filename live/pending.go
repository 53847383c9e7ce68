package live

import (
	"context"
	"errors"
	"os"
	"time"
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

// answer queues an answer to a Versioned client. A Plain one never gets any.
func (c *client) answer(r reply) {
	if c.protocol == Versioned {
		c.queueAnswer(r.message())
	}
}

func (c *client) fail(ref, code, message string) {
	c.answer(reply{Type: "error", Code: code, Message: message, Ref: ref})
}

// queueAnswer queues an answer. Answers are not replaced by newer ones, so a client that
// does not read its answers is closed. No lock may be held, as close takes them.
func (c *client) queueAnswer(m message) {
	c.mu.Lock()
	if c.answers >= maxAnswers+c.hub.o.MaxSubscriptions {
		c.mu.Unlock()
		c.drop(closePolicy, "answers are not read")
		return
	}
	c.answers++
	c.seq++
	c.queue(&pending{slot: slot{seq: c.seq}, ready: m})
	c.mu.Unlock()
}

// offer queues a state, in place of an older one of the same entity. The shard's lock
// is held.
func (c *client) offer(s *subscription, id string, snap *snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.missed = s.missed || s.ended; s.missed {
		return
	}
	k := slot{Name: Name{s.name.Entity, id}}
	if own := c.subscriptions[k.Name]; s.name.ID == Any && own != nil && own.asked == s.asked {
		return // the client gets the state once, by its subscription to the entity
	}
	p := spare.Get().(*pending)
	*p = pending{slot: k, sub: s, id: id, snap: snap}
	if s.name.ID == Any && c.pending.find(k) == nil {
		if c.underAny[s.name] >= maxUnderAny {
			c.queue(&pending{slot: slot{Name: s.name}, sub: s, ready: resyncMessage(s.name.Entity)})
			return
		}
		if c.underAny == nil {
			c.underAny = map[Name]int{}
		}
		c.underAny[s.name]++
		p.under = s.name
	}
	c.queue(p)
}

// inform queues a message about the subscription's entity, in place of what waits of the
// entity. An error replaces only an error. The shard's lock is held.
func (c *client) inform(s *subscription, m message, failed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.missed = s.missed || s.ended; s.missed {
		return
	}
	c.queue(&pending{slot: slot{Name: s.name, failed: failed}, sub: s, ready: m})
}

// queue puts p into its slot and replaces what waits there. A newer state goes behind what
// changed before it, so that states are written in the order of their changes. c.mu is held.
func (c *client) queue(p *pending) {
	if c.closed || !c.charge(p) {
		return
	}
	if old := c.pending.find(p.slot); old == nil {
		c.pending.push(p)
	} else {
		c.discharge(old)
		old.replace(p)
		reuse(p)
		if old.snap != nil && old.yields < maxYields {
			old.yields++
			c.pending.moveToBack(old)
		}
	}
	if !c.writing {
		c.writing = true
		c.hub.enqueueWrite(c)
	}
}

// next takes what is to be written next. If nothing waits it returns nil, and the caller no
// longer writes to the client.
func (c *client) next() *pending {
	for {
		c.mu.Lock()
		p := c.pending.pop()
		if p == nil {
			c.writing = false
			c.mu.Unlock()
			return nil
		}
		if p.sub == nil {
			if c.answers--; c.answers == 0 {
				c.endPace()
			}
		}
		if p.under.ID == Any {
			c.underAny[p.under]--
		}
		wanted := p.sub == nil || c.wants(p.slot.Name, p.sub)
		c.mu.Unlock()
		if wanted {
			return p
		}
		c.discharge(p)
	}
}

// writePending writes p and all that waits behind it. A caller that serves other clients too
// writes promptly: what would have to wait for the client is left to a goroutine of its own.
func (c *client) writePending(p *pending, promptly bool) {
	for ; p != nil; p = c.next() {
		done, err := c.write(p, promptly)
		if err == nil && !done {
			if left := p; !c.hub.spawn(func() { c.writePending(left, false) }) {
				c.discharge(left)
			}
			return
		}
		c.discharge(p)
		reuse(p)
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
			c.drop(closeGoingAway, "it does not read")
			return
		}
		if err != nil { // it has left
			c.close(closeGoingAway, "it does not read")
			return
		}
	}
}

// write writes one pending message or state, from where it was left on. If it is not to wait,
// it returns false where it would have to.
func (c *client) write(p *pending, promptly bool) (done bool, err error) {
	t, ok := c.transport.(prompt)
	for m := c.message(p); m.wire != nil; m = c.message(p) {
		switch {
		case !promptly:
			err = c.finish(p, m)
		case ok:
			p.begun, err = t.Begin(m)
		}
		if err != nil || promptly && p.begun != all {
			return false, err
		}
		p.at, p.begun = p.at+1, none
		c.hub.frames.Add(1)
		c.mu.Lock()
		c.sent++
		c.last = c.hub.o.Now()
		c.mu.Unlock()
	}
	return true, nil
}

// message returns the message of p that is to be written now. There is none after the last. To
// a Plain client, each row of a state is a message.
func (c *client) message(p *pending) message {
	switch {
	case p.snap != nil && c.protocol == Plain && p.at < len(p.snap.rows):
		return p.snap.rows[p.at]
	case p.at > 0 || p.snap != nil && c.protocol == Plain:
		return message{}
	case p.snap != nil:
		return p.snap.message(p.sub.name.Entity, p.id)
	}
	return p.ready
}

// finish writes a message, or the rest of one that was begun, and waits for the client.
func (c *client) finish(p *pending, m message) error {
	began := time.Now()
	c.writes.Store(&began)
	defer c.writes.Store(nil)
	if p.begun == part {
		return c.transport.(prompt).Finish()
	}
	return c.transport.Write(m)
}

// wants reports whether the client is still subscribed to what was queued for s: by s,
// or by another subscription with the same secret. c.mu is held.
func (c *client) wants(name Name, s *subscription) bool {
	if !s.ended {
		return true
	}
	for _, n := range []Name{s.name, name, {name.Entity, Any}} {
		if now := c.subscriptions[n]; now != nil && (now == s || now.asked == s.asked && n != s.name) {
			return true
		}
	}
	return false
}
