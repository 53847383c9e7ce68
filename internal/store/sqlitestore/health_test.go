package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// overwrite replaces n bytes of the file with noise.
func overwrite(t *testing.T, path string, at int64, n int) {
	t.Helper()
	noise := make([]byte, n)
	for i := range noise {
		noise[i] = byte(rand.IntN(256))
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt(noise, at)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func closedStore(t *testing.T, events int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	fill(t, s, events)
	require.NoError(t, s.Close())
	return path
}

func TestOpenRefusesADamagedFile(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, path string, size int64){
		"noise in the middle": func(t *testing.T, path string, size int64) { overwrite(t, path, size/2&^4095, 8192) },
		"noise on all but the first page": func(t *testing.T, path string, size int64) {
			overwrite(t, path, 4096, int(size-4096))
		},
		"cut in half": func(t *testing.T, path string, size int64) { require.NoError(t, os.Truncate(path, size/2&^4095)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := closedStore(t, 1000)
			info, err := os.Stat(path)
			require.NoError(t, err)
			damage(t, path, info.Size())
			_, err = Open(t.Context(), path)
			require.ErrorIs(t, err, ErrDamaged)
		})
	}
}

// Open reads only the ends of the tables of a large file.
func TestCheckOfALargeFileReadsTheEnds(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	for range quickCheckBytes>>20 + 2 {
		_, err := s.Commit(t.Context(), []store.Write{{
			Collection: store.Collection{Kind: "large"}, Doc: store.Doc{ID: event.RandomID(), Body: make([]byte, 1<<20)},
		}})
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(quickCheckBytes))
	s, err = Open(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, s.Close())

	require.NoError(t, os.Truncate(path, info.Size()/2&^4095))
	_, err = Open(t.Context(), path)
	require.ErrorIs(t, err, ErrDamaged)
}

// If a damaged page is read after Open, Writable reports the damage from then on.
func TestDamageThatIsFoundLater(t *testing.T) {
	t.Parallel()
	path := closedStore(t, 5000)
	s := openAt(t, path)
	require.NoError(t, s.Writable(t.Context()))
	info, err := os.Stat(path)
	require.NoError(t, err)
	const schema = 256 << 10 // the pages at the beginning, which have it
	overwrite(t, path, schema, int(info.Size())-schema)
	s.read.SetMaxIdleConns(0) // drop the cached pages
	s.read.SetMaxIdleConns(readers)
	s.q, err = prepareQueries(t.Context(), s.read)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := s.Pending(t.Context(), store.Endpoint{Service: "s", Key: "a"}, time.Time{}, 0)
		return err != nil
	}, time.Minute, time.Millisecond)
	for range 3 {
		require.ErrorIs(t, s.Writable(t.Context()), ErrDamaged)
	}
}

// Writable reports a full disk as long as it is full.
func TestWritableAfterAFailedWrite(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	limit := func(pages int) {
		_, err := s.w.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages))
		require.NoError(t, err)
	}
	limit(1) // SQLite raises this to the current size
	var failed error
	for range 10_000 {
		if failed = s.Append(t.Context(), []store.Append{request(time.Now())})[0].Err; failed != nil {
			break
		}
	}
	require.ErrorIs(t, failed, ErrFull)
	require.ErrorIs(t, s.Writable(t.Context()), ErrFull)
	limit(1 << 30)
	require.Eventually(t, func() bool { return s.Writable(t.Context()) == nil }, time.Minute, 10*time.Millisecond)
	fill(t, s, 1)
}

func BenchmarkQuickCheck(b *testing.B) {
	path := filepath.Join(b.TempDir(), "store.db")
	s, err := Open(b.Context(), path)
	require.NoError(b, err)
	for range 120 {
		reqs := make([]store.Append, 250)
		for i := range reqs {
			reqs[i] = request(time.Now())
			reqs[i].Event.Content = make([]byte, 1500)
		}
		s.Append(b.Context(), reqs)
	}
	require.NoError(b, s.Close())
	info, err := os.Stat(path)
	require.NoError(b, err)
	b.SetBytes(info.Size())
	for b.Loop() {
		db, err := sql.Open("sqlite", dsn(path, readerCacheKB))
		require.NoError(b, err)
		require.NoError(b, runCheck(context.Background(), db, "PRAGMA quick_check(1)"))
		require.NoError(b, db.Close())
	}
}
