package app

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/internal/platform/meter"
)

// Meter returns the deployment's meter; nil: nothing is measured.
func (a *App) Meter() *meter.Meter { return a.o.Meter }

// Telemetry returns what exports the measurements; nil: nothing does.
func (a *App) Telemetry() Telemetry { return a.o.Telemetry }

const (
	// gaugesTime bounds a reading of the gauges. A store that does not answer must not hold
	// up the other metrics, of which some tell of it.
	gaugesTime = 5 * time.Second
	// gaugesAtOnce bounds the services whose gauges are read at the same time.
	gaugesAtOnce = 8
	// exportEvery is the shortest time between two exports by sweeps: a scheduler sweeps each
	// service by itself, and the gauges are those of all.
	exportEvery = 20 * time.Second
)

// Gauges reads the gauges of the deployment: see [meter.Gauges].
func (a *App) Gauges(ctx context.Context, want func(*meter.Metric) bool, set meter.Set) error {
	ctx, cancel := context.WithTimeout(ctx, gaugesTime)
	defer cancel()
	stats := a.live.Hub.Stats()
	set(meter.LiveClients, float64(stats.Clients))
	set(meter.LiveSubscriptions, float64(stats.Subscriptions))
	set(meter.LiveFrames, float64(stats.Frames))
	set(meter.LiveDrops, float64(stats.Dropped))
	errs := make([]error, len(a.gates)+2)
	var eg errgroup.Group
	eg.SetLimit(gaugesAtOnce)
	for i, g := range a.gates {
		eg.Go(func() error { errs[i] = g.Gauges(ctx, want, set); return nil })
	}
	eg.Go(func() error { errs[len(a.gates)] = a.outgoing.Gauges(ctx, want, set); return nil })
	eg.Go(func() error { errs[len(a.gates)+1] = a.gaugesOfSyncs(ctx, want, set); return nil })
	_ = eg.Wait() // what fails does not keep the others from being read
	return errors.Join(errs...)
}

func (a *App) gaugesOfSyncs(ctx context.Context, want func(*meter.Metric) bool, set meter.Set) error {
	if !want(meter.SyncCursorLag) {
		return nil
	}
	all, err := a.defs.List(ctx, "")
	if err != nil {
		return err
	}
	ids := make([]string, len(all))
	for i, d := range all {
		ids[i] = d.Sync.ID
	}
	return a.syncs.Gauges(ctx, ids, want, set)
}

// Export exports what was measured, where nothing can be exported between requests. The
// request that calls it waits. An error is logged: it is not the caller's.
func (a *App) Export(ctx context.Context) {
	if a.o.Telemetry == nil || a.backgroundCPU {
		return
	}
	last, now := a.exported.Load(), a.o.Mono()
	if last != nil && now-*last < exportEvery || !a.exported.CompareAndSwap(last, &now) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*gaugesTime)
	defer cancel()
	if err := a.o.Telemetry.Flush(ctx); err != nil {
		a.o.Log.Warn("telemetry could not be exported", "error", err)
	}
}
