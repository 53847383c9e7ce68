package app

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/flow"
	"github.com/headgate/headgate/internal/sync/syncrun"
)

// defaultInvocation ends an invocation in time to conclude: Cloud Run allows a request
// five minutes by default.
const defaultInvocation = 4 * time.Minute

func (a *App) syncOptions() syncrun.Options {
	o := syncrun.Options{
		Docs: a.o.Store, Kinds: a.o.Kinds, Env: a.o.Env, Log: a.o.Log, Now: a.o.Now, Machine: a.o.machine, Memory: a.o.Memory.Runs,
		Changed: a.flow.RecordsChanged, Moved: a.flow.SyncChanged, Random: func() string { return event.NewID(time.Now()) },
	}
	cfg := a.o.Config.Sync
	if cfg == nil {
		return o
	}
	o.MaxInvocation = time.Duration(cfg.MaxInvocationSeconds) * time.Second
	if cfg.WorkTopic != "" && !a.o.Platform.BackgroundCPU() {
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
		a.o.Log.Warn("syncs that are due were not all started", "error", err)
	}
}
