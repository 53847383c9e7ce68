// Package gate is the use case of one service. It keeps events, and releases exactly one
// sync message when the window is complete.
//
// These invariants hold whichever instance does the work, and wherever it fails:
//
//  1. An acknowledged event is durable in the store.
//  2. An event is in at most one claim (unless the service keeps its events). A claim
//     deletes the events' pointers in its commit, and a pointer can be deleted only once
//     (docs/decisions/001 and 002).
//  3. The instance that stored the completing event claims the window, unless another one
//     was faster. The event is committed first and the check reads after that, so of two
//     instances at least the later one sees both events.
//  4. A claim is published at least once, always with the same eventID. The claim is the
//     outbox: if an instance dies after the claim, Sweep or Help of another one publishes it.
//  5. The cost of an event does not grow with the number of waiting events.
//  6. An event that its source sends twice under one idempotency key counts once.
//
// If the store fails, the source gets no receipt and has to retry. If the bus fails, the
// source gets its receipt, and the claim is retried with a growing delay.
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
	"github.com/headgate/headgate/internal/gate/target"
	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/shutdown"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

const (
	// storeTimeout bounds a commit and a check. Both serve many requests, so the context of
	// one request must not end them.
	storeTimeout = 15 * time.Second
	// publishTimeout bounds the bus's part of one publication, and then the store's.
	publishTimeout = 5 * time.Second
	// firstBuild and longestBuild bound the time to build a message from its events, which
	// may be gigabytes that are read from the store. Sources wait for the first attempt, so
	// it is short. Each further attempt gets twice the time of the previous one.
	firstBuild, longestBuild = 5 * time.Second, 2 * time.Minute
	// memory is the shortest time for which an idempotency key is remembered.
	memory = 24 * time.Hour
	// cacheBytes bounds the recent events in memory. A claim often follows its events at
	// once, and then need not read them back from the store. cacheTotal bounds those of all
	// gates of a process.
	cacheBytes, cacheTotal = 4 << 20, 32 << 20
)

// Options configures a Gate.
type Options struct {
	// Gates is the number of gates in the process, which share its memory for recent events; 0
	// means one.
	Gates int
	Store store.Store
	Docs  store.Docs // keeps how many events expired; nil: that is not kept
	Bus   bus.Bus
	Log   *slog.Logger
	Clock *clock.Steady // nil: one of the gate's own
	// PublicURL prefixes contentURL; empty makes it a path.
	PublicURL string
	// BackgroundCPU says that the process has CPU between requests. A source is then
	// answered as soon as its message is published, before the store has recorded that.
	BackgroundCPU bool
	// Work bounds the memory of messages that are built and sent, Answers that of messages
	// that are read. nil means no bound.
	Work, Answers *budget.Budget
	// Timer makes the closing of windows punctual where no process runs between requests.
	// nil: requests and sweeps close them.
	Timer Timer
	// Warnings returns what an operator should correct about what messages start. May be
	// nil.
	Warnings func(ctx context.Context) ([]string, error)
	// AlertSenders reach the HTTP endpoints of the service's alerts, in the configuration's
	// order.
	AlertSenders []target.Sender
	// Senders reach the targets that are not topics, by name. A target of the configuration
	// that has none is not the gate's task.
	Senders map[string]target.Sender
	// Alone says that one caller plays events one after the other, in a simulation. All work is
	// then done in its goroutine, in one order, and no limit of time depends on the machine.
	// Messages are claimed, alerts are created, and none is sent: the caller knows them from
	// its store.
	Alone bool
	// Outbox takes the messages and alerts to which others subscribe. nil: nobody does.
	Outbox *occurrence.Outbox
	// Swept is called after a sweep that succeeded. requested says that somebody called for it,
	// and not this process for itself. May be nil.
	Swept func(ctx context.Context, requested bool)
	// Tracer records spans; nil: none are recorded.
	Tracer *trace.Tracer
	// Meter takes the gate's measurements. nil: nobody does.
	Meter *meter.Meter
	// Changed is called when the window or the outbox has changed. It must not block.
	// May be nil.
	Changed func()
}

// Gate serves one service. All its methods may be called concurrently.
type Gate struct {
	svc       config.Service
	endpoints []store.Endpoint
	rules     *rules
	byKey     map[string]int

	topic       string      // of the first target that is a topic; "": there is none
	receivers   []*receiver // the targets; nil if they are one topic and nothing else
	sole        *receiver   // that topic; nil if there are more targets
	targetNames []string    // in configuration order

	store         store.Store
	docs          store.Docs
	bus           bus.Bus
	log           *slog.Logger
	time          *clock.Steady
	publicURL     string
	backgroundCPU bool
	alone         bool
	changed       func()
	swept         func(ctx context.Context, requested bool)
	warnings      func(ctx context.Context) ([]string, error)
	work          *budget.Budget
	answers       *budget.Budget
	alerts        alerts
	outbox        *occurrence.Outbox
	tracer        *trace.Tracer
	meter         *meter.Meter
	gauged        gaugedSets

	timers   timers
	left     leftovers
	commits  *groupCommit
	many     store.ManyWindows // nil: each scope is looked at by itself
	checks   coalescer
	scopes   scopeChecks
	gathers  gathers
	sending  coalescer // of dead letters
	tally    tally
	counting time.Duration // time.Ran when the tally began
	overs    sync.Mutex    // guards the counts of a sweep
	recent   *recentEvents
	guess    guess
	busAway  atomic.Int64 // time.Ran when the bus last failed
	deadAway atomic.Int64 // time.Ran when the topic of dead letters last failed
	helped   atomic.Int64 // time.Ran when a request last looked for waiting claims
	kept     atomic.Int64 // time.Ran when the expiry of waiting events was last postponed
	pressed  atomic.Int64 // time.Ran when the waiting events were last counted
	overFull atomic.Bool  // they were more than maxPending
	unkept   atomic.Bool  // postponing failed last time
	doubtful atomic.Bool  // postponing has not yet succeeded but still may: nothing is purged meanwhile
	closing  atomic.Bool  // Close was called: no new work begins
	entering sync.RWMutex // write-held while closing is set, read-held while work begins
	inFlight sync.WaitGroup

	expiring  sync.Mutex     // held by the call that counts expired events; guards the next two
	uncounted map[string]int // expired events by eventKey that could not be counted in the store yet
	untold    []store.Write  // the alerts about them

	keeping  sync.Mutex    // held by the call that postpones expiry; guards the next two
	round    round         // the current pass over waiting claims, if a call left some to the next
	keepNext time.Duration // the time from kept to the next pass
}

