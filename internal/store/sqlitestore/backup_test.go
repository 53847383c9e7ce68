package sqlitestore

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

// A backup under load contains every event that was acknowledged before it began.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := openAt(t, path)
	var mu sync.Mutex
	var acked []store.Member
	var stop atomic.Bool
	var load sync.WaitGroup
	for range 8 {
		load.Go(func() {
			for !stop.Load() {
				r := request(time.Now())
				r.Event.Content = make([]byte, 2000)
				if s.Append(t.Context(), []store.Append{r})[0].Err != nil {
					return
				}
				mu.Lock()
				acked = append(acked, r.Event.Ref())
				mu.Unlock()
			}
		})
	}
	defer load.Wait()
	defer stop.Store(true)
	count := func() []store.Member {
		mu.Lock()
		defer mu.Unlock()
		return acked[:len(acked):len(acked)]
	}
	dir := t.TempDir()
	for _, name := range []string{"first", "second", "third"} {
		had := len(count())
		require.Eventually(t, func() bool { return len(count()) > had+500 }, time.Minute, time.Millisecond)
		before := count()
		to := filepath.Join(dir, name)
		require.NoError(t, Backup(t.Context(), path, to, nil))
		info, err := os.Stat(to)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		requireEvents(t, to, before)
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range left {
		require.NotContains(t, e.Name(), "partial")
	}
}

func TestBackupOverwritesNothing(t *testing.T) {
	t.Parallel()
	path := closedStore(t, 10)
	to := filepath.Join(t.TempDir(), "there")
	require.NoError(t, os.WriteFile(to, []byte("mine"), 0o600))
	require.ErrorIs(t, Backup(t.Context(), path, to, nil), errExists)
	data, err := os.ReadFile(to)
	require.NoError(t, err)
	require.Equal(t, "mine", string(data))
	require.NoError(t, os.Remove(to))
	require.NoError(t, os.Symlink("nowhere", to))
	require.ErrorIs(t, Backup(t.Context(), path, to, nil), errExists)
}

// On a file system without links, a backup overwrites no file either.
func TestBackupWithoutLinks(t *testing.T) {
	t.Parallel()
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
	require.NoError(t, os.WriteFile(from, []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(to, []byte("mine"), 0o600))
	require.ErrorIs(t, reserveAndRename(from, to), errExists)
	require.NoError(t, os.Remove(to))
	require.Error(t, reserveAndRename(filepath.Join(t.TempDir(), "none"), to))
	require.NoFileExists(t, to)
	require.NoError(t, os.Rename(from, filepath.Join(filepath.Dir(to), "from")))
	require.NoError(t, reserveAndRename(filepath.Join(filepath.Dir(to), "from"), to))
	data, err := os.ReadFile(to)
	require.NoError(t, err)
	require.Equal(t, "x", string(data))
}

func TestBackupOfADamagedStoreIsRefused(t *testing.T) {
	t.Parallel()
	path := closedStore(t, 1000)
	overwrite(t, path, 40<<10, 40<<10)
	to := filepath.Join(t.TempDir(), "backup")
	require.ErrorIs(t, Backup(t.Context(), path, to, nil), ErrDamaged)
	require.NoFileExists(t, to)
	require.Error(t, Backup(t.Context(), filepath.Join(t.TempDir(), "none.db"), to, nil))
	require.NoFileExists(t, to)
}
