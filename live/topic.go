package live

import (
	"hash/maphash"
	"sync"
	"time"
)

// shard holds the topics of some keys. Its lock guards them and everything below them.
// Keys are spread over many shards so that changes of different entities do not wait
// for each other.
//
// Locks are taken in the order shard, client, hub. No two shards are locked at once.
type shard struct {
	mu     sync.Mutex
	topics map[Key]*topic
}

// topic is an entity, or all entities of a type, that a client of this instance
// subscribed to.
type topic struct {
	groups map[string]*group // by secret
}

// group holds the subscriptions to an entity whose clients see the same of it: it is
// fetched once for all of them.
type group struct {
	key      Key
	secret   string
	subs     map[*subscription]struct{}
	resolver Resolver
	known    bool   // version is that of the last fetch
	version  string // goneVersion if the entity was gone
	fetching bool   // a fetch runs, is queued or has a timer
	gives    int    // deliveries under way that may not have come to each of subs
	failures int    // in a row
	dirty    bool   // another fetch is needed
	forced   bool   // a change was announced: plain clients get the state even if its version is the same
	last     time.Time

	traceparent string // of the last change that had one, until it is fetched
}

// shard returns the shard of the key.
func (h *Hub) shard(k Key) *shard {
	return &h.shards[maphash.Comparable(h.seed, k)%uint64(len(h.shards))]
}

// add registers a subscription and returns its group.
func (h *Hub) add(s *subscription) *group {
	resolver := h.resolverOf(s.key)
	secret := ""
	if resolver.PerSecret() {
		secret = s.secret
	}
	s.secret = secret
	sh := h.shard(s.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	g := sh.group(s.key, secret, resolver)
	g.subs[s] = struct{}{}
	return g
}

// group returns the group of the key and the secret, and makes it if there is none;
// sh.mu is held.
func (sh *shard) group(k Key, secret string, r Resolver) *group {
	t := sh.topics[k]
	if t == nil {
		t = &topic{groups: map[string]*group{}}
		sh.topics[k] = t
	}
	g := t.groups[secret]
	if g == nil {
		g = &group{key: k, secret: secret, subs: map[*subscription]struct{}{}, resolver: r}
		t.groups[secret] = g
	}
	return g
}

// find returns the group of the key and the secret, or nil; sh.mu is held.
func (sh *shard) find(k Key, secret string) *group {
	if t := sh.topics[k]; t != nil {
		return t.groups[secret]
	}
	return nil
}

// remove drops a subscription, and its group if nobody else needs it. It is idempotent.
func (h *Hub) remove(s *subscription) {
	h.freeSubscription(s)
	sh := h.shard(s.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.drop(s)
}

// drop removes the subscription from its group. It reports whether a state is being given to
// the group, which the subscription may get or not; sh.mu is held.
func (sh *shard) drop(s *subscription) (given bool) {
	g := sh.find(s.key, s.secret)
	if g == nil {
		return false
	}
	delete(g.subs, s)
	sh.tidy(g)
	return g.gives > 0
}

// tidy drops the group unless a client or a fetch needs it; sh.mu is held.
func (sh *shard) tidy(g *group) {
	if len(g.subs) > 0 || g.fetching || sh.find(g.key, g.secret) != g {
		return
	}
	t := sh.topics[g.key]
	if delete(t.groups, g.secret); len(t.groups) == 0 {
		delete(sh.topics, g.key)
	}
}

// secretsOf returns the secrets by which clients see the key: each has a group.
func (h *Hub) secretsOf(k Key) (secrets []string) {
	sh := h.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if t := sh.topics[k]; t != nil {
		for secret := range t.groups {
			secrets = append(secrets, secret)
		}
	}
	return secrets
}
