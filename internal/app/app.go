// Package app builds the use cases of a deployment from its configuration and
// its drivers, and runs what runs beside requests: the sweep at start-up and,
// where no scheduler calls it, on a ticker.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/draft"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/syncrun"
	"github.com/headgate/headgate/internal/webhook/incoming"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// Store is what a driver keeps: events and claims, and documents.
type Store interface {
	store.Store
	store.Docs
}

// Options are what an App is built from. It closes Store and Bus.
type Options struct {
	Config *config.Config
	Store  Store
	Bus    bus.Bus
	Log    *slog.Logger
	Now    func() time.Time // the machine's clock; nil: time.Now
	// Mono is a clock that nobody sets, from any zero; nil: how long the process runs.
	Mono func() time.Duration
	// Slept is how long the machine has slept, which Mono does not count; nil: it does.
	Slept func() time.Duration
	// SweepEvery starts a sweep of every service this often; 0 leaves it to a
	// scheduler that calls /sweep.
	SweepEvery time.Duration
	// RunsOn says that the process has CPU between requests too (see [gate.Options]).
	RunsOn bool
	// Kinds of data sources, and what they get.
	Kinds source.Registry
	Env   source.Env
	// Secret resolves the references of the configuration ("env:NAME", "sm://…"), not
	// those of definitions. nil: there may be none.
	Secret func(ctx context.Context, value string) (string, error)
	// Receive has this process take the messages that start syncs off the bus;
	// otherwise a push subscription brings them.
	Receive bool
	// LiveTopic carries signals between instances; "": there is no other, unless the
	// configuration names a topic.
	LiveTopic string
	// HooksHTTP calls the targets of webhooks: no redirects, no repetitions, no
	// internal addresses.
	HooksHTTP *http.Client
	// Base is where this process is reached, where the configuration has no publicURL.
	Base string
	// Memory bounds what callers make this process hold; the zero value does not.
	Memory budget.Memory
	// ServesLive says that this process serves live clients.
	ServesLive bool
	// Warnings are what /readyz says beside "ready".
	Warnings []string

	clock   *clock.Steady
	machine func() time.Time // which the clock follows
}

// App is a deployment's use cases.
type App struct {
	o        Options
	gates    []*gate.Gate
	byKey    map[string]*gate.Gate
	syncs    *syncrun.Service
	ents     *entity.Service
	live     *Live
	sessions *incoming.Sessions
	incoming *incoming.Service
	outgoing *outgoing.Service
	drafts   *draft.Service
	looks    looks
	beacon   *beacon
	helped   atomic.Uint64 // counts
	// unwritable is set while /readyz finds that the store takes no writes.
	unwritable atomic.Bool

	echoHook *incoming.Hook // nil: webhooks of the source are taken as they come
	hooks    map[string]*incoming.Hook

	stop    context.CancelFunc
	running sync.WaitGroup
	telling sync.WaitGroup // of changes
	once    sync.Once
}

// New builds the use cases. It starts nothing.
func New(o Options) (*App, error) {
	o.steady()
	a := &App{o: o, byKey: make(map[string]*gate.Gate)}
	a.beacon = newBeacon(a.signalOwn)
	for _, svc := range o.Config.Services {
		g := gate.New(svc, gate.Options{
			Store: o.Store, Bus: o.Bus, Log: o.Log, Clock: o.clock,
			PublicURL: strings.TrimSuffix(o.Config.PublicURL, "/"), RunsOn: o.RunsOn,
			Work: o.Memory.Work, Answers: o.Memory.Answers,
			Changed: func() { a.own(GateType, svc.ServiceName) },
		})
		a.gates = append(a.gates, g)
		a.byKey[svc.ServiceName] = g
	}
	a.ents = entity.New(entity.Options{Docs: o.Store, Now: o.Now, Changed: a.changed})
	a.syncs = syncrun.New(a.syncOptions())
	if err := a.newWebhooks(); err != nil {
		return nil, err
	}
	a.newDrafts()
	var err error
	a.live, err = a.newLive()
	return a, err
}

// steady has everything use one clock, which a jump of the machine's does not move.
func (o *Options) steady() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Mono == nil {
		began := time.Now()
		o.Mono = func() time.Duration { return time.Since(began) }
	}
	longest := time.Duration(0) // the gates ask the clock itself
	if o.Config.Echo != nil || len(o.Config.Hooks) > 0 {
		longest = outgoing.KeptFor
	}
	o.machine = o.Now
	o.clock = clock.New(clock.Options{Wall: o.Now, Mono: o.Mono, Slept: o.Slept, Longest: longest})
	o.Now = o.clock.Now
}

// Config returns the effective configuration.
func (a *App) Config() *config.Config { return a.o.Config }

// Memory returns the budgets of the process.
func (a *App) Memory() budget.Memory { return a.o.Memory }

// Log returns the deployment's logger.
func (a *App) Log() *slog.Logger { return a.o.Log }

// Syncs returns the use case of syncs.
func (a *App) Syncs() *syncrun.Service { return a.syncs }

// Entities returns the use case of records.
func (a *App) Entities() *entity.Service { return a.ents }

// Gates returns the gates of all services, in configuration order.
func (a *App) Gates() []*gate.Gate { return a.gates }

// Gate returns the gate of a service; "" is the only or the first one.
func (a *App) Gate(service string) (*gate.Gate, error) {
	if service == "" {
		return a.gates[0], nil
	}
	if g, ok := a.byKey[service]; ok {
		return g, nil
	}
	names := make([]string, len(a.gates))
	for i, g := range a.gates {
		names[i] = g.Service().ServiceName
	}
	return nil, fault.New(fault.NotFound, "no service %q: the services are %q", service, names)
}