// cacheShare returns the bytes of recent events that one of so many gates may keep.
func cacheShare(gates int) int64 { return min(cacheBytes, cacheTotal/int64(max(gates, 1))) }

// New returns the gate of a service, whose configuration is valid. It starts nothing.
func New(svc config.Service, o Options) *Gate {
	g := &Gate{
		svc: svc, byKey: make(map[string]int, len(svc.Endpoints)),
		store: o.Store, docs: o.Docs, bus: o.Bus, log: o.Log.With("serviceName", svc.ServiceName), time: o.Clock,
		publicURL: o.PublicURL, backgroundCPU: o.BackgroundCPU, alone: o.Alone, recent: newRecentEvents(cacheShare(o.Gates)),
		changed: o.Changed, warnings: o.Warnings, work: o.Work, answers: o.Answers, timers: timers{timer: o.Timer},
		outbox: o.Outbox, swept: o.Swept, tracer: o.Tracer, meter: o.Meter,
	}
	if g.changed == nil {
		g.changed = func() {}
	}
	if g.time == nil {
		g.time = newClock()
	}
	for _, at := range []*atomic.Int64{&g.busAway, &g.deadAway, &g.helped, &g.kept, &g.pressed, &g.timers.away} {
		at.Store(int64(never))
	}
	g.doubtful.Store(true)
	g.counting = g.time.Ran()
	for i, e := range svc.Endpoints {
		g.byKey[e.EventKey] = i
		g.endpoints = append(g.endpoints, store.Endpoint{Service: svc.ServiceName, Key: e.EventKey, Shards: e.Shards})
	}
	g.guess = newGuess(len(g.endpoints))
	var err error
	if g.rules, err = compile(svc); err != nil {
		panic("gate: the configuration was not validated: " + err.Error())
	}
	g.time.Keeps(g.longestKept())
	if g.many, _ = o.Store.(store.ManyWindows); g.alone || g.timers.timer != nil || svc.AsyncEventTrigger { // a look at one key sets its timer
		g.many = nil
	}
	g.alerts.outbox = g.newOutbox(o.AlertSenders)
	g.compileTargets(o.Senders)
	g.commits = newGroupCommit(g.commit)
	g.commits.alone = g.alone
	return g
}

// errClosing is the answer to calls after Close.
var errClosing = fault.New(fault.Unavailable, "this instance is shutting down; send the request again")

// enter counts the caller as in flight and returns true, unless the gate is closing. The
// caller must end with inFlight.Done. Work that is in flight may add more to inFlight
// without entering, because Close cannot have finished waiting then.
func (g *Gate) enter() bool {
	g.entering.RLock()
	defer g.entering.RUnlock()
	if g.closing.Load() {
		return false
	}
	g.inFlight.Add(1)
	return true
}

// Close lets no new work begin, and waits until the work under way or ctx ends. Later
// calls of Ingest, Check, Sweep and Replay fail with Unavailable, and Help does nothing:
// the store may be closed by then.
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
	keys := make([]string, len(g.endpoints))
	for i, r := range g.rules.shape.Rules {
		keys[i] = r.Key
	}
	return keys
}

func (g *Gate) windowed() bool { return g.svc.Trigger.Type == "window" }

// buildTime returns the time that an attempt has to build the message. The first is 1.
func buildTime(attempt int) time.Duration {
	return min(firstBuild<<min(max(attempt-1, 0), 10), longestBuild)
}

// publishLease returns the time for which an attempt holds the claim. It is longer than
// the attempt can take: with a shorter lease, a sweep would publish the same message while
// the first attempt is still building it.
func publishLease(attempt int) time.Duration { return buildTime(attempt) + 2*publishTimeout }

// remember returns the time for which an idempotency key is remembered. It is never less
// than the window's period, so that a retry within one window counts once.
func (g *Gate) remember() time.Duration { return max(memory, g.rules.longest()) }

// retention returns the time for which a published message can be read and replayed. With
// keepEventAfterTrigger it also outlasts the window: the claim is the record that its
// events were published, and they would be published again if it expired before them.
func (g *Gate) retention() time.Duration {
	return max(time.Duration(g.svc.RetentionDays)*24*time.Hour, g.rules.longest())
}

// longestKept returns the longest time for which events, messages and alerts are kept.
func (g *Gate) longestKept() time.Duration {
	return max(g.retention()+max(g.remember(), keepFor)+24*time.Hour, alertsKept)
}

// contentURL returns the URL at which the whole message of an eventID can be read.
func (g *Gate) contentURL(eventID string) string {
	return g.publicURL + "/services/" + PathSegment(g.svc.ServiceName) + "/messages/" + eventID
}

// PathSegment escapes a name so that it is one segment of a URL's path. Clients and routers
// remove the segments "." and "..", so it escapes these too.
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
