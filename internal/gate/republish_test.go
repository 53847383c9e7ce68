package gate_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/store"
)

// claimed releases a window while the bus is down, and returns the eventID.
func (i *instance) claimed() string {
	i.w.Helper()
	i.w.bus.set(true)
	i.send("a", "")
	id := i.send("b", "")
	require.NotEmpty(i.w, id)
	return id
}

// Without a scheduler, the next request publishes a waiting claim, once its back-off is
// over and the bus is back.
func TestAnyRequestPublishesWhatWaits(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		i := w.instance(0)
		id := i.claimed()
		w.bus.set(false)
		w.ran += time.Second
		i.Help()()
		require.Empty(w, w.bus.ids(), "the bus failed a moment ago, and the claim backs off")
		w.ran += 10 * time.Second
		i.send("a", "")
		require.Eventually(w, func() bool { return slices.Equal([]string{id}, w.bus.ids()) }, time.Minute, time.Millisecond)
		w.ran += time.Hour
		i.Help()()
		require.Len(w, w.bus.ids(), 1, "once")
	})
}

// One request in five seconds asks the store, however many there are, and only one of
// several instances publishes a claim.
func TestHelpIsBounded(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		counted := &countedStore{Store: w.store.Store}
		w.store.Store = counted
		i, j := w.instance(0), w.instance(0)
		id := i.claimed()
		w.bus.set(false)
		w.ran += 20 * time.Second
		before := counted.due
		for range 100 {
			i.Help()()
		}
		require.Equal(w, before+1, counted.due)
		require.Equal(w, []string{id}, w.bus.ids())
		j.Help()()
		require.Len(w, w.bus.ids(), 1)
		w.ran += 5 * time.Second
		i.Help()()
		require.Equal(w, before+3, counted.due)
	})
}

// countedStore counts the calls of Due, and records those of Keep.
type countedStore struct {
	store.Store
	due  int
	most int // the largest limit of a call
	kept map[string]time.Time
	fail error // the error of Keep, if any
}

func (s *countedStore) Due(ctx context.Context, service string, now, beyond time.Time, limit int) ([]store.ClaimInfo, error) {
	s.due++
	s.most = max(s.most, limit)
	return s.Store.Due(ctx, service, now, beyond, limit)
}

func (s *countedStore) Keep(ctx context.Context, service string, ms []store.Member, until time.Time) error {
	if s.fail != nil {
		return s.fail
	}
	if s.kept == nil {
		s.kept = map[string]time.Time{}
	}
	for _, m := range ms {
		s.kept[m.ID] = until
	}
	return s.Store.Keep(ctx, service, ms, until)
}

// SweepNow publishes claims that back off, but not those that another instance is
// publishing. Sweep respects both.
func TestSweepNowIgnoresBackOff(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		ctx := context.Background()
		i := w.instance(0)
		id := i.claimed()
		for range 10 { // it backs off for five minutes
			w.pass(5*time.Minute+time.Second, i)
			require.Empty(w, w.bus.ids())
		}
		second := i.claimed() // the bus failed a moment ago, so no attempt was made
		w.bus.set(false)
		s, err := i.Sweep(ctx)
		require.NoError(w, err)
		require.Zero(w, s.Republished+s.Failed)
		s, err = i.SweepNow(ctx)
		require.NoError(w, err)
		require.Equal(w, 2, s.Republished)
		require.ElementsMatch(w, []string{id, second}, w.bus.ids())

		w.ran += time.Minute
		third := i.claimed()
		c, err := w.store.ClaimByEventID(ctx, "s", third)
		require.NoError(w, err)
		require.NoError(w, w.store.Lease(ctx, "s", c.ID, c.Attempts, w.truth().Add(15*time.Second)))
		w.bus.set(false)
		s, err = i.SweepNow(ctx)
		require.NoError(w, err)
		require.Zero(w, s.Republished, "another instance publishes it")
		w.ran += 16 * time.Second
		s, err = i.SweepNow(ctx)
		require.NoError(w, err)
		require.Equal(w, 1, s.Republished)
	})
}

// SweepNow publishes any number of waiting claims, and reads a page at a time.
func TestSweepNowPublishesAll(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		counted := &countedStore{Store: w.store.Store}
		w.store.Store = counted
		i := w.instance(0)
		n := 730
		if w.timed {
			n = 230 // the emulator is slow
		}
		for k := range n {
			now := w.truth().Add(time.Duration(k) * time.Microsecond)
			c := store.Claim{ClaimInfo: store.ClaimInfo{
				ID: event.RandomID(), Service: "s", EventID: event.RandomID(), TriggerType: "window", Date: now, Owner: "x",
				State: store.Claimed, Attempts: 9, NextAttempt: now.Add(4 * time.Minute), LastError: "away",
			}}
			if k < 20 { // another instance publishes it, so it stays at the head of the list
				c.LastError, c.NextAttempt = "", now.Add(2*time.Minute)
			}
			require.NoError(w, w.store.Claim(context.Background(), c, nil))
		}
		s, err := i.SweepNow(context.Background())
		require.NoError(w, err)
		require.Equal(w, n-20, s.Republished)
		require.LessOrEqual(w, counted.most, 120, "claims at once")
	})
}

