package sqliteguard

import (
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func opened(t *testing.T) *sql.DB {
	t.Helper()
	return openedWith(t, 1<<20)
}

func openedWith(t *testing.T, longest int) *sql.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "empty.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	c, err := New(path, longest, false)
	require.NoError(t, err)
	db := sql.OpenDB(c)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func count(m *sync.Map) (n int) {
	m.Range(func(any, any) bool { n++; return true })
	return n
}

// A guard is dropped when database/sql closes its connection, which may be before the
// source closes. The test counts all guards, so it does not run in parallel.
func TestGuardsEndWithTheirConnections(t *testing.T) {
	db := opened(t)
	db.SetMaxIdleConns(-1) // each connection is closed after its statement
	for range 20 {
		require.NoError(t, db.Ping())
		_, err := db.Exec("DELETE FROM nothing")
		require.Error(t, err)
	}
	require.Zero(t, count(&guards))
	require.Zero(t, count(&bounded))
	require.Error(t, sql.OpenDB(&Connector{path: filepath.Join(t.TempDir(), "none.db")}).Ping())
	require.Zero(t, count(&guards))
}

// All memory that SQLite takes is counted and returned.
func TestMemoryIsGivenBack(t *testing.T) {
	before := held.Load()
	db := opened(t)
	var n int
	require.NoError(t, db.QueryRow("SELECT length(hex(zeroblob(300000)) || hex(zeroblob(100000)))").Scan(&n))
	require.Greater(t, held.Load(), before)
	require.NoError(t, db.Close())
	require.Less(t, held.Load()-before, int64(64<<10)) // the page cache keeps a little
}

func TestShare(t *testing.T) {
	t.Parallel()
	require.Equal(t, int64(maxMemory), share(1<<62), "no limit")
	require.Equal(t, int64(100<<20), share(1000<<20))
	require.Equal(t, int64(minMemory), share(100<<20))
}
