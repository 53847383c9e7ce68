package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

func request(at time.Time) store.Append {
	at = at.UTC().Truncate(time.Microsecond)
	return store.Append{
		Event:    event.Event{ID: event.RandomID(), Key: "a", ReceivedAt: at, Content: []byte("x")},
		Endpoint: store.Endpoint{Service: "s", Key: "a"}, Attempt: event.RandomID(),
		ForgetBefore: at.Add(-time.Hour), ExpireAt: at.Add(time.Hour),
	}
}

func TestOpenCreatesPrivateFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "folder")
	path := filepath.Join(dir, "a b?c#d%20é.db")
	s := openAt(t, path)
	require.NoError(t, s.Append(t.Context(), []store.Append{request(time.Now())})[0].Err)
	for name, want := range map[string]os.FileMode{dir: 0o700, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, want, info.Mode().Perm(), name)
	}
}

func TestOpenAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	req := request(time.Now())
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, s.Append(t.Context(), []store.Append{req})[0].Err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.Error(t, s.Writable(t.Context()))
	require.ErrorIs(t, s.Append(t.Context(), []store.Append{req})[0].Err, errClosed)

	s = openAt(t, path)
	events, err := s.Events(t.Context(), "s", []store.Member{req.Event.Ref()})
	require.NoError(t, err)
	require.Equal(t, req.Event.Content, events[0].Content)
}

func TestOpenByManyAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			s, err := Open(t.Context(), path)
			if err == nil {
				err = s.Append(t.Context(), []store.Append{request(time.Now())})[0].Err
				_ = s.Close()
			}
			errs[i] = err
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ sql, want string }{
		"newer version": {fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = 99", applicationID), "schema version 99"},
		"foreign file":  {"CREATE TABLE theirs (x)", "something other than a Headgate store"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "store.db")
			db, err := sql.Open("sqlite", path)
			require.NoError(t, err)
			_, err = db.ExecContext(t.Context(), c.sql)
			require.NoError(t, err)
			require.NoError(t, db.Close())
			_, err = Open(t.Context(), path)
			require.ErrorContains(t, err, c.want)
		})
	}
	t.Run("not a database", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "store.db")
		require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("not a database\n", 100)), 0o600))
		_, err := Open(t.Context(), path)
		require.ErrorContains(t, err, "not a database")
	})
	t.Run("a folder", func(t *testing.T) {
		t.Parallel()
		_, err := Open(t.Context(), t.TempDir())
		require.Error(t, err)
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := Open(ctx, filepath.Join(t.TempDir(), "store.db"))
		require.ErrorIs(t, err, context.Canceled)
	})
}
