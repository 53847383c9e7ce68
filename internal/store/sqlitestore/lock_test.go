package sqlitestore

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

func TestServeReturnsTheProcessThatServesAlready(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	a, err := Open(t.Context(), path)
	require.NoError(t, err)
	b := openAt(t, path)
	require.Empty(t, readServing(path))
	other, err := a.Serve("process 1")
	require.NoError(t, err)
	require.Empty(t, other)
	other, err = b.Serve("process 2")
	require.NoError(t, err)
	require.Equal(t, "process 1", other)
	require.NoError(t, b.Append(t.Context(), []store.Append{request(time.Now())})[0].Err, "both may use the store")
	require.NoError(t, a.Close())
	require.Empty(t, readServing(path), "the file's content is that of an ended process")
	other, err = b.Serve("process 2")
	require.NoError(t, err)
	require.Empty(t, other)
}

// A process that asks which one serves holds the lock for a moment. Serve must not take it
// for a server.
func TestServeWhileOthersAsk(t *testing.T) {
	t.Parallel()
	path := closedStore(t, 1)
	var stop atomic.Bool
	var asking sync.WaitGroup
	defer asking.Wait()
	defer stop.Store(true)
	for range 2 {
		asking.Go(func() {
			for !stop.Load() {
				readServing(path)
			}
		})
	}
	s := openAt(t, path)
	for range 500 {
		other, err := s.Serve("process 1")
		require.NoError(t, err)
		require.Empty(t, other)
		require.NoError(t, s.serving.Close())
	}
}
