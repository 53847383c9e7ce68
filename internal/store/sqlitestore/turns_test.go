package sqlitestore

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

// A process that waits to write gets its turn before the process that has just written.
func TestAWaitingProcessWritesNext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	busy, other := openAt(t, path), openAt(t, path)
	busy.w.turns.yield = time.Hour
	ctx, answer := t.Context(), make(chan error, 1)
	waiting, asked := request(time.Now()), request(time.Now())
	require.NoError(t, add(t, busy, request(time.Now()))()) // gives the names their numbers
	require.NoError(t, busy.w.exec(busy.w.stmts.begin))
	go func() { answer <- other.Append(ctx, []store.Append{waiting})[0].Err }()
	look := newLock(waitingFile(path))
	require.Eventually(t, func() bool {
		alone, err := look.TryLock()
		return err == nil && look.Unlock() == nil && !alone
	}, time.Minute, time.Millisecond)
	require.NoError(t, busy.w.exec(busy.w.stmts.commit))
	busy.w.turns.next = time.Time{} // its next look is due
	require.NoError(t, add(t, busy, asked)())
	require.NoError(t, <-answer)
	seq := func(r store.Append) (n int) {
		key, err := encodeID(r.Event.ID)
		require.NoError(t, err)
		require.NoError(t, busy.read.QueryRowContext(ctx, `SELECT seq FROM event WHERE id = ?`, key).Scan(&n))
		return n
	}
	require.Less(t, seq(waiting), seq(asked))
}

// A process that is suspended while it waits delays the others only now and then.
func TestASuspendedProcessDelaysOthersLittle(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	synctest.Test(t, func(t *testing.T) {
		turns, suspended := newTurns(path), newLock(waitingFile(path))
		ok, err := suspended.TryRLock()
		require.NoError(t, err)
		require.True(t, ok)
		took := func() time.Duration {
			began, tries := time.Now(), 0
			require.NoError(t, turns.begin(t.Context(), func() error { tries++; return nil }))
			require.Equal(t, 1, tries)
			return time.Since(began)
		}
		require.Equal(t, longestYield, took())
		require.Zero(t, took(), "the next look comes later")
		time.Sleep(lookLater)
		time.AfterFunc(10*time.Millisecond, func() { require.NoError(t, suspended.Close()) })
		require.LessOrEqual(t, took(), 11*time.Millisecond)
	})
}
