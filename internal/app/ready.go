package app

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/platform/fault"
)

// Ready returns nil if the store takes writes, the bus answers, the topics exist, and
// changes of other instances arrive where live clients are served.
func (a *App) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	eg, ctx := errgroup.WithContext(ctx)
	eg.Go(a.liveReady)
	eg.Go(func() error { return a.storeReady(ctx) })
	topics := make(map[string]bool)
	for _, svc := range a.o.Config.Services {
		for _, topic := range svc.Topics() {
			if topics[topic] {
				continue
			}
			topics[topic] = true
			eg.Go(func() error { return a.topicReady(ctx, topic) })
		}
	}
	return eg.Wait()
}

func (a *App) liveReady() error {
	if a.o.ServesLive && a.stop != nil && !a.live.Hub.Connected() {
		return fault.New(fault.Unavailable, "signals of other instances do not arrive")
	}
	return nil
}

func (a *App) storeReady(ctx context.Context) error {
	err := a.o.Store.Writable(ctx)
	if !errors.Is(ctx.Err(), context.Canceled) { // otherwise the caller left, or another check failed first: nothing is known
		a.logWritable(err)
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "the store takes no writes")
	}
	return nil
}

// logWritable logs when the store stops taking writes, and when it takes them again.
func (a *App) logWritable(err error) {
	switch failed := err != nil; {
	case failed && !a.unwritable.Swap(true):
		a.o.Log.Error("the store takes no writes: this instance is not ready", "error", err,
			"next", "run headgate doctor: it says what is behind the error, and the command that corrects it; sources get 503 and send again")
	case !failed && a.unwritable.Swap(false):
		a.o.Log.Info("the store takes writes again")
	}
}

func (a *App) topicReady(ctx context.Context, topic string) error {
	err := a.o.Bus.Ping(ctx, topic)
	if errors.Is(err, bus.ErrNoTopic) {
		return fault.Wrap(fault.Unavailable, err, "the topic %s does not exist", topic)
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "the bus does not answer")
	}
	return nil
}
