// Package app builds the use cases of a deployment from its configuration and its
// drivers, starts what runs beside requests, and closes everything in order. What one use
// case tells another is in package flow.
package app

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/draft"
	"github.com/headgate/headgate/internal/flow"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/hosting"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/exchange"
	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/webhook/incoming"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// Store is a driver that keeps events and claims, and documents.
type Store interface {
	store.Store
	store.Docs
}

// Options configure an App. It closes Store and Bus.
type Options struct {
	Config *config.Config
	Store  Store
	Bus    bus.Bus
	Log    *slog.Logger
	Now    func() time.Time // the machine's clock; nil: time.Now
	// Mono returns the time since any fixed moment, on a clock that nobody sets; nil: since
	// the process began.
	Mono func() time.Duration
	// Slept returns how long the machine has slept, where Mono does not count that; nil: it
	// does.
	Slept func() time.Duration
	// SweepEvery is how often every service is swept; 0: a scheduler calls /sweep.
	SweepEvery time.Duration
	// Platform is what the process runs on; the zero value is Cloud Run.
	Platform hosting.Platform
	// Kinds are the kinds of data sources, and Env is what they work with.
	Kinds source.Registry
	Env   source.Env
	// Secret resolves the references of the configuration ("env:NAME", "sm://…"), and not
	// those of definitions. nil: references are errors.
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
	// Base is where this process is reached if the configuration has no publicURL.
	Base string
	// Memory bounds what callers make this process hold; the zero value does not.
	Memory budget.Memory
	// ServesLive says that this process serves live clients.
	ServesLive bool
	// Warnings are what /readyz says beside "ready".
	Warnings []string

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
	drafts   *draft.Service
	live     *Live
	flow     *flow.Flow

	helped     atomic.Uint64 // counts calls of Help
	unwritable atomic.Bool   // the last /readyz found that the store takes no writes

	stop    context.CancelFunc
	running sync.WaitGroup
	once    sync.Once
}

// New builds the use cases. It starts nothing.
func New(o Options) (*App, error) {
	o.steady()
	a := &App{o: o}
	source, hooks, err := a.hooks(context.Background())
	if err != nil {
		return nil, err
	}
	a.flow = flow.New(flow.Options{
		Config: o.Config, Log: o.Log, Now: o.Now, Bus: o.Bus, BackgroundCPU: o.Platform.BackgroundCPU(),
		Shared: o.liveTopic() != "", Resolver: a.resolver, SourceHook: source, Hooks: hooks,
	})
	for _, svc := range o.Config.Services {
		a.gates = append(a.gates, gate.New(svc, gate.Options{
			Store: o.Store, Docs: o.Store, Bus: o.Bus, Log: o.Log, Clock: o.clock,
			PublicURL: strings.TrimSuffix(o.Config.PublicURL, "/"), BackgroundCPU: o.Platform.BackgroundCPU(),
			Work: o.Memory.Work, Answers: o.Memory.Answers,
			Changed:  func() { a.flow.GateChanged(svc.ServiceName) },
			Warnings: func(ctx context.Context) ([]string, error) { return a.flow.Warnings(ctx, svc) },
		}))
	}
	a.records = entity.New(entity.Options{Docs: o.Store, Now: o.Now, Changed: a.flow.RecordsChanged})
	a.newSyncs()
	a.sessions = a.newSessions()
	a.incoming = incoming.New(incoming.Options{Docs: o.Store, Sessions: a.sessions, Log: o.Log, Now: o.Now, Changed: a.flow.ListChanged})
	a.outgoing = a.newOutgoing()
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

// steady makes everything use one clock that does not follow a jump of the machine's.
func (o *Options) steady() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Mono == nil {
		began := time.Now()
		o.Mono = func() time.Duration { return time.Since(began) }
	}
	longest := time.Duration(0) // the gates ask the clock themselves
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

// Memory returns the budgets of the process.
func (a *App) Memory() budget.Memory { return a.o.Memory }

// Log returns the deployment's logger.
func (a *App) Log() *slog.Logger { return a.o.Log }

// Warnings returns what the operator should know although everything works. Each was
// logged at start.
func (a *App) Warnings() []string { return a.o.Warnings }

// Platform returns what the process runs on.
func (a *App) Platform() hosting.Platform { return a.o.Platform }

// Flow returns what connects the use cases.
func (a *App) Flow() *flow.Flow { return a.flow }

// Definitions returns the use case of what syncs are defined to do.
func (a *App) Definitions() *definition.Service { return a.defs }

// Exchange returns the use case of rows that pass between a sync and others without a run.
func (a *App) Exchange() *exchange.Service { return a.rows }

// Syncs returns the use case of the runs of syncs.
func (a *App) Syncs() *syncrun.Service { return a.syncs }

// Entities returns the use case of records.
func (a *App) Entities() *entity.Service { return a.records }

// Sessions returns the use case of the documents that people have open.
func (a *App) Sessions() *incoming.Sessions { return a.sessions }

// Incoming returns the use case of the webhooks that come in.
func (a *App) Incoming() *incoming.Service { return a.incoming }

// Outgoing returns the use case of the webhooks that are sent.
func (a *App) Outgoing() *outgoing.Service { return a.outgoing }

// Drafts returns the use case of drafts.
func (a *App) Drafts() *draft.Service { return a.drafts }

// Gates returns the gates of all services, in configuration order.
func (a *App) Gates() []*gate.Gate { return a.gates }

// Gate returns the gate of a service. "" means the only service, or the first.
func (a *App) Gate(service string) (*gate.Gate, error) { return a.flow.Gate(service) }

// Help publishes the claims that wait at the gate, and those at one of the other gates:
// another gate may get no request of its own for a long time. wait is as that of
// [gate.Gate.Help].
func (a *App) Help(g *gate.Gate) (wait func()) {
	if len(a.gates) == 1 || !g.HelpDue() {
		return g.Help()
	}
	other := a.gates[a.helped.Add(1)%uint64(len(a.gates))]
	one, two := g.Help(), other.Help()
	return func() { one(); two() }
}
