// Package drivertest opens stores for the tests of what works on a store.
package drivertest

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/emulator"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/firestorestore"
	"github.com/headgate/headgate/internal/store/memorystore"
	"github.com/headgate/headgate/internal/store/sqlitestore"
)

// Store is a driver that keeps events and claims, and documents.
type Store interface {
	store.Store
	store.Docs
}

// SQLite returns an embedded store in a new file, which is closed when the test ends.
func SQLite(t testing.TB) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.Open(context.Background(), filepath.Join(t.TempDir(), "test.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// Memory returns a store in memory, which forgets nothing.
func Memory(testing.TB) *memorystore.Store { return memorystore.New(memorystore.Options{}) }

// Firestore returns a store in a new project of the emulator. It skips the test if no
// emulator runs.
func Firestore(t testing.TB) *firestorestore.Store {
	t.Helper()
	_, project := emulator.Firestore(t)
	s, err := firestorestore.Open(context.Background(), firestorestore.Options{Project: project, CallTimeout: time.Minute})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Each runs a test on a store of each driver, as parallel subtests with the drivers' names.
func Each(t *testing.T, test func(t *testing.T, s Store)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, SQLite(t)) })
	t.Run("memory", func(t *testing.T) { t.Parallel(); test(t, Memory(t)) })
	t.Run("firestore", func(t *testing.T) { t.Parallel(); test(t, Firestore(t)) })
}