// Help publishes what waits at the gate, and at one of the others: nobody else may send
// that one anything. wait is as that of [gate.Gate.Help].
func (a *App) Help(g *gate.Gate) (wait func()) {
	if len(a.gates) == 1 || !g.HelpDue() {
		return g.Help()
	}
	other := a.gates[a.helped.Add(1)%uint64(len(a.gates))]
	one, two := g.Help(), other.Help()
	return func() { one(); two() }
}

// Start says what is open, and sweeps once, for what an earlier instance left behind, and then as often
// as Options say. It returns at once; Close ends it.
func (a *App) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	a.stop = cancel
	a.warn()
	a.startLive()
	if a.o.RunsOn {
		a.outgoing.Start()
		a.telling.Go(func() { a.refreshDrafts(ctx, anyDraft) })
	}
	if a.o.Receive {
		a.receiveMessages(ctx)
	}
	a.running.Go(func() {
		a.tick(ctx)
		if a.o.SweepEvery <= 0 {
			return
		}
		t := time.NewTicker(a.o.SweepEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				a.tick(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
}

// tick does what a scheduler calls for in the cloud.
func (a *App) tick(ctx context.Context) {
	_ = a.OnTime(ctx) // which the sweeps ask, too
	a.sweepAll(ctx)
	a.runDue(ctx)
}

// OnTime compares the clock with the store's own time, if that is due, for what is
// verified or stamped by it. (Gates do so themselves.) An error means that the store has
// never said what time it is.
func (a *App) OnTime(ctx context.Context) error {
	err := a.o.clock.Observe(ctx, a.o.Store.Now)
	if err == nil {
		return nil
	}
	if ctx.Err() == nil {
		a.o.Log.Warn("the clock cannot be compared with the store's time: nothing is deleted meanwhile", "error", err)
	}
	if a.o.clock.Observed() {
		return nil
	}
	return fault.StoreAway(err)
}

func (a *App) sweepAll(ctx context.Context) {
	for _, g := range a.gates {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		s, err := g.Sweep(ctx)
		cancel()
		log := a.o.Log.With("serviceName", g.Service().ServiceName)
		switch {
		case errors.Is(err, context.Canceled):
		case err != nil:
			log.Warn("the sweep did not end", "error", err)
		case s.Republished+s.Failed > 0:
			log.Info("swept", "republished", s.Republished, "failed", s.Failed)
		}
	}
}

// Warnings returns what the operator should know and what still works: each was logged
// at start.
func (a *App) Warnings() []string { return a.o.Warnings }

// Ready returns nil if the store takes writes, the bus answers and the topics exist.
func (a *App) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	eg, ctx := errgroup.WithContext(ctx)
	eg.Go(a.liveReady)
	eg.Go(func() error {
		err := a.o.Store.Writable(ctx)
		if ctx.Err() == nil {
			a.tellWrites(err)
		}
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "the store takes no writes")
		}
		return nil
	})
	topics := make(map[string]bool)
	for _, svc := range a.o.Config.Services {
		topic := svc.TargetPubSub.Topic
		if topics[topic] {
			continue
		}
		topics[topic] = true
		eg.Go(func() error {
			err := a.o.Bus.Ping(ctx, topic)
			if errors.Is(err, bus.ErrNoTopic) {
				return fault.Wrap(fault.Unavailable, err, "the topic %s does not exist", topic)
			}
			if err != nil {
				return fault.Wrap(fault.Unavailable, err, "the bus does not answer")
			}
			return nil
		})
	}
	return eg.Wait()
}

// tellWrites logs when the store stops taking writes, and when it takes them again.
func (a *App) tellWrites(err error) {
	switch failed := err != nil; {
	case failed && !a.unwritable.Swap(true):
		a.o.Log.Error("the store takes no writes: this instance is not ready", "error", err)
	case !failed && a.unwritable.Swap(false):
		a.o.Log.Info("the store takes writes again")
	}
}

// Close ends the sweep, waits for checks and publications under way as long as
// ctx lets it, and closes the drivers. It is idempotent.
func (a *App) Close(ctx context.Context) (err error) {
	a.once.Do(func() {
		if a.stop != nil {
			a.stop()
		}
		hubClosed := make(chan error, 1) // it may have to wait for the bus, and the rest must not
		go func() { hubClosed <- a.live.Hub.Close(ctx) }()
		if echoErr := a.outgoing.Close(ctx); echoErr != nil {
			err = errors.Join(err, fmt.Errorf("deliveries did not stop: %w", echoErr))
		}
		swept := make(chan struct{})
		go func() { a.running.Wait(); close(swept) }()
		select {
		case <-swept:
		case <-ctx.Done():
			err = errors.Join(err, fmt.Errorf("the sweep did not end: %w", ctx.Err()))
		}
		if liveErr := <-hubClosed; liveErr != nil {
			err = errors.Join(err, fmt.Errorf("clients were not all closed: %w", liveErr))
		}
		if syncErr := a.syncs.Close(ctx); syncErr != nil {
			err = errors.Join(err, fmt.Errorf("runs of syncs did not stop: %w", syncErr))
		}
		for _, g := range a.gates {
			if gateErr := g.Close(ctx); gateErr != nil {
				err = errors.Join(err, fmt.Errorf("checks and publications of %q did not end: %w", g.Service().ServiceName, gateErr))
			}
		}
		a.looks.stop()
		a.telling.Wait() // each has a time-out
		a.beacon.close()
		err = errors.Join(err, a.o.Bus.Close(), a.o.Store.Close())
	})
	return err
}
