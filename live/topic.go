package live

import (
	"hash/maphash"
	"sync"
	"time"
)

// shard holds the topics of some keys. Its lock guards them and everything below them;
// keys are spread over many shards so that changes of different entities do not wait
// for each other.
type shard struct {
	mu     sync.Mutex
	topics map[Key]*topic
}

// topic is an entity, or all entities of a type, that a client of this instance
// subscribed to.
type topic struct {
	groups map[string]*group // by secret
}

// group holds the subscribers to an entity who see the same of it: it is fetched once
// for all of them.
type group struct {
	key      Key
	secret   string
	subs     map[*subscription]struct{}
	resolver Resolver
	known    bool   // it was fetched
	version  string // that was fetched last
	fetching bool   // or about to
	failures int    // one after the other
	dirty    bool   // to be fetched again
	forced   bool   // somebody said that it changed: plain clients get it whatever its version
	last     time.Time
}

// shard returns the shard of the key.
func (h *Hub) shard(k Key) *shard {
	return &h.shards[maphash.Comparable(h.seed, k)%uint64(len(h.shards))]
}

// add registers a subscription and returns its group.
func (h *Hub) add(s *subscription) *group {
	resolver := h.o.Resolver(s.key)
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

// remove drops a subscription, and its group if nobody else needs it; it is idempotent.
func (h *Hub) remove(s *subscription) {
	h.giveBack(s)
	sh := h.shard(s.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if t := sh.topics[s.key]; t != nil {
		if g := t.groups[s.secret]; g != nil {
			delete(g.subs, s)
			sh.tidy(g)
		}
	}
}

// tidy drops the group unless a client or a fetch needs it; sh.mu is held.
func (sh *shard) tidy(g *group) {
	if len(g.subs) > 0 || g.fetching {
		return
	}
	t := sh.topics[g.key]
	if t == nil || t.groups[g.secret] != g {
		return
	}
	if delete(t.groups, g.secret); len(t.groups) == 0 {
		delete(sh.topics, g.key)
	}
}

// secretsOf returns the secrets by which clients see the key: one group has each.
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
