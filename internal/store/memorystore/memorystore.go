// Package memorystore keeps a store in memory. It is for simulations: nothing survives the
// process, so it does not keep the promise of [store.Store] that a write is durable. It keeps
// all others, and passes the same suite.
//
// One lock guards everything, and no call waits for anything else. So the same calls in the
// same order give the same answers, which a simulation needs.
//
// With [Options.Forget] the store holds what is open and little more: the events that wait
// or whose message is not published yet, and the names of events for as long as these are
// remembered.
package memorystore

import (
	"cmp"
	"context"
	"encoding/hex"
	"math"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// Options configures a Store.
type Options struct {
	// Forget drops what an event holds at once, an event once it waits no more and its message
	// is published, and a claim once it is published or dropped. So no message can be built or
	// read, and the size of an event is that of its content. A service that keeps its events after the
	// trigger needs its claims, to know what it has published: it goes without Forget.
	Forget bool
	// Claims, with Forget, keeps the claims and the counts of their events until DropClaims.
	// A service with expectations looks back at them.
	Claims bool
}

// Store is a [store.Store] and [store.Docs] in memory. Use New.
type Store struct {
	options Options

	mu       sync.Mutex
	services map[string]*service
	docs     map[store.Collection]*collection
	revision int64
	expires  time.Time // no event, claim or document expires before; zero: none does
}

var (
	_ store.Store = (*Store)(nil)
	_ store.Docs  = (*Store)(nil)
)

// New returns an empty store.
func New(o Options) *Store {
	return &Store{options: o, services: map[string]*service{}, docs: map[store.Collection]*collection{}}
}

// service holds the endpoints, events and claims of one service.
type service struct {
	endpoints map[string]*endpoint
	events    map[string]*stored  // by id
	received  *ordered[event.Ref] // those, by (receivedAt, id)
	names     names               // of events that were forgotten
	messages  names               // the eventIDs of forgotten claims, with the ends of their retention
	claims    map[string]*claim   // by id
	byEventID map[string]*claim
	list      *ordered[*claim] // by (Date, ID)
	open      *ordered[*claim] // in state Claimed or Gathering, by (NextAttempt, ID)
}

// endpoint has the sets of an endpoint.
type endpoint struct {
	plain *ordered[store.Pointer]
	all   *ordered[store.Waiting] // of all keys
	keys  map[string]*keySet
}

// stored is an event.
type stored struct {
	event.Event
	attempt  string
	expireAt time.Time
	waits    int // pointers to it
	claims   int // unpublished claims that include it
}

type claim struct {
	store.Claim
	parts    []part
	expireAt time.Time
}

func (s *Store) service(name string) *service {
	svc := s.services[name]
	if svc == nil {
		svc = &service{
			endpoints: map[string]*endpoint{}, events: map[string]*stored{}, received: newOrdered(event.Ref.Compare),
			claims: map[string]*claim{}, byEventID: map[string]*claim{},
			list: newOrdered(func(a, b *claim) int { return cmp.Or(a.Date.Compare(b.Date), cmp.Compare(a.ID, b.ID)) }),
			open: newOrdered(func(a, b *claim) int {
				return cmp.Or(a.NextAttempt.Compare(b.NextAttempt), cmp.Compare(a.ID, b.ID))
			}),
		}
		s.services[name] = svc
	}
	return svc
}

func (s *Store) endpoint(ep store.Endpoint) *endpoint {
	svc := s.service(ep.Service)
	e := svc.endpoints[ep.Key]
	if e == nil {
		e = &endpoint{plain: newOrdered(event.Ref.Compare), all: newOrdered(event.Waiting.Compare), keys: map[string]*keySet{}}
		svc.endpoints[ep.Key] = e
	}
	return e
}

// lock takes the lock, unless ctx has ended. If it returns nil, the caller must unlock.
func (s *Store) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	return nil
}

// Now implements [store.Store]. Memory has no time of its own.
func (s *Store) Now(ctx context.Context) (time.Time, bool, error) {
	return time.Time{}, false, ctx.Err()
}

// Writable implements [store.Store].
func (s *Store) Writable(ctx context.Context) error { return ctx.Err() }

// MaxClaim implements [store.Store]. What waits is in memory already, so its number needs no
// bound.
func (s *Store) MaxClaim() int { return math.MaxInt32 }

