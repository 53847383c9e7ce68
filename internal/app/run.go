package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/shutdown"
	"github.com/headgate/headgate/internal/store"
)

// Start logs warnings, also about syncs that are named and do not exist, and begins the
// background work. It sweeps once, for what an earlier instance left undone, and then every
// SweepEvery. It returns at once. Close ends the work.
func (a *App) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	a.stop = cancel
	a.warn()
	a.startLive()
	if a.backgroundCPU {
		a.outgoing.Start()
	}
	a.flow.Start()
	a.running.Go(func() { a.sessions.KeepRegistered(ctx, nil) })
	if a.changes != nil && a.o.ServesLive {
		a.running.Go(func() { a.watch(ctx, a.changes) })
	}
	if a.o.Receive {
		a.running.Go(func() { a.flow.ReceiveMessages(ctx) })
	}
	if a.o.SweepEvery > 0 {
		for _, g := range a.gates {
			if g.Ticks() {
				a.running.Go(func() { a.closeWindows(ctx, g) })
			}
		}
	}
	a.running.Go(func() {
		a.Declare(ctx) // before it is told which syncs are missing
		a.flow.WarnOfMissing(ctx)
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

// closeEvery is the time between two looks for windows whose time has run out. They cost a
// query per endpoint if there is none.
const closeEvery = time.Second

// closeWindows closes the windows of a service on time. Without it they are closed by the
// next event of their key, or by a sweep.
func (a *App) closeWindows(ctx context.Context, g *gate.Gate) {
	t := time.NewTicker(closeEvery)
	defer t.Stop()
	for failed := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		err := g.CloseDue(ctx)
		if err != nil && !failed && ctx.Err() == nil { // once, and not every second
			a.o.Log.Warn("windows whose time has run out could not be closed; they are closed once the store answers",
				"serviceName", g.Service().ServiceName, "error", err)
		}
		failed = err != nil
	}
}

// tick does the periodic work. In the cloud a scheduler requests it.
func (a *App) tick(ctx context.Context) {
	_ = a.OnTime(ctx) // it logs its error, and the sweeps ask for the time themselves
	a.sweepAll(ctx)
	a.Declare(ctx)
	a.runDue(ctx)
}

// OnTime compares the clock with the store's own time, if that is due, for use cases that
// verify or stamp with the clock. Gates compare it themselves. An error means that the
// clock was never compared, because the store has not answered yet.
func (a *App) OnTime(ctx context.Context) error {
	err := a.o.clock.Observe(ctx, a.o.Store.Now)
	a.tellWrongClock()
	if err == nil {
		return nil
	}
	if ctx.Err() == nil {
		a.o.Log.Warn("the clock cannot be compared with the store's time: nothing is deleted until it can", "error", err)
	}
	if a.o.clock.Observed() {
		return nil
	}
	return store.CodedError(err)
}

// tellWrongClock logs, once, that this machine shows another time than the deployment goes by,
// and that it does so no more. Nothing else would tell an operator before somebody examines the
// deployment.
func (a *App) tellWrongClock() {
	ahead := a.o.machine().Sub(a.o.Now())
	wrong := ahead.Abs() >= clock.Skew
	if a.wrongClock.Swap(wrong) == wrong {
		return
	}
	if !wrong {
		a.o.Log.Info("the clock of this machine is right again")
		return
	}
	a.o.Log.Warn("the clock of this machine is wrong, or was set a moment ago: the deployment goes by another time",
		"aheadSeconds", int(ahead.Seconds()), "next", "timedatectl set-ntp true")
}

func (a *App) sweepAll(ctx context.Context) {
	if len(a.gates) == 0 {
		a.purge(ctx)
	}
	for _, g := range a.gates {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		s, err := g.Sweep(ctx)
		cancel()
		log := a.o.Log.With("serviceName", g.Service().ServiceName)
		switch {
		case errors.Is(err, context.Canceled):
		case err != nil:
			log.Warn("the sweep failed: the next one tries again", "error", err)
		case s.Failed > 0:
			log.Warn("the sweep could not publish every waiting message: the next one tries again", "republished", s.Republished, "failed", s.Failed)
		case s.Republished > 0:
			log.Info("the sweep published waiting messages", "republished", s.Republished)
		}
	}
}

// purgeLimit bounds what one purge deletes.
const purgeLimit = 20_000

// purge deletes documents that have expired. Where there is a gate, its sweep does so,
// because it has to keep events that claims wait for.
func (a *App) purge(ctx context.Context) {
	upTo, ok := a.o.clock.Settled()
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := a.o.Store.Purge(ctx, upTo.UTC().Truncate(time.Microsecond), purgeLimit); err != nil && !errors.Is(err, context.Canceled) {
		a.o.Log.Warn("expired data could not be deleted", "error", err)
	}
}

// Close ends the work that Start began, and waits for it until ctx ends. It closes the
// drivers last, because everything else uses them. It is idempotent.
func (a *App) Close(ctx context.Context) (err error) {
	a.once.Do(func() { err = a.shutDown(ctx) })
	return err
}

func (a *App) shutDown(ctx context.Context) error {
	var errs []error
	failed := func(format string, err error, args ...any) {
		if err != nil {
			errs = append(errs, fmt.Errorf(format+": %w", append(args, err)...))
		}
	}
	if a.stop != nil {
		a.stop()
	}
	hubClosed := make(chan error, 1) // in the background: the hub may have to wait for the bus, and nothing else should
	go func() { hubClosed <- a.live.Hub.Close(ctx) }()
	failed("deliveries did not stop", a.outgoing.Close(ctx))
	failed("the sweep did not end", shutdown.Wait(ctx, &a.running))
	failed("clients were not all closed", <-hubClosed)
	failed("runs of syncs did not stop", a.syncs.Close(ctx))
	for _, g := range a.gates {
		failed("checks and publications of %q did not end", g.Close(ctx), g.Service().ServiceName)
	}
	a.flow.Close()
	if a.o.Telemetry != nil { // before the store, of which it exports what is there
		failed("telemetry was not exported", a.o.Telemetry.Close(ctx))
	}
	return errors.Join(append(errs, a.o.Bus.Close(), a.o.Store.Close())...)
}
