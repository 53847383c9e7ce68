package app

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/flow"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/exchange"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// defaultInvocation is the longest time of an invocation. It leaves a minute to finish,
// because Cloud Run allows a request five minutes by default.
const defaultInvocation = 4 * time.Minute

// newSyncs builds the use cases of syncs. Its error lists the faults of the definitions
// that the configuration declares.
func (a *App) newSyncs() error {
	declared, faults := definition.Declared(a.o.Config.Syncs, func(def *definition.Sync) []fault.Detail { return def.CheckIn(a.o.Kinds, a.o.Env) })
	if len(faults) > 0 && !a.o.Reads {
		return &config.Error{Faults: faults}
	}
	a.declares = declared
	runs := syncrun.NewLedger(a.o.Store, a.o.Now)
	runs.Outbox, runs.Log, runs.Meter = a.outbox, a.o.Log, a.o.Meter
	a.defs = definition.New(definition.Options{
		Declared: declared, Reads: a.o.Reads,
		Docs: a.o.Store, Runs: runs, Kinds: a.o.Kinds, Env: a.o.Env, Now: a.o.Now, Random: newID,
		Changed: a.flow.DefinitionChanged,
	})
	a.syncs = syncrun.New(a.syncOptions())
	a.rows = exchange.New(exchange.Options{
		Docs: a.o.Store, Definitions: a.defs, Kinds: a.o.Kinds, Env: a.o.Env, Log: a.o.Log, Now: a.o.Now, Random: newID,
		RecordsChanged: a.flow.RecordsChanged, StatusChanged: a.flow.SyncChanged, Outbox: a.outbox,
	})
	return nil
}

// Declare stores the definitions that the configuration declares, unless this process has
// done so. It logs what it changed, and which syncs were declared once and are no longer:
// they are not deleted. What it could not store, the next call tries again.
func (a *App) Declare(ctx context.Context) {
	if a.declared.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	changed, abandoned, err := a.defs.Declare(ctx)
	a.abandoned.Store(abandoned)
	for _, c := range changed {
		if c.TakenOver {
			a.o.Log.Warn("the configuration declares a sync that a request had defined: the declared definition replaced that one", "syncId", c.ID)
		} else {
			a.o.Log.Info("a declared sync was stored", "syncId", c.ID)
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
	case err != nil:
		a.o.Log.Warn("not every sync that the configuration declares was stored: the next sweep tries again", "error", err)
	case a.declared.CompareAndSwap(false, true):
		for _, id := range abandoned {
			a.o.Log.Warn("the configuration no longer declares a sync, which goes on as it was: delete it, or declare it again", "syncId", id)
		}
	}
}

// abandonedSyncs returns a sentence for each sync that the configuration declared once, and
// that still goes on without. Those that were deleted or changed since the start are not named.
func (a *App) abandonedSyncs(ctx context.Context) (sentences []string) {
	ids, _ := a.abandoned.Load().([]string)
	for _, id := range ids {
		if d, err := a.defs.Get(ctx, id); err == nil && a.defs.Owner(d) == definition.Abandoned {
			sentences = append(sentences, definition.AbandonedMessage(id))
		}
	}
	return sentences
}

func newID() string { return event.NewID(time.Now()) }

func (a *App) syncOptions() syncrun.Options {
	o := syncrun.Options{
		Docs: a.o.Store, Definitions: a.defs, Kinds: a.o.Kinds, Env: a.o.Env, Log: a.o.Log, Now: a.o.Now, Machine: a.o.machine, Memory: a.o.Memory.Runs,
		RecordsChanged: a.flow.RecordsChanged, StatusChanged: a.flow.SyncChanged, Tracer: a.o.Tracer,
		Random: newID, Outbox: a.outbox, Meter: a.o.Meter,
	}
	cfg := a.o.Config.Sync
	if cfg == nil {
		return o
	}
	o.MaxInvocation = time.Duration(cfg.MaxInvocationSeconds) * time.Second
	if cfg.WorkTopic != "" && !a.backgroundCPU {
		if o.MaxInvocation == 0 {
			o.MaxInvocation = defaultInvocation
		}
		o.Dispatch = flow.Dispatch(a.o.Bus, cfg.WorkTopic)
	}
	return o
}

// runDue starts the syncs that are due, and takes over runs whose process died.
func (a *App) runDue(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, _, err := a.syncs.Due(ctx); err != nil && !errors.Is(err, context.Canceled) {
		a.o.Log.Warn("not every sync that is due was started: the next sweep tries again", "error", err)
	}
}
