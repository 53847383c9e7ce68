package gate_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// readingStore holds or refuses the reads of a key.
type readingStore struct {
	store.Store
	mu     sync.Mutex
	before func(key string) error // nil: nothing is held or refused
}

func (s *readingStore) WaitingOf(ctx context.Context, ep store.Endpoint, key string, in store.Span, slots bool, limit int) ([]store.Waiting, error) {
	s.mu.Lock()
	before := s.before
	s.mu.Unlock()
	if before != nil {
		if err := before(key); err != nil {
			return nil, err
		}
	}
	return s.Store.WaitingOf(ctx, ep, key, in, slots, limit)
}

func (s *readingStore) set(before func(key string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = before
}

const byOrder = `,"correlation":{"key":"event.body.order"}`

// A caller may leave while the check that it started still runs. Close waits for the check.
func TestCloseWaitsForChecksOfWindowsThatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"window":"anchored","observationPeriod":600`, twoEndpoints, byOrder)
		slow := &readingStore{Store: w.store.Store}
		w.store.Store = slow
		i := w.instance(0)
		i.post("a", order(1))
		w.ran += 11 * time.Minute
		began, goOn := make(chan struct{}, 100), make(chan struct{})
		slow.set(func(string) error { began <- struct{}{}; <-goOn; return nil })
		ctx, leave := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- i.CloseDue(ctx) }()
		<-began
		leave()
		require.Error(w, <-done)
		short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		require.Error(w, i.Close(short), "the check still runs")
		close(goOn)
		require.NoError(w, i.Close(context.Background()))
		require.Equal(w, map[store.Completion]int{store.Expired: 1}, i.completions(), "the check had ended")
	})
}

// A window that cannot be looked at keeps no other one from closing.
func TestAWindowThatFailsKeepsNoOtherFromClosing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"window":"anchored","observationPeriod":600,"onClose":"partial"`, twoEndpoints, byOrder)
		failing := &readingStore{Store: w.store.Store}
		w.store.Store = failing
		i := w.instance(0)
		for n := range 30 {
			i.post("a", order(n))
		}
		w.ran += 11 * time.Minute
		failing.set(func(key string) error {
			if key == "0" {
				return errors.New("unreadable")
			}
			return nil
		})
		require.ErrorContains(w, i.CloseDue(w.Context()), "unreadable")
		require.Equal(w, map[store.Completion]int{store.Partial: 29}, i.completions())
	})
}

// A source whose event has a name retries until the check has succeeded. A retry without a
// name would store the event twice, so that source gets its receipt.
func TestACheckThatFails(t *testing.T) {
	t.Parallel()
	for _, async := range []bool{false, true} {
		onBoth(t, func(w *world) {
			w.configured(`"window":"anchored","observationPeriod":600`, twoEndpoints, byOrder)
			w.cfg.AsyncEventTrigger = async
			failing := &readingStore{Store: w.store.Store}
			w.store.Store = failing
			i := w.instance(0)
			failing.set(func(string) error { return errors.New("unreadable") })
			i.post("a", order(1))
			named := gate.Incoming{EventKey: "b", Content: []byte(order(1)), Meta: event.Meta{Method: "POST"}, IdempotencyKey: "n"}
			_, err := i.Ingest(w.Context(), named)
			if !async {
				require.Equal(w, fault.Unavailable, fault.CodeOf(err))
			} else {
				require.NoError(w, err)
				w.settle(i)
			}
			failing.set(nil)
			out, err := i.Ingest(w.Context(), named)
			require.NoError(w, err)
			require.True(w, out.Receipts[0].Duplicate)
			w.settle(i)
			require.Equal(w, []string{"1 complete a1 b1"}, w.published())
		})
	}
}

