package gate

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

func TestGroupCommitSharesCommitsAndAnswersEveryone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var commits, events, atOnce, most atomic.Int64
		c := newGroupCommit(func(units []*unit) {
			most.Store(max(most.Load(), atOnce.Add(1)))
			commits.Add(1)
			time.Sleep(10 * time.Millisecond)
			for _, u := range units {
				events.Add(int64(len(u.appends)))
				close(u.done)
			}
			atOnce.Add(-1)
		})
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				u := &unit{appends: make([]store.Append, 1+i%3)}
				if err := c.do(t.Context(), u); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, int64(1999), events.Load())
		require.Less(t, commits.Load(), int64(20), "1,000 requests share a few commits")
		require.LessOrEqual(t, most.Load(), int64(1))

		before := commits.Load()
		require.NoError(t, c.do(t.Context(), &unit{appends: make([]store.Append, maxGroup*2)}), "one that is larger than a group goes alone")
		require.Equal(t, before+1, commits.Load())
		synctest.Wait()
		require.False(t, c.leading, "no leader is left behind")
	})
}

func TestGroupCommitLetsACallerGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newGroupCommit(func(units []*unit) {
			time.Sleep(time.Hour)
			for _, u := range units {
				close(u.done)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, c.do(ctx, &unit{appends: make([]store.Append, 1)}), context.DeadlineExceeded)
		time.Sleep(2 * time.Hour)
	})
}

// Every caller must get a check that began after its call: what it stored
// before is then seen.
func TestCoalescerNeverAnswersFromAnEarlierCheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c coalescer
		var stored, runs atomic.Int64
		check := func() verdict {
			runs.Add(1)
			seen := stored.Load()
			time.Sleep(5 * time.Millisecond)
			return verdict{err: fmt.Errorf("%d", seen)}
		}
		var wg sync.WaitGroup
		for i := range 500 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Microsecond)
				mine := stored.Add(1)
				r := c.do(check)
				<-r.done
				var seen int64
				_, err := fmt.Sscan(r.verdict.err.Error(), &seen)
				if err != nil || seen < mine {
					t.Errorf("stored as number %d, answered by a check that saw %d", mine, seen)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		require.Less(t, runs.Load(), int64(30), "500 callers share a few checks")
		require.False(t, c.running)
	})
}

func TestRecentEventsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRecentEvents(100 << 10)
	at := time.Unix(1, 0)
	var last event.Event
	for i := range 10_000 {
		last = event.Event{ID: fmt.Sprint(i), ReceivedAt: at, Content: make([]byte, i%100)}
		r.add(last)
		require.LessOrEqual(t, r.bytes, r.max)
	}
	require.Less(t, len(r.byID), 300)
	require.Less(t, len(r.order), 1000)
	got, ok := r.get(last.Ref())
	require.True(t, ok)
	require.Equal(t, last, got)
	other := last.Ref()
	other.ReceivedAt = at.Add(1)
	_, ok = r.get(other)
	require.False(t, ok, "the same id at another time is another event")
	r.add(event.Event{ID: "huge", Content: make([]byte, 60<<10)})
	_, ok = r.get(event.Ref{ID: "huge"})
	require.False(t, ok, "one large event does not push out all others")
}

func TestSplitTakesTheScarcestEndpointsWhole(t *testing.T) {
	t.Parallel()
	refs := func(prefix string, n int) []event.Ref {
		out := make([]event.Ref, n)
		for i := range out {
			out[n-1-i] = event.Ref{ID: fmt.Sprintf("%s%04d", prefix, i), ReceivedAt: time.Unix(int64(i), 0)}
		}
		return out
	}
	waiting := [][]event.Ref{refs("a", 50), refs("b", 2), refs("c", 10)}
	part, rest := split(waiting, 100)
	require.Equal(t, waiting, part)
	require.Nil(t, rest)

	seen := map[string]bool{}
	for rounds := 0; ; rounds++ {
		part, rest = split(waiting, 20)
		n := 0
		for _, p := range part {
			for _, ref := range p {
				require.False(t, seen[ref.ID])
				seen[ref.ID] = true
				n++
			}
		}
		require.LessOrEqual(t, n, 20)
		if rounds == 0 {
			require.Len(t, part[1], 2)
			require.Len(t, part[2], 10)
			require.Equal(t, "a0000", part[0][0].ID, "the oldest first")
		}
		if rest == nil {
			break
		}
		waiting = rest
	}
	require.Len(t, seen, 62)
}

func TestCutKeepsUTF8Whole(t *testing.T) {
	t.Parallel()
	require.Equal(t, "short", cut("short"))
	long := "x"
	for len(long) < 1100 {
		long += "é"
	}
	got := cut(long)
	require.LessOrEqual(t, len(got), maxAttribute)
	require.GreaterOrEqual(t, len(got), maxAttribute-1)
	require.Equal(t, long[:len(got)], got)
}
