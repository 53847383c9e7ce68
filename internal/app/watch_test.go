package app

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/live"
)

// untouched is a store that counts its reads.
type untouched struct{ reads atomic.Int64 }

func (u *untouched) Position(context.Context) (int64, error) { u.reads.Add(1); return 0, nil }

func (u *untouched) ChangesSince(context.Context, int64, int) ([]store.Changed, int64, error) {
	u.reads.Add(1)
	return nil, 0, nil
}

// Without clients, nothing is read: neither as time passes, nor when a client has left.
func TestNothingIsWatchedWithoutClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &App{o: Options{Log: slog.New(slog.DiscardHandler)}, live: &Live{Hub: live.New(live.Options{})}, joined: make(chan struct{}, 1)}
		ctx, cancel := context.WithCancel(t.Context())
		var u untouched
		ended := make(chan struct{})
		go func() { defer close(ended); a.watch(ctx, &u) }()
		time.Sleep(time.Hour)
		for range 3 {
			a.clientJoined()
			synctest.Wait()
		}
		require.Zero(t, u.reads.Load())
		cancel()
		<-ended
	})
}
