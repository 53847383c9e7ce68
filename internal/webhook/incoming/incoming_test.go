package incoming_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/incoming"
	"github.com/headgate/headgate/internal/webhook/list"
)

// hangsUp is a store that ends the request as soon as something is committed.
type hangsUp struct {
	store.Docs
	hangUp context.CancelFunc
}

func (l hangsUp) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	defer l.hangUp()
	return l.Docs.Commit(ctx, writes)
}

// The change is passed on, with time left to do so, even if the source hangs up: the
// source would send the webhook again, but as a duplicate.
func TestReceivePassesOnWhenTheSourceHangsUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.svc.Open(t.Context(), sessionX, "l"))
	ctx, cancel := context.WithCancel(t.Context())
	var told []incoming.Session
	s := w.service(func(o *options) {
		o.Docs = hangsUp{w.store, cancel}
		o.changed = func(ctx context.Context, list string, sessions []incoming.Session) {
			require.NoError(t, ctx.Err())
			require.Equal(t, "l", list)
			told = sessions
		}
	})
	_, err := s.Receive(ctx, "l", "msg_1", []byte(tasks))
	require.NoError(t, err)
	require.Equal(t, []incoming.Session{sessionX}, told)
}

func TestReceiveCountsAWebhookOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		_, err := w.svc.List(t.Context(), list.Default)
		require.Equal(t, fault.NotFound, fault.CodeOf(err))
		require.False(t, w.receive("", "m", tasks))
		require.True(t, w.receive("", "m", `{}`))
		l, err := w.svc.List(t.Context(), list.Default)
		require.NoError(t, err)
		require.EqualValues(t, 1, l.Version)
		require.JSONEq(t, tasks, string(l.Data))
		require.False(t, w.receive("", "", tasks), "a webhook without an id is never a duplicate")
	})
}

// The id of a webhook is forgotten after four days, also while the store still has its
// document.
func TestAWebhookOfLongAgo(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		require.False(t, w.receive("l", "m", tasks))
		w.wait(5 * 24 * time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		duplicate, err := w.svc.Receive(ctx, "l", "m", []byte(tasks))
		require.NoError(t, err, "it must not retry for ever")
		require.False(t, duplicate)
		require.True(t, w.receive("l", "m", tasks))
	})
}

// A hook whose work failed is not remembered: its sender's retry does the work.
func TestOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	done := 0
	do := func(result error) func([]store.Write) (bool, error) {
		return func([]store.Write) (bool, error) { done++; return false, result }
	}
	failed := errors.New("failed")
	_, err := w.svc.Once(t.Context(), "hook a", "m", do(failed))
	require.ErrorIs(t, err, failed)
	for i, want := range []bool{false, true, true} {
		duplicate, err := w.svc.Once(t.Context(), "hook a", "m", do(nil))
		require.NoError(t, err)
		require.Equal(t, want, duplicate, i)
	}
	require.Equal(t, 2, done)
	duplicate, err := w.svc.Once(t.Context(), "hook b", "m", do(nil))
	require.NoError(t, err)
	require.False(t, duplicate, "each hook has its own ids")
}

// Two deliveries of one webhook at the same time: what is committed with its id happens once.
func TestOnceCommitsWithTheWork(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		effects := store.Collection{Kind: "runs", Scope: "x"}
		var all sync.WaitGroup
		var done, duplicates atomic.Int64
		for i := range 8 {
			all.Go(func() {
				duplicate, err := w.svc.Once(context.Background(), "hook a", "m", func(seen []store.Write) (bool, error) {
					_, err := w.store.Commit(context.Background(), append(seen, store.Write{Collection: effects, Doc: store.Doc{ID: strconv.Itoa(i), Body: []byte("{}")}, Any: true}))
					if err == nil {
						done.Add(1)
					}
					return true, err
				})
				fail(t, err)
				if duplicate {
					duplicates.Add(1)
				}
			})
		}
		all.Wait()
		n, err := w.store.CountDocs(t.Context(), effects, 100)
		require.NoError(t, err)
		require.Equal(t, []int64{1, 1, 7}, []int64{int64(n), done.Load(), duplicates.Load()})
	})
}
