package sqlitestore

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/storetest"
)

func TestMain(m *testing.M) {
	childMain() // does not return in a child process of TestCrash
	goleak.VerifyTestMain(m)
}

func openAt(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func openNew(t testing.TB) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "store.db"))
}

// expireAt returns the result of a query for an expire_at. Zero means never.
func expireAt(t *testing.T, s store.Store, query string, args ...any) time.Time {
	t.Helper()
	var us *int64
	require.NoError(t, s.(*Store).read.QueryRowContext(t.Context(), query, args...).Scan(&us))
	if us == nil {
		return time.Time{}
	}
	return instant(*us)
}

func probe() storetest.Probe {
	return storetest.Probe{
		MaxEventBytes: 24 << 20,
		InjectLostAnswer: func(t *testing.T, s store.Store, _ string) {
			w := s.(*Store).w
			w.mu.Lock()
			defer w.mu.Unlock()
			w.afterCommit = func() error {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.afterCommit = nil
				return errors.New("the answer was lost")
			}
		},
		EventExpireAt: func(t *testing.T, s store.Store, service, id string) time.Time {
			key, err := encodeID(id)
			require.NoError(t, err)
			return expireAt(t, s, `SELECT expire_at FROM event WHERE service = (SELECT num FROM service WHERE name = ?) AND id = ?`,
				[]byte(service), key)
		},
		ClaimExpireAt: func(t *testing.T, s store.Store, service, id string) time.Time {
			return expireAt(t, s, `SELECT expire_at FROM claim WHERE service = (SELECT num FROM service WHERE name = ?) AND id = ?`,
				[]byte(service), id)
		},
		Refusing: func(t *testing.T) (store.Store, func(bool)) {
			s := openNew(t)
			s.health = newHealth() // as if Open had written nothing
			s.w.health = s.health
			return s, func(on bool) {
				_, err := s.w.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA query_only = %t", on))
				require.NoError(t, err)
			}
		},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return openNew(t) }, probe())
}

func TestDocsConformance(t *testing.T) {
	t.Parallel()
	lose := probe().InjectLostAnswer
	storetest.RunDocs(t, func(t *testing.T) store.Docs { return openNew(t) }, storetest.DocsProbe{
		InjectLostAnswer: func(t *testing.T, s store.Docs, scope string) { lose(t, s.(*Store), scope) },
	})
}

// codedDocs are documents as use cases get them, with the store below them.
type codedDocs struct {
	store.Docs
	below *Store
}

func TestDocsConformanceOfCodedErrors(t *testing.T) {
	t.Parallel()
	lose := probe().InjectLostAnswer
	open := func(t *testing.T) store.Docs {
		s := openNew(t)
		return codedDocs{store.Coded(s), s}
	}
	storetest.RunDocs(t, open, storetest.DocsProbe{
		InjectLostAnswer: func(t *testing.T, s store.Docs, scope string) { lose(t, s.(codedDocs).below, scope) },
	})
}

// Two stores on one file are like two processes to SQLite.
func TestConformanceOfTwoStoresOnOneFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	pair := &twoStores{openAt(t, path), openAt(t, path)}
	for _, s := range pair { // the test must pass on a slow machine too
		s.w.turns.patience = 10 * time.Minute
	}
	p := probe()
	p.InjectLostAnswer, p.EventExpireAt, p.ClaimExpireAt = nil, nil, nil
	storetest.Run(t, func(*testing.T) store.Store { return pair }, p)
}

func BenchmarkStore(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) store.Store { return openNew(b) })
}
