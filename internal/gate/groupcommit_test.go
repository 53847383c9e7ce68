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
		require.NoError(t, c.do(t.Context(), &unit{appends: make([]store.Append, maxGroup*2)}), "a unit larger than a group is committed alone")
		require.Equal(t, before+1, commits.Load())
		synctest.Wait()
		require.False(t, c.leading, "no leader is left behind")
	})
}

func TestGroupCommitReturnsWhenTheCallerLeaves(t *testing.T) {
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

// Every caller must get a check that began after its call, so that the check sees the
// events that the caller stored before.
func TestCoalescerNeverAnswersFromAnEarlierCheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c coalescer
		var stored, runs atomic.Int64
		check := func(callers) checkResult {
			runs.Add(1)
			seen := stored.Load()
			time.Sleep(5 * time.Millisecond)
			return checkResult{err: fmt.Errorf("%d", seen)}
		}
		var wg sync.WaitGroup
		for i := range 500 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Microsecond)
				mine := stored.Add(1)
				r := c.do(callers{}, check)
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

// What a caller has read may be older than the events of another one that shares its run.
func TestOnlyASingleCallersReadIsUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c coalescer
		var used []int
		check := func(_ callers, read []foundWindow) checkResult {
			used = append(used, len(read))
			time.Sleep(time.Second)
			return checkResult{}
		}
		c.doFrom(callers{}, check, make([]foundWindow, 1))
		synctest.Wait() // it is under way
		c.doFrom(callers{}, check, make([]foundWindow, 2))
		c.doFrom(callers{}, check, make([]foundWindow, 3))
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		c.doFrom(callers{}, check, make([]foundWindow, 4))
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.Equal(t, []int{1, 0, 4}, used, "the second run has two callers, and reads for itself")
	})
}