// A message that the bus refuses for weeks is still whole when the bus takes it.
func TestEventsLiveAsLongAsAClaimWaits(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		counted := &countedStore{Store: w.store.Store}
		w.store.Store = counted
		ctx := context.Background()
		i := w.instance(0)
		waits := i.claimed()
		status := func() gate.Status {
			s, err := i.Status(ctx, nil)
			require.NoError(w, err)
			return s
		}
		require.Empty(w, status().Warning)
		c, err := w.store.ClaimByEventID(ctx, "s", waits)
		require.NoError(w, err)
		for day := range 20 {
			for range 2 {
				w.ran += 12*time.Hour + time.Second
				_, err := i.Sweep(ctx)
				require.NoError(w, err)
			}
			require.Contains(w, status().Warning, "1 message is not published", day)
			if day == 10 { // another process takes over
				i.restart()
			}
			for _, l := range c.Lists {
				requireKept(w, l.Included, w.truth().Add(2*24*time.Hour))
			}
		}
		counted.fail = errors.New("no")
		w.ran += 2 * time.Hour
		_, err = i.Sweep(ctx)
		require.NoError(w, err)
		require.Contains(w, status().Warning, "could not be kept")
		counted.fail = nil
		w.bus.set(false)
		_, err = i.SweepNow(ctx)
		require.NoError(w, err)
		require.Equal(w, []string{waits}, w.bus.ids())
		require.Empty(w, status().Warning)
		w.ran += 23 * time.Hour
		_, err = i.Sweep(ctx)
		require.NoError(w, err)
		var whole strings.Builder
		require.NoError(w, i.WriteMessage(ctx, waits, io.MultiWriter(&whole), func(int) {}))
		require.Equal(w, 2, strings.Count(whole.String(), `"content":"x"`))
	})
}

// requireKept requires that the store does not delete the events before the instant.
func requireKept(w *world, members []store.Member, until time.Time) {
	w.Helper()
	if !w.timed { // SQLite deletes in Purge
		_, err := w.store.Purge(context.Background(), until, 1000)
		require.NoError(w, err)
		_, err = w.store.Events(context.Background(), "s", members)
		require.NoError(w, err)
		return
	}
	for _, m := range members { // Firestore deletes by itself; storetest checks that it obeys Keep
		require.False(w, w.store.Store.(*countedStore).kept[m.ID].Before(until))
	}
}

// Events that could not be kept for a claim are not deleted before Keep is tried again.
func TestNothingIsPurgedWhileEventsCouldNotBeKept(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		counted := &countedStore{Store: w.store.Store}
		w.store.Store = counted
		ctx := context.Background()
		i := w.instance(0)
		waits := i.claimed()
		w.ran += 20 * 24 * time.Hour // the machine was off
		i.restart()
		counted.fail = errors.New("busy")
		w.pass(clock.Grace+time.Minute, i)
		counted.fail = nil
		w.pass(6*time.Minute, i)
		w.bus.set(false)
		_, err := i.SweepNow(ctx)
		require.NoError(w, err)
		require.Equal(w, []string{waits}, w.bus.ids())
		require.NoError(w, i.WriteMessage(ctx, waits, io.Discard, func(int) {}))
	})
}

// After Close, Help begins no further publication.
func TestCloseEndsHelp(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		i := w.instance(0)
		now := w.truth()
		for range 50 {
			c := store.Claim{ClaimInfo: store.ClaimInfo{
				ID: event.RandomID(), Service: "s", EventID: event.RandomID(), TriggerType: "window", Date: now, Owner: "x",
				State: store.Claimed, Attempts: 1, NextAttempt: now, LastError: "away",
			}}
			require.NoError(w, w.store.Claim(context.Background(), c, nil))
		}
		began, let := make(chan struct{}, 50), make(chan struct{})
		i.w.bus.hold = func() { began <- struct{}{}; <-let }
		w.ran += time.Minute
		i.Help()
		<-began
		closed := make(chan error)
		go func() { closed <- i.Close(context.Background()) }()
		require.Eventually(w, i.Closing, time.Minute, time.Millisecond)
		close(let)
		require.NoError(w, <-closed)
		require.Less(w, len(w.bus.ids()), 20, "only the publications under way")
		n, _, err := w.store.Backlog(context.Background(), "s")
		require.NoError(w, err)
		require.Equal(w, 50-len(w.bus.ids()), n)
	})
}
