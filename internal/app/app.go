// Package app builds the use cases of a deployment from its configuration and its
// drivers, starts the work that runs beside requests, and closes everything in order.
// Package flow carries news from one use case to another.
package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/doctor"
	"github.com/headgate/headgate/internal/draft"
	"github.com/headgate/headgate/internal/flow"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/gate/target"
	"github.com/headgate/headgate/internal/live/resolver"
	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/hosting"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/exchange"
	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/webhook/incoming"
	"github.com/headgate/headgate/internal/webhook/occurrence"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// Store is a driver that keeps events and claims, and documents.
type Store = store.Driver

// Telemetry exports traces and metrics.
type Telemetry interface {
	// Flush exports what was measured until now.
	Flush(ctx context.Context) error
	// FlushSpans exports the spans that have ended.
	FlushSpans(ctx context.Context) error
	// Close exports what is left, and ends all exports.
	Close(ctx context.Context) error
	// Scraped reports whether WritePrometheus may be called.
	Scraped() bool
	// WritePrometheus writes all metrics as they are now, in Prometheus' text format.
	WritePrometheus(ctx context.Context, w io.Writer) error
}

// codedStore is a Store whose documents come with errors that use cases pass on. The gate marks
// the errors of its part itself, because its answers say which step failed.
type codedStore struct {
	store.Store
	store.Docs
}

// Options configure an App. It closes Store, Bus and Telemetry.
type Options struct {
	Config *config.Config
	Store  Store
	Bus    bus.Bus
	Log    *slog.Logger
	Now    func() time.Time // the machine's clock; nil: time.Now
	// Mono returns the time since some fixed moment, on a clock that nobody sets. nil: the
	// moment is the start of the process.
	Mono func() time.Duration
	// Slept returns how long the machine has slept. It is for a Mono that does not count
	// sleep; nil: Mono counts it.
	Slept func() time.Duration
	// SweepEvery is the time between two sweeps of all services; 0: a scheduler calls /sweep.
	SweepEvery time.Duration
	// Platform tells where the process runs; the zero value is Cloud Run.
	Platform hosting.Platform
	// Kinds are the kinds of data sources, and Env is their environment.
	Kinds source.Registry
	Env   source.Env
	// Secret resolves references of the configuration ("env:NAME", "sm://…"). It is not for
	// those of definitions. nil: a reference is an error.
	Secret func(ctx context.Context, value string) (string, error)
	// Receive says that this process takes the messages that start syncs off the bus.
	// Otherwise a push subscription brings them.
	Receive bool
	// LiveTopic carries signals between instances, unless the configuration names a topic;
	// "": there is no other instance.
	LiveTopic string
	// HooksHTTP calls the targets of webhooks and external-data services: no redirects, no
	// repetitions, no internal addresses. nil refuses every call.
	HooksHTTP *http.Client
	// LiveHTTP calls the resolvers, the pass-through and the keys of live. nil refuses every
	// call.
	LiveHTTP *http.Client
	// Tokens authenticates calls of targets with Google's tokens; nil: they fail.
	Tokens target.Tokens
	// Base is the URL of this process if the configuration has no publicURL.
	Base string
	// Memory bounds the memory that callers can make this process use; the zero value has
	// no bound.
	Memory budget.Memory
	// Timer returns the timer of a service whose configuration has one. nil: the process runs
	// between requests, and closes windows by itself.
	Timer func(svc config.Service) (gate.Timer, error)
	// ServesLive says that this process serves live clients.
	ServesLive bool
	// Reads reports that this process only reads the store, so it stores no declared sync.
	Reads bool
	// Telemetry exports what the process measures; nil: nothing is exported.
	Telemetry Telemetry
	// Tracer records spans; nil: none are recorded.
	Tracer *trace.Tracer
	// Meter takes measurements; nil: nothing is measured. System is the store's name in them.
	Meter  *meter.Meter
	System string
	// Warnings are shown by /readyz beside "ready".
	Warnings []string
	// Place describes the drivers and the platform to an examination.
	Place doctor.Place

	clock   *clock.Steady
	machine func() time.Time // the machine's clock, which the steady one follows
}

