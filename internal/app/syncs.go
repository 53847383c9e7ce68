package app

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/flow"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/exchange"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// defaultInvocation is the longest time of an invocation. It leaves a minute to finish,
// because Cloud Run allows a request five minutes by default.
const defaultInvocation = 4 * time.Minute

// newSyncs builds the use cases of syncs.
func (a *App) newSyncs() {
	runs := syncrun.NewLedger(a.o.Store, a.o.Now)
	runs.Outbox = a.outbox
	a.defs = definition.New(definition.Options{
		Docs: a.o.Store, Runs: runs, Kinds: a.o.Kinds, Env: a.o.Env, Now: a.o.Now, Random: newID,
		Changed: a.flow.DefinitionChanged,
	})
	a.syncs = syncrun.New(a.syncOptions())
	a.rows = exchange.New(exchange.Options{
		Docs: a.o.Store, Definitions: a.defs, Kinds: a.o.Kinds, Env: a.o.Env, Log: a.o.Log, Now: a.o.Now, Random: newID,
		RecordsChanged: a.flow.RecordsChanged, StatusChanged: a.flow.SyncChanged, Outbox: a.outbox,
	})
}

func newID() string { return event.NewID(time.Now()) }

func (a *App) syncOptions() syncrun.Options {
	o := syncrun.Options{
		Docs: a.o.Store, Definitions: a.defs, Kinds: a.o.Kinds, Env: a.o.Env, Log: a.o.Log, Now: a.o.Now, Machine: a.o.machine, Memory: a.o.Memory.Runs,
		RecordsChanged: a.flow.RecordsChanged, StatusChanged: a.flow.SyncChanged,
		Random: newID, Outbox: a.outbox,
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