// Close implements [store.Store]. It releases nothing: the store goes with its last user.
func (s *Store) Close() error { return nil }

// Waits returns the number of events that wait in all sets of the service.
func (s *Store) Waits(service string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.service(service).endpoints {
		n += e.plain.len() + e.all.len()
	}
	return n
}

// Held returns the number of events that the store holds of the service.
func (s *Store) Held(service string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.service(service).events)
}

// names remembers which events with a name were forgotten, until their names are.
type names struct {
	received map[[event.IDLen / 2]byte]int64 // Unix microseconds
	queue    []forgotten
	from     int // the queue's first
	before   int64
}

type forgotten struct {
	id         [event.IDLen / 2]byte
	receivedAt int64
}

// add remembers an event. One without a name never comes again.
func (n *names) add(ref event.Ref) {
	if ref.Unnamed() {
		return
	}
	f := forgotten{receivedAt: ref.ReceivedAt.UnixMicro()}
	if len(ref.ID) != event.IDLen {
		return
	}
	if _, err := hex.Decode(f.id[:], []byte(ref.ID)); err != nil {
		return
	}
	if n.received == nil {
		n.received = map[[event.IDLen / 2]byte]int64{}
	}
	n.received[f.id] = f.receivedAt
	n.queue = append(n.queue, f)
}

// find returns when the event with the id was received.
func (n *names) find(id string) (receivedAt time.Time, ok bool) {
	var key [event.IDLen / 2]byte
	if len(n.received) == 0 || len(id) != event.IDLen {
		return time.Time{}, false
	}
	if _, err := hex.Decode(key[:], []byte(id)); err != nil {
		return time.Time{}, false
	}
	at, ok := n.received[key]
	return time.UnixMicro(at).UTC(), ok
}

// prune drops the names of events that were received until the instant.
func (n *names) prune(until time.Time) {
	for n.before = max(n.before, until.UnixMicro()); n.from < len(n.queue) && n.queue[n.from].receivedAt <= n.before; n.from++ {
		if f := n.queue[n.from]; n.received[f.id] == f.receivedAt {
			delete(n.received, f.id)
		}
	}
	if n.from > len(n.queue)/2 {
		n.queue = append(n.queue[:0:0], n.queue[n.from:]...)
		n.from = 0
	}
}

// release forgets an event that no set and no unpublished claim needs.
func (s *Store) release(svc *service, id string) {
	e := svc.events[id]
	if e == nil || !s.options.Forget || e.waits > 0 || e.claims > 0 {
		return
	}
	svc.names.add(event.Ref{ID: e.ID, ReceivedAt: e.ReceivedAt})
	svc.remove(id)
}

// put stores an event under the id, which is its own or the archived one.
func (svc *service) put(id string, e *stored) {
	svc.events[id] = e
	svc.received.put(event.Ref{ID: id, ReceivedAt: e.ReceivedAt})
}

func (svc *service) remove(id string) {
	svc.received.remove(event.Ref{ID: id, ReceivedAt: svc.events[id].ReceivedAt})
	delete(svc.events, id)
}

// find returns an event, which may be archived, and the id under which it is stored.
func (svc *service) find(m store.Member) (*stored, string) {
	for _, id := range []string{m.ID, ""} {
		if id == "" {
			id = event.ArchivedID(m.ID, m.ReceivedAt)
		}
		if e := svc.events[id]; e != nil && e.ReceivedAt.Equal(m.ReceivedAt) {
			return e, id
		}
	}
	return nil, ""
}

// Earliest returns the earliest time of an event that waits in any set of the service. In
// the plain sets it is the receipt.
func (s *Store) Earliest(service string) (at time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.service(service).endpoints {
		if p, found := e.plain.first(); found && (!ok || p.ReceivedAt.Before(at)) {
			at, ok = p.ReceivedAt, true
		}
		if w, found := e.all.first(); found && (!ok || w.At.Before(at)) {
			at, ok = w.At, true
		}
	}
	return at, ok
}

// WaitsUnder reports whether an event waits under the key.
func (s *Store) WaitsUnder(service, key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.service(service).endpoints {
		if e.keys[key] != nil {
			return true
		}
	}
	return false
}