// App is a deployment's use cases.
type App struct {
	o        Options
	gates    []*gate.Gate
	defs     *definition.Service
	syncs    *syncrun.Service
	rows     *exchange.Service
	records  *entity.Service
	sessions *incoming.Sessions
	incoming *incoming.Service
	outgoing *outgoing.Service
	outbox   *occurrence.Outbox
	drafts   *draft.Service
	live     *Live
	flow     *flow.Flow
	audit    *audit.Service

	resolvers []*resolver.HTTP   // of the configuration's live.resolvers, in their order
	declares  []*definition.Sync // of the configuration, in its order
	beats     *doctor.Beats
	unswept   sync.Map // the services whose missing sweeps the log has told of
	examined  doctor.Shared
	changes   store.Changes // nil: no other process writes to the store without a signal
	joined    chan struct{} // gets a value when a live client connects or leaves

	backgroundCPU bool // the platform's answer, asked once

	exported atomic.Pointer[time.Duration] // by Mono, when Export last exported

	helped     atomic.Uint64 // counts calls of Help
	declared   atomic.Bool   // the configuration's syncs are stored
	abandoned  atomic.Value  // []string: syncs that the configuration no longer declared when they were stored
	unwritable atomic.Bool   // the last /readyz found that the store takes no writes
	wrongClock atomic.Bool   // the log says that the machine's clock is wrong

	stop    context.CancelFunc
	running sync.WaitGroup
	once    sync.Once
}

// New builds the use cases. It starts nothing.
func New(o Options) (*App, error) {
	o.steady()
	changes, _ := o.Store.(store.Changes)
	o.Store = store.Measured(o.Store, o.Meter, o.Tracer, o.System)
	events := o.Store // codedStore would hide what else the driver can do with windows
	entries := audit.New(audit.Options{Docs: o.Store, Log: o.Log, Now: o.Now, Random: newID, Keep: o.Config.AuditKept()})
	o.Store = codedStore{o.Store, audit.Docs(store.Coded(o.Store))}
	a := &App{audit: entries, o: o, backgroundCPU: o.Platform.BackgroundCPU(), changes: changes, joined: make(chan struct{}, 1)}
	a.beats = &doctor.Beats{Docs: o.Store, Now: o.Now}
	source, hooks, err := a.hooks(context.Background())
	if err != nil {
		return nil, err
	}
	if a.resolvers, err = o.newResolvers(); err != nil {
		return nil, err
	}
	a.flow = flow.New(flow.Options{
		Config: o.Config, Log: o.Log, Now: o.Now, Bus: o.Bus, BackgroundCPU: a.backgroundCPU,
		Shared: o.signalTopic() != "", Resolver: a.resolver, SourceHook: source, Hooks: hooks, HTTP: o.HooksHTTP, Meter: o.Meter,
	})
	a.outgoing = a.newOutgoing()
	a.outbox = &occurrence.Outbox{Subscribed: a.outgoing.Subscribed, Stored: a.outgoing.Stored}
	for _, svc := range o.Config.Services {
		g, err := a.newGate(svc, events)
		if err != nil {
			return nil, err
		}
		a.gates = append(a.gates, g)
	}
	a.records = entity.New(entity.Options{Docs: o.Store, Now: o.Now, Changed: a.flow.RecordsChanged, Outbox: a.outbox})
	if err := a.newSyncs(); err != nil {
		return nil, err
	}
	a.sessions = a.newSessions()
	a.incoming = incoming.New(incoming.Options{Docs: o.Store, Sessions: a.sessions, Log: o.Log, Now: o.Now, Changed: a.flow.ListChanged, Outbox: a.outbox})
	a.drafts = draft.NewService(draft.Options{Docs: o.Store, Sources: a.draftSources(), Now: o.Now, Changed: a.flow.DraftChanged})
	if a.live, err = a.newLive(); err != nil {
		return nil, err
	}
	a.flow.Connect(flow.UseCases{
		Gates: a.gates, Records: a.records, Definitions: a.defs, Syncs: a.syncs, Sessions: a.sessions,
		Incoming: a.incoming, Outgoing: a.outgoing, Drafts: a.drafts, Hub: a.live.Hub,
	})
	return a, nil
}

// newGate builds the gate of a service, which keeps its events in the store.
func (a *App) newGate(svc config.Service, events Store) (*gate.Gate, error) {
	o := gate.Options{
		Store: events, Docs: a.o.Store, Bus: a.o.Bus, Log: a.o.Log, Clock: a.o.clock,
		Gates:     len(a.o.Config.Services),
		PublicURL: strings.TrimSuffix(a.o.Config.PublicURL, "/"), BackgroundCPU: a.backgroundCPU,
		Work: a.o.Memory.Work, Answers: a.o.Memory.Answers, Outbox: a.outbox, Tracer: a.o.Tracer, Meter: a.o.Meter,
		Changed:  func() { a.flow.GateChanged(svc.ServiceName) },
		Swept:    a.swept(svc.ServiceName),
		Warnings: func(ctx context.Context) ([]string, error) { return a.warnings(ctx, svc) },
	}
	var err error
	if svc.Timers != nil && a.o.Timer != nil {
		if o.Timer, err = a.o.Timer(svc); err != nil {
			return nil, err
		}
	}
	if o.Senders, err = a.senders(context.Background(), svc); err != nil {
		return nil, fmt.Errorf("service %q: %w", svc.ServiceName, err)
	}
	if o.AlertSenders, err = a.alertSenders(context.Background(), svc); err != nil {
		return nil, fmt.Errorf("service %q: %w", svc.ServiceName, err)
	}
	return gate.New(svc, o), nil
}

