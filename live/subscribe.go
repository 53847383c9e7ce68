package live

import (
	"strconv"
	"unicode/utf8"
)

// subscribe adds a subscription, or repeats the answer to one that is there.
func (c *client) subscribe(t target, ref string) {
	deny := func(code, message string) {
		if c.protocol == Plain { // it cannot be told, and would wait in vain
			c.close(closePolicy, message+": "+strconv.Quote(t.Entity)+" "+strconv.Quote(t.ID))
			return
		}
		c.answer(reply{Type: "error", Code: code, Message: message, Entity: t.Entity, ID: &t.ID, Ref: ref})
	}
	key := KeyOf(t.Entity, t.ID)
	switch {
	case !key.subscribable() || !utf8.ValidString(t.Entity+t.ID):
		deny("invalid", nameRule)
		return
	case t.ID == Any && c.protocol == Plain:
		deny("invalid", "id * is for ?protocol=2 only")
		return
	case !c.mayTake(key):
		deny("forbidden", "this connection may not subscribe to the entity")
		return
	case !c.hub.handles(key) && c.protocol == Versioned: // "gone" would look like a deleted entity
		deny("invalid", "no handler for the entity "+strconv.Quote(t.Entity))
		return
	}
	s, result := c.newSubscription(Name{t.Entity, t.ID}, key)
	switch {
	case result == noMemory && c.protocol == Plain: // it cannot be told, and would wait in vain
		c.close(closeBusy, "this instance has no memory for more subscriptions")
		return
	case result == noMemory:
		deny("limit", "this instance has no memory for more subscriptions: try again later, or connect again")
		return
	case result == tooMany:
		deny("limit", "there are too many subscriptions on this connection")
		return
	case s == nil:
		return // the client is closed
	}
	var g *group
	if result == added {
		g = c.hub.add(s) // before anything is read for it: no change falls between
		if c.isClosed() {
			c.hub.remove(s) // close did not see it
			return
		}
	}
	c.hub.o.ClientsChanged(key)
	c.answer(reply{Type: "subscribed", Entity: t.Entity, ID: &t.ID, Ref: ref})
	switch {
	case t.ID == Any:
	case c.protocol == Versioned && t.Have != nil:
		c.hub.catchUp(s, *t.Have)
	case g != nil:
		c.hub.baseline(g)
	}
}

// subscribed says what newSubscription did.
type subscribed int

const (
	existing subscribed = iota
	added
	tooMany
	noMemory
)

// newSubscription returns the client's subscription to the name. It makes one, with the
// memory that it takes, if there is none. The subscription is nil if that is not
// possible or the client is closed.
func (c *client) newSubscription(name Name, key Key) (*subscription, subscribed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.subscriptions[name]
	switch {
	case c.closed || s != nil:
		return s, existing
	case len(c.subscriptions) >= c.hub.o.MaxSubscriptions:
		return nil, tooMany
	case !c.hub.admit(weightOf(name)):
		return nil, noMemory
	}
	s = &subscription{client: c, name: name, key: key, asked: c.secret, secret: c.secret}
	s.weight.Store(weightOf(name))
	c.subscriptions[name] = s
	return s, added
}

// baseline fetches the first version of the group's entity: a later comparison finds a
// lost change only if it knows what was there before.
func (h *Hub) baseline(g *group) {
	sh := h.shard(g.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !g.known && !g.fetching {
		h.refresh(g)
	}
}

// catchUp requests an answer to a client that said which version it has. Clients that
// connect together share a fetch.
func (h *Hub) catchUp(s *subscription, have string) {
	sh := h.shard(s.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if g := sh.find(s.key, s.secret); g != nil {
		s.have = &have
		h.refresh(g)
	}
}

func (c *client) unsubscribe(t target, ref string) {
	name := Name{t.Entity, t.ID}
	c.mu.Lock()
	s := c.subscriptions[name]
	if s != nil {
		s.ended = true
		delete(c.subscriptions, name)
	}
	c.mu.Unlock()
	if s != nil {
		c.hub.remove(s)
		c.hub.o.ClientsChanged(s.key)
	}
	c.answer(reply{Type: "unsubscribed", Entity: t.Entity, ID: &t.ID, Ref: ref})
}

// changeSecret replaces the client's subscriptions by ones with the new secret. What
// waits for the client was fetched for the old secret, so it is no longer written. So
// that no change is lost, the new subscriptions ask again for what waited, and for what
// was delivered to the old ones during the change.
func (c *client) changeSecret(secret string) {
	c.mu.Lock()
	c.secret = secret
	old := c.subscriptions
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.subscriptions = make(map[Name]*subscription, len(old))
	waited := map[Name]bool{}
	for p := c.pending.first; p != nil; p = p.next {
		if p.sub != nil {
			waited[p.sub.name] = true
		}
	}
	var fresh []*subscription
	for name, s := range old {
		s.ended = true
		n := &subscription{client: c, name: name, key: s.key, asked: secret, secret: secret}
		n.weight.Store(s.weight.Swap(0))
		c.subscriptions[name] = n
		fresh = append(fresh, n)
	}
	c.mu.Unlock()
	for _, n := range fresh {
		c.hub.add(n)
		version, have, missed := c.hub.replaced(old[n.name])
		switch {
		case missed || waited[n.name]:
			c.hub.showAgain(n)
		case have != nil:
			c.hub.catchUp(n, *have)
		default:
			c.hub.inherit(n, version)
		}
	}
	if c.isClosed() {
		for _, s := range fresh {
			c.hub.remove(s)
		}
	}
}

// replaced removes a subscription that another one replaces. It returns the version that
// the client has, the version that it said it has if that is not answered yet, and
// whether it missed a change, or may have. A client that was told "forbidden" gets an answer: the new
// secret may see more.
func (h *Hub) replaced(s *subscription) (version string, have *string, missed bool) {
	h.freeSubscription(s)
	sh := h.shard(s.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	missed = sh.drop(s) || s.missed
	if s.denied && s.client.protocol == Versioned && s.have == nil {
		return s.version, &s.version, missed
	}
	return s.version, s.have, missed
}

// showAgain sends the client the present state, even if the client has it already.
func (h *Hub) showAgain(s *subscription) {
	if s.client.protocol == Versioned && s.key.ID != Any {
		h.catchUp(s, "")
		return
	}
	sh := h.shard(s.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if s.key.ID == Any {
		s.client.inform(s, resyncMessage(s.name.Entity), false)
	} else if g := sh.find(s.key, s.secret); g != nil {
		g.forced = true
		h.refresh(g)
	}
}

// inherit notes which version the client has, unless it got another one by now.
func (h *Hub) inherit(s *subscription, version string) {
	sh := h.shard(s.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if s.version == "" {
		s.version = version
	}
}
