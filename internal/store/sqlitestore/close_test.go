package sqlitestore

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

// fill stores n events and returns them.
func fill(t *testing.T, s *Store, n int) []store.Member {
	t.Helper()
	reqs := make([]store.Append, n)
	members := make([]store.Member, n)
	for i := range reqs {
		reqs[i] = request(time.Now())
		members[i] = reqs[i].Event.Ref()
	}
	for _, r := range s.Append(t.Context(), reqs) {
		require.NoError(t, r.Err)
	}
	return members
}

// copyOf copies the one file, without the log beside it.
func copyOf(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy.db")
	require.NoError(t, copyFile(from, to))
	return to
}

func requireEvents(t *testing.T, path string, members []store.Member) {
	t.Helper()
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	_, err = s.Events(t.Context(), "s", members)
	require.NoError(t, err)
}

// After Close the one file is complete without the log.
func TestCloseLeavesOneCompleteFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	members := fill(t, s, 100)
	require.NoError(t, s.Close())
	require.NoFileExists(t, path+"-wal")
	require.NoFileExists(t, path+"-shm")
	requireEvents(t, copyOf(t, path), members)
}

// Close completes the file even if another process has it open. The log then stays, empty.
func TestCloseFoldsTheLogBesideAnotherProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	openAt(t, path)
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	members := fill(t, s, 100)
	require.NoError(t, s.Close())
	requireEvents(t, copyOf(t, path), members)
}
