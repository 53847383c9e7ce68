// Package gate is the use case of one service: it keeps events, and when the
// window's conditions are met releases exactly one sync message.
//
// What holds, whatever fails and whichever instance does it:
//
//  1. An acknowledged event is durable in the store.
//  2. An event is in at most one claim (unless the service keeps its events).
//  3. A complete window is claimed by whoever stored the event that completed
//     it: the event commits first, the check reads after that.
//  4. A claim is published at least once, always with the same eventID: the
//     claim is the outbox, and Sweep and Help publish what an instance left behind.
//  5. The cost of an event does not grow with the number of events waiting.
//  6. An event that its source sends twice, under one key, counts once.
package gate

import (
	"context"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/shutdown"
	"github.com/headgate/headgate/internal/store"
)

const (
	// storeTimeout bounds a commit and a check, which serve many requests and so
	// cannot end with any one of them.
	storeTimeout = 15 * time.Second
	// publishTimeout bounds what the bus, and then the store, may take for one
	// publication.
	publishTimeout = 5 * time.Second
	// A message is built from its events, which may be gigabytes that come from the
	// store: the first attempt, which sources wait for, gets firstBuild, each further
	// one twice the time of the one before.
	firstBuild, longestBuild = 5 * time.Second, 2 * time.Minute
	// memory is the least time that an idempotency key is remembered.
	memory = 24 * time.Hour
	// cacheBytes bounds the events kept in memory so that the claim that soon
	// follows need not read back what was just written.
	cacheBytes = 4 << 20
)

// Options are what a Gate works with.
type Options struct {
	Store store.Store
	Bus   bus.Bus
	Log   *slog.Logger
	Clock *clock.Steady // nil: one of the gate's own
	// PublicURL prefixes contentURL; empty makes it a path.
	PublicURL string
	// BackgroundCPU says that the process has CPU between requests. A source is then
	// answered as soon as its message is published, before the claim says so.
	BackgroundCPU bool
	// Work bounds the messages that are built and sent at once, Answers those that
	// are read; nil does not.
	Work, Answers *budget.Budget
	// Changed is told that the window or the outbox is not as it was. It must not
	// block. May be nil.
	Changed func()
}

// Gate serves one service. All its methods may be called concurrently.
type Gate struct {
	svc       config.Service
	endpoints []store.Endpoint
	rules     []window.Rule
	byKey     map[string]int

	store         store.Store
	bus           bus.Bus
	log           *slog.Logger
	time          *clock.Steady
	publicURL     string
	backgroundCPU bool
	changed       func()
	work          *budget.Budget
	answers       *budget.Budget

	commits  *groupCommit
	checks   coalescer
	recent   *recentEvents
	suspect  atomic.Int64 // the endpoint that was short last, or nobody: checked first
	busAway  atomic.Int64 // what time.Ran was when the bus failed
	helped   atomic.Int64 // … when a request last looked for claims that wait
	kept     atomic.Int64 // … when the events of claims that wait were last kept
	unkept   atomic.Bool  // that failed
	doubtful atomic.Bool  // it did not yet succeed, and may: nothing is purged before
	closing  atomic.Bool  // nothing is begun any more
	entering sync.RWMutex // held while closing is set, or read to begin something
	inFlight sync.WaitGroup

	keeping  sync.Mutex    // held by the call that keeps events; guards the next two
	round    round         // of keeping, if a call left some claims to the next
	keepNext time.Duration // how long after kept events are kept again
}

// New returns the gate of a service. It starts nothing.
func New(svc config.Service, o Options) *Gate {
	g := &Gate{
		svc: svc, byKey: make(map[string]int, len(svc.Endpoints)),
		store: o.Store, bus: o.Bus, log: o.Log.With("serviceName", svc.ServiceName), time: o.Clock,
		publicURL: o.PublicURL, backgroundCPU: o.BackgroundCPU, recent: newRecentEvents(cacheBytes), changed: o.Changed,
		work: o.Work, answers: o.Answers,
	}
	if g.changed == nil {
		g.changed = func() {}
	}
	if g.time == nil {
		g.time = newClock()
	}
	for _, at := range []*atomic.Int64{&g.busAway, &g.helped, &g.kept} {
		at.Store(int64(never))
	}
	g.doubtful.Store(true)
	for i, e := range svc.Endpoints {
		g.byKey[e.EventKey] = i
		g.endpoints = append(g.endpoints, store.Endpoint{Service: svc.ServiceName, Key: e.EventKey, Shards: e.Shards})
		g.rules = append(g.rules, window.Rule{Key: e.EventKey, Need: e.MinNbOfOccurrence, Send: e.EventToSend})
	}
	g.commits = newGroupCommit(g.commit)
	return g
}

// errClosing answers what comes too late.
var errClosing = fault.New(fault.Unavailable, "this instance is shutting down; send the request again")

// enter counts the caller as in flight, unless the gate closes. The caller ends with
// inFlight.Done. Only what is in flight may add to inFlight without entering.
func (g *Gate) enter() bool {
	g.entering.RLock()
	defer g.entering.RUnlock()
	if g.closing.Load() {
		return false
	}
	g.inFlight.Add(1)
	return true
}

// Close begins nothing more and waits for what is under way, or for ctx. Calls of
// Ingest, Check, Sweep and Replay after that fail with Unavailable, and Help does
// nothing.
func (g *Gate) Close(ctx context.Context) error {
	g.entering.Lock()
	g.closing.Store(true)
	g.entering.Unlock()
	return shutdown.Wait(ctx, &g.inFlight)
}

// Service returns the service's configuration.
func (g *Gate) Service() config.Service { return g.svc }

// Endpoint returns the configuration of the endpoint with that key.
func (g *Gate) Endpoint(key string) (config.Endpoint, bool) {
	i, ok := g.byKey[key]
	if !ok {
		return config.Endpoint{}, false
	}
	return g.svc.Endpoints[i], true
}

// Keys returns the keys of all endpoints, in configuration order.
func (g *Gate) Keys() []string {
	keys := make([]string, len(g.rules))
	for i, r := range g.rules {
		keys[i] = r.Key
	}
	return keys
}

func (g *Gate) windowed() bool { return g.svc.Trigger.Type == "window" }

// buildTime is how long an attempt may take to build the message; 1 is the first.
func buildTime(attempt int) time.Duration {
	return min(firstBuild<<min(max(attempt-1, 0), 10), longestBuild)
}

// publishLease is how long a claim belongs to whoever makes that attempt. It is
// longer than the attempt, or a sweep would publish the message a second time.
func publishLease(attempt int) time.Duration { return buildTime(attempt) + 2*publishTimeout }

func (g *Gate) remember() time.Duration { return max(memory, g.svc.Trigger.Period()) }

// retention is how long a published message can be read and replayed. With
// keepEventAfterTrigger it also outlasts the window, or the claim that says
// "already published" would be gone while its events still wait.
func (g *Gate) retention() time.Duration {
	return max(time.Duration(g.svc.RetentionDays)*24*time.Hour, g.svc.Trigger.Period())
}

// contentURL is where the whole message of an eventID can be read.
func (g *Gate) contentURL(eventID string) string {
	return g.publicURL + "/services/" + PathSegment(g.svc.ServiceName) + "/messages/" + eventID
}

// PathSegment escapes a name so that it is one segment of a URL's path that no
// client or router cleans away, as they do with "." and "..".
func PathSegment(name string) string {
	switch name {
	case ".":
		return "%2E"
	case "..":
		return "%2E%2E"
	default:
		return url.PathEscape(name)
	}
}
