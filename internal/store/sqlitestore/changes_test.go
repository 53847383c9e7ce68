package sqlitestore

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

var items, notes = store.RecordsOf("default", "items"), store.RecordsOf("default", "notes")

func put(c store.Collection, ids ...string) (writes []store.Write) {
	for _, id := range ids {
		writes = append(writes, store.Write{Collection: c, Doc: store.Doc{ID: id, Body: []byte("{}")}, Any: true})
	}
	return writes
}

func commit(t *testing.T, s *Store, writes ...store.Write) {
	t.Helper()
	_, err := s.Commit(t.Context(), writes)
	require.NoError(t, err)
}

// changes returns what other processes wrote since the position, read limit documents at a
// time, and the position at the end.
func changes(t *testing.T, s *Store, from int64, limit int) (ids []string, at int64) {
	t.Helper()
	for {
		changed, upTo, err := s.ChangesSince(t.Context(), from, limit)
		require.NoError(t, err)
		require.LessOrEqual(t, len(changed), limit)
		for _, c := range changed {
			_, recordType, ok := store.RecordType(c.Collection)
			require.True(t, ok)
			ids = append(ids, recordType+"/"+c.ID)
		}
		if from = upTo; len(changed) < limit {
			return ids, from
		}
	}
}

// A process learns which documents others wrote, each once, and not which it wrote itself.
func TestChangesAreThoseOfOtherProcesses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	server, command := openAt(t, path), openAt(t, path)
	commit(t, command, put(items, "before")...)
	at, err := server.Position(t.Context())
	require.NoError(t, err)

	commit(t, server, put(items, "own1", "own2")...)
	commit(t, command, put(items, "a", "b", "c")...)
	commit(t, server, put(items, "own3")...)
	commit(t, command, put(notes, "a")...)
	commit(t, command, append(put(items, "a"), put(items, "d", "e")...)...) // a again: where its last write is
	commit(t, server, put(items, "b")...)                                   // the present state is ours
	own := slices.Clone(server.w.own.spans)
	for _, limit := range []int{1, 2, 3, 100} {
		server.w.own.spans = slices.Clone(own) // a read forgets what lies before it
		ids, _ := changes(t, server, at, limit)
		require.Equal(t, []string{"items/c", "notes/a", "items/a", "items/d", "items/e"}, ids, "limit %d", limit)
	}
	server.w.own.spans = own
	ids, at := changes(t, server, at, 100)
	require.Len(t, ids, 5)
	ids, at = changes(t, server, at, 100)
	require.Empty(t, ids)

	commit(t, command, store.Write{Collection: items, Doc: store.Doc{ID: "c"}, Delete: true, Any: true}, put(items, "f")[0])
	ids, _ = changes(t, server, at, 100)
	require.Equal(t, []string{"items/f"}, ids)
}

// A process that only writes to a store shows no change to itself, however its writes are
// grouped, refused or undone; and none of another is taken for its own.
func TestOwnWritesAreKnownWhateverBecomesOfThem(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	server, command := openAt(t, path), openAt(t, path)
	at, err := server.Position(t.Context())
	require.NoError(t, err)
	write := func(writes ...store.Write) func() error {
		return func() error { _, err := server.Commit(t.Context(), writes); return err }
	}
	conflict := store.Write{Collection: items, Doc: store.Doc{ID: "own1", Rev: "zz"}}
	errs := oneGroup(t, server, nil, write(put(items, "own1")...), write(put(items, "x")[0], conflict), write(put(items, "own2")...))
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], store.ErrConflict)
	require.NoError(t, errs[2])
	require.ErrorIs(t, write(conflict)(), store.ErrConflict) // its number goes to the next writer
	commit(t, command, put(items, "a")...)
	ids, at := changes(t, server, at, 100)
	require.Equal(t, []string{"items/a"}, ids)

	server.w.mu.Lock()
	server.w.afterCommit = func() error { server.w.afterCommit = nil; return errors.New("the answer was lost") }
	server.w.mu.Unlock()
	require.NoError(t, write(put(items, "own4")...)())
	ids, _ = changes(t, server, at, 100)
	require.Empty(t, ids)
}

// A failed commit's numbers are another process's by now.
func TestNumbersOfAFailedCommitAreNotOurs(t *testing.T) {
	t.Parallel()
	var o ownWrites
	o.add(span{1, 3})
	o.add(span{4, 5})
	o.drop(span{4, 5})
	require.Equal(t, []span{{4, 6}}, o.others(0, 6))
	o.add(span{7, 9})
	o.drop(span{7, 9})
	o.add(span{8, 8})
	require.Equal(t, []span{{4, 7}, {9, 9}}, o.others(0, 9))
	require.Equal(t, []span{{9, 12}}, o.others(8, 12))
	require.Empty(t, o.spans, "what lies before the position is forgotten")
	require.Empty(t, o.others(12, 12))
}

// The memory of own writes is bounded. What is forgotten counts as another's.
func TestOwnWritesAreBounded(t *testing.T) {
	t.Parallel()
	var o ownWrites
	for i := range int64(2 * maxSpans) {
		o.add(span{2 * i, 2 * i})
	}
	require.Len(t, o.spans, maxSpans)
	require.Equal(t, span{1, 2*maxSpans - 1}, o.others(0, 4*maxSpans)[0])
}

// A store of an earlier version is brought up to date, and its changes are found.
func TestChangesOfAStoreOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	commit(t, s, put(items, "a")...)
	_, err = s.w.conn.ExecContext(t.Context(), "DROP INDEX doc_rev; PRAGMA user_version = 4")
	require.NoError(t, err)
	require.NoError(t, s.Close())
	s = openAt(t, path)
	ids, _ := changes(t, s, 0, 10)
	require.Contains(t, ids, "items/a")
}
