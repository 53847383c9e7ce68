package live

import (
	"context"
	"encoding/json"
	"time"
	"unicode/utf8"
)

const passTimeout = 10 * time.Second

// handle acts on a frame. A client of protocol 1 is never answered; one of
// protocol 2 always.
func (c *Client) handle(ctx context.Context, frame []byte) {
	c.handled.Add(1)
	c.handling.Store(true)
	defer c.handling.Store(false)
	r, err := parseFrame(frame)
	if err != nil {
		c.fail(r.Ref.text, "invalid", "the frame is not understood: "+err.Error())
		return
	}
	if r.Ref.bad && r.Action != "" {
		c.fail("", "invalid", "ref must be text")
		return
	}
	switch r.Action {
	case "subscribe", "unsubscribe":
		var t target
		if err := json.Unmarshal(r.Body, &t); err != nil {
			c.fail(r.Ref.text, "invalid", `the body must be {"entity":…,"id":…}`)
			return
		}
		if r.Action == "subscribe" {
			c.subscribe(t, r.Ref.text)
		} else {
			c.unsubscribe(t, r.Ref.text)
		}
	case "secret":
		var secret string
		if err := json.Unmarshal(r.Body, &secret); err != nil || len(secret) > 8<<10 {
			c.fail(r.Ref.text, "invalid", "the body must be the secret, text of at most 8192 bytes")
			return
		}
		c.changeSecret(secret)
		c.answer(reply{Type: "secret", Ref: r.Ref.text})
	case "":
		c.pass(ctx, frame, r.Ref.text)
	default:
		c.fail(r.Ref.text, "invalid", "the actions are subscribe, unsubscribe and secret")
	}
}

func (c *Client) answer(r reply) {
	if c.protocol == 2 {
		c.note(r.frame())
	}
}

func (c *Client) fail(ref, code, message string) {
	c.answer(reply{Type: "error", Code: code, Message: message, Ref: ref})
}

// pass gives a frame that is not for us to whom the deployment names.
func (c *Client) pass(ctx context.Context, frame []byte, ref string) {
	if c.hub.o.PassThrough == nil {
		c.fail(ref, "invalid", "the frame has no action, and nothing is configured to take it")
		return
	}
	c.mu.Lock()
	secret := c.secret
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	if err := c.hub.o.PassThrough(ctx, secret, frame); err != nil {
		c.hub.o.Log.Warn("a client's frame was not passed on", "error", err)
		c.fail(ref, "unavailable", "the frame was not passed on")
		return
	}
	c.answer(reply{Type: "passed", Ref: ref})
}

func (c *Client) subscribe(t target, ref string) {
	deny := func(code, message string) {
		c.answer(reply{Type: "error", Code: code, Message: message, Entity: t.Entity, ID: t.ID, Ref: ref})
	}
	key := KeyOf(t.Entity, t.ID)
	switch {
	case !key.Valid() || !utf8.ValidString(t.Entity+t.ID):
		deny("invalid", "entity and id must not be empty, and have at most 512 and 1000 bytes")
		return
	case t.ID == Any && c.protocol == 1:
		// entity-sync has no patterns: it is an entity of that id, and there is none.
		return
	case !c.mayTake(key):
		deny("forbidden", "this connection may not subscribe to it")
		return
	}
	name := subKey{t.Entity, t.ID}
	c.mu.Lock()
	_, again := c.subs[name]
	full := !again && len(c.subs) >= c.hub.o.MaxSubs
	var s *subscription
	crowded := false
	if !full && !c.closed {
		if s = c.subs[name]; s == nil {
			weight := subscriptionOf(t.Entity, t.ID)
			if crowded = !c.hub.admit(weight); !crowded {
				s = &subscription{client: c, name: name, key: key, asked: c.secret, secret: c.secret}
				s.weight.Store(weight)
				c.subs[name] = s
			}
		}
	}
	c.mu.Unlock()
	switch {
	case crowded && c.protocol == 1: // it cannot be told, and would wait in vain
		c.close(closeBusy, "this instance has no memory for more subscriptions")
		return
	case crowded:
		deny("limit", "this instance has no memory for more subscriptions: try again later, or connect again")
		return
	case full:
		deny("limit", "there are too many subscriptions on this connection")
		return
	case s == nil:
		return // it is closing
	}
	var g *group
	if !again {
		g = c.hub.add(s) // before anything is read
		c.mu.Lock()
		closed := c.closed
		c.mu.Unlock()
		if closed { // meanwhile, and removed what it had
			c.hub.remove(s)
			return
		}
	}
	c.hub.moved(key)
	c.answer(reply{Type: "subscribed", Entity: t.Entity, ID: t.ID, Ref: ref})
	if c.protocol == 1 || t.ID == Any {
		if g != nil && t.ID != Any {
			c.hub.baseline(g)
		}
		return
	}
	switch {
	case t.Have != nil:
		c.hub.catchUp(s, *t.Have)
	case g != nil:
		c.hub.baseline(g)
	}
}

