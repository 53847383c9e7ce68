package gate_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// cutStore cancels the call's context after the events of a few claims were kept.
type cutStore struct {
	store.Store
	most   int   // claims per call
	unable error // the error of Due
	n      int
	claims []string // eventIDs in the order in which they were kept
	cut    func()
	kept   atomic.Int64
}

func (s *cutStore) Due(ctx context.Context, service string, now, beyond time.Time, limit int) ([]store.ClaimInfo, error) {
	if s.unable != nil {
		return nil, s.unable
	}
	return s.Store.Due(ctx, service, now, beyond, limit)
}

func (s *cutStore) ClaimByEventID(ctx context.Context, service, id string) (store.Claim, error) {
	if s.n++; s.n > s.most {
		s.cut()
		return store.Claim{}, context.Canceled
	}
	c, err := s.Store.ClaimByEventID(ctx, service, id)
	s.claims = append(s.claims, id)
	s.kept.Add(1)
	return c, err
}

// addWaiting adds n claims that back off, dated a minute apart, and returns their eventIDs,
// the oldest first.
func (w *world) addWaiting(n int) (ids []string) {
	w.Helper()
	first := w.truth()
	for k := range n {
		c := store.Claim{ClaimInfo: store.ClaimInfo{
			ID: event.RandomID(), Service: "s", EventID: event.RandomID(), TriggerType: "window", Owner: "x",
			Date: first.Add(time.Duration(k) * time.Minute), State: store.Claimed, Attempts: 9,
			NextAttempt: first.Add(240 * time.Hour), LastError: "away",
		}}
		require.NoError(w, w.store.Claim(context.Background(), c, nil))
		ids = append(ids, c.EventID)
	}
	return ids
}

// Calls that have time for only a few claims keep the events of all of them in turn, the
// oldest first, because these expire first.
func TestKeepingContinuesWhereItWasCutOff(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		cut := &cutStore{Store: w.store.Store, most: 30, unable: errors.New("no")}
		w.store.Store = cut
		i := w.instance(0)
		ids := w.addWaiting(130)
		w.ran += 36 * time.Hour
		for range 5 {
			w.ran += time.Minute
			ctx, cancel := context.WithCancel(context.Background())
			cut.n, cut.cut = 0, cancel
			_, err := i.Sweep(ctx)
			require.Error(w, err, "nothing can be published")
			cancel()
		}
		require.Equal(w, ids, cut.claims)
		w.ran += 30 * time.Minute
		_, err := i.Sweep(context.Background())
		require.Error(w, err)
		require.Len(w, cut.claims, len(ids), "once an hour")
	})
}

// Help keeps events too, even if it cannot publish.
func TestHelpKeepsEventsWhenItCannotPublish(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		cut := &cutStore{Store: w.store.Store, most: 1 << 30, unable: errors.New("no")}
		w.store.Store = cut
		i := w.instance(0)
		ids := w.addWaiting(3)
		w.ran += 36 * time.Hour
		i.Help()
		require.Eventually(w, func() bool { return cut.kept.Load() == 3 }, time.Minute, time.Millisecond)
		require.NoError(w, i.Close(context.Background()))
		require.Equal(w, ids, cut.claims)
	})
}
