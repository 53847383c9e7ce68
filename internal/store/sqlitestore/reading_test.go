package sqlitestore

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

// Reading sees what is stored and changes nothing: not a byte of the file, and no file
// beside it but the lock's.
func TestOpenForReading(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	req := request(time.Now())
	require.NoError(t, s.Append(t.Context(), []store.Append{req})[0].Err)
	require.NoError(t, s.Close())
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	entries := func() (names []string) {
		list, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		for _, e := range list {
			names = append(names, e.Name())
		}
		return names
	}
	beside := entries()

	s, err = OpenForReading(t.Context(), path)
	require.NoError(t, err)
	events, err := s.Events(t.Context(), "s", []store.Member{req.Event.Ref()})
	require.NoError(t, err)
	require.Equal(t, req.Event.Content, events[0].Content)
	require.ErrorIs(t, s.Append(t.Context(), []store.Append{request(time.Now())})[0].Err, errReading)
	require.ErrorIs(t, s.Writable(t.Context()), errReading)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())

	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.Equal(t, beside, entries())
}

// A reader sees what another store of the same file writes.
func TestReadingBesideAWriter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	w := openAt(t, path)
	r, err := OpenForReading(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	req := request(time.Now())
	require.NoError(t, w.Append(t.Context(), []store.Append{req})[0].Err)
	events, err := r.Events(t.Context(), "s", []store.Member{req.Event.Ref()})
	require.NoError(t, err)
	require.Len(t, events, 1)
}

func TestOpenForReadingCreatesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := OpenForReading(t.Context(), filepath.Join(dir, "store.db"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, list)

	path := filepath.Join(dir, "empty.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = OpenForReading(t.Context(), path)
	require.ErrorContains(t, err, "schema version 0")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Zero(t, info.Size())
}