// baseline fetches what a lost signal would be noticed by.
func (h *Hub) baseline(g *group) {
	sh := h.shard(g.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !g.known && !g.fetching {
		h.refresh(g)
	}
}

// catchUp has a client answered that says which version it has. Those who come
// together share a fetch.
func (h *Hub) catchUp(s *subscription, have string) {
	sh := h.shard(s.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if t := sh.topics[s.key]; t != nil {
		if g := t.groups[s.secret]; g != nil {
			s.asks = &have
			h.refresh(g)
		}
	}
}

// reply answers what the client asked; the shard's lock is held.
func (s *subscription) reply(state *snapshot) {
	have := *s.asks
	s.asks = nil
	r := reply{Entity: s.name.entity, ID: s.name.id}
	switch {
	case state.Gone:
		s.version, r.Type = goneVersion, "gone"
		s.client.inform(s, r.frame(), false)
	case state.Version != "" && state.Version == have:
		s.version = state.Version
		r.Type, r.Version = "current", state.Version
		s.client.inform(s, r.frame(), false)
	default:
		s.version = state.Version
		s.client.offer(s, s.name.id, state)
	}
}

func (c *Client) unsubscribe(t target, ref string) {
	c.mu.Lock()
	s := c.subs[subKey{t.Entity, t.ID}]
	delete(c.subs, subKey{t.Entity, t.ID})
	c.mu.Unlock()
	if s != nil {
		c.hub.remove(s)
		c.hub.moved(s.key)
	}
	c.answer(reply{Type: "unsubscribed", Entity: t.Entity, ID: t.ID, Ref: ref})
}

// changeSecret moves the subscriptions to those who see the same as the new one.
func (c *Client) changeSecret(secret string) {
	c.mu.Lock()
	c.secret = secret
	old := c.subs
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.subs = make(map[subKey]*subscription, len(old))
	missed := map[subKey]bool{} // what waits is of the old secret, and not written any more
	for _, p := range c.pending {
		if p.sub != nil {
			missed[p.sub.name] = true
		}
	}
	var fresh []*subscription
	for name, s := range old {
		n := &subscription{client: c, name: name, key: s.key, asked: secret, secret: secret}
		n.weight.Store(s.weight.Swap(0))
		c.subs[name] = n
		fresh = append(fresh, n)
	}
	c.mu.Unlock()
	for _, n := range fresh {
		c.hub.add(n)
		version, asks, lost := c.hub.taken(old[n.name])
		switch {
		case lost || missed[n.name]:
			c.hub.makeUp(n)
		case asks != nil:
			c.hub.catchUp(n, *asks)
		default:
			c.hub.knows(n, version)
		}
	}
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		for _, s := range fresh {
			c.hub.remove(s)
		}
	}
}

// taken removes a subscription and returns what its client has, or asks for, as one
// does that was told that it may not see the entity, and whether it missed anything.
func (h *Hub) taken(s *subscription) (version string, asks *string, missed bool) {
	h.remove(s)
	sh := h.shard(s.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if s.denied && s.client.protocol == 2 && s.asks == nil {
		return s.version, &s.version, s.missed
	}
	return s.version, s.asks, s.missed
}

// makeUp has a client shown what there is, whatever it has.
func (h *Hub) makeUp(s *subscription) {
	if s.client.protocol == 2 && s.key.ID != Any {
		h.catchUp(s, "")
		return
	}
	sh := h.shard(s.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if s.key.ID == Any {
		s.client.inform(s, resyncFrame(s.name.entity), false)
	} else if t := sh.topics[s.key]; t != nil && t.groups[s.secret] != nil {
		t.groups[s.secret].forced = true
		h.refresh(t.groups[s.secret])
	}
}

// knows notes which version a client has, unless it was sent another by now.
func (h *Hub) knows(s *subscription, version string) {
	sh := h.shard(s.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if s.version == "" {
		s.version = version
	}
}