// steady makes everything use one clock that does not follow a jump of the machine's.
func (o *Options) steady() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Mono == nil {
		began := time.Now()
		o.Mono = func() time.Duration { return time.Since(began) }
	}
	// The gates tell the clock themselves. The audit is kept for much longer, and left out: after a
	// start in 1970 nothing would be deleted for that time.
	longest := time.Duration(0)
	if o.Config.Echo != nil || len(o.Config.Hooks) > 0 {
		longest = outgoing.KeptFor
	}
	o.machine = o.Now
	o.clock = clock.New(clock.Options{Wall: o.Now, Mono: o.Mono, Slept: o.Slept, Longest: longest})
	o.Now = o.clock.Now
}

func (a *App) draftSources() map[string]draft.Source {
	sources := make(map[string]draft.Source)
	for _, d := range a.o.Config.Drafts {
		sources[d.Name] = flow.DraftSource(d, a.records, a.rows, a.o.HooksHTTP)
	}
	return sources
}

// Config returns the effective configuration.
func (a *App) Config() *config.Config { return a.o.Config }

// Now returns the time, by a clock that does not follow a jump of the machine's.
func (a *App) Now() time.Time { return a.o.Now() }

// Memory returns the budgets of the process.
func (a *App) Memory() budget.Memory { return a.o.Memory }

// Log returns the deployment's logger.
func (a *App) Log() *slog.Logger { return a.o.Log }

// Warnings returns warnings about a setup that works, but perhaps not as intended. Each
// was logged at start.
func (a *App) Warnings() []string { return a.o.Warnings }

// Platform returns the platform that the process runs on.
func (a *App) Platform() hosting.Platform { return a.o.Platform }

// Place returns where the deployment runs, and on which drivers.
func (a *App) Place() doctor.Place { return a.o.Place }

// Audit returns the record of what people did.
func (a *App) Audit() *audit.Service { return a.audit }

// Flow returns the connection between the use cases.
func (a *App) Flow() *flow.Flow { return a.flow }

// Definitions returns the use case of the definitions of syncs.
func (a *App) Definitions() *definition.Service { return a.defs }

// Exchange returns the use case of rows that pass between a sync and others without a run.
func (a *App) Exchange() *exchange.Service { return a.rows }

// Syncs returns the use case of the runs of syncs.
func (a *App) Syncs() *syncrun.Service { return a.syncs }

// Entities returns the use case of records.
func (a *App) Entities() *entity.Service { return a.records }

// Sessions returns the use case of the sessions: the documents that people have open.
func (a *App) Sessions() *incoming.Sessions { return a.sessions }

// Incoming returns the use case of incoming webhooks.
func (a *App) Incoming() *incoming.Service { return a.incoming }

// Outgoing returns the use case of outgoing webhooks.
func (a *App) Outgoing() *outgoing.Service { return a.outgoing }

// Drafts returns the use case of drafts.
func (a *App) Drafts() *draft.Service { return a.drafts }

// Gates returns the gates of all services, in configuration order.
func (a *App) Gates() []*gate.Gate { return a.gates }

// Gate returns the gate of a service. "" means the only service, or the first.
func (a *App) Gate(service string) (*gate.Gate, error) { return a.flow.Gate(service) }

// Help publishes the claims that wait at the gate, and those of one other gate, because
// that gate may get no request of its own for a long time. wait means the same as for
// [gate.Gate.Help].
//
// A process that sweeps by itself needs no help: with many services, of which each gets few
// events, each event would pay for the look at two of them.
func (a *App) Help(g *gate.Gate) (wait func()) {
	if a.o.SweepEvery > 0 {
		return func() {}
	}
	if len(a.gates) == 1 || !g.HelpDue() {
		return g.Help()
	}
	other := a.gates[a.helped.Add(1)%uint64(len(a.gates))]
	one, two := g.Help(), other.Help()
	return func() { one(); two() }
}
