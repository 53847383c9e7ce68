package app

import (
	"context"
	"time"

	"github.com/headgate/headgate/internal/store"
)

const (
	// watchEvery is the time between two looks for what other processes wrote. A look that
	// finds nothing reads one row.
	watchEvery = 500 * time.Millisecond
	// watchPage bounds the documents that one read of a look returns.
	watchPage = 5_000
)

// watch tells live clients and drafts what other processes, such as a command beside a server,
// wrote to a store. They share nothing with this process but the store's file. watch looks only
// while clients are connected. Clients hear of what it misses when versions are compared.
func (a *App) watch(ctx context.Context, from store.Changes) {
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	at, watching, failed := int64(0), false, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-a.joined: // at once: the client's first subscription may come at any moment
			if watching {
				continue
			}
		}
		if a.live.Hub.Len() == 0 {
			watching = false
			continue
		}
		var err error
		if watching {
			at, err = a.lookFrom(ctx, from, at)
		} else if at, err = from.Position(ctx); err == nil {
			watching = true
			a.flow.ChangedMeanwhile()
		}
		if err != nil && !failed && ctx.Err() == nil { // one line until a look succeeds
			a.o.Log.Warn("what other processes wrote cannot be read: live clients get it later", "error", err)
		}
		failed = err != nil
	}
}

// lookFrom passes on what other processes wrote since the position, and returns the next
// position.
func (a *App) lookFrom(ctx context.Context, from store.Changes, at int64) (int64, error) {
	for {
		changed, upTo, err := from.ChangesSince(ctx, at, watchPage)
		if err != nil {
			return at, err
		}
		a.flow.ChangedElsewhere(changed)
		if at = upTo; len(changed) < watchPage {
			return at, nil
		}
	}
}

// clientJoined wakes watch.
func (a *App) clientJoined() {
	select {
	case a.joined <- struct{}{}:
	default:
	}
}
