package run_test

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// dyingStore is the store of a process that dies after some commits.
type dyingStore struct {
	store.Docs
	left atomic.Int64
	// lostAnswer says that the last commit takes effect before the process dies.
	lostAnswer bool
}

var errDead = errors.New("this process is dead")

func (m *dyingStore) Get(ctx context.Context, c store.Collection, ids []string) ([]*store.Doc, error) {
	if m.left.Load() < 0 {
		return nil, errDead
	}
	return m.Docs.Get(ctx, c, ids)
}

func (m *dyingStore) List(ctx context.Context, l store.Listing) ([]store.Doc, error) {
	if m.left.Load() < 0 {
		return nil, errDead
	}
	return m.Docs.List(ctx, l)
}

func (m *dyingStore) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	if m.left.Add(-1) < 0 {
		if m.lostAnswer && m.left.Load() == -1 {
			_, _ = m.Docs.Commit(ctx, writes)
		}
		return nil, errDead
	}
	return m.Docs.Commit(ctx, writes)
}

// takeOver makes another process continue the run, if there is one.
func (w *world) takeOver() {
	w.t.Helper()
	_, _, err := w.svc.Due(context.Background())
	require.NoError(w.t, err)
	runs, err := w.svc.Runs(context.Background(), "s", 10)
	require.NoError(w.t, err)
	for _, run := range runs {
		run, err = w.svc.Wait(context.Background(), "s", run.ID, nil)
		require.NoError(w.t, err)
		require.Equal(w.t, syncrun.Finished, run.State, "%q", run.Errors)
	}
}