// The record of a dropped window has no message.
func TestADroppedWindowIsNotReplayed(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"window":"anchored","observationPeriod":600`, twoEndpoints, byOrder)
		i := w.instance(0)
		i.post("a", order(1))
		w.ran += 11 * time.Minute
		require.NoError(w, i.CloseDue(w.Context()))
		infos, err := i.Messages(w.Context(), store.Page{Limit: 10})
		require.NoError(w, err)
		require.Len(w, infos, 1)
		_, err = i.Replay(w.Context(), infos[0].EventID, "")
		require.Equal(w, fault.Conflict, fault.CodeOf(err))
		w.pass(10*time.Minute, i)
		require.Empty(w, w.bus.ids())
		infos, err = i.Messages(w.Context(), store.Page{Limit: 10})
		require.NoError(w, err)
		require.Equal(w, store.Dropped, infos[0].State)
	})
}

// Events that a service keeps after its message are not reported as lost when they leave
// the window of their key.
func TestKeptEventsOfAKeyLeaveTheWindow(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"observationPeriod":600,"keepEventAfterTrigger":true,"condition":"a && b"`, twoEndpoints, byOrder)
		i := w.instance(0)
		i.post("a", order(1))
		i.post("a", order(2)) // its message never comes
		require.NotEmpty(w, i.post("b", order(1)).Triggered)
		w.ran += time.Minute
		require.NotEmpty(w, i.post("b", order(1)).Triggered)
		require.Equal(w, []string{"1 complete a1 b1", "1 complete a1 b2"}, w.published())
		left := 0
		for range 30 {
			w.ran += time.Minute
			s, err := i.Sweep(w.Context())
			require.NoError(w, err)
			left += s.Expired
		}
		require.Equal(w, 1, left)
		waiting, err := i.Pending(w.Context(), nil, 10)
		require.NoError(w, err)
		require.Empty(w, append(waiting[0].Events, waiting[1].Events...))
	})
}

// An event that has left its window, and that no sweep has found yet, neither keeps its slot
// from the next event nor lends it its time.
func TestAnEventThatLeftItsWindowGivesItsSlotAway(t *testing.T) {
	t.Parallel()
	const endpoints = `{"eventKey":"a","distinct":"event.body.order","keep":"first"},{"eventKey":"b"}`
	onBoth(t, func(w *world) {
		w.configured(`"observationPeriod":600`, endpoints, "")
		i := w.instance(0)
		i.post("a", order(1))
		w.ran += 5 * time.Minute
		require.True(w, i.post("a", order(1)).Receipts[0].Superseded)
		w.ran += 5 * time.Minute
		require.False(w, i.post("a", order(1)).Receipts[0].Superseded)
		w.ran += 9 * time.Minute
		require.NotEmpty(w, i.post("b", "{}").Triggered)
		w.pass(40*time.Minute, i)
		s, err := i.Status(w.Context(), nil)
		require.NoError(w, err)
		require.Equal(w, 1, s.Endpoints[0].Expired)
	})
	onBoth(t, func(w *world) {
		w.began = time.Date(2026, 5, 4, 3, 55, 0, 0, time.UTC)
		w.configured(`"window":"anchored","observationPeriod":600`, strings.Replace(endpoints, "first", "last", 1), `,"reset":[{"cron":"0 4 * * *"}]`)
		i := w.instance(0)
		i.post("a", order(1))
		w.ran += 6 * time.Minute
		i.post("a", order(1))
		w.ran += 9 * time.Minute
		require.NotEmpty(w, i.post("b", "{}").Triggered, "its window opened after the reset")
	})
}

// What waits in the plain sets when a service gets rules for windows is counted and warned
// of. It is in no window any more.
func TestEventsThatWaitedBeforeTheServiceGotKeys(t *testing.T) {
	t.Parallel()
	for _, trigger := range []string{`"window":"anchored","observationPeriod":600`, `"window":"tumbling","every":"hour"`} {
		onBoth(t, func(w *world) {
			i := w.instance(0)
			i.post("a", order(1))
			i.post("a", order(2))
			require.NoError(w, i.Close(w.Context()))
			w.configured(trigger, twoEndpoints, byOrder)
			log := &lines{}
			w.log = slog.NewTextHandler(log, nil)
			i.Gate = nil
			i.restart()
			require.Empty(w, i.post("b", order(1)).Triggered)
			left := 0
			for range 30 {
				w.ran += time.Minute
				s, err := i.Sweep(w.Context())
				require.NoError(w, err)
				left += s.Expired
			}
			require.Equal(w, 2, left)
			require.Contains(w, log.String(), "events left the window without a message")
		})
	}
}

// lines has the lines that were logged.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }
func (l *lines) String() string              { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }
